//! One message for many peers, encoded once.

use std::{any::TypeId, fmt};

use bytes::{Bytes, BytesMut};
use framing::chunks::{self, ChunkSize};

use crate::{DisconnectReason, Peer, encoding::Encoding, waiting::Waiting};

/// Which peers are sent the same bytes of a message: those whose writers are of one type, and speak
/// one version.
///
/// A link that is told its class shares what is encoded for others of this class. One that is not
/// shares nothing: its writer might make other bytes. Tell it with
/// [`PeerLink::set_encoding_class`](crate::PeerLink::set_encoding_class) when it is created, or as
/// soon as both sides have agreed on a version.
///
/// ```
/// # use connection_handler::{EncodingClass, TcpMessageConnectionWriter};
/// # struct Codec { version: u32 }
/// let version = 3;
/// let writer = TcpMessageConnectionWriter::new(Codec { version });
/// let class = writer.encoding_class(version);
/// # assert_ne!(class, class.with_version(4));
/// // link.set_encoding_class(class);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EncodingClass {
    writer: TypeId,
    version: u32,
    /// How its messages are cut. `None`: the writer alone knows.
    chunks: Option<ChunkSize>,
}

impl EncodingClass {
    /// The class of `writer`, which makes the same bytes of a message as every other writer of its
    /// type with this `version`, whatever was sent before.
    ///
    /// The version stands for all that changes the bytes: give writers that are configured
    /// differently different ones. For a writer of chunks, see
    /// [`TcpMessageConnectionWriter::encoding_class`](crate::TcpMessageConnectionWriter::encoding_class).
    pub fn of<W: 'static>(_writer: &W, version: u32) -> Self {
        Self { writer: TypeId::of::<W>(), version, chunks: None }
    }

    pub(crate) fn of_chunks<W: 'static>(version: u32, size: ChunkSize) -> Self {
        Self { writer: TypeId::of::<W>(), version, chunks: Some(size) }
    }

    /// The same writer, in another version.
    #[must_use]
    pub fn with_version(self, version: u32) -> Self {
        Self { version, ..self }
    }

    pub(crate) fn is_of(&self, writer: TypeId) -> bool {
        self.writer == writer
    }

    /// Whether a message differs at most in how it is cut.
    fn encodes_like(&self, other: &Self) -> bool {
        (self.writer, self.version, self.chunks.is_some())
            == (other.writer, other.version, other.chunks.is_some())
    }
}

/// One message for many peers, of one kind or of several that hear the same messages.
///
/// It is encoded once for each [`EncodingClass`] among them, and once more for each peer that has
/// none. Peers whose encoder does not [know](crate::MessageEncoder::knows) the message are left out.
/// For each of the others it is as with [`Peer::send`].
///
/// ```
/// # use connection_handler::{Broadcast, Peer};
/// # fn tell<M: Clone + Send + 'static>(
/// #     players: &[impl Peer<Outgoing = M>], spectators: &[impl Peer<Outgoing = M>], message: M
/// # ) {
/// Broadcast::new(message).to(players).to(spectators);
/// # }
/// ```
pub struct Broadcast<M> {
    message: M,
    encoded: Vec<Encoded>,
}

struct Encoded {
    class: EncodingClass,
    /// Nothing, if the class does not know the message.
    bytes: Result<Bytes, DisconnectReason>,
}

impl<M: Clone + Send + 'static> Broadcast<M> {
    /// A broadcast that has reached nobody yet.
    #[must_use = "it reaches nobody by itself"]
    pub fn new(message: M) -> Self {
        Self { message, encoded: Vec::new() }
    }

    /// Queues the message for every one of `peers`, without ever waiting.
    #[expect(clippy::return_self_not_must_use, reason = "it has been sent")]
    pub fn to<'a, P>(mut self, peers: impl IntoIterator<Item = &'a P>) -> Self
    where
        P: Peer<Outgoing = M>,
    {
        peers.into_iter().for_each(|peer| self.reach(peer));
        self
    }

    /// Queues the message for one more of them.
    pub(crate) fn reach<P: Peer<Outgoing = M>>(&mut self, peer: &P) {
        peer.link().queue().broadcast(P::lane(&self.message), self);
    }

    /// Appends what `encoding` makes of the message to `waiting`, or what its like has made of it.
    /// To a peer for whom nothing waits the same bytes are lent: they are not copied.
    pub(crate) fn append(
        &mut self,
        encoding: &mut Encoding<M>,
        waiting: &mut Waiting,
        about: u32,
    ) -> Result<(), DisconnectReason> {
        let Some(class) = encoding.class() else {
            return encoding.encode(self.message.clone(), waiting.owned(about));
        };
        let known = self.encoded.iter().position(|encoded| encoded.class.encodes_like(&class));
        let index = known.unwrap_or_else(|| self.encode(class, encoding));
        let encoded = &self.encoded[index];
        let message = encoded.bytes.as_ref().map_err(Clone::clone)?;
        let before = waiting.len();
        match (encoded.class.chunks, class.chunks) {
            (Some(from), Some(to)) if from != to => {
                chunks::recut(message, from, to, waiting.owned(about));
            }
            _ if before == 0 => *waiting = Waiting::Shared(message.clone()),
            _ => waiting.owned(about).extend_from_slice(message),
        }
        encoding.shares(&self.message, &waiting[before..]);
        Ok(())
    }

    /// Encodes the message for a class that has not been met before, and says where it is.
    fn encode(&mut self, class: EncodingClass, encoding: &mut Encoding<M>) -> usize {
        let mut bytes = BytesMut::new();
        let encoded = encoding.encode_for_others(self.message.clone(), &mut bytes);
        self.encoded.push(Encoded { class, bytes: encoded.map(|()| bytes.freeze()) });
        self.encoded.len() - 1
    }
}

impl<M> fmt::Debug for Broadcast<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Broadcast").field("classes", &self.encoded.len()).finish_non_exhaustive()
    }
}
