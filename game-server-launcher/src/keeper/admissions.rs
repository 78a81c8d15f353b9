//! Who may come in: the one password of the game, handed out and replaced.
//!
//! A game such as OpenTTD has one password for all. The code of the first player who is admitted
//! becomes that password; whoever comes meanwhile learns it too, and has [`WINDOW`] to use it. When
//! nobody is expected any more it is replaced by one that nobody knows, so that who has left cannot
//! come back without the login server. A secret is only given away once the game has confirmed it.

use std::{
    collections::HashMap,
    mem,
    time::{Duration, Instant},
};

use protocol::{Admission, JoinSecret, RequestId, Text};

/// What happens.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    /// The game takes commands.
    GameReady,
    /// The game is gone.
    GameLost,
    /// A player wants to come in.
    Admit {
        /// Comes back in the answer.
        request: RequestId,
        /// The player's account.
        player: Text<64>,
        /// What the player was promised as the password.
        code: Option<JoinSecret>,
        /// Whether as many players are in as fit in.
        full: bool,
    },
    /// A player no longer wants to come in.
    Dismiss {
        /// The player's account.
        player: Text<64>,
    },
    /// The game takes this secret now, and no other.
    Confirmed(JoinSecret),
    /// Time has passed.
    Tick,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Make it the game's password, and confirm it.
    Set(JoinSecret),
    /// Answer a request.
    Answer {
        /// Which one.
        request: RequestId,
        /// How.
        admission: Admission,
    },
}

/// The password of one game, and who is expected to use it.
#[derive(Debug)]
pub(crate) struct Admissions {
    secret: JoinSecret,
    game: Game,
    /// Who knows the secret, and until when they are expected.
    expected: HashMap<Text<64>, Instant>,
    /// Who asked while the game had not confirmed the secret.
    waiting: Vec<Waiting>,
    /// Somebody was given the secret.
    known: bool,
    /// Who was in when the game crashed may come back until then.
    returning: Option<Instant>,
}

#[derive(Debug)]
enum Game {
    Absent,
    /// The secret was sent, last at that time, and is not confirmed.
    Asked(Instant),
    Set,
}

#[derive(Debug)]
struct Waiting {
    request: RequestId,
    player: Text<64>,
    until: Instant,
}

impl Admissions {
    /// `secret` is what the game will be given first.
    pub(crate) fn new(secret: JoinSecret) -> Self {
        Self {
            secret,
            game: Game::Absent,
            expected: HashMap::new(),
            waiting: Vec::new(),
            known: false,
            returning: None,
        }
    }

    /// What follows from `event`, now. `fresh` makes a secret that nobody knows.
    pub(crate) fn apply(
        &mut self,
        event: Event,
        now: Instant,
        fresh: &mut dyn FnMut() -> JoinSecret,
    ) -> Vec<Effect> {
        match event {
            Event::GameReady => {
                self.returning = self.known.then_some(now + WINDOW);
                self.set(now)
            }
            Event::GameLost => {
                self.game = Game::Absent;
                let waiting = mem::take(&mut self.waiting);
                waiting.into_iter().map(|waiting| not_ready(waiting.request)).collect()
            }
            Event::Admit { request, player, code, full } => {
                self.admit(request, player, code, full, now)
            }
            Event::Dismiss { player } => {
                self.expected.remove(&player);
                let dismissed = self.waiting.extract_if(.., |waiting| waiting.player == player);
                let mut effects: Vec<_> =
                    dismissed.map(|waiting| not_ready(waiting.request)).collect();
                effects.extend(self.replace(now, fresh));
                effects
            }
            Event::Confirmed(secret) => self.confirmed(&secret, now),
            Event::Tick => self.tick(now, fresh),
        }
    }

    fn set(&mut self, now: Instant) -> Vec<Effect> {
        self.game = Game::Asked(now);
        vec![Effect::Set(self.secret.clone())]
    }

