//! Who of those in the game holds which ticket.
//!
//! A game with one password for all says that somebody came in, and not who. So an arrival is taken
//! for whom it must be: of those who are expected the one who had the shown name in the game before,
//! or whose account has it, or else the only one. Of anybody else nothing is said. A game with a
//! controller says whose account it is. What a ticket is bound to is told once
//! the ticket is used up, on disk.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Instant,
};

use protocol::{GamePlayerId, SignedTicket, Text, TicketId};

use super::admissions::WINDOW;

/// A player who was let in, and what they were let in with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Holder {
    pub(crate) id: TicketId,
    pub(crate) ticket: SignedTicket,
    /// The player's account.
    pub(crate) player: Text<64>,
}

/// Whose account a player in the game has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Whose {
    /// The game does not say.
    Unknown,
    /// The game says that it is this one.
    Account(Text<64>),
    /// The game says that the player has none: a bot.
    Nobodys,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Use the ticket up, and say whether that is done: [`Roster::spent`].
    Spend(GamePlayerId, Holder),
    /// Tell that a player is in.
    Arrived(GamePlayerId, Holder),
    /// Tell that the holder of this ticket is not in any more.
    Left(TicketId),
}

/// Who is expected, and who is in.
#[derive(Debug, Default)]
pub(crate) struct Roster {
    expected: Vec<Expected>,
    /// Everybody the game shows.
    present: BTreeSet<GamePlayerId>,
    /// Those of them who hold a ticket.
    inside: BTreeMap<GamePlayerId, Inside>,
}

#[derive(Debug)]
struct Expected {
    holder: Holder,
    until: Instant,
    /// Was in before, under this name in the game, with the ticket used up: the game has crashed,
    /// or has made a new map.
    before: Option<Text<64>>,
}

#[derive(Debug)]
struct Inside {
    holder: Holder,
    /// The name the game shows.
    name: Text<64>,
    /// It is on disk that the ticket is used up, and told.
    is_told: bool,
}

impl Roster {
    /// A player was let in. One who is in already, and asked again, goes on with the new ticket.
    pub(crate) fn expect(&mut self, holder: Holder, now: Instant) -> Vec<Effect> {
        let mut inside = self.inside.iter();
        let known = inside.find(|(_, inside)| inside.holder.player == holder.player);
        if let Some((player, name)) = known.map(|(player, inside)| (*player, inside.name.clone())) {
            let mut effects = self.unbind(player);
            effects.extend(self.bind(player, holder, name, false));
            return effects;
        }
        self.dismiss(&holder.player);
        if self.expected.len() < MAX_EXPECTED {
            self.expected.push(Expected { holder, until: now + WINDOW, before: None });
        }
        Vec::new()
    }

    /// A player is no longer expected. One who is in stays in.
    pub(crate) fn dismiss(&mut self, player: &Text<64>) {
        self.expected.retain(|expected| expected.holder.player != *player);
    }

    /// Somebody is in the game, or has this name now.
    pub(crate) fn entered(
        &mut self,
        player: GamePlayerId,
        name: &Text<64>,
        whose: &Whose,
        now: Instant,
    ) -> Vec<Effect> {
        if let Some(inside) = self.inside.get_mut(&player) {
            inside.name = name.clone();
        }
        if self.present.len() >= MAX_PRESENT || !self.present.insert(player) {
            return Vec::new();
        }
        self.tick(now);
        let was_here = |expected: &Expected| expected.before.as_ref() == Some(name);
        let is_named = |expected: &Expected| expected.holder.player.eq_ignore_ascii_case(name);
        let at = match whose {
            Whose::Account(account) => self.only(|expected| expected.holder.player == *account),
            Whose::Nobodys => None,
            Whose::Unknown => {
                self.only(was_here).or_else(|| self.only(is_named)).or_else(|| self.only(|_| true))
            }
        };
        let Some(at) = at else { return Vec::new() };
        let Expected { holder, before, .. } = self.expected.remove(at);
        self.bind(player, holder, name.clone(), before.is_some())
    }

    /// The place of the one that is so; none when there are several, or none.
    fn only(&self, is_so: impl Fn(&Expected) -> bool) -> Option<usize> {
        let mut found = self.expected.iter().enumerate().filter(|(_, expected)| is_so(expected));
        let (at, _) = found.next()?;
        found.next().is_none().then_some(at)
    }

