//! A controller and a keeper played by the test, over real sockets.

use std::{
    io::{Read as _, Write as _},
    net::{Shutdown, TcpListener, TcpStream},
    thread,
    time::{Duration, Instant},
};

use bytes::BytesMut;
use framing::{
    FrameError,
    chunks::{self, ChunkReader, ChunkSize, Progress},
};
use game_controller::{
    ConnectError, Environment, Event, GameController, match_end,
    protocol::{
        Blob, BootId, ControllerToken, FromGameController, GameChange, GameChanges, GamePlayerId,
        Goodbye, JoinSecret, PlayerDataAnswer, RequestId, Start, Text, ToGameController,
        UnixMillis, Welcome, decode, encode,
    },
};

/// Machines of tests are busy.
const LIMIT: Duration = Duration::from_secs(30);

struct Keeper {
    listener: TcpListener,
}

struct Link {
    stream: TcpStream,
    received: BytesMut,
    chunks: ChunkReader,
}

impl Keeper {
    fn new() -> Self {
        Self { listener: TcpListener::bind("127.0.0.1:0").unwrap() }
    }

    fn environment(&self) -> Environment {
        let token = ControllerToken(Text::lossy("the token"));
        Environment { address: self.listener.local_addr().unwrap(), token }
    }

    /// Accepts a game, which then has said `Hello`.
    fn accept(&self) -> Link {
        let (stream, _) = self.listener.accept().unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        let chunks = ChunkReader::new(ChunkSize::MAX);
        let mut link = Link { stream, received: BytesMut::new(), chunks };
        assert!(matches!(link.hear(), FromGameController::Hello(hello) if hello.highest == 1));
        link
    }

    /// Accepts a game, and tells it what it is to be.
    fn start(&self) -> Link {
        let mut link = self.accept();
        let welcome = Welcome { version: 1, now: UnixMillis(0), boot: BootId(1), features: 0 };
        link.say(ToGameController::Welcome(welcome));
        let token = self.environment().token;
        assert_eq!(link.hear(), FromGameController::Prove { token });
        link.say(ToGameController::Start(start()));
        link
    }

    /// A game that is started, and the keeper's side of it, which was told that nothing is known.
    fn with_game(&self) -> (GameController, Link) {
        thread::scope(|scope| {
            let link = scope.spawn(|| self.start());
            let (controller, start_) =
                GameController::connect_to(self.environment(), "test/1").unwrap();
            assert_eq!(start_, start());
            let mut link = link.join().unwrap();
            assert_eq!(link.hear(), changes(true, []));
            (controller, link)
        })
    }
}

impl Link {
    fn say(&mut self, message: ToGameController) {
        let mut bytes = BytesMut::new();
        chunks::encode::<FrameError>(ChunkSize::MAX, &mut bytes, |bytes| {
            encode(&message, bytes);
            Ok(())
        })
        .unwrap();
        self.stream.write_all(&bytes).unwrap();
    }

    fn hear(&mut self) -> FromGameController {
        self.next().expect("the game says something")
    }

    /// `None`: the game has ended the connection.
    fn next(&mut self) -> Option<FromGameController> {
        loop {
            let message = self.chunks.next(&mut self.received, 1 << 20, |bytes| {
                Ok::<_, FrameError>(Progress::Message(decode(bytes).unwrap()))
            });
            if let Some(message) = message.unwrap() {
                return Some(message);
            }
            let mut buffer = [0; 4096];
            match self.stream.read(&mut buffer).unwrap() {
                0 => return None,
                length => self.received.extend_from_slice(&buffer[..length]),
            }
        }
    }
}

fn start() -> Start {
    Start {
        title: Text::lossy("A friendly game"),
        bind: [127, 0, 0, 1].into(),
        port: 7,
        max_players: 4,
        context: Blob::try_from(b"before".to_vec()).unwrap(),
        map: None,
    }
}

fn changes(fresh: bool, list: impl IntoIterator<Item = GameChange>) -> FromGameController {
    let changes = protocol::List::first_of(list);
    FromGameController::Changes(GameChanges { fresh, changes })
}

#[track_caller]
fn next(controller: &mut GameController) -> Event {
    controller.wait(LIMIT).expect("the keeper says something")
}

#[test]
fn what_a_game_says_is_heard_in_order() {
    let keeper = Keeper::new();
    let (mut controller, mut link) = keeper.with_game();
    controller.map("harbour");
    assert_eq!(link.hear(), changes(false, [GameChange::Map(Text::lossy("harbour"))]));
    controller.ready();
    assert_eq!(link.hear(), FromGameController::Ready);
    controller.said("Ann", "hello\nworld");
    let (name, text) = (Text::lossy("Ann"), Text::lossy("hello world"));
    assert_eq!(link.hear(), FromGameController::Said { name, text });
    let end = match_end(b"after".to_vec(), Some("quarry"), &["harbour", "quarry"], LIMIT);
    controller.match_ended(end.clone());
    assert_eq!(link.hear(), FromGameController::MatchEnded(end));
}

#[test]
fn what_a_keeper_says_becomes_an_event() {
    let keeper = Keeper::new();
    let (mut controller, mut link) = keeper.with_game();
    let (player, reason) = (GamePlayerId(3), Text::lossy("too loud"));
    link.say(ToGameController::Remove { player, reason });
    assert_eq!(next(&mut controller), Event::Remove { player: 3, reason: "too loud".into() });
    link.say(ToGameController::NextMap { map: Some(Text::lossy("quarry")) });
    assert_eq!(next(&mut controller), Event::NextMap { map: Some("quarry".into()) });
    let (speaker, text) = (Text::lossy("bob"), Text::lossy("hi"));
    link.say(ToGameController::Say { speaker, text });
    assert_eq!(next(&mut controller), Event::Say { speaker: "bob".into(), text: "hi".into() });
    link.say(ToGameController::Stop { within_ms: 1500 });
    assert_eq!(next(&mut controller), Event::Stop { within: Duration::from_millis(1500) });
    assert_eq!(controller.poll(), None);
}

