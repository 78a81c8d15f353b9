//! Match changes with two processes: the next one is started while the players vote, begins when
//! they have, and takes over when it is ready.
//!
//! ```text
//! MatchEnded      VoteOver        Ready          nobody is in, or 5 s
//!     │               │             │                    │
//!     ├─ next starts ─┴─ next begins┴─ next is the game  │
//!     └──────────────── the game ───┴─ it is leaving ────┴─ told to stop
//! ```
//!
//! Whatever goes wrong with the next one, the game goes on by itself. Where there is no port for a
//! second process, it always does.

use std::time::{Duration, Instant};

use actix::{AsyncContext, Context};
use protocol::{Blob, JoinSecret, KeeperChange, MAX_CONTEXT, Text};

use super::{Game, Keeper};
use crate::{
    config::{Limits, ServerConfig},
    keeper::{
        controller::ControllerLink,
        game::GameEvent,
        life::{self, Means},
        link::AnyLink,
        process::{Ended, Process, StartId},
        start::{self, Prepared},
    },
    listing::Listing,
    secrets,
};

/// Processes of the game before and after the one that has the match.
#[derive(Default)]
pub(super) struct Succession {
    /// Whether there may be any, and how long they may take.
    limits: Option<Limits>,
    next: Option<Next>,
    leaving: Option<Leaving>,
}

struct Next {
    game: Game,
    port: u16,
    /// What it has told of itself.
    known: Listing,
    context: Blob<MAX_CONTEXT>,
    phase: Phase,
}

#[derive(Debug, PartialEq, Eq)]
enum Phase {
    /// The players vote.
    Warming,
    /// They have.
    Beginning { map: Option<Text<64>>, since: Instant },
    /// It is not wanted any more, and ends.
    Unwanted,
}

struct Leaving {
    game: Game,
    /// How it is made to end next, and when.
    means: Means,
    due: Instant,
}

/// Which process a controller belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Playing,
    Next,
    Leaving,
}

impl Succession {
    /// Whether there are processes beside the game, as the operator wants it now.
    pub(super) fn configured(&mut self, server: &ServerConfig) {
        self.limits = server.controller.second_port.is_some().then_some(server.limits);
    }
}

impl Keeper {
    /// The link to a process of which `is_it` is true, and what it is to us.
    pub(crate) fn controller_where(
        &mut self,
        is_it: impl Fn(&ControllerLink) -> bool,
    ) -> Option<(Role, &mut ControllerLink)> {
        let Succession { next, leaving, .. } = &mut self.succession;
        let games = [
            (Role::Playing, self.game.as_mut()),
            (Role::Next, next.as_mut().map(|next| &mut next.game)),
            (Role::Leaving, leaving.as_mut().map(|leaving| &mut leaving.game)),
        ];
        let links = games.into_iter().filter_map(|(role, game)| Some((role, link(game?)?)));
        links.into_iter().find(|(_, link)| is_it(link))
    }

    /// A process has said something.
    pub(crate) fn controller_said(
        &mut self,
        role: Role,
        events: Vec<GameEvent>,
        now: Instant,
        ctx: &mut Context<Self>,
    ) {
        for event in events {
            match (role, event) {
                (Role::Playing, event) => self.game_said(event, now, ctx),
                (Role::Next, GameEvent::Change(change)) => {
                    if let Some(next) = &mut self.succession.next {
                        next.known.apply(&change);
                    }
                }
                (Role::Next, GameEvent::Ready) => self.take_over(now, ctx),
                // It has no match yet, or none any more.
                (Role::Next | Role::Leaving, _) => {}
            }
        }
    }

    /// A match is over.
    pub(super) fn match_ended(&mut self, context: Blob<MAX_CONTEXT>, ctx: &mut Context<Self>) {
        self.keep_context(context.clone());
        let Succession { limits, next, leaving } = &mut self.succession;
        if limits.is_none() {
            return;
        }
        if next.is_some() || leaving.is_some() {
            return tracing::warn!("the match was too short for another process: this one goes on");
        }
        self.starts += 1;
        let start = StartId(self.starts);
        let game = Game { start, process: None, link: None, save: None, keep_world: false };
        let (known, phase) = (Listing::default(), Phase::Warming);
        *next = Some(Next { game, port: 0, known, context, phase });
        let (keeper, dir, slot) = (ctx.address(), self.dir.clone(), self.slot.other());
        let (executable, saves) = (self.executable.clone(), self.saves.clone());
        actix::spawn(start::run(start, slot, dir, executable, saves, keeper));
    }

