//! The way from a keeper to its game, whichever game that is.

use std::{
    io,
    net::SocketAddr,
    time::{Duration, Instant},
};

use actix::{Actor, Addr};
use connection_handler::{
    ConnectionConfig, ConnectionHandler, Drain, Inbox, OutgoingConnectionHandler, Peer,
    PeerConnected, PeerDisconnected, PeerMessages, transport::tcp::TcpConnector,
};
use protocol::{GamePlayerId, JoinSecret};

use super::{
    controller::ControllerLink,
    game::GameEvent,
    handlers::{openttd::Openttd, teeworlds::Teeworlds},
    process::StartId,
    server::Keeper,
    start::Access,
};
use crate::patient::Patient;

/// A game that can be talked to: what a folder of `handlers` is about.
pub(crate) trait Language: Sized + 'static {
    /// Makes a peer of a connection to the game.
    type Handler: ConnectionHandler<Peer = Self::Peer>;
    /// The game, as its keeper sees it.
    type Peer: Peer;
    /// What is known of the game through it.
    type World: GameWorld<Heard = Heard<Self>, Said = Said<Self>>;

    /// A handler for the game of `start`.
    fn handler(start: StartId) -> Self::Handler;

    /// Which start of the game this peer is.
    fn start(peer: &Self::Peer) -> StartId;

    /// The link, if it is to a game of this kind.
    fn of(link: &mut AnyLink) -> Option<&mut Link<Self>>;
}

/// What a game says.
type Heard<L> = <<L as Language>::Peer as Peer>::Incoming;

/// What a game is told.
type Said<L> = <<L as Language>::Peer as Peer>::Outgoing;

/// What the messages of a game mean, and which of them mean what we want. No connection, no clock.
pub(crate) trait GameWorld: Default {
    /// What the game says.
    type Heard;
    /// What it is told.
    type Said;

    /// What to say on a new connection. What was asked on the one before is forgotten.
    fn connected(&mut self, password: &str) -> Vec<Self::Said>;

    /// What one message means.
    fn heard(&mut self, message: Self::Heard, now: Instant) -> Meaning<Self::Said>;

    /// How many players are in the game.
    fn player_count(&self) -> usize;

    /// Makes `secret` the password for players, and asks which one it is then.
    fn set_secret(&mut self, secret: &JoinSecret) -> Vec<Self::Said>;

    /// Shows everybody that `speaker` said `text`.
    fn say(&mut self, speaker: &str, text: &str) -> Vec<Self::Said>;

    /// Throws a player out.
    fn kick(&mut self, player: GamePlayerId, reason: &str) -> Vec<Self::Said>;

    /// Asks for a sign of life.
    fn ping(&mut self) -> Vec<Self::Said>;

    /// Makes it end, after it has saved its world if that is kept.
    fn quit(&mut self, keep_world: bool) -> Vec<Self::Said>;

    /// How many commands were left out because the game does not answer, told once in a while.
    fn left_out(&mut self, now: Instant) -> Option<u64>;
}

/// What a message of a game leads to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Meaning<S> {
    /// What the keeper has to know.
    pub(crate) events: Vec<GameEvent>,
    /// What the game has to hear.
    pub(crate) replies: Vec<S>,
}

impl<S> Default for Meaning<S> {
    fn default() -> Self {
        Self { events: Vec::new(), replies: Vec::new() }
    }
}

/// The link to one start of a game of a certain kind.
pub(crate) struct Link<L: Language> {
    start: StartId,
    password: String,
    world: L::World,
    /// The connection, while there is one.
    peer: Option<L::Peer>,
    connector: Addr<OutgoingConnectionHandler<L::Handler, Patient<TcpConnector>>>,
}

/// What a keeper does with its game, whichever it is.
///
/// What is said while there is no connection is lost: a game that does not listen cannot be told.
pub(crate) trait Controls {
    fn is_connected(&self) -> bool;
    fn player_count(&self) -> usize;
    fn set_secret(&mut self, secret: &JoinSecret);
    fn say(&mut self, speaker: &str, text: &str);
    fn kick(&mut self, player: GamePlayerId, reason: &str);
    fn ping(&mut self);
    fn quit(&mut self, keep_world: bool);
    fn left_out(&mut self, now: Instant) -> Option<u64>;
    /// Ends the connection, and makes no other.
    fn close(&self);
}

/// The link to one start of a game of any kind.
pub(crate) enum AnyLink {
    Openttd(Link<Openttd>),
    Teeworlds(Link<Teeworlds>),
    Controller(Box<ControllerLink>),
}

impl AnyLink {
    /// Connects to the game of `start`, as soon as it listens, or lets it connect. What it is told to
    /// stop it has `stop_within` for.
    ///
    /// # Errors
    ///
    /// When the runtime does not take the socket it would connect to.
    pub(crate) fn open(
        access: Access,
        start: StartId,
        stop_within: Duration,
        keeper: &Addr<Keeper>,
    ) -> io::Result<Self> {
        Ok(match access {
            Access::Openttd { admin, password } => {
                Self::Openttd(Link::open(start, admin, password, keeper))
            }
            Access::Teeworlds { console, password } => {
                Self::Teeworlds(Link::open(start, console, password, keeper))
            }
            Access::Controller(access) => {
                let link = ControllerLink::open(start, access, stop_within, keeper)?;
                Self::Controller(Box::new(link))
            }
        })
    }