    fn admit(
        &mut self,
        request: RequestId,
        player: Text<64>,
        code: Option<JoinSecret>,
        full: bool,
        now: Instant,
    ) -> Vec<Effect> {
        let refused = match self.game {
            Game::Absent => Some(Admission::NotReady),
            _ if full => Some(Admission::Full),
            _ if self.expected.len() + self.waiting.len() >= MAX_EXPECTED => {
                Some(Admission::NotReady)
            }
            _ => None,
        };
        if let Some(admission) = refused {
            return vec![Effect::Answer { request, admission }];
        }
        // Where nobody knows the password that there is, the player's own takes its place.
        if let Some(code) = code.filter(|_| !self.known && self.waiting.is_empty()) {
            self.secret = code;
            self.wait(request, player, now);
            return self.set(now);
        }
        if matches!(self.game, Game::Set) {
            return vec![self.grant(request, player, now)];
        }
        self.wait(request, player, now);
        Vec::new()
    }

    fn wait(&mut self, request: RequestId, player: Text<64>, now: Instant) {
        self.waiting.push(Waiting { request, player, until: now + CONFIRMED_WITHIN });
    }

    fn grant(&mut self, request: RequestId, player: Text<64>, now: Instant) -> Effect {
        self.known = true;
        self.expected.insert(player, now + WINDOW);
        Effect::Answer { request, admission: Admission::Granted { secret: self.secret.clone() } }
    }

    fn confirmed(&mut self, secret: &JoinSecret, now: Instant) -> Vec<Effect> {
        if !matches!(self.game, Game::Asked(_)) || *secret != self.secret {
            return Vec::new();
        }
        self.game = Game::Set;
        let waiting = mem::take(&mut self.waiting);
        waiting
            .into_iter()
            .map(|waiting| self.grant(waiting.request, waiting.player, now))
            .collect()
    }

    fn tick(&mut self, now: Instant, fresh: &mut dyn FnMut() -> JoinSecret) -> Vec<Effect> {
        self.expected.retain(|_, until| *until > now);
        self.returning = self.returning.filter(|until| *until > now);
        let mut effects = Vec::new();
        self.waiting.retain(|waiting| {
            let in_time = waiting.until > now;
            if !in_time {
                effects.push(not_ready(waiting.request));
            }
            in_time
        });
        effects.extend(match self.game {
            Game::Asked(at) if now - at >= ASK_AGAIN_AFTER => self.set(now),
            _ => self.replace(now, fresh),
        });
        effects
    }

    /// Replaces the secret, if somebody knows it whom nobody expects.
    fn replace(&mut self, now: Instant, fresh: &mut dyn FnMut() -> JoinSecret) -> Vec<Effect> {
        let nobody = self.expected.is_empty() && self.waiting.is_empty();
        if !self.known || !nobody || self.returning.is_some() || !matches!(self.game, Game::Set) {
            return Vec::new();
        }
        self.known = false;
        self.secret = fresh();
        self.set(now)
    }
}

fn not_ready(request: RequestId) -> Effect {
    Effect::Answer { request, admission: Admission::NotReady }
}

/// How long who was admitted has to come in: a game client may have to start, and to fetch a map.
pub(crate) const WINDOW: Duration = Duration::from_secs(60);

/// Who asks while the secret changes is answered within it: the login server does not wait longer.
const CONFIRMED_WITHIN: Duration = Duration::from_secs(4);

/// A game that is busy making a map confirms late.
const ASK_AGAIN_AFTER: Duration = Duration::from_secs(2);

