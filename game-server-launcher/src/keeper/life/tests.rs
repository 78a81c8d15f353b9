//! Tables, and a long random walk against what must always hold.

use super::*;
use Effect::{End, Ended, Over, Report, Spawn, State};

struct Game {
    life: Life,
    now: Instant,
}

impl Game {
    fn new() -> Self {
        Self { life: Life::new(Limits::default()), now: Instant::now() }
    }

    fn running() -> Self {
        let mut game = Self::new();
        game.does(Event::Start);
        game.does(Event::Ready);
        game
    }

    /// The effects, without those that only explain.
    fn does(&mut self, event: Event) -> Vec<Effect> {
        let mut effects = self.life.apply(event, self.now);
        effects.retain(|effect| !matches!(effect, Effect::Trouble(_)));
        effects
    }

    fn after(&mut self, seconds: f64) -> Vec<Effect> {
        self.now += Duration::from_secs_f64(seconds);
        self.does(Event::Tick)
    }
}

const CRASH: ExitCause = ExitCause::Signal(11);

#[test]
fn a_game_that_crashed_is_started_after_pauses_that_double() {
    let mut game = Game::running();
    for pause in [1.0, 2.0, 4.0, 8.0] {
        let crashed = game.does(Event::Exited(CRASH));
        assert_eq!(crashed, [Report(CRASH), State(ServerState::Restarting)]);
        assert_eq!(game.after(pause - 0.1), []);
        assert_eq!(game.after(0.1), [State(ServerState::Starting), Spawn]);
        assert_eq!(game.does(Event::Ready), [State(ServerState::Ready)]);
    }
}

#[test]
fn a_game_that_was_stable_is_started_after_the_first_pause() {
    let mut game = Game::running();
    for _ in 0..3 {
        game.does(Event::Exited(CRASH));
        game.after(60.0);
        game.does(Event::Ready);
    }
    for _ in 0..13 {
        game.after(10.0);
        game.does(Event::Alive);
    }
    game.does(Event::Exited(CRASH));
    assert_eq!(game.after(1.0), [State(ServerState::Starting), Spawn]);
}

#[test]
fn a_game_that_crashes_too_often_has_failed() {
    let mut game = Game::running();
    for _ in 0..4 {
        game.does(Event::Exited(CRASH));
        game.after(60.0);
        game.does(Event::Ready);
    }
    let failed = game.does(Event::Exited(CRASH));
    assert_eq!(failed, [Report(CRASH), State(ServerState::Failed)]);
    assert_eq!(game.after(100_000.0), []);
    assert_eq!(game.does(Event::Stop), [State(ServerState::Stopped), Over]);
}

#[test]
fn crashes_that_are_far_apart_do_not_add_up() {
    let mut game = Game::running();
    for _ in 0..20 {
        assert!(!game.does(Event::Exited(CRASH)).contains(&State(ServerState::Failed)));
        game.after(200.0);
        game.does(Event::Ready);
    }
}

#[test]
fn a_game_that_is_not_ready_in_time_is_killed_and_started_again() {
    let mut game = Game::new();
    game.does(Event::Start);
    assert_eq!(game.after(59.0), []);
    assert_eq!(game.after(1.0), [State(ServerState::Restarting), End(Means::Kill)]);
    assert_eq!(game.after(5.0), [End(Means::Kill)]);
    let killed = game.does(Event::Exited(ExitCause::Signal(9)));
    assert_eq!(killed[0], Report(ExitCause::TooSlow));
}

#[test]
fn a_game_that_gives_no_sign_of_life_is_reported_and_then_killed() {
    let mut game = Game::running();
    game.now += Duration::from_secs(20);
    let effects = game.life.apply(Event::Tick, game.now);
    assert_eq!(effects, [Effect::Trouble(Text::lossy("no answer for 20 s"))]);
    assert_eq!(game.life.apply(Event::Alive, game.now), [Effect::Trouble(Text::default())]);
    assert_eq!(game.after(59.0), []);
    assert_eq!(game.after(1.0), [State(ServerState::Restarting), End(Means::Kill)]);
    assert_eq!(game.does(Event::Exited(ExitCause::Signal(9)))[0], Report(ExitCause::Hung));
}

