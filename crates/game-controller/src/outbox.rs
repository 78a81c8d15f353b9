//! What is to be said to the keeper: never more than it makes sense to keep.

use std::{collections::VecDeque, mem, time::Instant};

use protocol::{FromGameController, GameChange, GameChanges, List};

use crate::known::Known;

/// What is known of the game, and what of that the keeper has not been told.
///
/// Of a property that changes faster than it can be told only the last value is told; a message
/// between two changes keeps them apart. When too much waits, everything that is known is told anew
/// instead.
#[derive(Debug)]
pub(crate) struct Outbox {
    known: Known,
    is_ready: bool,
    waiting: VecDeque<Waiting>,
    /// Everything that is known is to be told before anything else.
    anew: bool,
}

#[derive(Debug)]
enum Waiting {
    Change(GameChange),
    Message(FromGameController),
}

impl Outbox {
    pub(crate) fn new() -> Self {
        Self { known: Known::default(), is_ready: false, waiting: VecDeque::new(), anew: true }
    }

    /// Something about the game is different.
    pub(crate) fn change(&mut self, change: GameChange, now: Instant) {
        if !self.known.apply(&change, now) || self.anew {
            return;
        }
        let waiting = self.waiting.iter().enumerate().rev();
        let mut since_message = waiting.map_while(|(at, waiting)| match waiting {
            Waiting::Change(earlier) => Some((at, earlier)),
            Waiting::Message(_) => None,
        });
        let replaced = since_message.find(|(_, earlier)| replaces(&change, earlier));
        if let Some((at, _)) = replaced {
            self.waiting.remove(at);
        } else if self.waiting.len() >= MAX_WAITING {
            return self.tell_anew();
        }
        self.waiting.push_back(Waiting::Change(change));
    }

    /// Players can join.
    pub(crate) fn ready(&mut self) {
        self.is_ready = true;
        self.message(FromGameController::Ready);
    }

    /// Says something else. Whether there is room for it.
    pub(crate) fn message(&mut self, message: FromGameController) -> bool {
        if self.waiting.len() >= MAX_WAITING {
            self.tell_anew();
        }
        let has_room = self.waiting.len() < MAX_WAITING / 2;
        if has_room {
            self.waiting.push_back(Waiting::Message(message));
        }
        has_room
    }

    /// There is another connection: everything is told again, and what only the one before has asked
    /// for is not.
    pub(crate) fn reconnected(&mut self) {
        self.waiting.retain(|waiting| match waiting {
            Waiting::Change(_) => false,
            Waiting::Message(message) => outlives_a_connection(message),
        });
        self.anew = true;
    }

    /// Whether there is anything to say.
    pub(crate) fn has_work(&self) -> bool {
        self.anew || !self.waiting.is_empty()
    }

    /// All there is to say, in this order.
    pub(crate) fn take(&mut self, now: Instant) -> Vec<FromGameController> {
        let mut messages = Vec::new();
        if mem::take(&mut self.anew) {
            in_lists(self.known.snapshot(now), true, &mut messages);
            messages.extend(self.is_ready.then_some(FromGameController::Ready));
        }
        let mut changes = Vec::new();
        for waiting in self.waiting.drain(..) {
            match waiting {
                Waiting::Change(change) => changes.push(change),
                Waiting::Message(message) => {
                    in_lists(mem::take(&mut changes), false, &mut messages);
                    messages.push(message);
                }
            }
        }
        in_lists(changes, false, &mut messages);
        messages
    }

    fn tell_anew(&mut self) {
        self.waiting.retain(|waiting| matches!(waiting, Waiting::Message(_)));
        self.anew = true;
    }
}

/// Appends as many messages as it takes. The first one is `fresh`, if they are.
fn in_lists(changes: Vec<GameChange>, mut fresh: bool, messages: &mut Vec<FromGameController>) {
    let mut changes = changes.into_iter().peekable();
    while fresh || changes.peek().is_some() {
        let list = List::first_of(changes.by_ref().take(MAX_LIST));
        let changes = GameChanges { fresh: mem::take(&mut fresh), changes: list };
        messages.push(FromGameController::Changes(changes));
    }
}

/// Whether nobody needs to know `earlier` once `later` is known.
fn replaces(later: &GameChange, earlier: &GameChange) -> bool {
    use GameChange::{
        Clock, Detail, Map, MaxPlayers, Mode, PlayerEntered, PlayerLeft, PlayerScore, PlayerTeam,
        Score, Team,
    };

    match (later, earlier) {
        (Mode(_), Mode(_))
        | (Map(_), Map(_))
        | (MaxPlayers(_), MaxPlayers(_))
        | (Clock(_), Clock(_)) => true,
        (Team { team: later, .. }, Team { team: earlier, .. })
        | (Score { team: later, .. }, Score { team: earlier, .. }) => later == earlier,
        (Detail { key: later, .. }, Detail { key: earlier, .. }) => later == earlier,
        (PlayerTeam { player: later, .. }, PlayerTeam { player: earlier, .. })
        | (PlayerScore { player: later, .. }, PlayerScore { player: earlier, .. }) => {
            later == earlier
        }
        // Comings and goings are all told.
        (PlayerEntered { .. } | PlayerLeft { .. }, _) => false,
        _ => false,
    }
}