    /// Whether a ticket is used up now. One that was used before is nobody's.
    pub(crate) fn spent(&mut self, player: GamePlayerId, id: TicketId, done: bool) -> Vec<Effect> {
        let inside = self.inside.get_mut(&player).filter(|inside| inside.holder.id == id);
        let Some(inside) = inside else { return Vec::new() };
        if done {
            inside.is_told = true;
            return vec![Effect::Arrived(player, inside.holder.clone())];
        }
        self.inside.remove(&player);
        Vec::new()
    }

    /// Somebody is not in the game any more.
    pub(crate) fn left(&mut self, player: GamePlayerId) -> Vec<Effect> {
        self.present.remove(&player);
        self.unbind(player)
    }

    /// The game has lost everybody: it has crashed, or makes a new map. They may come back with what
    /// they had.
    pub(crate) fn all_left(&mut self, now: Instant) -> Vec<Effect> {
        self.present.clear();
        let inside = std::mem::take(&mut self.inside).into_values().filter(|i| i.is_told);
        let mut left = Vec::new();
        for Inside { holder, name, .. } in inside {
            left.push(Effect::Left(holder.id));
            if self.expected.len() < MAX_EXPECTED {
                let (until, before) = (now + BACK_WITHIN, Some(name));
                self.expected.push(Expected { holder, until, before });
            }
        }
        left
    }

    /// Forgets who did not come.
    pub(crate) fn tick(&mut self, now: Instant) {
        self.expected.retain(|expected| expected.until > now);
    }

    /// Who is in, as it was told.
    pub(crate) fn inside(&self) -> impl Iterator<Item = (GamePlayerId, &Holder)> {
        let told = self.inside.iter().filter(|(_, inside)| inside.is_told);
        told.map(|(player, inside)| (*player, &inside.holder))
    }

    fn bind(
        &mut self,
        player: GamePlayerId,
        holder: Holder,
        name: Text<64>,
        is_spent: bool,
    ) -> Vec<Effect> {
        let effect = match is_spent {
            true => Effect::Arrived(player, holder.clone()),
            false => Effect::Spend(player, holder.clone()),
        };
        self.inside.insert(player, Inside { holder, name, is_told: is_spent });
        vec![effect]
    }

    fn unbind(&mut self, player: GamePlayerId) -> Vec<Effect> {
        let inside = self.inside.remove(&player).filter(|inside| inside.is_told);
        inside.map(|inside| Effect::Left(inside.holder.id)).into_iter().collect()
    }
}

/// Most players expected at a time; of further ones it is not said when they arrive.
const MAX_EXPECTED: usize = 1024;

/// Most players in a game of whom anything is said.
const MAX_PRESENT: usize = 1024;

