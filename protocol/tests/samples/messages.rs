//! Messages.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use protocol::{
    Admission, BootId, Channel, Continuation, Counting, DataEntry, DataValue, DataVersion,
    EnrollmentSecret, Expect, ExportPart, FromGameClient, FromLauncher, GamePlayerId, Goodbye,
    Hello, JoinTicket, KeyPin, LastSeen, LauncherRefusal, List, LoggedIn, MatchId, Password,
    Progress, Reachable, Refusal, RequestId, Said, ServerChange, ServerEvent, ServerEvents,
    ServerProperty, ServerState, SessionInfo, SessionList, SessionNumber, SessionToken, Speaker,
    TicketKey, ToGameClient, ToLauncher, UnixMillis, Welcome,
};

use super::{
    blob,
    parts::{SERVER, secret, signed_ticket, ticket_id},
    samples, text,
};

samples! { FromGameClient {
    Hello: FromGameClient::Hello(hello("gatehouse/0.1.0")),
        longest: FromGameClient::Hello(Hello {
            lowest: u16::MAX, highest: u16::MAX, features: u64::MAX, ..hello(&"x".repeat(64))
        });
    Register: FromGameClient::Register {
        request: RequestId(1), name: text("ada"), password: password("correct horse battery"),
    };
    LogIn: FromGameClient::LogIn {
        request: RequestId(2), name: text("ada"), password: password("correct horse battery"),
    }, unicode: FromGameClient::LogIn {
        request: RequestId(300), name: text("Zoë"), password: password("pässwörd"),
    };
    Resume: FromGameClient::Resume { request: RequestId(3), token: token(), last: None },
        goes_on: FromGameClient::Resume {
            request: RequestId(3),
            token: token(),
            last: Some(LastSeen { boot: BootId(0xfedc_ba98_7654_3210), count: 300 }),
        };
    LogOut: FromGameClient::LogOut { request: RequestId(4) };
    WatchServers: FromGameClient::WatchServers;
    UnwatchServers: FromGameClient::UnwatchServers;
    Join: FromGameClient::Join { request: RequestId(5), server: SERVER };
    Leave: FromGameClient::Leave { request: RequestId(6) };
    Chat: FromGameClient::Chat {
        request: RequestId(7), channel: Channel::Lobby, text: text("hello, world"),
    }, longest: FromGameClient::Chat {
        request: RequestId(70_000), channel: Channel::Server, text: text(&"é".repeat(200)),
    };
    Ping: FromGameClient::Ping { nonce: 8 }, four_bytes: FromGameClient::Ping { nonce: 65_536 },
        eight_bytes: FromGameClient::Ping { nonce: 0x0102_0304_0506_0708 };
    Pong: FromGameClient::Pong { nonce: 9 };
    Ack: FromGameClient::Ack { seen: 64 };
    LogInAsGuest: FromGameClient::LogInAsGuest { request: RequestId(11) };
    Claim: FromGameClient::Claim {
        request: RequestId(12), name: text("ada"), password: password("correct horse battery"),
    };
    ListSessions: FromGameClient::ListSessions { request: RequestId(13) };
    RevokeSessions: FromGameClient::RevokeSessions {
        request: RequestId(14), number: Some(SessionNumber(7)),
    }, others: FromGameClient::RevokeSessions { request: RequestId(14), number: None };
    ChangePassword: FromGameClient::ChangePassword {
        request: RequestId(15),
        old: password("correct horse battery"),
        new: password("pässwörd"),
    };
    DeleteAccount: FromGameClient::DeleteAccount {
        request: RequestId(16), password: Some(password("correct horse battery")),
    }, guest: FromGameClient::DeleteAccount { request: RequestId(16), password: None };
    Export: FromGameClient::Export { request: RequestId(17), offset: 0 },
        rest: FromGameClient::Export { request: RequestId(17), offset: 32_768 };
    ListData: FromGameClient::ListData { request: RequestId(18), game: text("chess") };
    GetData: FromGameClient::GetData {
        request: RequestId(19), game: text("chess"), key: text("opening"),
    };
    SetData: FromGameClient::SetData {
        request: RequestId(20),
        game: text("chess"),
        key: text("opening"),
        value: Some(blob(b"e4")),
        expect: Expect::Version(DataVersion(41)),
    }, remove: FromGameClient::SetData {
        request: RequestId(20),
        game: text("chess"),
        key: text("opening"),
        value: None,
        expect: Expect::Anything,
    };
    GetProgress: FromGameClient::GetProgress { request: RequestId(21), game: text("chess") };
    Report: FromGameClient::Report {
        request: RequestId(22), player: text("bob"), text: text("moves my pieces"),
    };
} }

