//! The life of handlers: suspended, resumed, drained, failing, and connecting again.

mod connecting;
mod draining;
mod failing;
mod listeners;
mod mortal;

#[path = "../echo/central.rs"]
#[allow(dead_code, reason = "shared with a test that needs more of it")]
mod central;
#[path = "../echo/codec.rs"]
mod codec;
#[path = "../echo/handler.rs"]
mod handler;
#[path = "../echo/log.rs"]
mod log;
#[path = "../echo/protocol.rs"]
#[allow(dead_code, reason = "shared with a test that needs more of it")]
mod protocol;

use std::time::Duration;

use actix::{Actor, Addr};
use connection_handler::{
    Activity, ConnectionConfig, DisconnectReason, HandlerStatus, IncomingConnectionHandler,
    OutgoingConnectionHandler, Peer,
    transport::{Connector, Listener},
};
use tokio::{
    sync::{mpsc, watch},
    time::timeout,
};

use crate::{
    central::{Event, Probe},
    handler::{Client, ClientHandler, Server, ServerHandler},
};

const LIMIT: Duration = Duration::from_secs(5);

type Incoming<L> = Addr<IncomingConnectionHandler<ClientHandler, L>>;
type Outgoing<C> = Addr<OutgoingConnectionHandler<ServerHandler, C>>;

fn incoming<L: Listener>(listener: L, config: ConnectionConfig) -> (Events<Client>, Incoming<L>) {
    let (sender, events) = mpsc::unbounded_channel();
    let central = Probe(sender).start();
    let handler = IncomingConnectionHandler::new(ClientHandler, listener, central, config);
    (Events(events), handler.start())
}

fn outgoing<C: Connector>(connector: C, config: ConnectionConfig) -> (Events<Server>, Outgoing<C>) {
    let (sender, events) = mpsc::unbounded_channel();
    let central = Probe(sender).start();
    let handler = OutgoingConnectionHandler::new(ServerHandler, connector, central, config);
    (Events(events), handler.start())
}

/// A configuration that connects again after so long.
fn again_after(pause: Duration) -> ConnectionConfig {
    ConnectionConfig {
        reconnect_delay: Some(pause),
        max_reconnect_delay: pause,
        ..Default::default()
    }
}

/// Waits for what is going to happen.
#[track_caller]
fn soon<T>(event: impl Future<Output = T>) -> impl Future<Output = T> {
    let caller = std::panic::Location::caller();
    async move {
        match timeout(LIMIT, event).await {
            Ok(happened) => happened,
            Err(_) => panic!("it does not happen: {caller}"),
        }
    }
}

/// Waits until a handler does this.
async fn until(
    status: &mut watch::Receiver<HandlerStatus>,
    does: fn(&Activity) -> bool,
) -> HandlerStatus {
    soon(status.wait_for(|status| does(&status.activity))).await.unwrap().clone()
}

/// What a central actor has heard.
struct Events<P: Peer>(mpsc::UnboundedReceiver<Event<P>>);

impl<P: Peer> Events<P> {
    #[track_caller]
    fn connected(&mut self) -> impl Future<Output = P> {
        let next = soon(self.0.recv());
        async {
            match next.await.expect("the central actor is there") {
                Event::Connected(peer) => peer,
                Event::Message(_) => panic!("expected a peer, heard a message"),
                Event::Disconnected(reason) => panic!("expected a peer, one is gone: {reason}"),
            }
        }
    }

    async fn end(&mut self) -> DisconnectReason {
        loop {
            match soon(self.0.recv()).await.expect("the central actor is there") {
                Event::Disconnected(reason) => return reason,
                Event::Message(_) => {}
                Event::Connected(_) => panic!("expected the end"),
            }
        }
    }

    async fn silent_for(&mut self, time: Duration) -> bool {
        timeout(time, self.0.recv()).await.is_err()
    }
}
