//! The one central actor: what it knows, and how it does what the lobby wants done.

use std::{
    collections::{BTreeMap, HashMap},
    time::{Duration, Instant, SystemTime},
};

use actix::{Actor, AsyncContext, Context, Handler, Message};
use connection_handler::{DisconnectReason, Peer, PeerId};
use metrics::gauge;
use protocol::{BootId, Goodbye, KeyPin, ToGameClient, ToLauncher, UnixMillis};
use tokio::{
    task::AbortHandle,
    time::{MissedTickBehavior, interval},
};

use crate::{
    handlers::{game_client::GameClient, launcher::Launcher, operator::Operator},
    lobby::{Answer, Census, Effect, Event, Limits, LinkId, Lobby, Now, Ticket},
    recordings::Recordings,
    store::Accounts,
    tickets::Office,
};

/// Owns every peer, and the lobby that decides. Never waits.
#[derive(Debug)]
pub(crate) struct LoginServer {
    pub(crate) lobby: Lobby,
    pub(crate) game_clients: HashMap<LinkId, GameClient>,
    pub(crate) launchers: HashMap<LinkId, Launcher>,
    pub(crate) operators: BTreeMap<PeerId, Operator>,
    pub(crate) store: Accounts,
    pub(crate) boot: BootId,
    /// When it began.
    pub(crate) since: UnixMillis,
    pub(crate) recordings: Recordings,
    /// What the store works at.
    asked: HashMap<Ticket, AbortHandle>,
    begun: Instant,
}

impl LoginServer {
    pub(crate) fn new(
        limits: Limits,
        boot: BootId,
        store: Accounts,
        office: Office,
        recordings: Recordings,
    ) -> Self {
        let begun = Instant::now();
        let now = now_since(begun);
        Self {
            lobby: Lobby::new(limits, boot, Box::new(office), now),
            game_clients: HashMap::new(),
            launchers: HashMap::new(),
            operators: BTreeMap::new(),
            store,
            boot,
            since: now.clock,
            recordings,
            asked: HashMap::new(),
            begun,
        }
    }

    /// Tells the lobby, and does what it wants done.
    pub(crate) fn happened(&mut self, event: Event, ctx: &Context<Self>) {
        let effects = self.lobby.apply(event, self.now());
        effects.into_iter().for_each(|effect| self.carry_out(effect, ctx));
    }

    pub(crate) fn carry_out(&mut self, effect: Effect, ctx: &Context<Self>) {
        match effect {
            Effect::ToClient(link, message) => {
                if let ToGameClient::Refused { reason, .. } = &message {
                    metrics::counter!("login_server_refusals_total", "reason" => reason.kind().name())
                        .increment(1);
                }
                if let Some(client) = self.game_clients.get(&link) {
                    client.send(message);
                }
            }
            Effect::ToClients(links, message) => {
                let clients = links.iter().filter_map(|link| self.game_clients.get(link));
                GameClient::send_to_all(clients, message);
            }
            Effect::ToLauncher(link, message) => {
                if let ToLauncher::Refused(reason) = &message {
                    let reason = reason.kind().name();
                    metrics::counter!("login_server_launcher_refusals_total", "reason" => reason)
                        .increment(1);
                }
                if let Some(launcher) = self.launchers.get(&link) {
                    launcher.send(message);
                }
            }
            Effect::Trust(link) => {
                self.game_clients.get(&link).into_iter().for_each(GameClient::trust);
                self.launchers.get(&link).into_iter().for_each(Launcher::trust);
            }
            Effect::Goodbye(link, goodbye) => self.goodbye(link, goodbye),
            Effect::Ask(ticket, query) => {
                let (store, server) = (self.store.clone(), ctx.address());
                let asked = actix::spawn(async move {
                    let answer = store.answer(query).await;
                    server.do_send(Answered { ticket, answer });
                });
                self.asked.insert(ticket, asked.abort_handle());
            }
            Effect::Abandon(ticket) => {
                if let Some(asked) = self.asked.remove(&ticket) {
                    asked.abort();
                }
            }
        }
    }

    pub(crate) fn now(&self) -> Now {
        now_since(self.begun)
    }

    fn goodbye(&self, link: LinkId, goodbye: Goodbye) {
        metrics::counter!("login_server_goodbyes_total", "reason" => goodbye.kind().name())
            .increment(1);
        let reason = match goodbye {
            // Every transport has its own way to say that.
            Goodbye::ShuttingDown | Goodbye::ComeBack { .. } => DisconnectReason::Drain,
            _ => goodbye.to_string().into(),
        };
        if let Some(client) = self.game_clients.get(&link) {
            client.send(ToGameClient::Goodbye(goodbye));
            client.disconnect(reason);
        } else if let Some(launcher) = self.launchers.get(&link) {
            launcher.send(ToLauncher::Goodbye(goodbye));
            launcher.disconnect(reason);
        }
    }
}

impl Actor for LoginServer {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        // Enough for a batch of every connection: who finds it full waits with reading.
        ctx.set_mailbox_capacity(MAILBOX);
        let server = ctx.address().downgrade();
        // A task of its own: an actor looks at its own timers only when its mailbox is empty.
        actix::spawn(async move {
            let mut ticks = interval(TICK);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                ticks.tick().await;
                let Some(server) = server.upgrade() else { return };
                if server.send(Tick).await.is_err() {
                    return;
                }
            }
        });
    }
}

/// Time has passed.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "()")]
struct Tick;

impl Handler<Tick> for LoginServer {
    type Result = ();

    fn handle(&mut self, _: Tick, ctx: &mut Context<Self>) {
        self.happened(Event::Tick, ctx);
        let Census { game_clients, sessions, launchers, servers } = self.lobby.census();
        gauge!("login_server_game_clients").set(game_clients as f64);
        gauge!("login_server_sessions").set(sessions as f64);
        gauge!("login_server_launchers").set(launchers as f64);
        gauge!("login_server_servers").set(servers as f64);
    }
}

/// The store has answered.
#[derive(Debug, Message)]
#[rtype(result = "()")]
struct Answered {
    ticket: Ticket,
    answer: Answer,
}

impl Handler<Answered> for LoginServer {
    type Result = ();

    fn handle(&mut self, Answered { ticket, answer }: Answered, ctx: &mut Context<Self>) {
        self.asked.remove(&ticket);
        self.happened(Event::Answered { ticket, answer }, ctx);
    }
}

/// Our key will be another one, or is.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct NextKey(pub(crate) Option<KeyPin>);

impl Handler<NextKey> for LoginServer {
    type Result = ();

    fn handle(&mut self, NextKey(next): NextKey, ctx: &mut Context<Self>) {
        self.happened(Event::NextKey { next }, ctx);
    }
}

/// Says goodbye to everybody.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct ShutDown;

impl Handler<ShutDown> for LoginServer {
    type Result = ();

    fn handle(&mut self, _: ShutDown, ctx: &mut Context<Self>) {
        self.happened(Event::ShuttingDown, ctx);
        for operator in self.operators.values() {
            operator.disconnect("shutting down");
        }
    }
}

fn now_since(begun: Instant) -> Now {
    let clock = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let clock = UnixMillis(u64::try_from(clock.as_millis()).unwrap_or(u64::MAX));
    Now { running: begun.elapsed(), clock }
}

/// Time between two looks at what has lasted too long.
const TICK: Duration = Duration::from_millis(500);

const MAILBOX: usize = 64;
