//! Makes a console out of a TCP connection.

use connection_handler::{ConnectionHandler, DisconnectReason, Peer, PeerLink};

use super::protocol::{FromTeeworlds, TeeworldsCodec, TeeworldsError, ToTeeworlds};
use crate::keeper::{
    link::{AnyLink, Language, Link},
    process::StartId,
    teeworlds::World,
};

/// Teeworlds, through its external console.
#[derive(Debug)]
pub(crate) enum Teeworlds {}

impl Language for Teeworlds {
    type Handler = TeeworldsHandler;
    type Peer = TeeworldsConsole;
    type World = World;

    fn handler(start: StartId) -> TeeworldsHandler {
        TeeworldsHandler { start }
    }

    fn start(peer: &TeeworldsConsole) -> StartId {
        peer.start
    }

    fn of(link: &mut AnyLink) -> Option<&mut Link<Self>> {
        match link {
            AnyLink::Teeworlds(link) => Some(link),
            AnyLink::Openttd(_) | AnyLink::Controller(_) => None,
        }
    }
}

/// The console of one start of Teeworlds.
#[derive(Debug)]
pub(crate) struct TeeworldsConsole {
    link: PeerLink<ToTeeworlds>,
    /// Which start of the game this is: a later one has another port and password.
    start: StartId,
}

impl Peer for TeeworldsConsole {
    type Incoming = FromTeeworlds;
    type Outgoing = ToTeeworlds;

    fn link(&self) -> &PeerLink<ToTeeworlds> {
        &self.link
    }
}

/// Connects to the console of one start of Teeworlds.
#[derive(Debug)]
pub(crate) struct TeeworldsHandler {
    start: StartId,
}

impl ConnectionHandler for TeeworldsHandler {
    type Peer = TeeworldsConsole;
    type Reader = TeeworldsCodec;
    type Writer = TeeworldsCodec;

    fn create_connection_instances(
        &mut self,
        link: PeerLink<ToTeeworlds>,
    ) -> (TeeworldsCodec, TeeworldsCodec, TeeworldsConsole) {
        let console = TeeworldsConsole { link, start: self.start };
        (TeeworldsCodec::default(), TeeworldsCodec::default(), console)
    }
}

impl From<TeeworldsError> for DisconnectReason {
    fn from(error: TeeworldsError) -> Self {
        match error {
            TeeworldsError::Io(error) => error.into(),
            TeeworldsError::Frame(error) => error.into(),
        }
    }
}
