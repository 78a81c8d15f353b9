//! Connections of game clients.

use ::protocol::MAX_AFTER_LOGIN;
use connection_handler::{ConnectionHandler, MessageLimit, Peer, PeerLink, capture::Exposure};

use super::protocol::{
    FromGameClient, Reader, ToGameClient, Writer, encoding_class, reader_and_writer,
};
use crate::handlers::exposure::exposure;

/// A player's program.
#[derive(Debug)]
pub(crate) struct GameClient {
    link: PeerLink<ToGameClient>,
    limit: MessageLimit,
}

impl GameClient {
    /// Takes longer messages from now on.
    pub(crate) fn trust(&self) {
        self.limit.set(MAX_AFTER_LOGIN);
    }
}

impl Peer for GameClient {
    type Incoming = FromGameClient;
    type Outgoing = ToGameClient;

    fn link(&self) -> &PeerLink<ToGameClient> {
        &self.link
    }
}

/// Makes [`GameClient`]s of connections.
#[derive(Clone, Copy, Debug)]
pub(crate) struct GameClientHandler;

impl ConnectionHandler for GameClientHandler {
    type Peer = GameClient;
    type Reader = Reader<FromGameClient>;
    type Writer = Writer<ToGameClient>;

    fn create_connection_instances(
        &mut self,
        link: PeerLink<ToGameClient>,
    ) -> (Self::Reader, Self::Writer, GameClient) {
        let (reader, writer, limit) = reader_and_writer(&link);
        link.set_encoding_class(encoding_class(&writer, link.format()));
        (reader, writer, GameClient { link, limit })
    }
    fn expose_incoming(message: &FromGameClient) -> Exposure {
        exposure!(message, FromGameClient {
            whole: Hello LogOut WatchServers UnwatchServers Join Leave Ping Pong Ack LogInAsGuest
                ListSessions RevokeSessions Export ListData GetData GetProgress;
            redacted: Register LogIn Resume Chat Claim ChangePassword DeleteAccount SetData Report;
        })
    }

    fn expose_outgoing(message: &ToGameClient) -> Exposure {
        exposure!(message, ToGameClient {
            whole: Welcome Goodbye Refused LoggedOut Servers Left Ping Pong Ack Queued Done DataKeys
                DataWritten Progress NextKey;
            redacted: LoggedIn Joined Said Sessions Exported Data;
        })
    }
}
