//! The `gatehouse` command, as a person or a script uses it.

mod fake;

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    net::TcpListener,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Child, ChildStdout, Command, Output, Stdio},
    sync::mpsc,
    time::{Duration, Instant},
};

use fake::{Behaviour, FakeServer, SECRET, SERVER, SERVER_NAME, TICKET, said};
use protocol::{Goodbye, ToGameClient};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// Somebody with a profile of their own.
struct Player {
    profile: tempfile::TempDir,
}

/// A command that runs.
struct Running {
    child: Child,
    events: mpsc::Receiver<Value>,
}

impl Player {
    fn new() -> Self {
        Self { profile: tempfile::tempdir().unwrap() }
    }

    /// A player who is registered, and so needs to name neither server nor trust any more.
    #[track_caller]
    fn registered(server: &FakeServer) -> Self {
        let player = Self::new();
        let events = player.done(&player.first(server, "register"), "correct horse\n");
        assert_eq!(events, [serde_json::json!({"event": "registered", "name": "Ada"})]);
        player
    }

    fn first(&self, server: &FakeServer, command: &str) -> Vec<String> {
        let (addr, pin) = (server.addr.to_string(), server.pin().to_string());
        ["--server", &addr, "--trust", &pin, command, "Ada", "--password-stdin"]
            .map(String::from)
            .to_vec()
    }

    fn command(&self, arguments: &[impl AsRef<str>]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_gatehouse"));
        for name in ["GATEHOUSE_SERVER", "GATEHOUSE_TRUST", "NO_COLOR"] {
            command.env_remove(name);
        }
        command.env("GATEHOUSE_PROFILE", self.profile.path().join("profile"));
        command.args(arguments.iter().map(AsRef::as_ref));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn run(&self, arguments: &[impl AsRef<str>], input: &str) -> Output {
        let mut child = self.command(arguments).spawn().unwrap();
        // A command that needs no input may be gone.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        child.wait_with_output().unwrap()
    }

    /// The events of a command with `--json`, and its exit code.
    fn json(&self, arguments: &[impl AsRef<str>], input: &str) -> (Vec<Value>, i32) {
        let mut all = vec!["--json"];
        all.extend(arguments.iter().map(AsRef::as_ref));
        let output = self.run(&all, input);
        let text = String::from_utf8(output.stdout).unwrap();
        let events = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        (events, output.status.code().unwrap())
    }

    #[track_caller]
    fn done(&self, arguments: &[impl AsRef<str>], input: &str) -> Vec<Value> {
        let (events, code) = self.json(arguments, input);
        assert_eq!(code, 0, "{events:?}");
        events
    }

    /// The reason of a failure.
    #[track_caller]
    fn fails(&self, arguments: &[impl AsRef<str>], input: &str, with_code: i32) -> Value {
        let (events, code) = self.json(arguments, input);
        let last = events.last().expect("it says why").clone();
        assert_eq!(code, with_code, "{last}");
        last
    }

    fn start(&self, arguments: &[&str]) -> Running {
        let mut all = vec!["--json"];
        all.extend(arguments);
        let mut child = self.command(&all).stderr(Stdio::inherit()).spawn().unwrap();
        let events = events_of(child.stdout.take().unwrap());
        Running { child, events }
    }

    fn files(&self) -> Vec<String> {
        let files = fs::read_dir(self.profile.path().join("profile")).unwrap();
        files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect()
    }
}

impl Running {
    /// Waits for an event of this kind.
    #[track_caller]
    fn sees(&self, kind: &str) -> Value {
        loop {
            let event = self.events.recv_timeout(Duration::from_secs(20));
            let event = event.unwrap_or_else(|error| panic!("no {kind}: {error}"));
            if event["event"] == kind {
                return event;
            }
        }
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    #[track_caller]
    fn ends(mut self, with_code: i32) {
        assert_eq!(self.child.wait().unwrap().code(), Some(with_code));
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        // Until then it may still take connections.
        let _ = self.child.wait();
    }
}

fn events_of(stdout: ChildStdout) -> mpsc::Receiver<Value> {
    let (sender, events) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stdout).lines() {
            let event = serde_json::from_str(&line.unwrap()).unwrap();
            if sender.send(event).is_err() {
                return;
            }
        }
    });
    events
}

