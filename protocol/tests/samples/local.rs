//! Messages that stay on one machine: of keepers and operators.

use protocol::{
    Admission, BootId, CaptureScope, ExitCause, Exited, Field, FromKeeper, FromOperator,
    GamePlayerId, Goodbye, Hello, KeeperChange, KeeperChanges, LauncherInfo, List,
    LoginServerStatus, Penalty, PlayerInfo, RequestId, ServerChange, ServerInfo, ServerState, Task,
    TicketKey, ToKeeper, ToOperator, UnixMillis, Welcome,
};

use super::{
    parts::{SERVER, secret, signed_ticket, ticket_id},
    samples, text,
};

samples! { ToKeeper {
    Hello: ToKeeper::Hello(hello("game-server-launcher/0.1.0", 1));
    Attach: ToKeeper::Attach;
    Report: ToKeeper::Report;
    Stop: ToKeeper::Stop;
    Admit: ToKeeper::Admit { request: RequestId(5), player: text("ada") };
    Dismiss: ToKeeper::Dismiss { player: text("ada") };
    Say: ToKeeper::Say { speaker: text("ada"), text: text("hello, world") };
    Kick: ToKeeper::Kick { player: GamePlayerId(2), reason: text("too loud") };
    Ping: ToKeeper::Ping { nonce: 13 };
    Pong: ToKeeper::Pong { nonce: 14 };
    TicketKeys: ToKeeper::TicketKeys {
        server: text("0123/4567"), ahead_ms: -250, keys: List::first_of([TicketKey([0xa5; 32])]),
    };
    AdmitTicket: ToKeeper::AdmitTicket {
        request: RequestId(5), player: text("ada"), ticket: signed_ticket(), code: secret(),
    };
} }

samples! { FromKeeper {
    Welcome: FromKeeper::Welcome(welcome(1));
    Goodbye: FromKeeper::Goodbye(Goodbye::TakenOver);
    Changes: FromKeeper::Changes(KeeperChanges {
        fresh: true,
        changes: List::first_of([
            KeeperChange::Server(ServerChange::AllPlayersLeft),
            KeeperChange::GameProcess { pid: Some(70_000) },
        ]),
    });
    Admitted: FromKeeper::Admitted { request: RequestId(5), admission: Admission::Full };
    Said: FromKeeper::Said { name: text("Player"), text: text("all aboard") };
    Exited: FromKeeper::Exited(Exited {
        cause: ExitCause::Code(1),
        last_lines: List::first_of([text("out of coal")]),
    });
    Ping: FromKeeper::Ping { nonce: 14 };
    Pong: FromKeeper::Pong { nonce: 13 };
    Arrived: FromKeeper::Arrived {
        ticket: signed_ticket(), id: ticket_id(), player: GamePlayerId(2),
    };
    Left: FromKeeper::Left { ticket: ticket_id() };
} }

samples! { KeeperChange {
    Server: KeeperChange::Server(ServerChange::PlayerLeft { player: GamePlayerId(2) });
    GameProcess: KeeperChange::GameProcess { pid: Some(70_000) },
        none: KeeperChange::GameProcess { pid: None };
    GamePort: KeeperChange::GamePort(3979);
    Trouble: KeeperChange::Trouble(text("no password was set"));
} }

samples! { ExitCause {
    Code: ExitCause::Code(1), negative: ExitCause::Code(-1), least: ExitCause::Code(i32::MIN);
    Signal: ExitCause::Signal(9);
    NotStarted: ExitCause::NotStarted { why: text("no such file") };
    TooSlow: ExitCause::TooSlow;
    Hung: ExitCause::Hung;
} }