/// How long who was in when a game crashed has to be in again: it starts again, and makes its map.
const BACK_WITHIN: std::time::Duration = std::time::Duration::from_secs(180);

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn holder(number: u8, player: &str) -> Holder {
        let ticket = SignedTicket(Text::lossy(&format!("ticket{number}")));
        Holder { id: id(number), ticket, player: Text::lossy(player) }
    }

    fn id(number: u8) -> TicketId {
        TicketId([number; 16])
    }

    struct Door {
        roster: Roster,
        now: Instant,
    }

    impl Door {
        fn new() -> Self {
            Self { roster: Roster::default(), now: Instant::now() }
        }

        fn expect(&mut self, number: u8, player: &str) -> Vec<Effect> {
            self.roster.expect(holder(number, player), self.now)
        }

        fn enters(&mut self, player: u32, name: &str) -> Vec<Effect> {
            let (player, name) = (GamePlayerId(player), Text::lossy(name));
            self.roster.entered(player, &name, &Whose::Unknown, self.now)
        }

        /// Ann is in, with ticket 1, as player 7.
        fn with_ann() -> Self {
            let mut door = Self::new();
            assert_eq!(door.expect(1, "ann"), []);
            let ann = GamePlayerId(7);
            assert_eq!(door.enters(7, "Tycoon"), [Effect::Spend(ann, holder(1, "ann"))]);
            let arrived = door.roster.spent(ann, id(1), true);
            assert_eq!(arrived, [Effect::Arrived(ann, holder(1, "ann"))]);
            door
        }
    }

    #[test]
    fn the_only_one_expected_is_who_arrives() {
        let mut door = Door::with_ann();
        assert_eq!(door.enters(7, "Another name"), [], "nobody new");
        assert_eq!(door.enters(8, "Stranger"), [], "nobody is expected");
        assert_eq!(door.roster.inside().count(), 1);
        assert_eq!(door.roster.left(GamePlayerId(8)), []);
        assert_eq!(door.roster.left(GamePlayerId(7)), [Effect::Left(id(1))]);
        assert_eq!(door.roster.left(GamePlayerId(7)), []);
    }

    #[test]
    fn of_several_the_one_with_the_name_arrives_and_else_nobody() {
        let mut door = Door::new();
        door.expect(1, "ann");
        door.expect(2, "bob");
        assert_eq!(door.enters(7, "Tycoon"), []);
        assert_eq!(door.enters(8, "Bob"), [Effect::Spend(GamePlayerId(8), holder(2, "bob"))]);
        assert_eq!(door.enters(9, "x"), [Effect::Spend(GamePlayerId(9), holder(1, "ann"))]);
    }

    #[test]
    fn where_the_game_says_whose_account_it_is_nobody_else_is_taken_for_it() {
        let mut door = Door::new();
        door.expect(1, "ann");
        let (player, name) = (GamePlayerId(7), Text::lossy("ann"));
        let bob = Whose::Account(Text::lossy("bob"));
        assert_eq!(door.roster.entered(player, &name, &bob, door.now), []);
        let bot = GamePlayerId(9);
        assert_eq!(door.roster.entered(bot, &name, &Whose::Nobodys, door.now), [], "a bot");
        let (ann, other) = (Whose::Account(Text::lossy("ann")), GamePlayerId(8));
        let spends = [Effect::Spend(other, holder(1, "ann"))];
        assert_eq!(door.roster.entered(other, &Text::lossy("x"), &ann, door.now), spends);
    }

    #[test]
    fn a_name_that_changes_in_the_game_takes_no_ticket() {
        let mut door = Door::new();
        assert_eq!(door.enters(7, "Stranger"), []);
        door.expect(1, "ann");
        assert_eq!(door.enters(7, "ann"), [], "was in before");
    }

    #[test]
    fn who_does_not_come_in_time_or_is_dismissed_is_not_expected() {
        let mut door = Door::new();
        door.expect(1, "ann");
        door.now += WINDOW;
        assert_eq!(door.enters(7, "ann"), []);
        door.expect(2, "bob");
        door.roster.dismiss(&Text::lossy("bob"));
        assert_eq!(door.enters(8, "bob"), []);
    }

    #[test]
    fn a_ticket_that_was_used_before_is_nobodys() {
        let mut door = Door::new();
        door.expect(1, "ann");
        door.enters(7, "ann");
        assert_eq!(door.roster.spent(GamePlayerId(7), id(1), false), []);
        assert_eq!(door.roster.inside().count(), 0);
        assert_eq!(door.roster.left(GamePlayerId(7)), []);
    }

    #[test]
    fn who_leaves_before_the_ticket_is_used_up_was_never_told_of() {
        let mut door = Door::new();
        door.expect(1, "ann");
        door.enters(7, "ann");
        assert_eq!(door.roster.left(GamePlayerId(7)), []);
        assert_eq!(door.roster.spent(GamePlayerId(7), id(1), true), []);
    }

    #[test]
    fn who_asks_again_while_being_in_goes_on_with_the_new_ticket() {
        let mut door = Door::with_ann();
        let spend = Effect::Spend(GamePlayerId(7), holder(2, "ann"));
        assert_eq!(door.expect(2, "ann"), [Effect::Left(id(1)), spend]);
        assert_eq!(door.roster.spent(GamePlayerId(7), id(1), true), [], "that was the old one");
        assert_eq!(door.roster.spent(GamePlayerId(7), id(2), true).len(), 1);
    }

    #[test]
    fn after_a_crash_who_was_in_comes_back_with_the_same_ticket() {
        let mut door = Door::with_ann();
        assert_eq!(door.roster.all_left(door.now), [Effect::Left(id(1))]);
        door.expect(2, "bob");
        door.now += Duration::from_secs(59);
        let back = [Effect::Arrived(GamePlayerId(3), holder(1, "ann"))];
        assert_eq!(door.enters(3, "Tycoon"), back, "by the name before");
        assert_eq!(door.roster.all_left(door.now), [Effect::Left(id(1))]);
        door.now += BACK_WITHIN;
        assert_eq!(door.enters(4, "Tycoon"), [], "that was too long ago");
    }
}