/// Waits until somebody makes a pipe at `path` and says something in it.
#[track_caller]
fn wait_for_word(path: &Path) {
    let limit = Instant::now() + Duration::from_secs(20);
    while !path.exists() {
        assert!(Instant::now() < limit, "nobody says anything");
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(!fs::read(path).unwrap().is_empty());
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn the_session_is_stored_for_its_owner_only() {
    let server = FakeServer::start(Behaviour::default());
    let player = Player::registered(&server);
    let dir = player.profile.path().join("profile");
    assert_eq!(mode(&dir), 0o700);
    let files = player.files();
    assert!(!files.is_empty());
    for file in files {
        assert_eq!(mode(&dir.join(&file)), 0o600, "{file}");
    }
}

#[test]
fn server_trust_and_session_are_remembered() {
    let server = FakeServer::start(Behaviour::default());
    let player = Player::registered(&server);
    assert!(!player.done(&["servers"], "").is_empty());
    assert_eq!(player.done(&["logout"], "")[0]["event"], "logged_out");
    assert_eq!(player.fails(&["leave"], "", 1)["reason"], "not_logged_in");
    let events = player.done(&["login", "Ada", "--password-stdin"], "correct horse\n");
    assert_eq!(events, [serde_json::json!({"event": "logged_in", "name": "Ada"})]);
}

#[test]
fn a_ping_needs_no_account() {
    let server = FakeServer::start(Behaviour::default());
    let ping = Player::new().done(&["--server", &server.addr.to_string(), "ping"], "");
    assert!(ping[0]["rtt_ms"].as_f64().unwrap() > 0.0 && ping[0]["over"] == "udp", "{ping:?}");
}

#[test]
fn a_login_in_place_of_another_ends_that_session_on_the_server_too() {
    let server = FakeServer::start(Behaviour::default());
    let player = Player::registered(&server);
    player.fails(&["login", "Ada", "--password-stdin"], "wrong\n", 1);
    assert!(!player.done(&["servers"], "").is_empty(), "the session is as it was");
    player.done(&["login", "Ada", "--password-stdin"], "correct horse\n");
    assert_eq!(server.joined().len(), 1, "sessions");
    player.done(&["register", "Bob", "--password-stdin"], "correct horse\n");
    assert_eq!(server.joined().len(), 1, "sessions");
    assert!(!player.done(&["servers"], "").is_empty());
    // Nothing is left to end, and that stands in nobody's way.
    server.end_sessions();
    player.done(&["login", "Ada", "--password-stdin"], "correct horse\n");
}

#[test]
fn a_wrong_password_is_refused() {
    let server = FakeServer::start(Behaviour::default());
    server.account("Ada", "correct horse");
    let player = Player::new();
    let refused = player.fails(&player.first(&server, "login"), "wrong\n", 1);
    assert_eq!(refused["event"], "refused");
    assert_eq!(refused["reason"], "wrong_name_or_password");
    assert_eq!(refused["message"], "wrong name or password");
    let output = player.run(&player.first(&server, "login"), "wrong\n");
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "gatehouse: wrong name or password\n");
}

#[test]
fn nobody_is_trusted_silently() {
    let server = FakeServer::start(Behaviour::default());
    let player = Player::new();
    let addr = server.addr.to_string();
    let arguments = ["--server", &addr, "login", "Ada", "--password-stdin"];
    let failed = player.fails(&arguments, "correct horse\n", 2);
    assert_eq!(failed["reason"], "no_trust");
    assert!(failed["message"].as_str().unwrap().contains("--trust"), "{failed}");
}

#[test]
fn another_key_is_explained() {
    let (server, other) =
        (FakeServer::start(Behaviour::default()), FakeServer::start(Behaviour::default()));
    let player = Player::new();
    let (addr, pin) = (server.addr.to_string(), other.pin().to_string());
    let arguments = ["--server", &addr, "--trust", &pin, "login", "Ada", "--password-stdin"];
    let failed = player.fails(&arguments, "correct horse\n", 1);
    assert_eq!(failed["reason"], "wrong_key");
    let message = failed["message"].as_str().unwrap();
    assert!(message.contains(&pin) && message.contains(&server.pin().to_string()), "{message}");
}

#[test]
fn where_nobody_listens_the_address_is_doubted() {
    let server = FakeServer::start(Behaviour::default());
    let player = Player::new();
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let pin = server.pin().to_string();
    let arguments = ["--server", &nobody, "--trust", &pin, "login", "Ada", "--password-stdin"];
    let failed = player.fails(&arguments, "correct horse\n", 1);
    assert_eq!(failed["reason"], "unreachable");
    let message = failed["message"].as_str().unwrap();
    assert!(message.starts_with(&format!("nobody listens at {nobody}: check")), "{message}");
}

#[test]
fn wrong_usage_is_told_before_anything_is_done() {
    let server = FakeServer::start(Behaviour::default());
    let player = Player::registered(&server);
    server.forget_heard();
    let failed = player.fails(&["join", SERVER_NAME, "--", "game", "{adress}"], "", 2);
    assert_eq!(failed["reason"], "unknown_placeholder");
    assert_eq!(player.fails(&["jion"], "", 2)["reason"], "usage");
    assert_eq!(player.fails(&["--trust", "sha256:12", "ping"], "", 2)["reason"], "invalid_trust");
    assert_eq!(Player::new().fails(&["ping"], "", 2)["reason"], "no_server");
    assert_eq!(server.joined(), [None]);
}

#[test]
fn servers_are_listed_for_people_and_for_scripts() {
    let server = FakeServer::start(Behaviour::default());
    let player = Player::registered(&server);
    let events = player.done(&["servers"], "");
    let expected = serde_json::json!({
        "event": "server", "server": SERVER.to_string(), "name": SERVER_NAME, "game": "openttd",
        "state": "ready", "map": "", "players": [], "max_players": 16,
        "details": {"date": "1950-01-01"},
    });
    assert_eq!(events, [expected]);
    let output = player.run(&["servers"], "");
    let expected = "\
        NAME         GAME     STATE  PLAYERS  MAP  DATE\n\
        Test Server  openttd  ready  0/16          1950-01-01\n";
    assert_eq!(String::from_utf8(output.stdout).unwrap(), expected);
}

#[test]
fn join_runs_the_game_and_leaves_when_it_ends() {
    let server = FakeServer::start(Behaviour::default());
    let player = Player::registered(&server);
    let script = "echo $0 $1; exit 0";
    let game = ["/bin/sh", "-c", script, "{address}:{port}", "{secret}-{name}-{ticket}"];
    let mut arguments = vec!["join", SERVER_NAME, "--"];
    arguments.extend(game);
    let output = player.run(&arguments, "");
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains(&format!("127.0.0.1:3979 {SECRET}-Ada-{TICKET}\n")), "{text}");
    assert!(text.ends_with("Left.\n"), "{text}");
    assert_eq!(server.joined(), [None]);
}

