//! Actors that nobody sends a message to.

use std::{
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
};

use actix::{Actor, ActorContext, ActorState};
use pin_project_lite::pin_project;

use crate::observe::Observer;

/// The context of an actor whose work is one future. It has no mailbox, no timers, no children.
///
/// [`actix::Context`] has room for all of that: of two for each connection an idle one would keep
/// most of a kilobyte, and every wake would look into a mailbox that is always empty.
#[derive(Debug)]
pub(crate) struct Alone(ActorState);

impl ActorContext for Alone {
    fn stop(&mut self) {
        if self.0.alive() {
            self.0 = ActorState::Stopping;
        }
    }

    fn terminate(&mut self) {
        self.0 = ActorState::Stopped;
    }

    fn state(&self) -> ActorState {
        self.0
    }
}

/// Starts `actor` on this thread, in the span of `observer`. It stops when `work` is done.
pub(crate) fn start(
    actor: impl Actor<Context = Alone> + 'static,
    observer: Rc<Observer>,
    work: impl Future<Output = ()> + 'static,
) {
    actix::spawn(Life { actor, context: Alone(ActorState::Started), observer, work });
}

pin_project! {
    struct Life<A, F> {
        actor: A,
        context: Alone,
        observer: Rc<Observer>,
        #[pin]
        work: F,
    }
}

impl<A: Actor<Context = Alone>, F: Future<Output = ()>> Future for Life<A, F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let life = self.project();
        let (actor, context) = (life.actor, life.context);
        // Where nobody asks for spans, there is none, and this is a comparison.
        let _entered = life.observer.span().enter();
        if context.0 == ActorState::Started {
            context.0 = ActorState::Running;
            actor.started(context);
        }
        if context.0 == ActorState::Running {
            ready!(life.work.poll(cx));
            context.stop();
            actor.stopping(context);
        }
        context.terminate();
        actor.stopped(context);
        Poll::Ready(())
    }
}
