//! Checks tickets, and remembers on disk which were used: beside the central actor, which waits for
//! no disk.

use std::{path::PathBuf, sync::Arc};

use actix::{Context, Handler, Message, WeakAddr};
use protocol::{
    GamePlayerId, JoinSecret, List, RequestId, SignedTicket, Text, TicketId, TicketKey,
};
use tickets::{AdmitError, Gate, ServerName, SpentFile, VerifyingKey, VerifyingKeys};
use tokio::{sync::mpsc, task::spawn_blocking};

use super::{roster::Holder, server::Keeper};
use crate::unix_now;

/// What is to be done about tickets.
#[derive(Debug)]
enum Job {
    /// Believe these keys.
    Keys { server: ServerName, keys: VerifyingKeys, now_ms: u64 },
    /// Say whether a ticket is good: [`Checked`].
    Check { newcomer: Newcomer, now_ms: u64 },
    /// Use it up: [`Spent`].
    Spend { player: GamePlayerId, holder: Holder, now_ms: u64 },
}

/// Who wants to join, and with what.
#[derive(Clone, Debug)]
pub(crate) struct Newcomer {
    pub(crate) request: RequestId,
    pub(crate) player: Text<64>,
    pub(crate) ticket: SignedTicket,
    pub(crate) code: JoinSecret,
}

/// Somebody who checks tickets.
#[derive(Clone, Debug)]
pub(crate) struct TicketGate {
    jobs: mpsc::Sender<Job>,
    /// How far the clock that stands in tickets is ahead of ours.
    ahead_ms: i64,
}

/// There is more to do than can be done.
#[derive(Debug)]
pub(crate) struct Busy;

impl TicketGate {
    /// Begins, for the keeper; what was used is in the file at `path`. Ends with this value.
    pub(crate) fn start(path: PathBuf, keeper: WeakAddr<Keeper>) -> Self {
        let (jobs, to_do) = mpsc::channel(MAX_JOBS);
        actix::spawn(work(to_do, path.into(), keeper));
        Self { jobs, ahead_ms: 0 }
    }

    /// Believes these keys from now on, and no others, for tickets of a server of this name.
    pub(crate) fn set_keys(&mut self, server: &str, ahead_ms: i64, keys: &List<TicketKey, 8>) {
        let Ok(server) = ServerName::parse(server) else {
            return tracing::error!("the launcher gives this server a name that is none");
        };
        if ahead_ms.abs() > WORTH_SAYING_MS {
            tracing::warn!(ahead_ms, "the clock of the login server is another one");
        }
        self.ahead_ms = ahead_ms;
        let keys = VerifyingKeys::new(keys.iter().map(|key| VerifyingKey::from_bytes(key.0)));
        // With so many jobs before it the launcher is told that nobody can join.
        let _ = self.jobs.try_send(Job::Keys { server, keys, now_ms: self.now_ms() });
    }

    /// Checks a ticket.
    pub(crate) fn check(&self, newcomer: Newcomer) -> Result<(), Busy> {
        let job = Job::Check { newcomer, now_ms: self.now_ms() };
        self.jobs.try_send(job).map_err(|_| Busy)
    }

    /// Uses a ticket up.
    pub(crate) fn spend(&self, player: GamePlayerId, holder: Holder) -> Result<(), Busy> {
        let job = Job::Spend { player, holder, now_ms: self.now_ms() };
        self.jobs.try_send(job).map_err(|_| Busy)
    }

    fn now_ms(&self) -> u64 {
        unix_now().0.saturating_add_signed(self.ahead_ms)
    }
}