#[test]
fn join_says_how_the_game_failed() {
    let server = FakeServer::start(Behaviour::default());
    let player = Player::registered(&server);
    let (events, code) = player.json(&["join", "test server", "--", "/bin/sh", "-c", "exit 7"], "");
    let kinds: Vec<_> = events.iter().map(|event| event["event"].as_str().unwrap()).collect();
    assert_eq!((kinds.as_slice(), code), (&["joined", "command_ended", "left"][..], 1));
    assert_eq!(events[0]["secret"], SECRET);
    assert_eq!(events[1]["code"], 7);
    let failed = player.fails(&["join", "Test Server", "--", "/nonexistent/game"], "", 1);
    assert_eq!(failed["reason"], "command");
    assert_eq!(server.joined(), [None]);
}

#[test]
fn an_unknown_server_is_refused_with_the_names_there_are() {
    let server = FakeServer::start(Behaviour::default());
    let player = Player::registered(&server);
    let refused = player.fails(&["join", "nowhere"], "", 1);
    assert_eq!(refused["reason"], "unknown_server");
    assert!(refused["message"].as_str().unwrap().contains(SERVER_NAME), "{refused}");
}

#[test]
fn a_signal_ends_the_game_and_leaves() {
    let server = FakeServer::start(Behaviour::default());
    let player = Player::registered(&server);
    let script = "trap 'exit 0' TERM; echo up >&2; while :; do sleep 0.05; done";
    let join = player.start(&["join", SERVER_NAME, "--", "/bin/sh", "-c", script]);
    join.sees("joined");
    std::thread::sleep(Duration::from_millis(200));
    join.signal(Signal::TERM);
    assert_eq!(join.sees("command_ended")["code"], 0);
    join.sees("left");
    join.ends(0);
    assert_eq!(server.joined(), [None]);
}