#[test]
fn who_is_expected_is_let_in_once_and_may_have_a_loadout() {
    let keeper = Keeper::new();
    let (mut controller, mut link) = keeper.with_game();
    let (request, account) = (RequestId(9), Text::lossy("ann"));
    let secret = JoinSecret(Text::lossy("s3cret"));
    link.say(ToGameController::Expect { request, account, secret, within_ms: 60_000 });
    let answer = hear_while_polling(&mut controller, &mut link);
    assert_eq!(answer, FromGameController::Expected { request });
    assert_eq!(controller.admit("guess"), None);
    let account = controller.admit("s3cret").expect("ann is expected");
    assert_eq!(account.as_str(), "ann");
    assert_eq!(controller.admit("s3cret"), None);
    controller.player_entered(1, "Ann", Some(&account));
    let entered = GameChange::PlayerEntered {
        player: GamePlayerId(1),
        name: Text::lossy("Ann"),
        account: Some(Text::lossy("ann")),
    };
    assert_eq!(link.hear(), changes(false, [entered]));
    let request = controller.ask_player_data(&account, "loadout");
    assert!(matches!(link.hear(), FromGameController::AskPlayerData { .. }));
    let answer = PlayerDataAnswer::Nothing;
    link.say(ToGameController::PlayerData { request, answer: answer.clone() });
    assert_eq!(next(&mut controller), Event::PlayerData { request, answer });
}

#[test]
fn a_game_that_does_not_poll_gives_no_sign_of_life() {
    let keeper = Keeper::new();
    let (mut controller, mut link) = keeper.with_game();
    link.say(ToGameController::Ping { nonce: 1 });
    link.stream.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    let mut byte = [0];
    let silence = link.stream.read(&mut byte).unwrap_err();
    assert_eq!(silence.kind(), std::io::ErrorKind::WouldBlock);
    link.stream.set_read_timeout(Some(LIMIT)).unwrap();
    let answer = hear_while_polling(&mut controller, &mut link);
    assert_eq!(answer, FromGameController::Pong { nonce: 1 });
}

#[test]
fn a_lost_connection_is_made_again_and_told_everything() {
    let keeper = Keeper::new();
    let (mut controller, mut link) = keeper.with_game();
    controller.map("harbour");
    controller.ready();
    assert!(matches!(link.hear(), FromGameController::Changes(_)));
    link.stream.shutdown(Shutdown::Both).unwrap();
    let mut link = keeper.start();
    assert_eq!(link.hear(), changes(true, [GameChange::Map(Text::lossy("harbour"))]));
    assert_eq!(link.hear(), FromGameController::Ready);
    controller.map("quarry");
    assert_eq!(link.hear(), changes(false, [GameChange::Map(Text::lossy("quarry"))]));
    assert!(controller.is_connected());
}

#[test]
fn last_words_are_said_before_the_end() {
    let keeper = Keeper::new();
    let (mut controller, mut link) = keeper.with_game();
    controller.map("harbour");
    controller.said("Ann", "bye");
    drop(controller);
    let mut last = None;
    while let Some(message) = link.next() {
        last = Some(message);
    }
    let (name, text) = (Text::lossy("Ann"), Text::lossy("bye"));
    assert_eq!(last, Some(FromGameController::Said { name, text }));
}

#[test]
fn a_keeper_that_does_not_want_us_says_why() {
    let keeper = Keeper::new();
    let refused = thread::scope(|scope| {
        scope.spawn(|| {
            keeper.accept().say(ToGameController::Goodbye(Goodbye::YouAreTooOld { lowest: 3 }));
        });
        GameController::connect_to(keeper.environment(), "test/1").unwrap_err()
    });
    assert!(
        matches!(refused, ConnectError::Refused(Goodbye::YouAreTooOld { lowest: 3 })),
        "{refused}"
    );
}

#[test]
fn what_is_no_keeper_is_said_to_be_none() {
    let keeper = Keeper::new();
    let error = thread::scope(|scope| {
        scope.spawn(|| keeper.accept().say(ToGameController::Stop { within_ms: 1 }));
        GameController::connect_to(keeper.environment(), "test/1").unwrap_err()
    });
    assert!(matches!(error, ConnectError::NoKeeper { .. }), "{error}");
    let environment = keeper.environment();
    drop(keeper);
    let error = GameController::connect_to(environment, "test/1").unwrap_err();
    assert!(matches!(error, ConnectError::Unreachable { .. }), "{error}");
}

#[test]
fn a_keeper_that_takes_nothing_stops_no_game() {
    let keeper = Keeper::new();
    let (mut controller, link) = keeper.with_game();
    let began = Instant::now();
    for number in 0..50_000_u32 {
        controller.player_entered(number % 1000, &number.to_string(), None);
        controller.player_left(number % 1000);
    }
    assert!(began.elapsed() < LIMIT, "{:?}", began.elapsed());
    drop(link);
}

/// What the game says next. Most answers are given when it polls.
fn hear_while_polling(controller: &mut GameController, link: &mut Link) -> FromGameController {
    thread::scope(|scope| {
        let answer = scope.spawn(|| link.hear());
        while !answer.is_finished() {
            assert_eq!(controller.wait(Duration::from_millis(5)), None);
        }
        answer.join().unwrap()
    })
}