    pub(crate) fn controls(&mut self) -> &mut dyn Controls {
        match self {
            Self::Openttd(link) => link,
            Self::Teeworlds(link) => link,
            Self::Controller(link) => &mut **link,
        }
    }
}

impl<L: Language> Link<L> {
    fn open(start: StartId, addr: SocketAddr, password: String, keeper: &Addr<Keeper>) -> Self
    where
        Inbox<L::Peer>: From<Addr<Keeper>>,
    {
        let config = ConnectionConfig {
            reconnect_delay: Some(RECONNECT_AFTER),
            max_reconnect_delay: RECONNECT_AFTER * 10,
            ..ConnectionConfig::default()
        };
        let (connector, inbox) = (Patient(TcpConnector { addr }), keeper.clone());
        let connector =
            OutgoingConnectionHandler::new(L::handler(start), connector, inbox, config).start();
        Self { start, password, world: L::World::default(), peer: None, connector }
    }

    /// The game can be told something. A connection to one that is gone is dropped, and with that
    /// ended.
    pub(crate) fn connected(&mut self, PeerConnected { peer }: PeerConnected<L::Peer>) {
        if L::start(&peer) == self.start {
            let greeting = self.world.connected(&self.password);
            self.peer = Some(peer);
            self.tell(greeting);
        }
    }

    /// What the game has said means.
    pub(crate) fn heard(&mut self, batch: PeerMessages<L::Peer>, now: Instant) -> Vec<GameEvent> {
        let mut events = Vec::new();
        if self.peer.as_ref().is_some_and(|peer| peer.id() == batch.peer) {
            for message in batch.messages {
                let meaning = self.world.heard(message, now);
                self.tell(meaning.replies);
                events.extend(meaning.events);
            }
        }
        events
    }

    /// Whether that matters is seen from whether the process ends, or no longer answers.
    pub(crate) fn disconnected(&mut self, gone: &PeerDisconnected<L::Peer>) {
        if self.peer.take_if(|peer| peer.id() == gone.peer).is_some() {
            tracing::debug!(reason = %gone.reason, "the connection to the game is lost");
        }
    }

    fn tell(&self, messages: Vec<Said<L>>) {
        if let Some(peer) = &self.peer {
            messages.into_iter().for_each(|message| peer.send(message));
        }
    }
}

impl<L: Language> Controls for Link<L> {
    fn is_connected(&self) -> bool {
        self.peer.is_some()
    }

    fn player_count(&self) -> usize {
        self.world.player_count()
    }

    fn set_secret(&mut self, secret: &JoinSecret) {
        let messages = self.world.set_secret(secret);
        self.tell(messages);
    }

    fn say(&mut self, speaker: &str, text: &str) {
        let messages = self.world.say(speaker, text);
        self.tell(messages);
    }

    fn kick(&mut self, player: GamePlayerId, reason: &str) {
        let messages = self.world.kick(player, reason);
        self.tell(messages);
    }

    fn ping(&mut self) {
        let messages = self.world.ping();
        self.tell(messages);
    }

    fn quit(&mut self, keep_world: bool) {
        let messages = self.world.quit(keep_world);
        self.tell(messages);
    }

    fn left_out(&mut self, now: Instant) -> Option<u64> {
        self.world.left_out(now)
    }

    fn close(&self) {
        self.connector.do_send(Drain { patience: Duration::ZERO });
    }
}

/// Lets the keeper hear games of one [`Language`].
macro_rules! hears {
    ($language:ty) => {
        const _: () = {
            use std::time::Instant;

            use actix::{Context, Handler};
            use connection_handler::{PeerConnected, PeerDisconnected, PeerMessages};

            use $crate::keeper::{link::Language, server::Keeper};

            type Peer = <$language as Language>::Peer;

            impl Handler<PeerConnected<Peer>> for Keeper {
                type Result = ();

                fn handle(&mut self, connected: PeerConnected<Peer>, _: &mut Context<Self>) {
                    if let Some(link) = self.link::<$language>() {
                        link.connected(connected);
                    }
                }
            }

            impl Handler<PeerMessages<Peer>> for Keeper {
                type Result = ();

                fn handle(&mut self, batch: PeerMessages<Peer>, ctx: &mut Context<Self>) {
                    let now = Instant::now();
                    let events = self.link::<$language>().map(|link| link.heard(batch, now));
                    for event in events.into_iter().flatten() {
                        self.game_said(event, now, ctx);
                    }
                    self.flush();
                }
            }

            impl Handler<PeerDisconnected<Peer>> for Keeper {
                type Result = ();

                fn handle(&mut self, gone: PeerDisconnected<Peer>, _: &mut Context<Self>) {
                    if let Some(link) = self.link::<$language>() {
                        link.disconnected(&gone);
                    }
                }
            }
        };
    };
}
pub(crate) use hears;

const RECONNECT_AFTER: Duration = Duration::from_millis(50);