#[test]
fn a_game_that_is_not_the_wanted_one_is_killed_and_started_again() {
    let cause = ExitCause::NotStarted { why: Text::lossy("damaged") };
    for ready in [false, true] {
        let mut game = Game::new();
        game.does(Event::Start);
        if ready {
            game.does(Event::Ready);
        }
        let killed = [State(ServerState::Restarting), End(Means::Kill)];
        assert_eq!(game.does(Event::Unusable(cause.clone())), killed);
        assert_eq!(game.does(Event::Unusable(cause.clone())), []);
        assert_eq!(game.does(Event::Exited(CRASH))[0], Report(cause.clone()));
        assert_eq!(game.after(1.0), [State(ServerState::Starting), Spawn]);
    }
}

#[test]
fn a_game_is_stopped_by_its_command_then_by_signals() {
    let mut game = Game::running();
    assert_eq!(game.does(Event::Stop), [State(ServerState::Stopping), End(Means::Command)]);
    assert_eq!(game.does(Event::Stop), []);
    assert_eq!(game.after(10.0), [End(Means::Terminate)]);
    assert_eq!(game.after(10.0), [End(Means::Kill)]);
    assert_eq!(game.after(5.0), [End(Means::Kill)]);
    let over = game.does(Event::Exited(ExitCause::Signal(9)));
    assert_eq!(over, [Ended(ExitCause::Signal(9)), State(ServerState::Stopped), Over]);
    assert_eq!(game.does(Event::Start), []);
}

#[test]
fn a_game_that_waits_to_be_started_again_is_stopped_at_once() {
    let mut game = Game::running();
    game.does(Event::Exited(CRASH));
    assert_eq!(game.does(Event::Stop), [State(ServerState::Stopped), Over]);
    assert_eq!(game.after(60.0), []);
}

#[test]
fn whatever_happens_there_is_one_process_and_none_after_a_stop() {
    for seed in 0..20 {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut walk = Walk::new();
        for step in 0..5_000 {
            walk.step(&mut random).unwrap_or_else(|broken| panic!("{seed}/{step}: {broken}"));
        }
    }
}

/// A game, and beside it the simplest account of what there should be.
struct Walk {
    game: Game,
    process: bool,
    stopped: bool,
    ended_at: Option<Instant>,
}

impl Walk {
    fn new() -> Self {
        Self { game: Game::new(), process: false, stopped: false, ended_at: None }
    }

    fn step(&mut self, random: &mut fastrand::Rng) -> Result<(), String> {
        if self.stopped && !self.process && random.u8(..) == 0 {
            *self = Self::new();
        }
        self.game.now += Duration::from_millis(random.u64(..20_000));
        let event = match random.u8(..100) {
            0..40 => Event::Tick,
            40..60 => Event::Alive,
            60..75 => Event::Ready,
            75..80 => Event::Start,
            80..98 if self.process => Event::Exited(ExitCause::Code(random.i32(..3))),
            98 => Event::Stop,
            99 => Event::Unusable(CRASH),
            _ => return Ok(()),
        };
        match event {
            Event::Exited(_) => {
                self.process = false;
                self.ended_at = Some(self.game.now);
            }
            Event::Stop => self.stopped = true,
            _ => {}
        }
        let effects = self.game.does(event);
        for effect in effects {
            self.check(&effect)?;
        }
        match self.process == self.game.life.has_process() {
            true => Ok(()),
            false => Err("it is wrong about its process".into()),
        }
    }

    fn check(&mut self, effect: &Effect) -> Result<(), String> {
        match effect {
            Spawn if self.process => return Err("a second process".into()),
            Spawn if self.stopped => return Err("a process after a stop".into()),
            Spawn => {
                let pause = self.ended_at.map(|ended| self.game.now - ended);
                if pause.is_some_and(|pause| pause < Limits::default().first_pause) {
                    return Err(format!("a pause of {pause:?}"));
                }
                self.process = true;
            }
            End(_) if !self.process => return Err("nothing to end".into()),
            Over if self.process => return Err("over with a process".into()),
            State(ServerState::Ready) if !self.process => return Err("ready without one".into()),
            _ => {}
        }
        Ok(())
    }
}
