//! What can be seen of connections from outside: their spans, events and metrics.
//!
//! # Spans and events
//!
//! Every connection has a [`tracing`] span `connection` (level `INFO`, target
//! `connection_handler::observe`) with the fields
//!
//! | field | example | |
//! |---|---|---|
//! | `peer` | `#7` | [`PeerId`] |
//! | `kind` | `GameClient` | [`ConnectionHandler::kind`](crate::ConnectionHandler::kind) |
//! | `remote_addr` | `192.0.2.1:50123` | |
//! | `transport` | `quic` | |
//!
//! What a decoder or
//! [`create_connection_instances`](crate::ConnectionHandler::create_connection_instances) logs is
//! inside of it. An encoder works for the central actor, and is not. The span is made once and
//! entered once per wake-up of the reader or the writer, never per message; while nobody listens,
//! entering it is one comparison.
//!
//! In it are two events: `connected` (`DEBUG`), and, as the only line about the end, `disconnected`
//! with the `reason` and with all that went over the connection: `messages_in`, `bytes_in`,
//! `largest_batch_in`, the same with `_out`, and `duration_ms`. Over QUIC also what the other side
//! has said about it (`goodbye`), and how the connection was doing: `rtt_ms`, `packets_sent`,
//! `packets_lost`, and `moves`, each of which is an event of its own (`DEBUG`). Its level says whom it concerns:
//! `DEBUG` if the peer went away, `INFO` if it broke a rule, `ERROR` for a
//! [`Bug`](DisconnectReason::Bug) of ours. Where the filter leaves out the span, the event has the
//! fields of the span itself.
//!
//! # Metrics
//!
//! They go to the recorder of the [`metrics`] facade. Install it before a handler is created: the
//! handler keeps what it was given then. Without one, a batch costs a few comparisons; with one, a
//! few additions per batch, and nothing per message.
//!
//! | name | type | labels | |
//! |---|---|---|---|
//! | `connection_handler_open` | gauge | `kind`, `transport` | connections that are open |
//! | `connection_handler_connected_total` | counter | `kind`, `transport` | connections that became usable |
//! | `connection_handler_disconnected_total` | counter | `kind`, `reason` | connections that ended, by [`DisconnectReason::label`] |
//! | `connection_handler_duration_seconds` | histogram | `kind` | how long they lasted |
//! | `connection_handler_handshakes` | gauge | `kind` | handshakes that are under way |
//! | `connection_handler_refused_total` | counter | `kind`, `reason` | connections that never became usable |
//! | `connection_handler_messages_total` | counter | `kind`, `direction` | messages that were decoded, or written |
//! | `connection_handler_bytes_total` | counter | `kind`, `direction` | bytes that were read, or written |
//! | `connection_handler_batch_messages` | histogram | `kind`, `direction` | messages of one read, or of one write |
//! | `connection_handler_rtt_seconds` | histogram | `kind` | round-trip time of connections over QUIC, at their end |
//! | `connection_handler_packets_total` | counter | `kind`, `fate` | packets that were sent over QUIC, `sent` in all and of them `lost`, known at the end of their connection |
//! | `connection_handler_moves_total` | counter | `kind` | how often a peer over QUIC had another address than before |
//! | `connection_handler_mux_closed_total` | counter | `reason` | connections that a [`PortMux`](crate::transport::mux::PortMux) has closed before anybody had them, see [`MuxHandle::closed`](crate::transport::mux::MuxHandle::closed) |
//! | `connection_handler_datagrams_total` | counter | `kind` | datagrams at a port of QUIC that are something else, see `DatagramCounts` |
//! | `connection_handler_queue_bytes` | histogram | `kind` | bytes that waited when the writer came for them |
//!
//! `direction` is `in` or `out`. `reason` of a refusal is `per_address` (too many from there),
//! `handshake_failed`, `handshake_timeout` or `suspended` ([`Suspend`](crate::Suspend),
//! [`Drain`](crate::Drain)); for a connection that we open, the handshake includes the connect. What
//! a `SecurePort` turns away before its handshake is not counted, nor what arrives while a
//! connection closes, which is thrown away.
//!
//! # Whole messages
//!
//! See [`capture`](crate::capture).

mod meters;

