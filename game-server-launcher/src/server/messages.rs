//! What the launcher tells itself, and is asked by the rest of its program.

use std::time::{Duration, Instant};

use actix::{Actor, Addr, AsyncContext, Context, Handler, Message, MessageResult, ResponseFuture};
use tokio::{sync::oneshot, time::MissedTickBehavior};

use super::Launcher;
use crate::{
    config::{ServerConfig, ServerName},
    pidfd::ProcessHandle,
    supervisor::{Event, KeeperEvent},
};

impl Actor for Launcher {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        actix::spawn(tick(ctx.address()));
        self.apply(Event::Start, ctx);
    }
}

/// Time has passed.
#[derive(Debug, Message)]
#[rtype(result = "()")]
struct Tick;

impl Handler<Tick> for Launcher {
    type Result = ();

    fn handle(&mut self, _: Tick, ctx: &mut Context<Self>) {
        let now = Instant::now();
        self.apply(Event::Tick, ctx);
        if self.login_at.is_some_and(|at| at <= now) {
            self.open_login(ctx);
        }
        self.login.tick(now, &ctx.address());
    }
}

/// Whether a keeper lives.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(super) struct Seen {
    pub(super) name: ServerName,
    pub(super) lives: bool,
}

impl Handler<Seen> for Launcher {
    type Result = ();

    fn handle(&mut self, seen: Seen, ctx: &mut Context<Self>) {
        self.seen(seen, ctx);
    }
}

/// The process of a keeper.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct KeeperProcess {
    pub(crate) name: ServerName,
    pub(crate) process: ProcessHandle,
}

impl Handler<KeeperProcess> for Launcher {
    type Result = ();

    fn handle(&mut self, found: KeeperProcess, _: &mut Context<Self>) {
        self.processes.insert(found.name, found.process);
    }
}

/// A keeper that we have started has ended.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(super) struct Ended(pub(super) ServerName);

impl Handler<Ended> for Launcher {
    type Result = ();

    fn handle(&mut self, Ended(name): Ended, ctx: &mut Context<Self>) {
        self.apply(Event::Keeper(name, KeeperEvent::Ended), ctx);
    }
}

/// Stop every game. Resolves when no keeper lives any more.
#[derive(Debug, Message)]
#[rtype(result = "oneshot::Receiver<()>")]
pub(crate) struct Stop;

impl Handler<Stop> for Launcher {
    type Result = MessageResult<Stop>;

    fn handle(&mut self, _: Stop, ctx: &mut Context<Self>) -> Self::Result {
        let (sender, receiver) = oneshot::channel();
        self.stopped = Some(sender);
        self.apply(Event::Stop, ctx);
        MessageResult(receiver)
    }
}

/// Say goodbye to the login server. Resolves when the connection is closed.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct Leave;

impl Handler<Leave> for Launcher {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, _: Leave, _: &mut Context<Self>) -> Self::Result {
        Box::pin(self.login.close())
    }
}

/// Where do the games listen?
#[derive(Debug, Message)]
#[rtype(result = "Vec<(ServerConfig, Option<u16>)>")]
pub(crate) struct Ports;

impl Handler<Ports> for Launcher {
    type Result = MessageResult<Ports>;

    fn handle(&mut self, _: Ports, _: &mut Context<Self>) -> Self::Result {
        let ports = self.supervisor.ports();
        MessageResult(ports.map(|(config, port)| (config.clone(), port)).collect())
    }
}

/// Lets the actor know that time passes, as a message among others.
async fn tick(launcher: Addr<Launcher>) {
    let mut interval = tokio::time::interval(TICK);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while launcher.send(Tick).await.is_ok() {
        interval.tick().await;
    }
}

const TICK: Duration = Duration::from_millis(100);
