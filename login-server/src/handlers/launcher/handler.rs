//! Connections of launchers.

use ::protocol::MAX_AFTER_LOGIN;
use connection_handler::{ConnectionHandler, MessageLimit, Peer, PeerLink, capture::Exposure};

use super::protocol::{FromLauncher, Reader, ToLauncher, Writer, reader_and_writer};
use crate::handlers::exposure::exposure;

/// A game server launcher.
#[derive(Debug)]
pub(crate) struct Launcher {
    link: PeerLink<ToLauncher>,
    limit: MessageLimit,
}

impl Launcher {
    /// Takes longer messages from now on.
    pub(crate) fn trust(&self) {
        self.limit.set(MAX_AFTER_LOGIN);
    }
}

impl Peer for Launcher {
    type Incoming = FromLauncher;
    type Outgoing = ToLauncher;

    fn link(&self) -> &PeerLink<ToLauncher> {
        &self.link
    }
}

/// Makes [`Launcher`]s of connections.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LauncherHandler;

impl ConnectionHandler for LauncherHandler {
    type Peer = Launcher;
    type Reader = Reader<FromLauncher>;
    type Writer = Writer<ToLauncher>;

    fn create_connection_instances(
        &mut self,
        link: PeerLink<ToLauncher>,
    ) -> (Self::Reader, Self::Writer, Launcher) {
        let (reader, writer, limit) = reader_and_writer(&link);
        (reader, writer, Launcher { link, limit })
    }
    fn expose_incoming(message: &FromLauncher) -> Exposure {
        exposure!(message, FromLauncher {
            whole: Hello Servers Reachable Ping Pong Left Played;
            redacted: Enroll Admitted Said Arrived;
        })
    }

    fn expose_outgoing(message: &ToLauncher) -> Exposure {
        exposure!(message, ToLauncher {
            whole: Welcome Goodbye Enrolled TicketKeys Dismiss Kick Refused Ping Pong Counted
                NextKey;
            redacted: Admit Say;
        })
    }
}