    /// A process that is to go on was started, or could not be.
    pub(super) fn next_started(
        &mut self,
        start: StartId,
        result: anyhow::Result<(Box<Prepared>, Process)>,
        ctx: &mut Context<Self>,
    ) {
        let Some(next) = self.succession.next.as_mut().filter(|next| next.game.start == start)
        else {
            return;
        };
        let (prepared, process) = match result {
            Ok((prepared, process)) => (*prepared, process),
            Err(error) => {
                tracing::error!(error = %format_args!("{error:#}"), "the next process cannot be started");
                return self.next_failed();
            }
        };
        let Prepared { server, port, access, .. } = prepared;
        tracing::info!(pid = process.pid(), port, "the next process is started");
        next.port = port;
        if next.phase == Phase::Unwanted {
            process.kill();
        }
        next.game.process = Some(process);
        match AnyLink::open(access, start, server.limits.stop_within, &ctx.address()) {
            Ok(link) => next.game.link = Some(link),
            // It is not ready in time, then.
            Err(error) => tracing::error!(%error, "the next process cannot be talked to"),
        }
        if let Some(link) = link(&mut next.game) {
            match &next.phase {
                Phase::Beginning { map, .. } => link.begin(next.context.clone(), map.clone()),
                Phase::Warming | Phase::Unwanted => link.hold(),
            }
        }
    }

    /// It is decided what is played next.
    pub(super) fn vote_over(&mut self, map: Option<Text<64>>, now: Instant) {
        match &mut self.succession.next {
            Some(next) if next.phase == Phase::Warming => {
                next.phase = Phase::Beginning { map: map.clone(), since: now };
                if let Some(link) = link(&mut next.game) {
                    link.begin(next.context.clone(), map);
                }
            }
            _ => self.goes_on_by_itself(map),
        }
    }

    /// The next process is ready: it is the game from now on.
    fn take_over(&mut self, now: Instant, ctx: &mut Context<Self>) {
        let beginning = |next: &mut Next| matches!(next.phase, Phase::Beginning { .. });
        let Some(mut next) = self.succession.next.take_if(beginning) else { return };
        let Some(mut before) = self.game.take() else {
            // Nobody is to go on after a game that has ended.
            next.phase = Phase::Unwanted;
            self.succession.next = Some(next);
            return;
        };
        tracing::info!(port = next.port, "the next process has taken over");
        let (mut players, mut waiting) = (Vec::new(), Vec::new());
        if let Some(link) = link(&mut before) {
            (players, waiting) = (link.accounts(), link.ended());
        }
        self.answered(waiting);
        if let Some(link) = link(&mut next.game) {
            players.into_iter().for_each(|account| link.take(account, secrets::join_secret(), now));
        }
        let pid = next.game.process.as_ref().map(Process::pid);
        self.game = Some(next.game);
        self.slot = self.slot.other();
        self.nothing_is_known();
        next.known.snapshot().into_iter().for_each(|change| self.change(change));
        self.port = Some(next.port);
        self.changes.push(KeeperChange::GamePort(next.port));
        self.game_process(pid);
        let (means, due) = (Means::Command, now + GONE_ON_WITHIN);
        self.succession.leaving = Some(Leaving { game: before, means, due });
        self.live(life::Event::Alive, now, ctx);
    }

    /// The game takes a player of the process before it.
    pub(super) fn takes(&mut self, account: Text<64>, secret: JoinSecret) {
        let (Some(leaving), Some(port)) = (&mut self.succession.leaving, self.port) else { return };
        if let Some(link) = link(&mut leaving.game) {
            link.go_on(account, port, secret);
        }
    }

