//! Noticing that an actor is gone.

use std::{
    future::pending,
    pin::Pin,
    task::{Context, Poll},
};

use actix::{Actor, Addr, AsyncContext, fut::wrap_future};
use tokio::sync::oneshot;

/// Starts `actor`, and says when it has ended.
///
/// A central actor that ends takes every connection with it: its peers are dropped, and handlers
/// that report to it stop. Nothing is left that could serve anybody, so a program should end too,
/// and let itself be started again:
///
/// ```
/// use std::process::ExitCode;
///
/// use actix::{Actor, Context};
/// use connection_handler::supervise;
///
/// struct Central;
///
/// impl Actor for Central {
///     type Context = Context<Self>;
/// }
///
/// async fn run(shutdown: impl Future<Output = ()>) -> ExitCode {
///     let (central, ended) = supervise(Central);
///     // … handlers that report to `central` …
///     tokio::select! {
///         () = shutdown => ExitCode::SUCCESS,
///         () = ended => ExitCode::from(70),
///     }
/// }
/// # let code = actix::System::new().block_on(run(std::future::ready(())));
/// # assert_eq!(code, ExitCode::SUCCESS);
/// ```
pub fn supervise<A>(actor: A) -> (Addr<A>, Ended)
where
    A: Actor<Context = actix::Context<A>>,
{
    let mut ended = None;
    let addr = A::create(|ctx| {
        ended = Some(watch::<A>(ctx));
        actor
    });
    (addr, ended.expect("an actor is created at once"))
}

/// Says when the actor that `ctx` belongs to has ended: for actors that need
/// [`Actor::create`], or that are started elsewhere.
///
/// From then on the actor does not end by itself when its last address is dropped.
pub fn watch<A: Actor<Context: AsyncContext<A>>>(ctx: &mut A::Context) -> Ended {
    let (alive, ended) = oneshot::channel::<()>();
    // The context owns this future, and is dropped however the actor ends, even by a panic.
    ctx.spawn(wrap_future(async move {
        let _alive = alive;
        pending::<()>().await;
    }));
    Ended(ended)
}

/// Resolves when an actor has ended: stopped, panicked, or with its arbiter.
///
/// It may be polled again after that, and by anybody; it holds nothing of the actor.
#[derive(Debug)]
#[must_use = "an actor that ends is noticed by nobody else"]
pub struct Ended(oneshot::Receiver<()>);

impl Future for Ended {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.0.is_terminated() {
            return Poll::Ready(());
        }
        Pin::new(&mut self.0).poll(cx).map(|_| ())
    }
}
