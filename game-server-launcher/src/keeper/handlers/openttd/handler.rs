//! Makes an admin connection out of a TCP connection.

use connection_handler::{ConnectionHandler, DisconnectReason, Peer, PeerLink};

use super::protocol::{FromOpenttd, OpenttdCodec, OpenttdError, ToOpenttd};
use crate::keeper::{
    link::{AnyLink, Language, Link},
    openttd::World,
    process::StartId,
};

/// OpenTTD, through its admin port.
#[derive(Debug)]
pub(crate) enum Openttd {}

impl Language for Openttd {
    type Handler = OpenttdHandler;
    type Peer = OpenttdAdmin;
    type World = World;

    fn handler(start: StartId) -> OpenttdHandler {
        OpenttdHandler { start }
    }

    fn start(peer: &OpenttdAdmin) -> StartId {
        peer.start
    }

    fn of(link: &mut AnyLink) -> Option<&mut Link<Self>> {
        match link {
            AnyLink::Openttd(link) => Some(link),
            AnyLink::Teeworlds(_) | AnyLink::Controller(_) => None,
        }
    }
}

/// The admin port of one start of OpenTTD.
#[derive(Debug)]
pub(crate) struct OpenttdAdmin {
    link: PeerLink<ToOpenttd>,
    /// Which start of the game this is: a later one has another port and password.
    start: StartId,
}

impl Peer for OpenttdAdmin {
    type Incoming = FromOpenttd;
    type Outgoing = ToOpenttd;

    fn link(&self) -> &PeerLink<ToOpenttd> {
        &self.link
    }
}

/// Connects to the admin port of one start of OpenTTD.
#[derive(Debug)]
pub(crate) struct OpenttdHandler {
    start: StartId,
}

impl ConnectionHandler for OpenttdHandler {
    type Peer = OpenttdAdmin;
    type Reader = OpenttdCodec;
    type Writer = OpenttdCodec;

    fn create_connection_instances(
        &mut self,
        link: PeerLink<ToOpenttd>,
    ) -> (OpenttdCodec, OpenttdCodec, OpenttdAdmin) {
        let codec = OpenttdCodec::default();
        (codec, codec, OpenttdAdmin { link, start: self.start })
    }
}

impl From<OpenttdError> for DisconnectReason {
    fn from(error: OpenttdError) -> Self {
        match error {
            OpenttdError::Io(error) => error.into(),
            OpenttdError::Frame(error) => error.into(),
            error => Self::invalid(error),
        }
    }
}
