//! Makes a game controller out of a connection.

use std::time::Instant;

use connection_handler::{ConnectionHandler, MessageLimit, Peer, PeerLink};
use protocol::{MAX_AFTER_LOGIN, MAX_BEFORE_LOGIN};

use super::protocol::{FromGame, ToGame};
use crate::{
    codec::{self, Reader, Writer},
    keeper::process::StartId,
};

/// A game, or somebody who says so until it has shown the token.
#[derive(Debug)]
pub(crate) struct Controller {
    link: PeerLink<ToGame>,
    limit: MessageLimit,
    /// Which start of the game it belongs to: each has a port of its own.
    pub(crate) start: StartId,
    pub(crate) state: ControllerState,
    pub(crate) since: Instant,
}

/// What a game has said so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ControllerState {
    /// Nothing.
    Connected,
    /// Which versions it speaks.
    Greeted,
    /// What only the game can know.
    Proven,
}

impl Controller {
    /// It is the game: its messages may be long.
    pub(crate) fn trust(&mut self) {
        self.state = ControllerState::Proven;
        self.limit.set(MAX_AFTER_LOGIN);
    }
}

impl Peer for Controller {
    type Incoming = FromGame;
    type Outgoing = ToGame;

    fn link(&self) -> &PeerLink<ToGame> {
        &self.link
    }
}

/// Accepts the game of one start.
#[derive(Debug)]
pub(crate) struct ControllerHandler {
    pub(crate) start: StartId,
}

impl ConnectionHandler for ControllerHandler {
    type Peer = Controller;
    type Reader = Reader<FromGame>;
    type Writer = Writer<ToGame>;

    fn create_connection_instances(
        &mut self,
        link: PeerLink<ToGame>,
    ) -> (Reader<FromGame>, Writer<ToGame>, Controller) {
        let limit = link.message_limit(MAX_BEFORE_LOGIN);
        let (reader, writer) = (codec::reader(limit.clone()), codec::writer());
        let (state, since) = (ControllerState::Connected, Instant::now());
        (reader, writer, Controller { link, limit, start: self.start, state, since })
    }
}
