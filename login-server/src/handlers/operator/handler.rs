//! Connections of operators.

use connection_handler::{ConnectionHandler, Peer, PeerLink};

use super::protocol::{FromOperator, Reader, ToOperator, Writer, reader_and_writer};

/// An operator's command line.
#[derive(Debug)]
pub(crate) struct Operator {
    link: PeerLink<ToOperator>,
    /// Whether it has said Hello.
    pub(super) greeted: bool,
    /// Requests that wait for the store.
    pub(super) waiting: usize,
}

impl Peer for Operator {
    type Incoming = FromOperator;
    type Outgoing = ToOperator;

    fn link(&self) -> &PeerLink<ToOperator> {
        &self.link
    }
}

/// Makes [`Operator`]s of connections.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OperatorHandler;

impl ConnectionHandler for OperatorHandler {
    type Peer = Operator;
    type Reader = Reader<FromOperator>;
    type Writer = Writer<ToOperator>;

    fn create_connection_instances(
        &mut self,
        link: PeerLink<ToOperator>,
    ) -> (Self::Reader, Self::Writer, Operator) {
        // What an operator says is short: it stays at the limit for strangers.
        let (reader, writer, _) = reader_and_writer(&link);
        (reader, writer, Operator { link, greeted: false, waiting: 0 })
    }
}
