//! What the keeper tells itself: time passes, a start was tried, a process has ended.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use actix::{Actor, Addr, AsyncContext, Context, Handler, Message};
use protocol::{ExitCause, Text};
use tokio::time::MissedTickBehavior;

use super::Keeper;
use crate::keeper::{
    admissions, life,
    process::{Ended, StartId},
    start::Started,
};

impl Actor for Keeper {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        actix::spawn(tick(ctx.address()));
        self.open_gate(ctx);
        self.live(life::Event::Start, Instant::now(), ctx);
    }
}

/// Time has passed.
#[derive(Debug, Message)]
#[rtype(result = "()")]
struct Tick;

impl Handler<Tick> for Keeper {
    type Result = ();

    fn handle(&mut self, _: Tick, ctx: &mut Context<Self>) {
        let now = Instant::now();
        self.live(life::Event::Tick, now, ctx);
        self.admit(admissions::Event::Tick, now);
        self.tick_controllers(now, ctx);
        self.roster.tick(now);
        self.ping_game(now);
        self.flush();
    }
}

/// The keeper is asked to stop its game and to end.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct Stop;

impl Handler<Stop> for Keeper {
    type Result = ();

    fn handle(&mut self, _: Stop, ctx: &mut Context<Self>) {
        self.live(life::Event::Stop, Instant::now(), ctx);
        self.flush();
    }
}

impl Handler<Started> for Keeper {
    type Result = ();

    fn handle(&mut self, message: Started, ctx: &mut Context<Self>) {
        let Started { start, result } = message;
        if self.game.as_ref().is_none_or(|game| game.start != start) {
            return self.next_started(start, result, ctx);
        }
        match result {
            Ok((prepared, process)) => self.started(*prepared, process, ctx),
            Err(error) => {
                tracing::error!(error = %format_args!("{error:#}"), "the game cannot be started");
                let why = Text::lossy(&format!("{error:#}"));
                let cause = ExitCause::NotStarted { why };
                let ended = Ended { cause, last_lines: VecDeque::new() };
                self.ended(ended, Instant::now(), ctx);
            }
        }
        self.flush();
    }
}

/// The process of a start has ended.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct GameEnded {
    pub(crate) start: StartId,
    pub(crate) ended: Ended,
}

impl Handler<GameEnded> for Keeper {
    type Result = ();

    fn handle(&mut self, message: GameEnded, ctx: &mut Context<Self>) {
        if self.game.as_ref().is_some_and(|game| game.start == message.start) {
            self.ended(message.ended, Instant::now(), ctx);
        } else {
            self.another_ended(message.start, message.ended);
        }
        self.flush();
    }
}

/// The game of a start cannot load the save it was given, and makes a new map.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct NotLoaded {
    pub(crate) start: StartId,
}

impl Handler<NotLoaded> for Keeper {
    type Result = ();

    fn handle(&mut self, NotLoaded { start }: NotLoaded, ctx: &mut Context<Self>) {
        if self.game.as_ref().is_some_and(|game| game.start == start) {
            self.not_loaded(Instant::now(), ctx);
            self.flush();
        }
    }
}

/// Lets the actor know that time passes, as a message among others.
async fn tick(keeper: Addr<Keeper>) {
    let mut interval = tokio::time::interval(TICK);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while keeper.send(Tick).await.is_ok() {
        interval.tick().await;
    }
}

/// The shortest pause before a restart is several times as long.
const TICK: Duration = Duration::from_millis(100);
