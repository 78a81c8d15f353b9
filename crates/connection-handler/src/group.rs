//! Handlers that are suspended and stopped together.

use std::{fmt, future::poll_fn, pin::Pin, task::Poll, time::Duration};

use actix::{Actor, Addr, Handler, Recipient, dev::ToEnvelope};
use tokio::{
    sync::watch,
    time::{Instant, timeout_at},
};

use crate::{Drain, HandlerStatus, Resume, Status, StillOpen, Suspend};

/// The handlers of one program, incoming and outgoing, of every kind and transport.
///
/// Each step is taken with all of them before the next one with any: as long as one listener is
/// still open, who was refused at another would come in there.
///
/// ```
/// # use std::time::Duration;
/// use connection_handler::HandlerGroup;
///
/// # async fn stop(players: HandlerGroup) {
/// // let mut players = HandlerGroup::default();
/// // players.add(&tcp_handler);
/// // players.add(&websocket_handler);
/// players.suspend().await;
/// // The match may end …
/// let _ = players.wait_for_connections(0, Duration::from_secs(600)).await;
/// // … and then everybody leaves.
/// players.drain(Duration::from_secs(5)).await;
/// # }
/// ```
#[derive(Default)]
pub struct HandlerGroup(Vec<Member>);

struct Member {
    suspend: Recipient<Suspend>,
    resume: Recipient<Resume>,
    drain: Recipient<Drain>,
    status: Recipient<Status>,
}

impl HandlerGroup {
    /// Adds an [`IncomingConnectionHandler`](crate::IncomingConnectionHandler) or an
    /// [`OutgoingConnectionHandler`](crate::OutgoingConnectionHandler).
    pub fn add<A>(&mut self, handler: &Addr<A>)
    where
        A: Handler<Suspend> + Handler<Resume> + Handler<Drain> + Handler<Status>,
        <A as Actor>::Context: ToEnvelope<A, Suspend>
            + ToEnvelope<A, Resume>
            + ToEnvelope<A, Drain>
            + ToEnvelope<A, Status>,
    {
        self.0.push(Member {
            suspend: handler.clone().recipient(),
            resume: handler.clone().recipient(),
            drain: handler.clone().recipient(),
            status: handler.clone().recipient(),
        });
    }

    /// Sends [`Suspend`] to all of them. Resolves when nobody can come in anywhere.
    pub async fn suspend(&self) {
        // A request is sent when it is made, not when it is awaited.
        let requests: Vec<_> = self.0.iter().map(|member| member.suspend.send(Suspend)).collect();
        for request in requests {
            // Who is gone takes no connections.
            let _ = request.await;
        }
    }

    /// Sends [`Resume`] to all of them.
    pub fn resume(&self) {
        self.0.iter().for_each(|member| member.resume.do_send(Resume));
    }

    /// Waits until no more than `at_most` connections are open in all of them together, unfinished
    /// handshakes included. Resolves with how many.
    ///
    /// # Errors
    ///
    /// [`StillOpen`] after `limit`.
    pub async fn wait_for_connections(
        &self,
        at_most: usize,
        limit: Duration,
    ) -> Result<usize, StillOpen> {
        let end = Instant::now() + limit;
        let mut statuses = self.status().await;
        loop {
            statuses.retain(|status| connections(status) > 0);
            let left = statuses.iter().map(connections).sum();
            if left <= at_most {
                return Ok(left);
            }
            timeout_at(end, any_changed(&mut statuses)).await.map_err(|_| StillOpen(left))?;
        }
    }

    /// Drains all of them at the same time, after none takes connections any more. Resolves when
    /// the last peer is gone. See [`Drain`].
    pub async fn drain(&self, patience: Duration) {
        self.suspend().await;
        let drain = Drain { patience };
        let requests: Vec<_> = self.0.iter().map(|member| member.drain.send(drain)).collect();
        for request in requests {
            let _ = request.await;
        }
    }

    /// What each of them is doing, but for those who are gone.
    pub async fn status(&self) -> Vec<watch::Receiver<HandlerStatus>> {
        let mut statuses = Vec::with_capacity(self.0.len());
        for member in &self.0 {
            statuses.extend(member.status.send(Status).await);
        }
        statuses
    }
}

impl fmt::Debug for HandlerGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HandlerGroup").field("handlers", &self.0.len()).finish()
    }
}

fn connections(status: &watch::Receiver<HandlerStatus>) -> usize {
    let status = status.borrow();
    status.open + status.handshakes
}

/// Resolves when one of them has changed since it was last looked at here.
async fn any_changed(statuses: &mut [watch::Receiver<HandlerStatus>]) {
    let mut changes: Vec<Pin<Box<dyn Future<Output = _>>>> = Vec::with_capacity(statuses.len());
    for status in statuses {
        changes.push(Box::pin(status.changed()));
    }
    poll_fn(|cx| match changes.iter_mut().any(|change| change.as_mut().poll(cx).is_ready()) {
        true => Poll::Ready(()),
        false => Poll::Pending,
    })
    .await;
}