#[test]
fn a_game_that_ignores_sigterm_is_killed_when_its_time_is_over() {
    let server = FakeServer::start(Behaviour::default());
    let player = Player::registered(&server);
    let ready = player.profile.path().join("ready");
    let script = "trap '' TERM; mkfifo \"$0\"; echo up > \"$0\"; while :; do sleep 600; done";
    let game = ["--", "/bin/sh", "-c", script, ready.to_str().unwrap()];
    let mut arguments = vec!["join", SERVER_NAME, "--stop-timeout", "1"];
    arguments.extend(game);
    let join = player.start(&arguments);
    join.sees("joined");
    wait_for_word(&ready);
    let asked = Instant::now();
    join.signal(Signal::TERM);
    assert_eq!(join.sees("command_ended")["signal"], Signal::KILL.as_raw());
    assert!(asked.elapsed() >= Duration::from_secs(1), "{:?}", asked.elapsed());
    join.sees("left");
    join.ends(1);
    assert_eq!(server.joined(), [None]);
}

#[test]
fn without_a_game_join_stays_until_ctrl_c() {
    let server = FakeServer::start(Behaviour::default());
    let player = Player::registered(&server);
    let join = player.start(&["join", SERVER_NAME]);
    assert_eq!(join.sees("joined")["port"], 3979);
    server.say(&said("hi"));
    let chat = join.sees("chat");
    assert_eq!((&chat["from"], &chat["in_game"]), (&"somebody".into(), &true.into()));
    join.signal(Signal::INT);
    join.sees("left");
    join.ends(0);
    assert_eq!(server.joined(), [None]);
}

#[test]
fn other_commands_go_through_a_running_join() {
    let server = FakeServer::start(Behaviour::default());
    let player = Player::registered(&server);
    let join = player.start(&["join", SERVER_NAME]);
    join.sees("joined");
    let chat = player.done(&["chat", "--channel", "server", "hello"], "");
    assert_eq!(chat[0]["text"], "hello");
    assert_eq!(join.sees("chat")["text"], "hello");
    assert_eq!(player.done(&["servers"], "").len(), 1);
    let watch = player.start(&["servers", "--watch"]);
    assert_eq!(watch.sees("server")["name"], SERVER_NAME);
    assert_eq!(player.done(&["ping"], "")[0]["event"], "ping");
    assert_eq!(player.fails(&["join", SERVER_NAME], "", 1)["reason"], "join_running");
    let log_in = player.fails(&["login", "Ada", "--password-stdin"], "correct horse\n", 1);
    assert_eq!(log_in["reason"], "join_running");
    assert_eq!(server.joined(), [Some(SERVER)], "none of them took the session over");

    assert_eq!(player.done(&["leave"], "")[0]["event"], "left");
    join.sees("left");
    join.ends(0);
    assert_eq!(server.joined(), [None]);
    assert!(!player.files().iter().any(|file| file.ends_with(".sock")));
    assert_eq!(player.fails(&["leave"], "", 1)["reason"], "not_on_server");
}

#[test]
fn leave_ends_the_game_of_a_running_join() {
    let server = FakeServer::start(Behaviour::default());
    let player = Player::registered(&server);
    let join = player.start(&["join", SERVER_NAME, "--", "/bin/sh", "-c", "sleep 600"]);
    join.sees("joined");
    player.done(&["leave"], "");
    join.ends(0);
}

#[test]
fn what_is_left_of_a_killed_join_does_not_matter() {
    let server = FakeServer::start(Behaviour::default());
    let player = Player::registered(&server);
    let join = player.start(&["join", SERVER_NAME]);
    join.sees("joined");
    join.signal(Signal::KILL);
    drop(join);
    player.done(&["servers"], "");
    let join = player.start(&["join", SERVER_NAME]);
    join.sees("joined");
    player.done(&["logout"], "");
    join.ends(0);
    assert_eq!(player.fails(&["leave"], "", 1)["reason"], "not_logged_in");
}

#[test]
fn the_game_goes_on_when_the_login_server_dies_and_is_joined_again() {
    let mut server = FakeServer::start(Behaviour::default());
    let player = Player::registered(&server);
    let join = player.start(&["join", SERVER_NAME, "--", "/bin/sh", "-c", "sleep 600"]);
    join.sees("joined");
    server.kill();
    join.sees("connection_lost");
    server.live();
    join.sees("reconnected");
    join.sees("joined");
    assert_eq!(server.joined(), [Some(SERVER)]);
    player.done(&["leave"], "");
    join.ends(0);
}

