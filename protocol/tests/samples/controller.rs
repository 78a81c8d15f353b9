//! Messages of game servers with a game controller in them.

use std::net::{IpAddr, Ipv4Addr};

use protocol::{
    BootId, Clock, ControllerToken, FromGameController, GameChange, GameChanges, GamePlayerId,
    Goodbye, JoinSecret, List, MatchEnd, PlayerDataAnswer, PlayerResult, RequestId, Start, TeamId,
    ToGameController, UnixMillis, Welcome, controller_hello,
};

use super::{blob, samples, text};

const ADA: GamePlayerId = GamePlayerId(2);
const RED: TeamId = TeamId(0);

samples! { FromGameController {
    Hello: FromGameController::Hello(controller_hello("arena/0.1.0"));
    Prove: FromGameController::Prove { token: ControllerToken(text("Gk2vR7pXq9LmT4sZ")) };
    Ready: FromGameController::Ready;
    Changes: FromGameController::Changes(GameChanges {
        fresh: true,
        changes: List::first_of([
            GameChange::Map(text("harbour")),
            GameChange::Team { team: RED, name: text("Red") },
            GameChange::PlayerEntered { player: ADA, name: text("Ada"), account: Some(text("ada")) },
            GameChange::Score { team: RED, score: -1 },
        ]),
    });
    Expected: FromGameController::Expected { request: RequestId(5) };
    Said: FromGameController::Said { name: text("Ada"), text: text("well played") };
    MatchEnded: FromGameController::MatchEnded(MatchEnd {
        context: blob(b"round 7"),
        next: Some(text("quarry")),
        votable: List::first_of([text("harbour"), text("quarry")]),
        vote_ms: 15_000,
        results: List::first_of([PlayerResult {
            account: text("ada"), played_ms: 90_000, won: true,
        }]),
    }), unknown: FromGameController::MatchEnded(MatchEnd {
        context: blob(b""),
        next: None,
        votable: List::default(),
        vote_ms: 0,
        results: List::default(),
    });
    AskPlayerData: FromGameController::AskPlayerData {
        request: RequestId(1), account: text("ada"), key: text("loadout/medium/2"),
    };
    Ping: FromGameController::Ping { nonce: 13 };
    Pong: FromGameController::Pong { nonce: 14 };
} }

samples! { ToGameController {
    Welcome: ToGameController::Welcome(Welcome {
        version: 1,
        now: UnixMillis(1_800_000_000_000),
        boot: BootId(0xfedc_ba98_7654_3210),
        features: 0,
    });
    Goodbye: ToGameController::Goodbye(Goodbye::Violation { what: text("not the token") });
    Start: ToGameController::Start(Start {
        title: text("A friendly arena"),
        bind: IpAddr::V4(Ipv4Addr::LOCALHOST),
        port: 7777,
        max_players: 8,
        context: blob(b"round 7"),
        map: Some(text("quarry")),
    }), first: ToGameController::Start(Start {
        title: text("A friendly arena"),
        bind: "::".parse().expect("an address"),
        port: 7777,
        max_players: 8,
        context: blob(b""),
        map: None,
    });
    Expect: ToGameController::Expect {
        request: RequestId(5),
        account: text("ada"),
        secret: JoinSecret(text("k3JYt8Wq0ZbVx5RmPa7e")),
        within_ms: 60_000,
    };
    Dismiss: ToGameController::Dismiss { account: text("ada") };
    Remove: ToGameController::Remove { player: ADA, reason: text("too loud") };
    Say: ToGameController::Say { speaker: text("bob"), text: text("hello, world") };
    NextMap: ToGameController::NextMap { map: Some(text("quarry")) },
        whatever: ToGameController::NextMap { map: None };
    PlayerData: ToGameController::PlayerData {
        request: RequestId(1), answer: PlayerDataAnswer::Nothing,
    };
    Stop: ToGameController::Stop { within_ms: 10_000 };
    Ping: ToGameController::Ping { nonce: 14 };
    Pong: ToGameController::Pong { nonce: 13 };
    GoOn: ToGameController::GoOn {
        account: text("ada"), port: 7778, secret: JoinSecret(text("k3JYt8Wq0ZbVx5RmPa7e")),
    };
} }

samples! { GameChange {
    Mode: GameChange::Mode(text("capture the flag"));
    Map: GameChange::Map(text("harbour"));
    MaxPlayers: GameChange::MaxPlayers(8);
    Team: GameChange::Team { team: RED, name: text("Red") },
        last: GameChange::Team { team: TeamId(u8::MAX), name: text("") };
    Score: GameChange::Score { team: RED, score: 3 },
        negative: GameChange::Score { team: RED, score: -3 },
        least: GameChange::Score { team: RED, score: i32::MIN },
        most: GameChange::Score { team: RED, score: i32::MAX };
    Clock: GameChange::Clock(Clock { left_ms: Some(90_000), runs: true }),
        endless: GameChange::Clock(Clock { left_ms: None, runs: false });
    Detail: GameChange::Detail { key: text("weather"), value: text("fog") };
    PlayerEntered: GameChange::PlayerEntered {
        player: ADA, name: text("Ada"), account: Some(text("ada")),
    }, bot: GameChange::PlayerEntered { player: ADA, name: text("Bot 1"), account: None };
    PlayerTeam: GameChange::PlayerTeam { player: ADA, team: Some(RED) },
        none: GameChange::PlayerTeam { player: ADA, team: None };
    PlayerScore: GameChange::PlayerScore { player: ADA, score: 12 };
    PlayerLeft: GameChange::PlayerLeft { player: ADA };
} }

samples! { PlayerDataAnswer {
    Value: PlayerDataAnswer::Value(blob(b"{\"primary\":\"disc\"}"));
    Nothing: PlayerDataAnswer::Nothing;
    NotHere: PlayerDataAnswer::NotHere;
    Unavailable: PlayerDataAnswer::Unavailable;
} }
