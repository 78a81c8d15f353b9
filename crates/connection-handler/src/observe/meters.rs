//! The metrics of connections, as the recorder that is installed gives them out.

use std::{rc::Rc, time::Duration};

use metrics::{
    Counter, Gauge, Histogram, Unit, counter, describe_counter, describe_gauge, describe_histogram,
    gauge, histogram,
};

use crate::{DisconnectReason, transport::LinkStatistics};

/// The metrics of one handler.
#[derive(Debug)]
pub(crate) struct KindMeters {
    kind: &'static str,
    handshakes: Gauge,
    /// One for each transport seen so far: a handful.
    by_transport: Vec<Rc<Meters>>,
}

impl KindMeters {
    pub(crate) fn new(kind: &'static str) -> Self {
        describe();
        Self { kind, handshakes: gauge!(HANDSHAKES, "kind" => kind), by_transport: Vec::new() }
    }

    /// For a connection over `transport`.
    pub(crate) fn over(&mut self, transport: &'static str) -> Rc<Meters> {
        let known = self.by_transport.iter().find(|meters| meters.transport == transport);
        known.cloned().unwrap_or_else(|| {
            let meters = Rc::new(Meters::new(self.kind, transport));
            self.by_transport.push(meters.clone());
            meters
        })
    }

    /// For those who wait for connections.
    pub(crate) fn entrance(&self) -> Entrance {
        Entrance { kind: self.kind, handshakes: self.handshakes.clone() }
    }
}

/// Counts what happens to connections before they are usable.
#[derive(Clone, Debug)]
pub(crate) struct Entrance {
    kind: &'static str,
    handshakes: Gauge,
}

impl Entrance {
    /// A handshake begins. It ends when the result is dropped.
    pub(crate) fn handshake(&self) -> HandshakeInFlight {
        self.handshakes.increment(1.0);
        HandshakeInFlight(self.handshakes.clone())
    }

    /// A connection will not become usable.
    pub(crate) fn refused(&self, reason: Refused) {
        counter!(REFUSED, "kind" => self.kind, "reason" => reason.label()).increment(1);
    }
}

/// Counts one handshake until it is dropped.
pub(crate) struct HandshakeInFlight(Gauge);

impl Drop for HandshakeInFlight {
    fn drop(&mut self) {
        self.0.decrement(1.0);
    }
}

/// Why a connection never became usable.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Refused {
    /// Too many from its address.
    PerAddress,
    /// Its handshake failed, or the connect.
    HandshakeFailed,
    /// Its handshake took too long, or the connect.
    HandshakeTimeout,
    /// It came while none is wanted.
    Suspended,
}

impl Refused {
    fn label(self) -> &'static str {
        match self {
            Self::PerAddress => "per_address",
            Self::HandshakeFailed => "handshake_failed",
            Self::HandshakeTimeout => "handshake_timeout",
            Self::Suspended => "suspended",
        }
    }
}

/// The metrics of connections of one kind over one transport.
#[derive(Debug)]
pub(crate) struct Meters {
    pub(crate) kind: &'static str,
    transport: &'static str,
    pub(crate) open: Gauge,
    pub(crate) connected: Counter,
    pub(crate) incoming: Flow,
    pub(crate) outgoing: Flow,
    pub(crate) queue_bytes: Histogram,
    duration: Histogram,
}

impl Meters {
    fn new(kind: &'static str, transport: &'static str) -> Self {
        Self {
            kind,
            transport,
            open: gauge!(OPEN, "kind" => kind, "transport" => transport),
            connected: counter!(CONNECTED, "kind" => kind, "transport" => transport),
            incoming: Flow::new(kind, "in"),
            outgoing: Flow::new(kind, "out"),
            queue_bytes: histogram!(QUEUE_BYTES, "kind" => kind),
            duration: histogram!(DURATION, "kind" => kind),
        }
    }

    /// A connection is over that was open for `duration`.
    pub(crate) fn disconnected(&self, reason: &DisconnectReason, duration: Duration) {
        self.open.decrement(1.0);
        self.duration.record(duration);
        counter!(DISCONNECTED, "kind" => self.kind, "reason" => reason.label()).increment(1);
    }

    /// How a connection was doing that is over now.
    pub(crate) fn carried(&self, statistics: &LinkStatistics) {
        let LinkStatistics { rtt, packets_sent, packets_lost, .. } = *statistics;
        histogram!(RTT, "kind" => self.kind).record(rtt);
        counter!(PACKETS, "kind" => self.kind, "fate" => "sent").increment(packets_sent);
        counter!(PACKETS, "kind" => self.kind, "fate" => "lost").increment(packets_lost);
    }

    /// A peer has another address than before.
    pub(crate) fn moved(&self) {
        counter!(MOVES, "kind" => self.kind).increment(1);
    }
}

/// The metrics of one direction.
#[derive(Debug)]
pub(crate) struct Flow {
    messages: Counter,
    bytes: Counter,
    pub(crate) batch: Histogram,
}

impl Flow {
    fn new(kind: &'static str, direction: &'static str) -> Self {
        Self {
            messages: counter!(MESSAGES, "kind" => kind, "direction" => direction),
            bytes: counter!(BYTES, "kind" => kind, "direction" => direction),
            batch: histogram!(BATCH, "kind" => kind, "direction" => direction),
        }
    }

    pub(crate) fn add(&self, messages: u64, bytes: u64) {
        if messages > 0 {
            self.messages.increment(messages);
        }
        if bytes > 0 {
            self.bytes.increment(bytes);
        }
    }
}

/// Tells the recorder what the names mean.
fn describe() {
    describe_gauge!(OPEN, Unit::Count, "connections that are open");
    describe_counter!(CONNECTED, Unit::Count, "connections that became usable");
    describe_counter!(DISCONNECTED, Unit::Count, "connections that ended");
    describe_histogram!(DURATION, Unit::Seconds, "how long connections lasted");
    describe_gauge!(HANDSHAKES, Unit::Count, "handshakes that are under way");
    describe_counter!(REFUSED, Unit::Count, "connections that never became usable");
    describe_counter!(MESSAGES, Unit::Count, "messages that were decoded, or written");
    describe_counter!(BYTES, Unit::Bytes, "bytes that were read, or written");
    describe_histogram!(BATCH, Unit::Count, "messages of one read, or of one write");
    describe_histogram!(RTT, Unit::Seconds, "round-trip times at the end of connections");
    describe_counter!(PACKETS, Unit::Count, "packets that were sent, or of them lost");
    describe_counter!(MOVES, Unit::Count, "peers that had another address than before");
    describe_histogram!(QUEUE_BYTES, Unit::Bytes, "bytes that waited for the writer");
}

const OPEN: &str = "connection_handler_open";
const CONNECTED: &str = "connection_handler_connected_total";
const DISCONNECTED: &str = "connection_handler_disconnected_total";
const DURATION: &str = "connection_handler_duration_seconds";
const HANDSHAKES: &str = "connection_handler_handshakes";
const REFUSED: &str = "connection_handler_refused_total";
const MESSAGES: &str = "connection_handler_messages_total";
const BYTES: &str = "connection_handler_bytes_total";
const BATCH: &str = "connection_handler_batch_messages";
const RTT: &str = "connection_handler_rtt_seconds";
const PACKETS: &str = "connection_handler_packets_total";
const MOVES: &str = "connection_handler_moves_total";
const QUEUE_BYTES: &str = "connection_handler_queue_bytes";
