//! A central actor that a test looks through.

use std::{any::Any, fmt, panic::Location, time::Duration};

use actix::{Actor, Context, Handler};
use tokio::{sync::mpsc, time::timeout};

use super::limit::limited;
use crate::{
    DisconnectReason, Inbox, Peer, PeerCongested, PeerConnected, PeerDisconnected, PeerId,
    PeerMessages, PeerWritable,
};

/// A central actor that passes everything on to a test.
///
/// It keeps nothing, so that a peer is the test's to hold and to drop. Nothing is bounded: a test
/// for back-pressure wants a central actor that is slow.
pub fn probe<P: Peer>() -> (Inbox<P>, Events<P>) {
    let (sender, events) = mpsc::unbounded_channel();
    let inbox = Inbox::with_water_marks(Probe(sender).start());
    (inbox, Events { events, _alive: None })
}

/// What a central actor has heard of peers of one kind, in order.
///
/// That a peer is congested or writable again is heard by who waits for that, or for any
/// [`event`](Self::event); the others do not see it.
pub struct Events<P: Peer> {
    events: mpsc::UnboundedReceiver<Event<P>>,
    _alive: Option<Box<dyn Any>>,
}

/// Something a central actor hears of.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<P: Peer> {
    /// [`PeerConnected`].
    Connected(P),
    /// One of the messages of a [`PeerMessages`].
    Message(PeerId, P::Incoming),
    /// [`PeerCongested`].
    Congested(PeerId),
    /// [`PeerWritable`].
    Writable(PeerId),
    /// [`PeerDisconnected`].
    Disconnected(PeerId, DisconnectReason),
}

impl<P: Peer> Events<P> {
    /// The peer that has connected, which must be the next thing to happen.
    ///
    /// # Panics
    ///
    /// Where the caller stands, when something else happens, or nothing.
    #[track_caller]
    pub fn connected(&mut self) -> impl Future<Output = P> {
        let caller = Location::caller();
        async move {
            match self.next_for(caller, "a peer").await {
                Event::Connected(peer) => peer,
                other => panic!("{caller}: expected a peer, got {}", other.name()),
            }
        }
    }

    /// The message that has come, which must be the next thing to happen.
    ///
    /// # Panics
    ///
    /// Where the caller stands, when something else happens, or nothing.
    #[track_caller]
    pub fn message(&mut self) -> impl Future<Output = P::Incoming> {
        let caller = Location::caller();
        async move {
            match self.next_for(caller, "a message").await {
                Event::Message(_, message) => message,
                other => panic!("{caller}: expected a message, got {}", other.name()),
            }
        }
    }

    /// Why a peer is gone, which must be the next thing to happen.
    ///
    /// # Panics
    ///
    /// Where the caller stands, when something else happens, or nothing.
    #[track_caller]
    pub fn end(&mut self) -> impl Future<Output = DisconnectReason> {
        let caller = Location::caller();
        async move {
            match self.next_for(caller, "the end").await {
                Event::Disconnected(_, reason) => reason,
                other => panic!("{caller}: expected the end, got {}", other.name()),
            }
        }
    }

    /// Who has more waiting than is good, which must be the next thing to happen.
    ///
    /// # Panics
    ///
    /// Where the caller stands, when something else happens, or nothing.
    #[track_caller]
    pub fn congested(&mut self) -> impl Future<Output = PeerId> {
        let caller = Location::caller();
        async move {
            match self.any_for(caller, "congestion").await {
                Event::Congested(peer) => peer,
                other => panic!("{caller}: expected congestion, got {}", other.name()),
            }
        }
    }

    /// Who has caught up, which must be the next thing to happen.
    ///
    /// # Panics
    ///
    /// Where the caller stands, when something else happens, or nothing.
    #[track_caller]
    pub fn writable(&mut self) -> impl Future<Output = PeerId> {
        let caller = Location::caller();
        async move {
            match self.any_for(caller, "the end of congestion").await {
                Event::Writable(peer) => peer,
                other => panic!("{caller}: expected no congestion, got {}", other.name()),
            }
        }
    }

