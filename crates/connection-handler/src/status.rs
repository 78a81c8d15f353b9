//! What a handler is doing, and for how many.

use std::{io, sync::Arc};

use actix::Message;
use tokio::sync::watch;

/// What a handler is doing, and for how many.
///
/// Ask with [`Status`], or [`status`](crate::IncomingConnectionHandler::status) before the start.
#[derive(Clone, Debug, Default)]
pub struct HandlerStatus {
    /// What it does about new connections.
    pub activity: Activity,
    /// Connections that the central actor has heard of, or is about to, and that are not over: the
    /// last words of one may still be on their way.
    pub open: usize,
    /// Connections that are not ready yet, or attempts to make one.
    pub handshakes: usize,
}

/// What a handler does about new connections.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub enum Activity {
    /// Nothing yet.
    #[default]
    Starting,
    /// It accepts, or has or seeks its connection.
    Running,
    /// It would, but for this error. It goes on trying, and is running again with the first success.
    Failing(Arc<io::Error>),
    /// It takes none until it hears [`Resume`](crate::Resume).
    Suspended,
    /// It takes none any more, and waits for the last to end. See [`Drain`](crate::Drain).
    Draining,
    /// There will be no more: it was drained, its listener is closed, it was to try only once, or
    /// the central actor is gone. With the error, if it was one.
    Ended(Option<Arc<io::Error>>),
}

/// Asks a handler what it is doing.
///
/// The answer follows it: look at it with `borrow`, or wait for a change. It outlives the handler,
/// and ends when the last of its connections is over.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "watch::Receiver<HandlerStatus>")]
pub struct Status;

/// The status of one handler, kept by it and by its connections.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally(Arc<watch::Sender<HandlerStatus>>);

impl Tally {
    pub(crate) fn subscribe(&self) -> watch::Receiver<HandlerStatus> {
        self.0.subscribe()
    }

    /// A connection that is to become ready.
    pub(crate) fn handshake(&self) -> Counted {
        self.0.send_modify(|status| status.handshakes += 1);
        Counted { tally: self.clone(), is_open: false }
    }

    /// Somebody was accepted, or somebody accepted us.
    pub(crate) fn works(&self) {
        self.tried(Activity::Running);
    }

    /// Nobody could be, for now.
    pub(crate) fn fails(&self, error: &Arc<io::Error>) {
        self.tried(Activity::Failing(error.clone()));
    }

    /// Changes what the handler does. Who drains does not begin again, who has ended does nothing.
    /// Whether it does this now, and did not before.
    pub(crate) fn set(&self, next: Activity) -> bool {
        self.0.send_if_modified(|status| {
            let may = match &status.activity {
                Activity::Ended(_) => false,
                Activity::Draining => matches!(next, Activity::Ended(_)),
                Activity::Suspended => !matches!(next, Activity::Suspended),
                Activity::Starting | Activity::Running | Activity::Failing(_) => true,
            };
            if may {
                status.activity = next;
            }
            may
        })
    }

    /// Resolves when so few connections are open, or about to be.
    pub(crate) fn at_most(&self, connections: usize) -> impl Future<Output = ()> + use<> {
        self.until(move |status| status.open + status.handshakes <= connections)
    }

    /// Resolves when no connection is open.
    pub(crate) fn gone(&self) -> impl Future<Output = ()> + use<> {
        self.until(|status| status.open == 0)
    }

    /// Resolves when nothing is on the way to become a connection, or may be again.
    pub(crate) fn suspended(&self) -> impl Future<Output = ()> + use<> {
        self.until(|status| {
            status.handshakes == 0 || !matches!(status.activity, Activity::Suspended)
        })
    }

    fn until<F>(&self, holds: F) -> impl Future<Output = ()> + use<F>
    where
        F: Fn(&HandlerStatus) -> bool + 'static,
    {
        let mut status = self.subscribe();
        // The sender is gone with the last connection, and then there is nothing to wait for.
        async move { drop(status.wait_for(|status| holds(status)).await) }
    }

    fn tried(&self, next: Activity) {
        self.0.send_if_modified(|status| match (&status.activity, &next) {
            (Activity::Running, Activity::Running) => false,
            (Activity::Starting | Activity::Running | Activity::Failing(_), _) => {
                status.activity = next.clone();
                true
            }
            (Activity::Suspended | Activity::Draining | Activity::Ended(_), _) => false,
        });
    }
}

/// One connection, counted until dropped.
#[derive(Debug)]
pub(crate) struct Counted {
    tally: Tally,
    is_open: bool,
}

impl Counted {
    /// It is ready.
    pub(crate) fn open(mut self) -> Self {
        self.is_open = true;
        self.tally.0.send_modify(|status| {
            status.handshakes -= 1;
            status.open += 1;
        });
        self
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.tally.0.send_modify(|status| {
            let count = if self.is_open { &mut status.open } else { &mut status.handshakes };
            *count -= 1;
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_is_counted_from_its_handshake_to_its_end() {
        let tally = Tally::default();
        let counts = || {
            let status = tally.subscribe();
            let status = status.borrow();
            (status.handshakes, status.open)
        };
        let (one, two) = (tally.handshake(), tally.handshake());
        assert_eq!(counts(), (2, 0));
        let one = one.open();
        assert_eq!(counts(), (1, 1));
        drop(two);
        assert_eq!(counts(), (0, 1));
        drop(one);
        assert_eq!(counts(), (0, 0));
    }

    #[test]
    fn who_drains_does_not_begin_again() {
        let tally = Tally::default();
        let is = |pattern: fn(&Activity) -> bool| pattern(&tally.subscribe().borrow().activity);
        assert!(tally.set(Activity::Suspended));
        tally.works();
        assert!(is(|activity| matches!(activity, Activity::Suspended)));
        assert!(!tally.set(Activity::Suspended));
        assert!(tally.set(Activity::Draining));
        assert!(!tally.set(Activity::Running));
        assert!(tally.set(Activity::Ended(None)));
        assert!(!tally.set(Activity::Draining));
        assert!(is(|activity| matches!(activity, Activity::Ended(None))));
    }
}
