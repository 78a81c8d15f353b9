//! What most kinds of connection have in common, so that it need not be written again.

use std::{fmt, marker::PhantomData};

use actix::{Actor, Context};

use crate::{
    ConnectionHandler, ConnectionReader, ConnectionWriter, DisconnectReason, MessageDecoder,
    MessageLimit, Messages, Peer, PeerId, PeerLink, Peers, TcpMessageConnectionReader,
    TcpMessageConnectionWriter,
};

/// Declares a [`Peer`]: its name, what it says, what it hears, and what is to be remembered of it.
///
/// ```
/// connection_handler::peer! {
///     /// Somebody who says numbers, and hears text.
///     pub struct Client: u64 => String;
/// }
///
/// connection_handler::peer! {
///     /// Somebody who says lines, and hears lines.
///     pub struct Member: String => String {
///         /// Once it has said it.
///         name: Option<String>,
///     }
/// }
/// ```
///
/// It is made [`From`] a [`PeerLink`], as [`PlainHandler`] does; its fields are what [`Default`]
/// makes of them. A peer that begins in another way is a struct with an `impl` of [`Peer`].
#[macro_export]
macro_rules! peer {
    ($(#[$attribute:meta])* $visibility:vis struct $Peer:ident: $Incoming:ty => $Outgoing:ty;) => {
        $crate::peer! { $(#[$attribute])* $visibility struct $Peer: $Incoming => $Outgoing {} }
    };
    (
        $(#[$attribute:meta])*
        $visibility:vis struct $Peer:ident: $Incoming:ty => $Outgoing:ty {
            $($(#[$about:meta])* $shown:vis $field:ident: $Type:ty),* $(,)?
        }
    ) => {
        $(#[$attribute])*
        #[derive(Debug)]
        $visibility struct $Peer {
            link: $crate::PeerLink<$Outgoing>,
            $($(#[$about])* $shown $field: $Type,)*
        }

        impl $crate::Peer for $Peer {
            type Incoming = $Incoming;
            type Outgoing = $Outgoing;

            fn link(&self) -> &$crate::PeerLink<$Outgoing> {
                &self.link
            }
        }

        impl From<$crate::PeerLink<$Outgoing>> for $Peer {
            fn from(link: $crate::PeerLink<$Outgoing>) -> Self {
                Self { link, $($field: ::core::default::Default::default(),)* }
            }
        }
    };
}

/// The [`ConnectionHandler`] of a kind whose connections need no more than their link: its reader
/// and its writer are made by [`Default`].
///
/// Give it a name: `pub type ClientHandler = PlainHandler<Client, MyReader, MyWriter>;`
pub struct PlainHandler<P, R, W>(PhantomData<Makes<P, R, W>>);

type Makes<P, R, W> = fn() -> (P, R, W);

impl<P, R, W> PlainHandler<P, R, W> {
    /// A handler of such connections.
    pub fn new() -> Self {
        Self(PhantomData)
    }
}

impl<P, R, W> Default for PlainHandler<P, R, W> {
    fn default() -> Self {
        Self::new()
    }
}

impl<P, R, W> ConnectionHandler for PlainHandler<P, R, W>
where
    P: Peer + From<PeerLink<P::Outgoing>>,
    R: ConnectionReader<Item = P::Incoming> + Default,
    W: ConnectionWriter<P::Outgoing> + Default,
{
    type Peer = P;
    type Reader = R;
    type Writer = W;

    fn create_connection_instances(&mut self, link: PeerLink<P::Outgoing>) -> (R, W, P) {
        (R::default(), W::default(), link.into())
    }
}

impl<P, R, W> fmt::Debug for PlainHandler<P, R, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PlainHandler")
    }
}

impl<D: MessageDecoder + Default> Default for TcpMessageConnectionReader<D> {
    /// Reads messages of at most 4 KiB: enough for who has not said yet who they are.
    fn default() -> Self {
        Self::new(D::default(), MessageLimit::new(4 * 1024))
    }
}

impl<E: Default> Default for TcpMessageConnectionWriter<E> {
    fn default() -> Self {
        Self::new(E::default())
    }
}

/// What a central actor does for peers of kind `P`, as one `impl` instead of three.
///
/// [`serves!`](crate::serves) makes the handlers of actix of it. Like them, none of these may await
/// or block: all connections wait for it.
pub trait Serves<P: Peer>: Actor<Context = Context<Self>> {
    /// Where the peers of this kind are kept: from when they have [connected](Self::connected)
    /// until they have [disconnected](Self::disconnected).
    fn peers(&mut self) -> &mut Peers<P>;

    /// A peer has connected. Called first; after that it is one of [`peers`](Self::peers).
    fn connected(&mut self, new: &mut P, ctx: &mut Context<Self>) {
        let _ = (new, ctx);
    }

    /// A peer has said something.
    fn message(&mut self, from: PeerId, message: P::Incoming, ctx: &mut Context<Self>);

    /// All that one read has brought, in order. Unless said otherwise, one [`message`](Self::message)
    /// after the other.
    fn messages(&mut self, from: PeerId, messages: Messages<P::Incoming>, ctx: &mut Context<Self>) {
        messages.into_iter().for_each(|message| self.message(from, message, ctx));
    }

    /// A peer is gone, whoever ended it, and is none of [`peers`](Self::peers) any more. Called
    /// last; not of a peer that was taken out of them before.
    fn disconnected(&mut self, gone: P, reason: DisconnectReason, ctx: &mut Context<Self>) {
        let _ = (gone, reason, ctx);
    }
}

/// Makes an actor that [`Serves`] kinds of peers their [`Central`](crate::Central) actor.
///
/// ```ignore
/// connection_handler::serves!(Server: Client, Operator);
/// ```
#[macro_export]
macro_rules! serves {
    ($Central:ty: $($Peer:ty),+ $(,)?) => {$(
        impl ::actix::Handler<$crate::PeerConnected<$Peer>> for $Central {
            type Result = ();

            fn handle(
                &mut self,
                connected: $crate::PeerConnected<$Peer>,
                ctx: &mut ::actix::Context<Self>,
            ) {
                let mut peer = connected.peer;
                $crate::Serves::<$Peer>::connected(self, &mut peer, ctx);
                $crate::Serves::<$Peer>::peers(self).insert(peer);
            }
        }

        impl ::actix::Handler<$crate::PeerMessages<$Peer>> for $Central {
            type Result = ();

            fn handle(
                &mut self,
                batch: $crate::PeerMessages<$Peer>,
                ctx: &mut ::actix::Context<Self>,
            ) {
                $crate::Serves::<$Peer>::messages(self, batch.peer, batch.messages, ctx);
            }
        }

        impl ::actix::Handler<$crate::PeerDisconnected<$Peer>> for $Central {
            type Result = ();

            fn handle(
                &mut self,
                gone: $crate::PeerDisconnected<$Peer>,
                ctx: &mut ::actix::Context<Self>,
            ) {
                let peer = $crate::Serves::<$Peer>::peers(self).remove(gone.peer);
                if let Some(peer) = peer {
                    $crate::Serves::<$Peer>::disconnected(self, peer, gone.reason, ctx);
                }
            }
        }
    )+};
}
