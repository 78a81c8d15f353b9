//! One handler, over pipes: bytes in, messages of the central actor out, and back.

use actix::{Actor, Context, Handler};
use bytes::BytesMut;
use connection_handler::{
    ConnectionConfig, DisconnectReason, IncomingConnectionHandler, Peer, PeerConnected,
    PeerDisconnected, PeerMessages,
    transport::{
        Connector,
        memory::{MemoryConnector, memory},
    },
};
use protocol::{FromGameClient, Hello, MAX_AFTER_LOGIN, ToGameClient, encode};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::mpsc,
};

use super::game_client::{GameClient, GameClientHandler};

/// A central actor that trusts whoever says Hello, and tells what it hears.
struct Central {
    client: Option<GameClient>,
    heard: mpsc::UnboundedSender<Heard>,
}

enum Heard {
    Message(FromGameClient),
    End(DisconnectReason),
}

impl Actor for Central {
    type Context = Context<Self>;
}

impl Handler<PeerConnected<GameClient>> for Central {
    type Result = ();

    fn handle(&mut self, PeerConnected { peer }: PeerConnected<GameClient>, _: &mut Context<Self>) {
        self.client = Some(peer);
    }
}

impl Handler<PeerMessages<GameClient>> for Central {
    type Result = ();

    fn handle(&mut self, batch: PeerMessages<GameClient>, _: &mut Context<Self>) {
        for message in batch.messages {
            if let (Some(client), FromGameClient::Hello(_)) = (&self.client, &message) {
                client.trust();
                client.send(ToGameClient::Pong { nonce: 1 });
            }
            let _ = self.heard.send(Heard::Message(message));
        }
    }
}

impl Handler<PeerDisconnected<GameClient>> for Central {
    type Result = ();

    fn handle(&mut self, gone: PeerDisconnected<GameClient>, _: &mut Context<Self>) {
        let _ = self.heard.send(Heard::End(gone.reason));
    }
}

fn start() -> (MemoryConnector, mpsc::UnboundedReceiver<Heard>) {
    let (listener, connector) = memory(1024 * 1024);
    let (sender, heard) = mpsc::unbounded_channel();
    let central = Central { client: None, heard: sender }.start();
    let config = ConnectionConfig::default();
    IncomingConnectionHandler::new(GameClientHandler, listener, central, config).start();
    (connector, heard)
}

/// `message` as it is on the wire: one chunk.
fn frame(message: &FromGameClient) -> Vec<u8> {
    let mut bytes = BytesMut::new();
    encode(message, &mut bytes);
    let length = u16::try_from(bytes.len()).unwrap();
    [&length.to_le_bytes()[..], &bytes].concat()
}

#[actix::test]
async fn a_message_arrives_in_any_two_pieces() {
    let hello = FromGameClient::Hello(Hello::from_us("test"));
    let bytes = frame(&hello);
    for cut in 1..bytes.len() {
        let (mut connector, mut heard) = start();
        let mut socket = connector.connect().await.unwrap();
        socket.write.write_all(&bytes[..cut]).await.unwrap();
        tokio::task::yield_now().await;
        socket.write.write_all(&bytes[cut..]).await.unwrap();
        assert!(matches!(heard.recv().await, Some(Heard::Message(m)) if m == hello));
        let mut answer = [0; 4];
        socket.read.read_exact(&mut answer).await.unwrap();
        assert_eq!(answer, [2, 0, 10, 1]);
    }
}

#[actix::test]
async fn long_messages_are_for_who_is_known() {
    let long = [&65_534u16.to_le_bytes()[..], &[0; 65_534]].concat();
    let (mut connector, mut heard) = start();
    let mut stranger = connector.connect().await.unwrap();
    stranger.write.write_all(&long).await.unwrap();
    let Some(Heard::End(reason)) = heard.recv().await else { panic!("it is still here") };
    assert!(reason.to_string().contains("exceeds 4096"), "{reason}");

    let (mut connector, mut heard) = start();
    let mut known = connector.connect().await.unwrap();
    known.write.write_all(&frame(&FromGameClient::Hello(Hello::from_us("x")))).await.unwrap();
    assert!(matches!(heard.recv().await, Some(Heard::Message(_))));
    known.write.write_all(&long).await.unwrap();
    let Some(Heard::End(reason)) = heard.recv().await else { panic!("it is still here") };
    assert!(!reason.to_string().contains("exceeds"), "it is read, and nonsense: {reason}");
    assert!(long.len() < MAX_AFTER_LOGIN);
}

#[actix::test]
async fn what_is_no_message_ends_the_connection() {
    let mut trailing = frame(&FromGameClient::WatchServers);
    trailing[0] += 1;
    trailing.push(0);
    let text = frame(&FromGameClient::Hello(Hello::from_us("abc")));
    let control: Vec<_> = text.iter().map(|b| if *b == b'b' { 7 } else { *b }).collect();
    for bytes in [&trailing[..], &control, &[1, 0, 200], &[3, 0, 1, 1, 3]] {
        let (mut connector, mut heard) = start();
        let mut socket = connector.connect().await.unwrap();
        socket.write.write_all(bytes).await.unwrap();
        let end = heard.recv().await;
        let invalid =
            |reason: &DisconnectReason| matches!(reason, DisconnectReason::InvalidMessage(_));
        assert!(matches!(&end, Some(Heard::End(reason)) if invalid(reason)), "{bytes:?}");
    }
}
