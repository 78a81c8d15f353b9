//! How handlers are tested: one codec, one connection, the whole server.

use actix::Actor;
use connection_handler::{
    ConnectionConfig, DisconnectReason, TcpMessageConnectionReader, TcpMessageConnectionWriter,
    testing::{self, Impairments, Remote},
    transport::{Connector, memory::memory},
};

use crate::{
    codec::Json,
    handlers::guest::{FromGuest, GuestHandler, ToGuest},
    serve::serve,
    server::Server,
};

type Reader<M> = TcpMessageConnectionReader<Json<M>>;
type Writer<M> = TcpMessageConnectionWriter<Json<M>>;

#[test]
fn messages_survive_whatever_a_network_does() {
    let samples = [FromGuest::Name("Ann".into()), FromGuest::Leave];
    testing::codec_suite(Reader::default, Writer::default, samples);
    testing::codec_suite(Reader::default, Writer::default, [ToGuest::Welcome("hello".into())]);
}

#[actix::test]
async fn what_is_no_message_ends_the_connection_of_a_guest() {
    let (_guest, mut central, mut remote) = testing::pair(GuestHandler::new()).await;
    remote.send_bytes(b"\x03\0???").await;
    assert!(matches!(central.end().await, DisconnectReason::InvalidMessage(_)));
    remote.end().await;
}

#[actix::test]
async fn a_guest_is_heard_however_its_words_are_cut() {
    let cut = Impairments { seed: 7, max_piece: Some(3), ..Impairments::default() };
    let handler = GuestHandler::new();
    let pair = testing::pair_with(handler, ConnectionConfig::default(), cut).await;
    let (_guest, mut central, remote) = pair;
    let mut remote = remote.speaking(Reader::<ToGuest>::default(), Writer::<FromGuest>::default());
    remote.send(FromGuest::Leave).await;
    assert_eq!(central.message().await, FromGuest::Leave);
}

#[actix::test]
async fn a_guest_is_welcomed_by_name() {
    let (listener, connector) = memory(1024);
    serve(GuestHandler::new(), listener, Server::default().start());
    welcomed(connector).await;
}

pub(crate) async fn welcomed(mut connector: impl Connector) {
    let remote = Remote::new(connector.connect().await.unwrap());
    let mut guest = remote.speaking(Reader::<ToGuest>::default(), Writer::<FromGuest>::default());
    guest.send(FromGuest::Name("Ann".into())).await;
    assert_eq!(guest.message().await, ToGuest::Welcome("hello, Ann".into()));
    guest.send(FromGuest::Leave).await;
    guest.end().await;
}
