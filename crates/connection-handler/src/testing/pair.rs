//! Both ends of one connection.

use actix::Actor;

use super::{Events, Impaired, Impairments, Remote, probe};
use crate::{
    ConnectionConfig, ConnectionHandler, IncomingConnectionHandler,
    transport::{Connector, memory::memory},
};

/// One connection of `handler`, over memory: its peer, what a central actor hears of it from now
/// on, and the other side.
///
/// # Panics
///
/// When the peer does not connect.
pub async fn pair<H: ConnectionHandler>(handler: H) -> (H::Peer, Events<H::Peer>, Remote) {
    pair_with(handler, ConnectionConfig::default(), Impairments::default()).await
}

/// As [`pair`], within the limits of `config`, over a transport with these `impairments`.
///
/// # Panics
///
/// When the peer does not connect.
pub async fn pair_with<H: ConnectionHandler>(
    handler: H,
    config: ConnectionConfig,
    impairments: Impairments,
) -> (H::Peer, Events<H::Peer>, Remote) {
    let (listener, mut connector) = memory(PIPE);
    let (inbox, mut events) = probe();
    let listener = Impaired::new(listener, impairments);
    let handler = IncomingConnectionHandler::new(handler, listener, inbox, config).start();
    let remote = connector.connect().await.expect("the listener has just been made");
    let peer = events.connected().await;
    (peer, events.keeping((handler, connector)), Remote::new(remote))
}

/// Bytes that are on their way, in each direction. As little as that shows who does not read.
const PIPE: usize = 4096;
