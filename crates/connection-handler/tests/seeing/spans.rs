//! Each connection has a span, and little to say about it.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use connection_handler::{ConnectionConfig, Peer, transport::Connector};
use tokio::io::AsyncWriteExt;
use tracing::{Event, Metadata, Subscriber, span};

use crate::{
    OpenHandler, Server, hear,
    log::Log,
    protocol::{ToClient, ToServer},
    say, wire,
};

#[actix::test]
async fn a_connection_says_who_it_is_and_in_the_end_how_much_went_over_it() {
    let log = Log::default();
    let _guard = log.capture();
    let mut server = Server::start(OpenHandler, ConnectionConfig::default());
    let mut pipe = server.connector.connect().await.unwrap();
    let peer = server.connected().await;
    let both = [wire(&ToServer::Quit), wire(&ToServer::Say("hi".into()))].concat();
    pipe.write.write_all(&both).await.unwrap();
    peer.send(ToClient::Bye);
    hear(&mut pipe, &ToClient::Bye).await;
    server.message().await;
    server.message().await;
    drop(pipe);
    server.end().await;

    let span = format!(
        "connection{{peer={} kind=\"Open\" remote_addr=127.0.0.1:0 transport=\"memory\"}}",
        peer.id()
    );
    let lines = log.lines(&span);
    let [created, connected, disconnected] = &lines[..] else { panic!("{lines:?}") };
    assert!(created.contains("created"), "what the handler says is in the span: {created}");
    assert!(connected.contains("connected"), "{connected}");
    for part in [
        "disconnected",
        "reason=closed by the peer",
        "messages_in=2",
        &format!("bytes_in={}", both.len()),
        "largest_batch_in=2",
        "messages_out=1",
        "bytes_out=7",
        "largest_batch_out=1",
        "duration_ms=",
    ] {
        assert!(disconnected.contains(part), "{part} in {disconnected}");
    }
    assert_eq!(log.lines("disconnected").len(), 1);
    assert!(!disconnected.contains(" peer="), "nothing is said twice: {disconnected}");
}

#[actix::test]
async fn messages_enter_the_span_by_the_batch() {
    const MESSAGES: usize = 1000;
    let counts = Arc::<Counts>::default();
    let _guard = tracing::subscriber::set_default(Counting(counts.clone()));
    let mut server = Server::start(OpenHandler, ConnectionConfig::default());
    let mut pipe = server.connector.connect().await.unwrap();
    let peer = server.connected().await;
    pipe.write.write_all(&wire(&ToServer::Quit).repeat(MESSAGES)).await.unwrap();
    for _ in 0..MESSAGES {
        server.message().await;
        peer.send(ToClient::Bye);
    }
    for _ in 0..MESSAGES {
        hear(&mut pipe, &ToClient::Bye).await;
    }
    say(&mut pipe, &ToServer::Quit).await;
    server.message().await;
    let entered = counts.entered.load(Ordering::Relaxed);
    assert_eq!(counts.made.load(Ordering::Relaxed), 1);
    assert!((2..100).contains(&entered), "entered {entered} times");
}

#[derive(Default)]
struct Counts {
    made: AtomicUsize,
    entered: AtomicUsize,
}

/// Counts spans of connections.
struct Counting(Arc<Counts>);

impl Subscriber for Counting {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_span() && metadata.target() == "connection_handler::observe"
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1 + self.0.made.fetch_add(1, Ordering::Relaxed) as u64)
    }

    fn enter(&self, _: &span::Id) {
        self.0.entered.fetch_add(1, Ordering::Relaxed);
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn event(&self, _: &Event<'_>) {}
    fn exit(&self, _: &span::Id) {}
}