/// Most players expected at a time. Further ones are told that the server is not ready.
const MAX_EXPECTED: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    struct Door {
        admissions: Admissions,
        now: Instant,
        made: u32,
    }

    impl Door {
        fn new() -> Self {
            Self { admissions: Admissions::new(secret(0)), now: Instant::now(), made: 0 }
        }

        fn open() -> Self {
            let mut door = Self::new();
            assert_eq!(door.does(Event::GameReady), [Effect::Set(secret(0))]);
            assert_eq!(door.does(Event::Confirmed(secret(0))), []);
            door
        }

        fn does(&mut self, event: Event) -> Vec<Effect> {
            let made = &mut self.made;
            self.admissions.apply(event, self.now, &mut || {
                *made += 1;
                secret(*made)
            })
        }

        fn after(&mut self, seconds: u64) -> Vec<Effect> {
            self.now += Duration::from_secs(seconds);
            self.does(Event::Tick)
        }
    }

    fn secret(number: u32) -> JoinSecret {
        JoinSecret(Text::lossy(&format!("secret{number}")))
    }

    fn admit(request: u32, player: &str) -> Event {
        let (request, player) = (RequestId(request), Text::lossy(player));
        Event::Admit { request, player, code: None, full: false }
    }

    fn dismiss(player: &str) -> Event {
        Event::Dismiss { player: Text::lossy(player) }
    }

    fn answer(request: u32, admission: Admission) -> Effect {
        Effect::Answer { request: RequestId(request), admission }
    }

    fn granted(request: u32, number: u32) -> Effect {
        answer(request, Admission::Granted { secret: secret(number) })
    }

    #[test]
    fn who_is_admitted_learns_the_secret_that_the_game_has_confirmed() {
        let mut door = Door::new();
        assert_eq!(door.does(admit(1, "ann")), [answer(1, Admission::NotReady)]);
        assert_eq!(door.does(Event::GameReady), [Effect::Set(secret(0))]);
        assert_eq!(door.does(admit(2, "ann")), []);
        assert_eq!(door.does(Event::Confirmed(secret(7))), []);
        assert_eq!(door.does(Event::Confirmed(secret(0))), [granted(2, 0)]);
        assert_eq!(door.does(admit(3, "bob")), [granted(3, 0)]);
    }

    fn admit_with_code(request: u32, player: &str, number: u32) -> Event {
        let (request, player) = (RequestId(request), Text::lossy(player));
        Event::Admit { request, player, code: Some(secret(number)), full: false }
    }

    #[test]
    fn the_code_of_the_first_becomes_the_password_until_nobody_is_expected() {
        let mut door = Door::open();
        assert_eq!(door.does(admit_with_code(1, "ann", 70)), [Effect::Set(secret(70))]);
        assert_eq!(door.does(admit_with_code(2, "bob", 71)), [], "not confirmed yet");
        let both = [granted(1, 70), granted(2, 70)];
        assert_eq!(door.does(Event::Confirmed(secret(70))), both);
        assert_eq!(door.does(admit_with_code(3, "cid", 72)), [granted(3, 70)]);
        assert_eq!(door.after(60), [Effect::Set(secret(1))], "nobody knows this one");
        door.does(Event::Confirmed(secret(1)));
        assert_eq!(door.does(admit_with_code(4, "ann", 73)), [Effect::Set(secret(73))]);
    }

    #[test]
    fn who_comes_while_the_game_is_asked_for_the_first_time_gets_their_own_code_too() {
        let mut door = Door::new();
        assert_eq!(door.does(Event::GameReady), [Effect::Set(secret(0))]);
        assert_eq!(door.does(admit_with_code(1, "ann", 70)), [Effect::Set(secret(70))]);
        assert_eq!(door.does(Event::Confirmed(secret(0))), [], "late news of the old one");
        assert_eq!(door.does(Event::Confirmed(secret(70))), [granted(1, 70)]);
    }

    #[test]
    fn a_full_server_gives_no_secret_away() {
        let mut door = Door::open();
        let (player, code) = (Text::lossy("ann"), Some(secret(9)));
        let event = Event::Admit { request: RequestId(1), player, code, full: true };
        assert_eq!(door.does(event), [answer(1, Admission::Full)]);
    }

    #[test]
    fn the_secret_is_replaced_when_the_last_window_is_over() {
        let mut door = Door::open();
        assert_eq!(door.after(1000), [], "nobody knows it");
        door.does(admit(1, "ann"));
        assert_eq!(door.after(30), []);
        door.does(admit(2, "bob"));
        assert_eq!(door.after(30), [], "bob still has time");
        assert_eq!(door.after(30), [Effect::Set(secret(1))]);
        assert_eq!(door.does(admit(3, "cid")), [], "the game has not confirmed it");
        assert_eq!(door.does(Event::Confirmed(secret(0))), [], "late news of the old one");
        assert_eq!(door.does(Event::Confirmed(secret(1))), [granted(3, 1)]);
    }

    #[test]
    fn the_secret_is_replaced_when_nobody_who_knows_it_wants_in_any_more() {
        let mut door = Door::open();
        door.does(admit(1, "ann"));
        door.does(admit(2, "bob"));
        assert_eq!(door.does(dismiss("ann")), []);
        assert_eq!(door.does(dismiss("zoe")), []);
        assert_eq!(door.does(dismiss("bob")), [Effect::Set(secret(1))]);
        assert_eq!(door.does(dismiss("bob")), []);
    }

    #[test]
    fn after_a_crash_the_secret_stays_for_those_who_come_back() {
        let mut door = Door::open();
        door.does(admit(1, "ann"));
        assert_eq!(door.does(Event::GameLost), []);
        assert_eq!(door.after(70), []);
        assert_eq!(door.does(Event::GameReady), [Effect::Set(secret(0))]);
        door.does(Event::Confirmed(secret(0)));
        assert_eq!(door.after(59), []);
        assert_eq!(door.after(1), [Effect::Set(secret(1))]);
    }

    #[test]
    fn who_waits_when_the_game_is_lost_is_told() {
        let mut door = Door::new();
        door.does(Event::GameReady);
        door.does(admit(1, "ann"));
        assert_eq!(door.does(Event::GameLost), [answer(1, Admission::NotReady)]);
    }

    #[test]
    fn who_waits_and_is_dismissed_is_told_and_gets_no_secret() {
        let mut door = Door::new();
        door.does(Event::GameReady);
        door.does(admit(1, "ann"));
        door.does(admit(2, "bob"));
        assert_eq!(door.does(dismiss("ann")), [answer(1, Admission::NotReady)]);
        assert_eq!(door.does(Event::Confirmed(secret(0))), [granted(2, 0)]);
    }

    #[test]
    fn a_game_that_does_not_confirm_is_asked_again_and_who_waits_is_told() {
        let mut door = Door::new();
        door.does(Event::GameReady);
        door.does(admit(1, "ann"));
        assert_eq!(door.after(2), [Effect::Set(secret(0))]);
        let late = [answer(1, Admission::NotReady), Effect::Set(secret(0))];
        assert_eq!(door.after(2), late);
    }

    #[test]
    fn the_number_of_expected_players_is_bounded() {
        let mut door = Door::open();
        for number in 0..MAX_EXPECTED as u32 {
            assert_eq!(door.does(admit(number, &format!("player{number}"))), [granted(number, 0)]);
        }
        assert_eq!(door.does(admit(9999, "more")), [answer(9999, Admission::NotReady)]);
    }

    #[test]
    fn a_secret_is_never_given_away_unconfirmed() {
        let mut random = fastrand::Rng::with_seed(1);
        let mut door = Door::new();
        let mut in_game = None;
        let mut asked = None;
        for _ in 0..100_000 {
            door.now += Duration::from_millis(random.u64(..5_000));
            let event = match random.u8(..12) {
                0 => Event::GameReady,
                1 => Event::GameLost,
                2 => admit(random.u32(..), ["ann", "bob", "cid"][random.usize(..3)]),
                3..5 => admit_with_code(random.u32(..), "ann", random.u32(1_000_000..)),
                5 => dismiss(["ann", "bob", "cid"][random.usize(..3)]),
                6..9 => match asked.take() {
                    Some(secret) => {
                        in_game = Some(JoinSecret::clone(&secret));
                        Event::Confirmed(secret)
                    }
                    None => Event::Tick,
                },
                _ => Event::Tick,
            };
            if matches!(event, Event::GameLost | Event::GameReady) {
                (in_game, asked) = (None, None);
            }
            for effect in door.does(event) {
                match effect {
                    Effect::Set(secret) => {
                        in_game = in_game.filter(|present| *present == secret);
                        asked = Some(secret);
                    }
                    Effect::Answer { admission: Admission::Granted { secret }, .. } => {
                        assert_eq!(Some(secret), in_game);
                    }
                    Effect::Answer { .. } => {}
                }
            }
        }
    }
}