use std::{cell::Cell, net::SocketAddr, rc::Rc, sync::Arc};

use tokio::time::Instant;
use tracing::{Span, field::display};

use crate::{
    DisconnectReason, Goodbye, PeerId,
    capture::Tapped,
    transport::{ConnectionInfo, LinkStatistics},
};

use meters::Meters;
pub(crate) use meters::{Entrance, KindMeters, Refused};

/// Counts what one connection does. Shared by its reader and its writer, which share a thread.
pub(crate) struct Observer {
    peer: PeerId,
    span: Span,
    meters: Rc<Meters>,
    tapped: Option<Arc<Tapped>>,
    since: Instant,
    incoming: Totals,
    outgoing: Totals,
}

impl Observer {
    /// Begins to observe a connection, in a span of its own.
    pub(crate) fn new(
        peer: PeerId,
        connection: &ConnectionInfo,
        meters: Rc<Meters>,
        tapped: Option<Arc<Tapped>>,
    ) -> Self {
        let ConnectionInfo { remote_addr, transport, .. } = connection;
        let kind = meters.kind;
        let span = tracing::info_span!("connection", %peer, kind, %remote_addr, transport);
        let (incoming, outgoing) = Default::default();
        Self { peer, span, meters, tapped, since: Instant::now(), incoming, outgoing }
    }

    /// The span of the connection.
    pub(crate) fn span(&self) -> &Span {
        &self.span
    }

    /// The connection is usable. Followed by one [`disconnected`](Self::disconnected).
    pub(crate) fn connected(&self) {
        self.meters.open.increment(1.0);
        self.meters.connected.increment(1);
        self.span.in_scope(|| tracing::debug!("connected"));
        if let Some(tapped) = &self.tapped {
            tapped.connected();
        }
    }

    /// One read has brought so many bytes, and they so many messages.
    pub(crate) fn received(&self, messages: usize, bytes: usize) {
        let (messages, bytes) = (self.incoming.batch(messages), self.incoming.more(bytes));
        self.meters.incoming.add(messages, bytes);
        if messages > 0 {
            self.meters.incoming.batch.record(messages as f64);
        }
    }

    /// The writer takes all that waits: so many bytes.
    pub(crate) fn taken(&self, bytes: usize) {
        self.meters.queue_bytes.record(bytes as f64);
    }

    /// Of what was taken, so many bytes are with the socket.
    pub(crate) fn written(&self, bytes: usize) {
        self.meters.outgoing.add(0, self.outgoing.more(bytes));
    }

    /// All that was taken is with the socket: so many messages.
    pub(crate) fn sent(&self, messages: usize) {
        let messages = self.outgoing.batch(messages);
        self.meters.outgoing.add(messages, 0);
        self.meters.outgoing.batch.record(messages as f64);
    }

    /// The peer is somewhere else, and its connection goes on.
    pub(crate) fn moved(&self, from: SocketAddr, to: SocketAddr) {
        self.meters.moved();
        self.span.in_scope(|| tracing::debug!(%from, %to, "the peer has moved"));
    }

    /// Says once that the connection is over: to the developer if the peer went away, to the
    /// operator if it broke a rule or we did.
    pub(crate) fn disconnected(&self, end: &End<'_>, connection: &ConnectionInfo) {
        self.meters.disconnected(end.reason, self.since.elapsed());
        if let Some(statistics) = &end.statistics {
            self.meters.carried(statistics);
        }
        self.span.in_scope(|| self.log(end, connection));
        if let Some(tapped) = &self.tapped {
            tapped.disconnected(end.reason.label());
        }
    }