samples! { ToGameClient {
    Welcome: ToGameClient::Welcome(welcome());
    Goodbye: ToGameClient::Goodbye(Goodbye::TakenOver);
    Refused: ToGameClient::Refused {
        request: RequestId(2), reason: Refusal::WrongNameOrPassword,
    };
    LoggedIn: ToGameClient::LoggedIn(logged_in()),
        on_server: ToGameClient::LoggedIn(LoggedIn { on_server: Some(SERVER), ..logged_in() }),
        goes_on: ToGameClient::LoggedIn(LoggedIn {
            continues: Some(Continuation { seen: 7, next: 301 }), ..logged_in()
        });
    LoggedOut: ToGameClient::LoggedOut { request: RequestId(4) };
    Servers: ToGameClient::Servers(servers()),
        none: ToGameClient::Servers(ServerEvents { fresh: true, events: List::default() }),
        change: ToGameClient::Servers(ServerEvents {
            fresh: false,
            events: events([changed(ServerProperty::State(ServerState::Unreachable))]),
        });
    Joined: ToGameClient::Joined(joined(Ipv4Addr::new(203, 0, 113, 5).into())),
        ipv6: ToGameClient::Joined(joined(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1).into()));
    Left: ToGameClient::Left { request: Some(RequestId(6)) },
        unasked: ToGameClient::Left { request: None };
    Said: ToGameClient::Said(Said {
        channel: Channel::Lobby,
        speaker: Speaker::Account(text("ada")),
        text: text("hello, world"),
    }), in_game: ToGameClient::Said(Said {
        channel: Channel::Server,
        speaker: Speaker::InGame(text("Player")),
        text: text("all aboard"),
    });
    Ping: ToGameClient::Ping { nonce: 10 };
    Pong: ToGameClient::Pong { nonce: 8 };
    Ack: ToGameClient::Ack { seen: 64 };
    Queued: ToGameClient::Queued { request: RequestId(2), position: 12 };
    Done: ToGameClient::Done { request: RequestId(7) };
    Sessions: ToGameClient::Sessions(SessionList {
        request: RequestId(13),
        sessions: List::first_of([SessionInfo {
            number: SessionNumber(7),
            this: true,
            opened: UnixMillis(1_800_000_000_000),
            seen: UnixMillis(1_800_000_060_000),
            expires: UnixMillis(1_802_592_060_000),
            network: text("203.0.113.0/24"),
            program: text("gatehouse/0.1.0"),
        }]),
    });
    Exported: ToGameClient::Exported(ExportPart {
        request: RequestId(17), total: 2, part: blob(b"{}"),
    });
    DataKeys: ToGameClient::DataKeys {
        request: RequestId(18),
        entries: List::first_of([DataEntry {
            key: text("opening"),
            version: DataVersion(41),
            length: 2,
            updated: UnixMillis(1_800_000_000_000),
        }]),
    };
    Data: ToGameClient::Data {
        request: RequestId(19),
        value: Some(DataValue { version: DataVersion(41), bytes: blob(b"d4") }),
    }, none: ToGameClient::Data { request: RequestId(19), value: None };
    DataWritten: ToGameClient::DataWritten {
        request: RequestId(20), version: Some(DataVersion(42)),
    }, removed: ToGameClient::DataWritten { request: RequestId(20), version: None };
    Progress: ToGameClient::Progress {
        request: RequestId(21),
        progress: Progress { played_ms: 3_600_000, matches: 12, wins: 5, xp: 6_000 },
    };
    NextKey: ToGameClient::NextKey { pin: KeyPin([0xab; 32]) };
} }

