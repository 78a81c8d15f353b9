//! Makes a launcher out of a connection.

use connection_handler::{ConnectionHandler, MessageLimit, Peer, PeerLink};
use protocol::MAX_AFTER_LOGIN;

use super::protocol::{FromLauncher, ToLauncher};
use crate::codec::{self, Reader, Writer};

/// A launcher, or somebody who only looks. Who can open the socket may do what a launcher may.
#[derive(Debug)]
pub(crate) struct Launcher {
    link: PeerLink<ToLauncher>,
    pub(crate) state: LauncherState,
    /// What it speaks, once it is greeted.
    pub(crate) version: u16,
}

/// What a launcher has said so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LauncherState {
    /// Nothing.
    Connected,
    /// Which versions it speaks. It may look.
    Greeted,
    /// That it is the launcher. It may command.
    Attached,
}

impl Launcher {
    /// Whether it is of an age that hears of tickets.
    pub(crate) fn knows_tickets(&self) -> bool {
        self.version >= WITH_TICKETS
    }
}

impl Peer for Launcher {
    type Incoming = FromLauncher;
    type Outgoing = ToLauncher;

    fn link(&self) -> &PeerLink<ToLauncher> {
        &self.link
    }
}

/// Accepts launchers.
#[derive(Debug)]
pub(crate) struct LauncherHandler;

impl ConnectionHandler for LauncherHandler {
    type Peer = Launcher;
    type Reader = Reader<FromLauncher>;
    type Writer = Writer<ToLauncher>;

    fn create_connection_instances(
        &mut self,
        link: PeerLink<ToLauncher>,
    ) -> (Reader<FromLauncher>, Writer<ToLauncher>, Launcher) {
        let limit = MessageLimit::new(MAX_AFTER_LOGIN);
        let launcher = Launcher { link, state: LauncherState::Connected, version: 0 };
        (codec::reader(limit), codec::writer(), launcher)
    }
}

/// The first version of launchers that hear of tickets.
const WITH_TICKETS: u16 = 2;