    fn log(&self, &End { reason, goodbye, statistics }: &End<'_>, connection: &ConnectionInfo) {
        // What the span would say, where there is none.
        let bare = self.span.is_disabled();
        let peer = bare.then(|| display(self.peer));
        let kind = bare.then_some(self.meters.kind);
        let remote_addr = bare.then(|| display(connection.remote_addr));
        let transport = bare.then_some(connection.transport);
        let (incoming, outgoing) = (&self.incoming, &self.outgoing);
        let duration_ms = u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX);
        let goodbye = goodbye.map(display);
        let rtt_ms = statistics.map(|statistics| statistics.rtt.as_secs_f64() * 1000.0);
        let packets_sent = statistics.map(|statistics| statistics.packets_sent);
        let packets_lost = statistics.map(|statistics| statistics.packets_lost);
        let moves = statistics.map(|statistics| statistics.moves);
        macro_rules! disconnected {
            ($level:ident) => {
                tracing::$level!(
                    peer,
                    kind,
                    remote_addr,
                    transport,
                    %reason,
                    goodbye,
                    messages_in = incoming.messages.get(),
                    bytes_in = incoming.bytes.get(),
                    largest_batch_in = incoming.largest_batch.get(),
                    messages_out = outgoing.messages.get(),
                    bytes_out = outgoing.bytes.get(),
                    largest_batch_out = outgoing.largest_batch.get(),
                    duration_ms,
                    rtt_ms,
                    packets_sent,
                    packets_lost,
                    moves,
                    "disconnected"
                )
            };
        }
        match reason.audience() {
            Audience::Developer => disconnected!(debug),
            Audience::Operator => disconnected!(info),
            Audience::Us => disconnected!(error),
        }
    }
}

/// How a connection has ended.
pub(crate) struct End<'a> {
    pub(crate) reason: &'a DisconnectReason,
    /// What the other side has said about it.
    pub(crate) goodbye: Option<&'a Goodbye>,
    /// How it was doing until then.
    pub(crate) statistics: Option<LinkStatistics>,
}

/// Who wants to know that a connection has ended.
pub(crate) enum Audience {
    /// Who looks closely.
    Developer,
    /// Who runs the program: a rule was broken.
    Operator,
    /// Who wrote it.
    Us,
}

/// What went in one direction.
#[derive(Default)]
struct Totals {
    messages: Cell<u64>,
    bytes: Cell<u64>,
    largest_batch: Cell<u64>,
}

impl Totals {
    fn batch(&self, messages: usize) -> u64 {
        let messages = messages as u64;
        self.messages.set(self.messages.get() + messages);
        self.largest_batch.set(self.largest_batch.get().max(messages));
        messages
    }

    fn more(&self, bytes: usize) -> u64 {
        let bytes = bytes as u64;
        self.bytes.set(self.bytes.get() + bytes);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io,
        sync::{Mutex, PoisonError},
    };

    use tracing::{Level, level_filters::LevelFilter};

    use super::*;
    use crate::transport::NOWHERE;

    /// What is logged at the end, by who shows events of `level`.
    fn log(level: Level, reason: &DisconnectReason) -> String {
        let written = Arc::<Mutex<Vec<u8>>>::default();
        let writer = Sink(written.clone());
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(LevelFilter::from_level(level))
            .with_ansi(false)
            .with_writer(move || writer.clone())
            .finish();
        let connection = ConnectionInfo { remote_addr: NOWHERE, transport: "tcp", identity: None };
        tracing::subscriber::with_default(subscriber, || {
            let meters = KindMeters::new("Client").over("tcp");
            Observer::new(PeerId::next(), &connection, meters, None)
                .disconnected(&End { reason, goodbye: None, statistics: None }, &connection);
        });
        let written = written.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&written).into()
    }

    #[test]
    fn who_sees_no_span_sees_in_the_event_who_it_was() {
        let line = log(Level::ERROR, &DisconnectReason::Bug);
        for part in ["peer=#", "kind=\"Client\"", "remote_addr=127.0.0.1:0", "transport=\"tcp\""] {
            assert_eq!(line.matches(part).count(), 1, "{part} in {line}");
        }
        assert!(!line.contains("connection{"), "{line}");
        let line = log(Level::INFO, &DisconnectReason::Bug);
        assert_eq!(line.matches("peer=#").count(), 1, "{line}");
        assert!(line.contains("connection{"), "{line}");
    }

    #[test]
    fn only_who_looks_closely_hears_of_who_has_left() {
        assert_eq!(log(Level::INFO, &DisconnectReason::RemoteClose), "");
        assert_eq!(log(Level::DEBUG, &DisconnectReason::RemoteClose).lines().count(), 1);
        assert_eq!(log(Level::INFO, &DisconnectReason::Idle).lines().count(), 1);
    }

    #[derive(Clone)]
    struct Sink(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
}
