//! Attempts to connect that came to nothing.

use std::{io, marker::PhantomData, net::SocketAddr, sync::Arc, time::Duration};

use actix::{Message, Recipient};

use crate::Peer;

/// An attempt to connect to a peer of kind `P` has failed.
///
/// Only those hear of it who ask for it, with
/// [`report_failures_to`](crate::OutgoingConnectionHandler::report_failures_to). How a connection
/// ends that was made says [`PeerDisconnected`](crate::PeerDisconnected).
#[derive(Clone, Debug)]
pub struct ConnectFailed<P: Peer> {
    /// How many attempts have failed in a row, this one included.
    pub attempt: u32,
    /// Why. Of several addresses it says so for each.
    pub error: Arc<io::Error>,
    /// The pause until the next attempt. `None`: there will be none.
    pub next_in: Option<Duration>,
    kind: PhantomData<fn() -> P>,
}

impl<P: Peer> Message for ConnectFailed<P> {
    type Result = ();
}

/// A row of failures: logged when the reason changes, reported one by one.
#[derive(Debug)]
pub(crate) struct Failures<P: Peer> {
    kind: &'static str,
    attempts: u32,
    last: Option<Arc<io::Error>>,
    reason: String,
    report: Option<Recipient<ConnectFailed<P>>>,
}

impl<P: Peer> Failures<P> {
    pub(crate) fn new(kind: &'static str, report: Option<Recipient<ConnectFailed<P>>>) -> Self {
        Self { kind, attempts: 0, last: None, reason: String::new(), report }
    }

    pub(crate) fn add(&mut self, error: Arc<io::Error>, next_in: Option<Duration>) {
        self.attempts = self.attempts.saturating_add(1);
        let (kind, attempt, reason) = (self.kind, self.attempts, error.to_string());
        if reason == self.reason {
            tracing::debug!(kind, attempt, %error, ?next_in, "could not connect");
        } else {
            tracing::info!(kind, attempt, %error, ?next_in, "could not connect");
            self.reason = reason;
        }
        self.last = Some(error.clone());
        if let Some(report) = &self.report {
            report.do_send(ConnectFailed { attempt, error, next_in, kind: PhantomData });
        }
    }

    /// A connection was made.
    pub(crate) fn over(&mut self, remote_addr: SocketAddr) {
        if self.attempts > 0 {
            tracing::info!(kind = self.kind, %remote_addr, failed = self.attempts, "connected");
        }
        (self.attempts, self.last) = (0, None);
        self.reason.clear();
    }

    /// Why there is no connection, if the last attempt failed.
    pub(crate) fn last(&self) -> Option<Arc<io::Error>> {
        self.last.clone()
    }
}
