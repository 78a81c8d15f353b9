//! Makes a login server out of a connection.

use connection_handler::{ConnectionHandler, MessageLimit, Peer, PeerLink};
use protocol::MAX_AFTER_LOGIN;

use super::protocol::{FromLoginServer, ToLoginServer};
use crate::codec::{self, Reader, Writer};

/// The login server.
#[derive(Debug)]
pub(crate) struct LoginServer {
    link: PeerLink<ToLoginServer>,
}

impl Peer for LoginServer {
    type Incoming = FromLoginServer;
    type Outgoing = ToLoginServer;

    fn link(&self) -> &PeerLink<ToLoginServer> {
        &self.link
    }
}

/// Connects to the login server. That it is the right one was proved by its key.
#[derive(Debug)]
pub(crate) struct LoginServerHandler;

impl ConnectionHandler for LoginServerHandler {
    type Peer = LoginServer;
    type Reader = Reader<FromLoginServer>;
    type Writer = Writer<ToLoginServer>;

    fn create_connection_instances(
        &mut self,
        link: PeerLink<ToLoginServer>,
    ) -> (Reader<FromLoginServer>, Writer<ToLoginServer>, LoginServer) {
        let limit = MessageLimit::new(MAX_AFTER_LOGIN);
        (codec::reader(limit), codec::writer(), LoginServer { link })
    }
}