async fn work(mut jobs: mpsc::Receiver<Job>, path: Arc<std::path::Path>, keeper: WeakAddr<Keeper>) {
    let mut gate: Option<(ServerName, Gate)> = None;
    while let Some(job) = jobs.recv().await {
        let Some(keeper) = keeper.upgrade() else { return };
        match job {
            Job::Keys { server, keys, now_ms } => match &mut gate {
                Some((name, gate)) if *name == server => gate.set_keys(keys),
                _ => gate = open(server, keys, path.clone(), now_ms).await,
            },
            Job::Check { newcomer, now_ms } => {
                let ticket = newcomer.ticket.reveal();
                let checked = gate.as_ref().map(|(_, gate)| gate.check(ticket, now_ms));
                let holder = match checked {
                    Some(Ok(ticket)) if ticket.player == newcomer.player.as_str() => {
                        Some(ticket.id)
                    }
                    Some(Ok(_)) => said_no("of another player"),
                    Some(Err(error)) => said_no(error),
                    None => said_no("no keys to check it with"),
                };
                let holder = holder.map(|id| Holder {
                    id: TicketId(id.0),
                    ticket: newcomer.ticket.clone(),
                    player: newcomer.player.clone(),
                });
                keeper.do_send(Checked { newcomer, holder });
            }
            Job::Spend { player, holder, now_ms } => {
                let done;
                (gate, done) = spend(gate, holder.ticket, now_ms).await;
                keeper.do_send(Spent { player, id: holder.id, done });
            }
        }
    }
}

async fn open(
    server: ServerName,
    keys: VerifyingKeys,
    path: Arc<std::path::Path>,
    now_ms: u64,
) -> Option<(ServerName, Gate)> {
    let opened = spawn_blocking(move || SpentFile::open(&path, now_ms)).await;
    match opened.map_err(std::io::Error::other).flatten() {
        Ok(spent) => Some((server.clone(), Gate::new(server, keys, spent))),
        Err(error) => {
            tracing::error!(%error, "used tickets cannot be remembered: nobody is let in");
            None
        }
    }
}

async fn spend(
    gate: Option<(ServerName, Gate)>,
    ticket: SignedTicket,
    now_ms: u64,
) -> (Option<(ServerName, Gate)>, bool) {
    let Some((name, mut gate)) = gate else { return (None, false) };
    let spent = spawn_blocking(move || {
        let admitted = gate.admit(ticket.reveal(), now_ms);
        if let Err(error) = &admitted {
            match error {
                AdmitError::Disk(error) => tracing::error!(%error, "a ticket cannot be used up"),
                error => tracing::warn!(%error, "a player is in with a ticket that is not good"),
            }
        }
        (gate, admitted.is_ok())
    });
    match spent.await {
        Ok((gate, done)) => (Some((name, gate)), done),
        // A bug: nobody is let in before the launcher gives us keys again.
        Err(_) => (None, false),
    }
}

fn said_no<T>(why: impl std::fmt::Display) -> Option<T> {
    tracing::warn!(%why, "a ticket is not taken");
    None
}

/// A ticket was looked at.
#[derive(Debug, Message)]
#[rtype(result = "()")]
struct Checked {
    newcomer: Newcomer,
    /// None: it is not good.
    holder: Option<Holder>,
}

impl Handler<Checked> for Keeper {
    type Result = ();

    fn handle(&mut self, checked: Checked, _: &mut Context<Self>) {
        self.ticket_checked(checked.newcomer, checked.holder);
        self.flush();
    }
}

/// A ticket is used up, or could not be.
#[derive(Debug, Message)]
#[rtype(result = "()")]
struct Spent {
    player: GamePlayerId,
    id: TicketId,
    done: bool,
}

impl Handler<Spent> for Keeper {
    type Result = ();

    fn handle(&mut self, Spent { player, id, done }: Spent, _: &mut Context<Self>) {
        let effects = self.roster.spent(player, id, done);
        self.carry_out(effects);
    }
}

/// Jobs at a time. Further ones are refused: as many players cannot join at once.
const MAX_JOBS: usize = 256;

/// A tolerance of tickets is 15 s.
const WORTH_SAYING_MS: i64 = 10_000;