samples! { FromOperator {
    Hello: FromOperator::Hello(hello("login-server/0.1.0", 0));
    InviteLauncher: FromOperator::InviteLauncher {
        request: RequestId(1), name: text("cellar"), address: Some(text("play.example:9000")),
    }, anywhere: FromOperator::InviteLauncher {
        request: RequestId(1), name: text("cellar"), address: None,
    };
    ListLaunchers: FromOperator::ListLaunchers { request: RequestId(2) };
    RevokeLauncher: FromOperator::RevokeLauncher { request: RequestId(3), name: text("cellar") };
    ListServers: FromOperator::ListServers { request: RequestId(4) };
    Kick: FromOperator::Kick {
        request: RequestId(5),
        server: text("A friendly server"),
        player: text("Ada"),
        reason: text("too loud"),
    };
    Status: FromOperator::Status { request: RequestId(6) };
    Metrics: FromOperator::Metrics { request: RequestId(7) };
    StartCapture: FromOperator::StartCapture {
        request: RequestId(8), scope: CaptureScope::Everybody, max_bytes: 65_536,
    };
    StopCapture: FromOperator::StopCapture { request: RequestId(9) };
    Perform: FromOperator::Perform { request: RequestId(6), task: Task::Sanction {
        penalty: Penalty::Mute,
        target: text("ada"),
        minutes: Some(60),
        reason: text("too loud"),
    } }, backup: FromOperator::Perform {
        request: RequestId(6), task: Task::Backup { file: text("/var/backups/gatehouse") },
    }, keys: FromOperator::Perform {
        request: RequestId(6), task: Task::RotateKey { after_s: 2_592_000 },
    };
} }

samples! { CaptureScope {
    Everybody: CaptureScope::Everybody;
    GameClients: CaptureScope::GameClients;
    Launchers: CaptureScope::Launchers;
    Peer: CaptureScope::Peer(7);
} }

samples! { ToOperator {
    Welcome: ToOperator::Welcome(welcome(0));
    Goodbye: ToOperator::Goodbye(Goodbye::ShuttingDown);
    Refused: ToOperator::Refused { request: RequestId(3), why: text("no launcher has this name") };
    Done: ToOperator::Done { request: RequestId(3) };
    Invitation: ToOperator::Invitation {
        request: RequestId(1),
        enrollment: text("gatehouse-enroll:play.example:9000/…/…"),
        expires: UnixMillis(1_800_086_400_000),
    };
    Launcher: ToOperator::Launcher { request: RequestId(2), launcher: LauncherInfo {
        name: text("cellar"),
        key: text("sha256:0123"),
        enrolled: UnixMillis(1_800_000_000_000),
        connected: Some(true),
        max_servers: Some(2),
        counts_progress: true,
        servers: 2,
        refused_servers: 1,
    } };
    Server: ToOperator::Server { request: RequestId(4), server: ServerInfo {
        server: SERVER,
        title: text("A friendly server"),
        game: text("openttd"),
        state: Some(ServerState::Ready),
        players: List::first_of([PlayerInfo { player: GamePlayerId(2), name: text("Ada") }]),
    } };
    Status: ToOperator::Status { request: RequestId(6), status: LoginServerStatus {
        program: text("login-server/0.1.0"),
        boot: BootId(0xfedc_ba98_7654_3210),
        since: UnixMillis(1_800_000_000_000),
        game_clients: 300,
        sessions: 310,
        launchers: 2,
        servers: 5,
        capture: Some(text("/var/lib/gatehouse/captures/1.capture")),
    } };
    Metrics: ToOperator::Metrics {
        request: RequestId(7), lines: List::first_of([text("# TYPE up gauge"), text("up 1")]),
    };
    Capture: ToOperator::Capture {
        request: RequestId(8), path: text("/var/lib/gatehouse/captures/1.capture"),
    };
    Record: ToOperator::Record {
        request: RequestId(6),
        record: List::first_of([Field { name: text("number"), value: text("7") }]),
    };
} }

fn hello(program: &str, version: u16) -> Hello {
    Hello { program: text(program), lowest: version, highest: version, features: 0 }
}

fn welcome(version: u16) -> Welcome {
    Welcome {
        version,
        now: UnixMillis(1_800_000_000_000),
        boot: BootId(0xfedc_ba98_7654_3210),
        features: 0,
    }
}