samples! { FromLauncher {
    Hello: FromLauncher::Hello(hello("game-server-launcher/0.1.0"));
    Enroll: FromLauncher::Enroll { secret: EnrollmentSecret([0xa5; 32]) };
    Servers: FromLauncher::Servers(servers());
    Reachable: FromLauncher::Reachable(Reachable {
        server: SERVER, addresses: List::default(), port: 3979,
    }), addresses: FromLauncher::Reachable(Reachable {
        server: SERVER,
        addresses: List::first_of([
            IpAddr::V4(Ipv4Addr::new(203, 0, 113, 5)),
            IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1)),
        ]),
        port: 3979,
    });
    Admitted: FromLauncher::Admitted {
        request: RequestId(5),
        admission: Admission::Granted { secret: secret() },
    }, full: FromLauncher::Admitted { request: RequestId(5), admission: Admission::Full };
    Said: FromLauncher::Said { server: SERVER, name: text("Player"), text: text("all aboard") };
    Ping: FromLauncher::Ping { nonce: 11 };
    Pong: FromLauncher::Pong { nonce: 12 };
    Arrived: FromLauncher::Arrived { ticket: signed_ticket(), player: GamePlayerId(2) };
    Left: FromLauncher::Left { ticket: ticket_id() };
    Played: FromLauncher::Played {
        request: RequestId(6),
        ticket: ticket_id(),
        id: MatchId(std::array::from_fn(|i| i as u8)),
        started: UnixMillis(1_800_000_000_000),
        ended: UnixMillis(1_800_000_600_000),
        won: true,
        xp: 1_500,
    };
} }

samples! { ToLauncher {
    Welcome: ToLauncher::Welcome(welcome());
    Goodbye: ToLauncher::Goodbye(Goodbye::NotEnrolled);
    Enrolled: ToLauncher::Enrolled { name: text("cellar") };
    TicketKeys: ToLauncher::TicketKeys {
        now: UnixMillis(1_800_000_000_000), keys: List::first_of([TicketKey([0xa5; 32])]),
    };
    Admit: ToLauncher::Admit {
        request: RequestId(5),
        server: SERVER,
        player: text("ada"),
        ticket: signed_ticket(),
        code: secret(),
    };
    Dismiss: ToLauncher::Dismiss { server: SERVER, player: text("ada") };
    Say: ToLauncher::Say { server: SERVER, speaker: text("ada"), text: text("hello, world") };
    Kick: ToLauncher::Kick { server: SERVER, player: GamePlayerId(2), reason: text("too loud") };
    Refused: ToLauncher::Refused(LauncherRefusal::NotYourPlayer { ticket: Some(ticket_id()) });
    Ping: ToLauncher::Ping { nonce: 12 };
    Pong: ToLauncher::Pong { nonce: 11 };
    Counted: ToLauncher::Counted { request: RequestId(6), counting: Counting::Counts };
    NextKey: ToLauncher::NextKey { pin: KeyPin([0xab; 32]) };
} }

fn hello(program: &str) -> Hello {
    Hello { program: text(program), lowest: 0, highest: 0, features: 0 }
}

fn welcome() -> Welcome {
    Welcome {
        version: 0,
        now: UnixMillis(1_800_000_000_000),
        boot: BootId(0xfedc_ba98_7654_3210),
        features: 0,
    }
}

fn logged_in() -> LoggedIn {
    LoggedIn {
        request: RequestId(2),
        name: text("ada"),
        token: token(),
        expires: UnixMillis(1_802_592_000_000),
        on_server: None,
        continues: None,
    }
}

fn servers() -> ServerEvents {
    let events = events([
        ServerEvent::Appeared { server: SERVER },
        changed(ServerProperty::Title(text("A friendly server"))),
        changed(ServerProperty::Game(text("openttd"))),
        changed(ServerProperty::State(ServerState::Ready)),
        ServerEvent::Changed {
            server: SERVER,
            change: ServerChange::PlayerEntered { player: GamePlayerId(2), name: text("Ada") },
        },
    ]);
    ServerEvents { fresh: true, events }
}

fn events<const N: usize>(events: [ServerEvent; N]) -> List<ServerEvent, 256> {
    List::first_of(events)
}

fn changed(property: ServerProperty) -> ServerEvent {
    ServerEvent::Changed { server: SERVER, change: ServerChange::Property(property) }
}

fn joined(address: IpAddr) -> JoinTicket {
    JoinTicket {
        request: RequestId(5),
        server: SERVER,
        address,
        port: 3979,
        secret: secret(),
        ticket: signed_ticket(),
    }
}

fn password(password: &str) -> Password {
    Password(text(password))
}

fn token() -> SessionToken {
    SessionToken(std::array::from_fn(|i| i as u8))
}