    /// A process that is not the game has ended.
    pub(super) fn another_ended(&mut self, start: StartId, ended: Ended) {
        let Succession { next, leaving, .. } = &mut self.succession;
        if let Some(leaving) = leaving.take_if(|leaving| leaving.game.start == start) {
            tracing::info!(cause = %ended.cause, "the process before has ended");
            close(leaving.game);
        } else if next.as_ref().is_some_and(|next| next.game.start == start) {
            for line in &ended.last_lines {
                tracing::info!(?line, "last lines of the next process");
            }
            tracing::warn!(cause = %ended.cause, "the next process has ended");
            self.next_failed();
        }
    }

    /// Time has passed.
    pub(super) fn tick_controllers(&mut self, now: Instant, ctx: &mut Context<Self>) {
        for role in [Role::Playing, Role::Next, Role::Leaving] {
            if let Some(link) = self.controller_as(role) {
                let events = link.tick(now);
                self.controller_said(role, events, now, ctx);
            }
        }
        let Succession { limits, next, leaving } = &mut self.succession;
        let Some(limits) = limits else { return };
        if let Some(next) = next
            && let Phase::Beginning { map, since } = &next.phase
            && now - *since >= limits.ready_within
        {
            tracing::warn!("the next process is not ready in time");
            let map = map.clone();
            self.no_successor();
            return self.goes_on_by_itself(map);
        }
        if let Some(leaving) = leaving {
            leaving.tick(limits, now);
        }
    }

    /// The game has ended or shall end: nobody goes on after it.
    pub(super) fn no_successor(&mut self) {
        if let Some(next) = &mut self.succession.next {
            next.phase = Phase::Unwanted;
            if let Some(process) = &next.game.process {
                process.kill();
            }
        }
    }

    /// All processes shall end.
    pub(super) fn no_succession(&mut self, now: Instant) {
        self.no_successor();
        if let Some(leaving) = &mut self.succession.leaving {
            leaving.due = now;
        }
    }

    fn controller_as(&mut self, wanted: Role) -> Option<&mut ControllerLink> {
        let Succession { next, leaving, .. } = &mut self.succession;
        link(match wanted {
            Role::Playing => self.game.as_mut()?,
            Role::Next => &mut next.as_mut()?.game,
            Role::Leaving => &mut leaving.as_mut()?.game,
        })
    }

    /// There is no next process any more.
    fn next_failed(&mut self) {
        let Some(Next { game, phase, .. }) = self.succession.next.take() else { return };
        close(game);
        if let Phase::Beginning { map, .. } = phase {
            self.goes_on_by_itself(map);
        }
    }

    fn goes_on_by_itself(&mut self, map: Option<Text<64>>) {
        if let Some(link) = self.controller() {
            link.next_map(map);
        }
    }
}

impl Leaving {
    /// Makes the process end, by one means after the other.
    fn tick(&mut self, limits: &Limits, now: Instant) {
        let is_empty = link(&mut self.game).is_none_or(|link| link.accounts().is_empty());
        if now < self.due && !(is_empty && self.means == Means::Command) {
            return;
        }
        let Some(process) = &self.game.process else { return };
        (self.means, self.due) = match self.means {
            Means::Command => {
                if let Some(link) = &mut self.game.link {
                    link.controls().quit(false);
                }
                (Means::Terminate, now + limits.stop_within)
            }
            Means::Terminate => {
                process.terminate();
                (Means::Kill, now + limits.terminate_within)
            }
            Means::Kill => {
                process.kill();
                (Means::Kill, now + KILL_AGAIN_AFTER)
            }
        };
    }
}

fn link(game: &mut Game) -> Option<&mut ControllerLink> {
    match game.link.as_mut()? {
        AnyLink::Controller(link) => Some(link),
        AnyLink::Openttd(_) | AnyLink::Teeworlds(_) => None,
    }
}

fn close(game: Game) {
    if let Some(mut link) = game.link {
        link.controls().close();
    }
}

/// For players to leave for the next process. Then the one they are in is told to stop.
const GONE_ON_WITHIN: Duration = Duration::from_secs(5);

/// A process that SIGKILL does not end hangs in the kernel. It may come back from there.
const KILL_AGAIN_AFTER: Duration = Duration::from_secs(5);
