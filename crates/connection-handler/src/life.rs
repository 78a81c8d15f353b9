//! What incoming and outgoing handlers do about being suspended, resumed and stopped.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::{Notify, futures::Notified, watch},
    time::timeout,
};

use crate::{
    Drain, StillOpen, WaitForConnections,
    status::{Activity, Tally},
};

/// The life of one handler.
#[derive(Debug)]
pub(crate) struct Life {
    /// What it says of itself.
    pub(crate) tally: Tally,
    /// Ends every connection.
    pub(crate) drained: Drained,
    demand: watch::Sender<Demand>,
}

/// What is wanted of the task that accepts, or connects.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Demand {
    /// New connections.
    pub(crate) wanted: bool,
    /// How often somebody wanted to be connected anew, and at once.
    pub(crate) again: u64,
}

impl Life {
    pub(crate) fn new() -> Self {
        let demand = watch::Sender::new(Demand { wanted: true, again: 0 });
        Self { tally: Tally::default(), drained: Drained::default(), demand }
    }

    pub(crate) fn demand(&self) -> watch::Receiver<Demand> {
        self.demand.subscribe()
    }

    /// Whether new connections are wanted.
    pub(crate) fn is_wanted(&self) -> bool {
        self.demand.borrow().wanted
    }

    /// No new connections for now. Resolves when none can come.
    pub(crate) fn suspend(&self) -> impl Future<Output = ()> + use<> {
        if self.tally.set(Activity::Suspended) {
            tracing::info!("no new connections for now");
            self.want(false);
        }
        self.tally.suspended()
    }

    /// New connections again.
    pub(crate) fn resume(&self) {
        let is_suspended = matches!(self.tally.subscribe().borrow().activity, Activity::Suspended);
        if is_suspended && self.tally.set(Activity::Running) {
            tracing::info!("new connections again");
            self.want(true);
        }
    }

    /// A new connection, at once. Whether there may be one.
    pub(crate) fn again(&self) -> bool {
        self.resume();
        let wanted = self.is_wanted();
        if wanted {
            self.demand.send_modify(|demand| demand.again += 1);
        }
        wanted
    }

    pub(crate) fn wait(
        &self,
        WaitForConnections { at_most, limit }: WaitForConnections,
    ) -> impl Future<Output = Result<usize, StillOpen>> + use<> {
        let (few, status) = (self.tally.at_most(at_most), self.tally.subscribe());
        async move {
            let waited = timeout(limit, few).await;
            let status = status.borrow();
            let left = status.open + status.handshakes;
            waited.map(|()| left).map_err(|_| StillOpen(left))
        }
    }

    /// No new connections any more. Resolves when the last one is gone.
    pub(crate) fn drain(
        &self,
        Drain { patience }: Drain,
        close_timeout: Duration,
    ) -> impl Future<Output = ()> + use<> {
        self.tally.set(Activity::Draining);
        self.want(false);
        let (tally, drained) = (self.tally.clone(), self.drained.clone());
        async move {
            if timeout(patience, tally.at_most(0)).await.is_err() {
                drained.set();
                // Longer only if the central actor is stuck and takes no more messages.
                if timeout(close_timeout + MARGIN, tally.at_most(0)).await.is_err() {
                    let left = tally.subscribe().borrow().open;
                    tracing::error!(left, "connections do not end, they are left behind");
                }
            }
            drained.set();
            tally.set(Activity::Ended(None));
        }
    }

    fn want(&self, wanted: bool) {
        self.demand.send_modify(|demand| demand.wanted = wanted);
    }
}

impl Drop for Life {
    fn drop(&mut self) {
        self.tally.set(Activity::Ended(None));
    }
}

/// Says that every connection of a handler is to end: once, and for good.
///
/// As a `CancellationToken`, but who was told to wait need not take a lock to look again.
#[derive(Clone, Debug, Default)]
pub(crate) struct Drained(Arc<(AtomicBool, Notify)>);

impl Drained {
    fn set(&self) {
        let (is_set, notify) = &*self.0;
        is_set.store(true, Ordering::Release);
        notify.notify_waiters();
    }

    pub(crate) fn is_set(&self) -> bool {
        self.0.0.load(Ordering::Acquire)
    }

    /// Wakes whoever polls it, once, when it is set. That may have been before.
    pub(crate) fn notified(&self) -> Notified<'_> {
        self.0.1.notified()
    }
}

/// The messages that both kinds of handlers answer in the same way.
macro_rules! answer_in_life {
    ($handler:ident, $bound:ident, $working:ident) => {
        impl<H: ConnectionHandler, T: $bound> Handler<Suspend> for $handler<H, T> {
            type Result = ResponseFuture<()>;

            fn handle(&mut self, _: Suspend, _: &mut Self::Context) -> Self::Result {
                Box::pin(self.connections.life.suspend())
            }
        }

        impl<H: ConnectionHandler, T: $bound> Handler<Resume> for $handler<H, T> {
            type Result = ();

            fn handle(&mut self, _: Resume, _: &mut Self::Context) {
                self.connections.life.resume();
            }
        }

        impl<H: ConnectionHandler, T: $bound> Handler<WaitForConnections> for $handler<H, T> {
            type Result = ResponseFuture<Result<usize, StillOpen>>;

            fn handle(&mut self, wait: WaitForConnections, _: &mut Self::Context) -> Self::Result {
                Box::pin(self.connections.life.wait(wait))
            }
        }

        impl<H: ConnectionHandler, T: $bound> Handler<Drain> for $handler<H, T> {
            type Result = ResponseFuture<()>;

            fn handle(&mut self, drain: Drain, ctx: &mut Self::Context) -> Self::Result {
                ctx.cancel_future(self.$working);
                let close_timeout = self.connections.config.close_timeout;
                Box::pin(self.connections.life.drain(drain, close_timeout))
            }
        }

        impl<H: ConnectionHandler, T: $bound> Handler<Status> for $handler<H, T> {
            type Result = MessageResult<Status>;

            fn handle(&mut self, _: Status, _: &mut Self::Context) -> Self::Result {
                MessageResult(self.status())
            }
        }

        impl<H: ConnectionHandler, T: $bound> $handler<H, T> {
            /// What it is doing, from now on.
            pub fn status(&self) -> watch::Receiver<HandlerStatus> {
                self.connections.life.tally.subscribe()
            }
        }

        impl<H: ConnectionHandler, T: $bound> fmt::Debug for $handler<H, T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($handler))
                    .field("status", &*self.status().borrow())
                    .finish_non_exhaustive()
            }
        }
    };
}

pub(crate) use answer_in_life;

/// What a connection may take to end, beside writing.
const MARGIN: Duration = Duration::from_secs(5);
