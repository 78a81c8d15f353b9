//! Who may come in: each player with a secret of their own, which the game has confirmed before it
//! is given away.

use std::time::{Duration, Instant};

use protocol::{Admission, JoinSecret, RequestId, Text};

use crate::keeper::{game::GameEvent, handlers::controller::ToGame};

/// Secrets that the game has not confirmed.
#[derive(Debug, Default)]
pub(super) struct Codes {
    waiting: Vec<Waiting>,
    next: u32,
}

#[derive(Debug)]
struct Waiting {
    /// What the game is asked with.
    asked: RequestId,
    /// What is to be answered. None: the player was in the process before this one.
    request: Option<RequestId>,
    player: Text<64>,
    secret: JoinSecret,
    until: Instant,
}

impl Codes {
    /// `player` wants to come in, with `secret`: what to ask the game. None: too many wait.
    pub(super) fn expect(
        &mut self,
        request: Option<RequestId>,
        player: Text<64>,
        secret: JoinSecret,
        now: Instant,
    ) -> Option<ToGame> {
        if self.waiting.len() >= MAX_WAITING {
            return None;
        }
        let asked = RequestId(self.next);
        self.next = self.next.wrapping_add(1);
        let waiting = Waiting { asked, request, player, secret, until: now + CONFIRMED_WITHIN };
        let question = waiting.question();
        self.waiting.push(waiting);
        Some(question)
    }

    /// The game has confirmed what it was asked.
    pub(super) fn confirmed(&mut self, asked: RequestId) -> Option<GameEvent> {
        let at = self.waiting.iter().position(|waiting| waiting.asked == asked)?;
        let Waiting { request, player, secret, .. } = self.waiting.swap_remove(at);
        Some(match request {
            Some(request) => {
                GameEvent::Admitted { request, admission: Admission::Granted { secret } }
            }
            None => GameEvent::Takes { account: player, secret },
        })
    }

    /// `player` does not want to come in any more.
    pub(super) fn dismissed(&mut self, player: &Text<64>) -> Vec<GameEvent> {
        self.give_up(|waiting| waiting.player == *player)
    }

    /// Nobody can be confirmed any more.
    pub(super) fn lost(&mut self) -> Vec<GameEvent> {
        self.give_up(|_| true)
    }

    /// Time has passed.
    pub(super) fn tick(&mut self, now: Instant) -> Vec<GameEvent> {
        self.give_up(|waiting| waiting.until <= now)
    }

    /// What to ask the game once more, on another connection.
    pub(super) fn questions(&self) -> impl Iterator<Item = ToGame> {
        self.waiting.iter().map(Waiting::question)
    }

    fn give_up(&mut self, on: impl Fn(&Waiting) -> bool) -> Vec<GameEvent> {
        let given_up = self.waiting.extract_if(.., |waiting| on(waiting));
        given_up.filter_map(|waiting| waiting.request.map(not_ready)).collect()
    }
}

impl Waiting {
    fn question(&self) -> ToGame {
        ToGame::Expect {
            request: self.asked,
            account: self.player.clone(),
            secret: self.secret.clone(),
            within_ms: WINDOW_MS,
        }
    }
}

/// The answer where nobody can come in.
pub(super) fn not_ready(request: RequestId) -> GameEvent {
    GameEvent::Admitted { request, admission: Admission::NotReady }
}

/// How long who was admitted has to come in: a game client may have to start, and to fetch a map.
const WINDOW_MS: u32 = 60_000;

/// A game that does not confirm within it is busy with something else: the login server does not
/// wait longer.
const CONFIRMED_WITHIN: Duration = Duration::from_secs(4);

/// Further ones are told that the server is not ready.
const MAX_WAITING: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn secret() -> JoinSecret {
        JoinSecret(Text::lossy("s3cret"))
    }

    fn asked(codes: &mut Codes, request: u32, player: &str, now: Instant) -> RequestId {
        let question = codes.expect(Some(RequestId(request)), Text::lossy(player), secret(), now);
        match question {
            Some(ToGame::Expect { request, .. }) => request,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_secret_is_given_away_once_the_game_has_confirmed_it() {
        let (mut codes, now) = (Codes::default(), Instant::now());
        let ann = asked(&mut codes, 7, "ann", now);
        let bob = asked(&mut codes, 8, "bob", now);
        assert_ne!(ann, bob);
        assert_eq!(codes.questions().count(), 2);
        let admission = Admission::Granted { secret: secret() };
        let granted = GameEvent::Admitted { request: RequestId(8), admission };
        assert_eq!(codes.confirmed(bob), Some(granted));
        assert_eq!(codes.confirmed(bob), None);
    }

    #[test]
    fn a_player_of_the_process_before_is_taken_and_nobody_is_answered() {
        let (mut codes, now) = (Codes::default(), Instant::now());
        let account: Text<64> = Text::lossy("ann");
        assert!(codes.expect(None, account.clone(), secret(), now).is_some());
        let takes = GameEvent::Takes { account: account.clone(), secret: secret() };
        assert_eq!(codes.confirmed(RequestId(0)), Some(takes));
        codes.expect(None, account, secret(), now);
        assert_eq!(codes.lost(), []);
    }

    #[test]
    fn who_is_not_confirmed_in_time_or_leaves_is_answered_all_the_same() {
        let (mut codes, now) = (Codes::default(), Instant::now());
        asked(&mut codes, 7, "ann", now);
        asked(&mut codes, 8, "bob", now);
        assert_eq!(codes.dismissed(&Text::lossy("ann")), [not_ready(RequestId(7))]);
        assert_eq!(codes.tick(now), []);
        assert_eq!(codes.tick(now + CONFIRMED_WITHIN), [not_ready(RequestId(8))]);
        asked(&mut codes, 9, "cid", now);
        assert_eq!(codes.lost(), [not_ready(RequestId(9))]);
        assert_eq!(codes.lost(), []);
    }

    #[test]
    fn those_who_wait_are_bounded() {
        let (mut codes, now) = (Codes::default(), Instant::now());
        for number in 0..1024 {
            asked(&mut codes, number, "ann", now);
        }
        let player = Text::lossy("bob");
        assert_eq!(codes.expect(None, player, secret(), now), None);
    }
}