fn outlives_a_connection(message: &FromGameController) -> bool {
    match message {
        FromGameController::Said { .. }
        | FromGameController::MatchEnded(_)
        | FromGameController::AskPlayerData { .. } => true,
        FromGameController::Hello(_)
        | FromGameController::Prove { .. }
        | FromGameController::Ready
        | FromGameController::Changes(_)
        | FromGameController::Expected { .. }
        | FromGameController::Ping { .. }
        | FromGameController::Pong { .. } => false,
    }
}

/// At so many, changes are left out and everything is told anew; at half as many messages, further
/// ones are dropped. A keeper that takes nothing for so long hangs.
const MAX_WAITING: usize = 4096;

const MAX_LIST: usize = 256;

#[cfg(test)]
mod tests {
    use protocol::{GamePlayerId, TeamId, Text};

    use super::*;

    fn score(score: i32) -> GameChange {
        GameChange::Score { team: TeamId(0), score }
    }

    fn said(text: &str) -> FromGameController {
        FromGameController::Said { name: Text::lossy("ann"), text: Text::lossy(text) }
    }

    fn changes(fresh: bool, changes: impl IntoIterator<Item = GameChange>) -> FromGameController {
        FromGameController::Changes(GameChanges { fresh, changes: List::first_of(changes) })
    }

    fn told() -> (Outbox, Instant) {
        let (mut outbox, now) = (Outbox::new(), Instant::now());
        assert_eq!(outbox.take(now), [changes(true, [])]);
        assert!(!outbox.has_work());
        (outbox, now)
    }

    #[test]
    fn of_a_property_only_the_last_value_is_told() {
        let (mut outbox, now) = told();
        outbox.change(score(1), now);
        outbox.change(GameChange::MaxPlayers(3), now);
        outbox.change(score(2), now);
        assert_eq!(outbox.take(now), [changes(false, [GameChange::MaxPlayers(3), score(2)])]);
        outbox.change(score(2), now);
        assert!(!outbox.has_work(), "that is known");
    }

    #[test]
    fn a_message_keeps_what_was_before_it_and_what_follows_apart() {
        let (mut outbox, now) = told();
        outbox.change(score(1), now);
        assert!(outbox.message(said("over")));
        outbox.change(score(0), now);
        let all = [changes(false, [score(1)]), said("over"), changes(false, [score(0)])];
        assert_eq!(outbox.take(now), all);
    }

    #[test]
    fn a_new_connection_is_told_everything_and_no_answers_of_the_one_before() {
        let (mut outbox, now) = told();
        outbox.change(score(1), now);
        outbox.ready();
        outbox.message(FromGameController::Pong { nonce: 1 });
        outbox.message(said("hello"));
        outbox.reconnected();
        let all = [changes(true, [score(1)]), FromGameController::Ready, said("hello")];
        assert_eq!(outbox.take(now), all);
    }

    #[test]
    fn comings_and_goings_are_all_told_and_a_long_list_takes_several_messages() {
        let (mut outbox, now) = told();
        let player = GamePlayerId(1);
        let entered = GameChange::PlayerEntered { player, name: Text::lossy("ann"), account: None };
        for _ in 0..200 {
            outbox.change(entered.clone(), now);
            outbox.change(GameChange::PlayerLeft { player }, now);
        }
        let told = outbox.take(now).into_iter().map(|message| match message {
            FromGameController::Changes(GameChanges { fresh: false, changes }) => changes.len(),
            other => panic!("{other:?}"),
        });
        assert_eq!(told.collect::<Vec<_>>(), [256, 144]);
    }

    #[test]
    fn a_keeper_that_takes_nothing_costs_no_memory_without_end() {
        let (mut outbox, now) = told();
        for number in 0..10_000 {
            let player = GamePlayerId(1);
            let name = Text::lossy(&number.to_string());
            outbox.change(GameChange::PlayerEntered { player, name, account: None }, now);
            outbox.message(said("x"));
        }
        assert!(outbox.waiting.len() <= MAX_WAITING);
        assert!(!outbox.message(said("lost")));
        let all = outbox.take(now);
        let name = Text::lossy("9999");
        let entered = GameChange::PlayerEntered { player: GamePlayerId(1), name, account: None };
        assert_eq!(all[0], changes(true, [entered]));
        assert!(all.len() <= MAX_WAITING);
        assert!(outbox.message(said("heard")));
    }
}