    /// Why the next peer is gone that is, whatever happens before.
    ///
    /// # Panics
    ///
    /// Where the caller stands, when nothing happens.
    #[track_caller]
    pub fn rest_until_the_end(&mut self) -> impl Future<Output = DisconnectReason> {
        let caller = Location::caller();
        async move {
            loop {
                if let Event::Disconnected(_, reason) = self.next_for(caller, "the end").await {
                    return reason;
                }
            }
        }
    }

    /// What happens next.
    ///
    /// # Panics
    ///
    /// Where the caller stands, when nothing happens.
    #[track_caller]
    pub fn event(&mut self) -> impl Future<Output = Event<P>> {
        let caller = Location::caller();
        async move { self.any_for(caller, "anything").await }
    }

    /// Whether nothing happens for so long. What does is gone then; that the handler has ended is
    /// something too.
    pub async fn silent_for(&mut self, time: Duration) -> bool {
        timeout(time, self.events.recv()).await.is_err()
    }

    pub(super) fn keeping(self, alive: impl Any) -> Self {
        Self { _alive: Some(Box::new(alive)), ..self }
    }

    /// What happens next, apart from congestion.
    async fn next_for(&mut self, caller: &Location<'_>, what: &str) -> Event<P> {
        loop {
            match self.any_for(caller, what).await {
                Event::Congested(_) | Event::Writable(_) => {}
                event => return event,
            }
        }
    }

    async fn any_for(&mut self, caller: &Location<'_>, what: &str) -> Event<P> {
        let event = limited(caller, what, self.events.recv()).await;
        event.unwrap_or_else(|| panic!("{caller}: no handler reports any more"))
    }
}

impl<P: Peer> fmt::Debug for Events<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events").finish_non_exhaustive()
    }
}

impl<P: Peer> Event<P> {
    fn name(&self) -> String {
        match self {
            Self::Connected(peer) => format!("peer {}", peer.id()),
            Self::Message(peer, _) => format!("a message of {peer}"),
            Self::Congested(peer) => format!("congestion of {peer}"),
            Self::Writable(peer) => format!("the end of the congestion of {peer}"),
            Self::Disconnected(peer, reason) => format!("the end of {peer}: {reason}"),
        }
    }
}

struct Probe<P: Peer>(mpsc::UnboundedSender<Event<P>>);

impl<P: Peer> Actor for Probe<P> {
    type Context = Context<Self>;
}

impl<P: Peer> Handler<PeerConnected<P>> for Probe<P> {
    type Result = ();

    fn handle(&mut self, PeerConnected { peer }: PeerConnected<P>, _: &mut Context<Self>) {
        let _ = self.0.send(Event::Connected(peer));
    }
}

impl<P: Peer> Handler<PeerMessages<P>> for Probe<P> {
    type Result = ();

    fn handle(&mut self, batch: PeerMessages<P>, _: &mut Context<Self>) {
        for message in batch.messages {
            let _ = self.0.send(Event::Message(batch.peer, message));
        }
    }
}

impl<P: Peer> Handler<PeerCongested<P>> for Probe<P> {
    type Result = ();

    fn handle(&mut self, congested: PeerCongested<P>, _: &mut Context<Self>) {
        let _ = self.0.send(Event::Congested(congested.peer));
    }
}

impl<P: Peer> Handler<PeerWritable<P>> for Probe<P> {
    type Result = ();

    fn handle(&mut self, writable: PeerWritable<P>, _: &mut Context<Self>) {
        let _ = self.0.send(Event::Writable(writable.peer));
    }
}

impl<P: Peer> Handler<PeerDisconnected<P>> for Probe<P> {
    type Result = ();

    fn handle(&mut self, gone: PeerDisconnected<P>, _: &mut Context<Self>) {
        let _ = self.0.send(Event::Disconnected(gone.peer, gone.reason));
    }
}