/// A `join` that has a connection again, to a login server that does not know its game server yet.
fn joining_again(server: &mut FakeServer, player: &Player) -> Running {
    let game = ["--", "/bin/sh", "-c", "sleep 600"];
    let mut arguments = vec!["join", SERVER_NAME, "--chat-stdin"];
    arguments.extend(game);
    let join = player.start(&arguments);
    join.sees("joined");
    server.kill();
    server.set(Behaviour { not_ready: u32::MAX, ..Behaviour::default() });
    server.live();
    join.sees("reconnected");
    join
}

#[test]
fn lines_typed_too_early_are_said_when_the_server_is_joined_again() {
    let mut server = FakeServer::start(Behaviour::default());
    let player = Player::registered(&server);
    let join = joining_again(&mut server, &player);
    writeln!(join.child.stdin.as_ref().unwrap(), "one\ntwo").unwrap();
    // Time enough for lines that do not wait to be refused.
    player.done(&["servers"], "");
    server.set(Behaviour::default());
    let kinds = ["joined", "chat", "chat"].map(|_| {
        let event = join.events.recv_timeout(Duration::from_secs(20)).unwrap();
        (event["event"].clone(), event["text"].clone())
    });
    let expected = [("joined", Value::Null), ("chat", "one".into()), ("chat", "two".into())];
    assert_eq!(kinds, expected.map(|(kind, text)| (kind.into(), text)));
    player.done(&["leave"], "");
    join.ends(0);
}

#[test]
fn lines_typed_too_early_are_said_to_be_lost_when_there_is_no_way_back() {
    let mut server = FakeServer::start(Behaviour::default());
    let player = Player::registered(&server);
    let join = joining_again(&mut server, &player);
    writeln!(join.child.stdin.as_ref().unwrap(), "one").unwrap();
    player.done(&["servers"], "");
    server.say(&ToGameClient::Goodbye(Goodbye::TakenOver));
    let messages = [0, 1].map(|_| join.sees("failed")["message"].to_string());
    let of_line = messages.iter().filter(|message| message.contains("was not sent"));
    assert_eq!(of_line.count(), 1, "{messages:?}");
    join.signal(Signal::TERM);
    join.ends(1);
}

#[test]
fn a_session_taken_over_lets_the_game_end_by_itself() {
    let server = FakeServer::start(Behaviour::default());
    let player = Player::registered(&server);
    let script = "while [ ! -e \"$0\" ]; do sleep 0.05; done";
    let done = player.profile.path().join("done");
    let done = done.to_str().unwrap();
    let join = player.start(&["join", SERVER_NAME, "--", "/bin/sh", "-c", script, done]);
    join.sees("joined");
    server.say(&ToGameClient::Goodbye(Goodbye::TakenOver));
    assert_eq!(join.sees("failed")["reason"], "taken_over");
    fs::write(done, "").unwrap();
    assert_eq!(join.sees("command_ended")["code"], 0);
    join.ends(1);
}

#[test]
fn lines_of_the_input_are_said() {
    let server = FakeServer::start(Behaviour::default());
    let player = Player::registered(&server);
    let events = player.done(&["chat"], "one\n\ntwo\n");
    let texts: Vec<_> = events.iter().map(|event| event["text"].as_str().unwrap()).collect();
    assert_eq!(texts, ["one", "two"]);

    let mut join = player.start(&["join", SERVER_NAME, "--chat-stdin"]);
    join.sees("joined");
    writeln!(join.child.stdin.as_ref().unwrap(), "hello").unwrap();
    assert_eq!(join.sees("chat")["channel"], "server");
    drop(join.child.stdin.take());
    join.signal(Signal::INT);
    join.ends(0);
}

#[test]
fn a_list_is_watched_until_nobody_reads_it() {
    let server = FakeServer::start(Behaviour::default());
    let player = Player::registered(&server);
    let watch = player.start(&["servers", "--watch"]);
    assert_eq!(watch.sees("server")["name"], SERVER_NAME);
    let gone = protocol::ServerEvents {
        fresh: false,
        events: protocol::List::first_of([protocol::ServerEvent::Disappeared { server: SERVER }]),
    };
    server.say(&ToGameClient::Servers(gone));
    assert_eq!(watch.sees("server_removed")["server"], SERVER.to_string());
}

#[test]
fn help_shows_examples_and_completions_are_printed() {
    let player = Player::new();
    let help = player.run(&["--help"], "");
    assert!(help.status.success());
    assert!(String::from_utf8(help.stdout).unwrap().contains("gatehouse servers --watch"));
    let completion = player.run(&["completion", "bash"], "");
    assert!(String::from_utf8(completion.stdout).unwrap().contains("_gatehouse"));
}
