//! Makes a keeper out of a connection to its socket.

use std::io;

use actix::Addr;
use connection_handler::{
    ConnectionHandler, MessageLimit, Peer, PeerLink,
    transport::{Connection, Connector, unix::UnixConnector},
};
use protocol::MAX_AFTER_LOGIN;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};

use super::protocol::{FromKeeper, ToKeeper};
use crate::{
    codec::{self, Reader, Writer},
    config::ServerName,
    instance::InstanceDir,
    pidfd::ProcessHandle,
    server::{KeeperProcess, Launcher},
};

/// The keeper of one server.
#[derive(Debug)]
pub(crate) struct Keeper {
    link: PeerLink<ToKeeper>,
    pub(crate) name: ServerName,
}

impl Peer for Keeper {
    type Incoming = FromKeeper;
    type Outgoing = ToKeeper;

    fn link(&self) -> &PeerLink<ToKeeper> {
        &self.link
    }
}

/// Connects to the keeper of one server.
#[derive(Debug)]
pub(crate) struct KeeperHandler {
    pub(crate) name: ServerName,
}

impl ConnectionHandler for KeeperHandler {
    type Peer = Keeper;
    type Reader = Reader<FromKeeper>;
    type Writer = Writer<ToKeeper>;

    fn create_connection_instances(
        &mut self,
        link: PeerLink<ToKeeper>,
    ) -> (Reader<FromKeeper>, Writer<ToKeeper>, Keeper) {
        let limit = MessageLimit::new(MAX_AFTER_LOGIN);
        (codec::reader(limit), codec::writer(), Keeper { link, name: self.name.clone() })
    }
}

/// Opens the socket of a keeper, wherever its folder is.
#[derive(Debug)]
pub(crate) struct KeeperConnector {
    pub(crate) dir: InstanceDir,
}

impl Connector for KeeperConnector {
    type Read = OwnedReadHalf;
    type Write = OwnedWriteHalf;

    async fn connect(&mut self) -> io::Result<Connection<OwnedReadHalf, OwnedWriteHalf>> {
        let socket = self.dir.socket()?;
        UnixConnector { path: socket.as_path().to_owned() }.connect().await
    }
}

/// Opens the socket of a keeper, and tells the launcher which process is behind it.
pub(crate) struct IntroducingConnector {
    pub(crate) keeper: KeeperConnector,
    pub(crate) name: ServerName,
    pub(crate) launcher: Addr<Launcher>,
}

impl Connector for IntroducingConnector {
    type Read = OwnedReadHalf;
    type Write = OwnedWriteHalf;

    async fn connect(&mut self) -> io::Result<Connection<OwnedReadHalf, OwnedWriteHalf>> {
        let connection = self.keeper.connect().await?;
        // Who listens there. While the connection holds, that process lives, and so it is the one
        // that has this id.
        let pid = connection.read.as_ref().peer_cred()?.pid();
        let pid = pid.and_then(|pid| u32::try_from(pid).ok());
        let process = ProcessHandle::open(pid.ok_or(io::ErrorKind::InvalidData)?)?;
        self.launcher.do_send(KeeperProcess { name: self.name.clone(), process });
        Ok(connection)
    }
}
