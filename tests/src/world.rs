//! Our programs, started as an operator and players start them.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Command, ExitStatus},
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::{
    Event, OPENTTD, Process, Program, Scope, Stdio, eventually, headless_client, process::tail,
    write_client_config,
};

/// A scope with programs in it.
#[derive(Debug)]
pub struct World {
    /// Where they work, and what ends them.
    pub scope: Scope,
}

impl World {
    /// An empty one.
    ///
    /// # Errors
    ///
    /// When there is no temporary directory, or our programs do not build.
    pub fn new() -> Result<Self> {
        crate::programs()?;
        Ok(Self { scope: Scope::new()? })
    }

    /// One in a scope that is there already.
    pub fn in_scope(scope: Scope) -> Self {
        Self { scope }
    }

    /// One of our programs, with nothing of our own environment that could configure it.
    ///
    /// # Errors
    ///
    /// When our programs do not build.
    pub fn command(&self, program: Program) -> Result<Command> {
        let mut command = Command::new(program.path()?);
        for (name, _) in std::env::vars_os() {
            if name.as_encoded_bytes().starts_with(b"GATEHOUSE_") {
                command.env_remove(name);
            }
        }
        command.env_remove("RUST_LOG").current_dir(self.scope.path());
        Ok(command)
    }

    /// Starts a login server on a free port and waits until it is ready.
    ///
    /// # Errors
    ///
    /// When it does not get ready, with its log.
    #[track_caller]
    pub fn login_server(&self) -> Result<LoginServer> {
        self.login_server_with("login-server", |_| ())
    }

    /// As [`login_server`](Self::login_server), with this configuration (TOML).
    ///
    /// # Errors
    ///
    /// As [`login_server`](Self::login_server).
    #[track_caller]
    pub fn login_server_configured(&self, config: &str) -> Result<LoginServer> {
        let file = self.scope.path().join("login-server.toml");
        fs::write(&file, config)?;
        self.login_server_with("login-server", |command| {
            command.arg("--config").arg(file);
        })
    }

    /// As [`login_server`](Self::login_server), with a name of its own and more arguments.
    ///
    /// # Errors
    ///
    /// As [`login_server`](Self::login_server).
    #[track_caller]
    pub fn login_server_with(
        &self,
        name: &str,
        arguments: impl FnOnce(&mut Command),
    ) -> Result<LoginServer> {
        let data = self.scope.folder(name)?;
        LoginServer::start(self, name, &data, "127.0.0.1:0", arguments)
    }

    /// A player who has not registered yet.
    ///
    /// # Errors
    ///
    /// When there is no place for the profile.
    pub fn player(&self, server: &LoginServer, name: &str) -> Result<Player> {
        Ok(Player {
            name: name.to_owned(),
            password: format!("the password of {name}"),
            profile: self.scope.folder(&format!("profile-{name}"))?,
            server: server.address.to_string(),
            trust: server.pin.clone(),
        })
    }
}

/// A running login server.
#[derive(Debug)]
pub struct LoginServer {
    /// The process.
    pub process: Process,
    /// Where it keeps its data.
    pub data: PathBuf,
    /// Where game clients and launchers connect.
    pub address: SocketAddr,
    /// Whom they trust.
    pub pin: String,
    name: String,
}

impl LoginServer {
    #[track_caller]
    fn start(
        world: &World,
        name: &str,
        data: &Path,
        listen: &str,
        arguments: impl FnOnce(&mut Command),
    ) -> Result<Self> {
        let mut command = world.command(Program::LoginServer)?;
        let ready = world.scope.path().join(format!("{name}.ready"));
        forget(&ready)?;
        command.arg("--data-dir").arg(data).args(["--listen", listen, "--log-format", "json"]);
        command.arg("--ready-file").arg(&ready);
        arguments(&mut command);
        let mut process = Process::start(&world.scope, name, command, Stdio::Log)?;
        let ready = wait_until_ready(&ready, &mut process)?;
        let address = member(&ready, "game_clients")?.parse().context("its address")?;
        let pin = member(&ready, "spki_fingerprint")?.to_owned();
        Ok(Self { process, data: data.to_owned(), address, pin, name: name.to_owned() })
    }

    /// `kill -9`, and a new one with the same data at the same address.
    ///
    /// # Errors
    ///
    /// When the new one does not get ready.
    #[track_caller]
    pub fn kill_and_restart(&mut self, world: &World) -> Result<()> {
        self.process.kill()?;
        let listen = self.address.to_string();
        *self = Self::start(world, &self.name, &self.data, &listen, |_| ())?;
        Ok(())
    }

    /// The one string with which a launcher becomes `name`.
    ///
    /// # Errors
    ///
    /// When the program fails.
    pub fn enrollment(&self, world: &World, name: &str) -> Result<String> {
        let mut command = world.command(Program::LoginServer)?;
        command.arg("--data-dir").arg(&self.data);
        command.args(["launcher", "enroll", name, "--address", &self.address.to_string()]);
        let output = command.output()?;
        let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        ensure!(
            output.status.success() && text.starts_with("gatehouse-enroll:"),
            "login-server launcher enroll: {}, said {text:?} and {:?}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(text)
    }
}

/// What a launcher of a test runs.
#[derive(Clone, Debug)]
pub struct LauncherOptions {
    /// The names of its OpenTTD servers.
    pub servers: Vec<String>,
    /// The game's program.
    pub program: PathBuf,
}

impl Default for LauncherOptions {
    fn default() -> Self {
        Self { servers: vec!["openttd".to_owned()], program: OPENTTD.into() }
    }
}

/// A launcher: its data, and the process while it runs.
#[derive(Debug)]
pub struct Launcher {
    /// The process.
    pub process: Process,
    /// Where it keeps its data.
    pub data: PathBuf,
    /// What its ready file said.
    pub ready: Value,
    config: PathBuf,
}

impl Launcher {
    /// Enrols a launcher with the login server and starts it.
    ///
    /// # Errors
    ///
    /// When the game is not installed, when it is not let in, when it does not get ready.
    #[track_caller]
    pub fn start(world: &World, server: &LoginServer, options: &LauncherOptions) -> Result<Self> {
        ensure!(
            options.program.exists(),
            "{} is missing: install the Debian packages openttd and openttd-opengfx",
            options.program.display()
        );
        let (data, config) = Self::prepare(world, options)?;
        Self::enroll(world, &data, &server.enrollment(world, "demo")?)?;
        Self::start_enrolled(world, data, config)
    }

    /// Writes the configuration, and returns the data directory and its file.
    ///
    /// # Errors
    ///
    /// When there is no place for it.
    pub fn prepare(world: &World, options: &LauncherOptions) -> Result<(PathBuf, PathBuf)> {
        let data = world.scope.folder("launcher")?;
        let config = world.scope.path().join("launcher.toml");
        let program = options.program.display();
        let server = |name: &String| {
            format!(
                "[[server]]\nname = \"{name}\"\ngame = \"openttd\"\n\
                 bind = \"127.0.0.1\"\nport = 0\nprogram = \"{program}\"\n\n\
                 [server.openttd]\nmap_size = 6\n\n"
            )
        };
        fs::write(&config, options.servers.iter().map(server).collect::<String>())?;
        Ok((data, config))
    }

    /// Enrols the launcher of a data directory with what `login-server launcher enroll` printed.
    ///
    /// # Errors
    ///
    /// When it is refused.
    #[track_caller]
    pub fn enroll(world: &World, data: &Path, enrollment: &str) -> Result<()> {
        let mut command = world.command(Program::Launcher)?;
        command.arg("--data-dir").arg(data).args(["enroll", enrollment]);
        Process::run(&world.scope, "launcher-enroll", command, STARTS_WITHIN)
    }

    /// Starts a launcher that is enrolled, or wants to be told that it is not.
    ///
    /// # Errors
    ///
    /// When it does not get ready.
    #[track_caller]
    pub fn start_enrolled(world: &World, data: PathBuf, config: PathBuf) -> Result<Self> {
        let mut command = world.command(Program::Launcher)?;
        let ready = world.scope.path().join("launcher.ready");
        forget(&ready)?;
        command.arg("--data-dir").arg(&data).arg("--config").arg(&config);
        command.args(["--log-format", "json", "--ready-file"]).arg(&ready);
        let mut process = Process::start(&world.scope, "launcher", command, Stdio::Log)?;
        let ready = wait_until_ready(&ready, &mut process)?;
        Ok(Self { process, data, ready, config })
    }

    /// `kill -9`, and a new one with the same data.
    ///
    /// # Errors
    ///
    /// When the new one does not get ready.
    #[track_caller]
    pub fn kill_and_restart(&mut self, world: &World) -> Result<()> {
        self.process.kill()?;
        *self = Self::start_enrolled(world, self.data.clone(), self.config.clone())?;
        Ok(())
    }

    /// Where players of one of its servers connect.
    ///
    /// # Errors
    ///
    /// When the ready file names no such server.
    pub fn game_address(&self, server: &str) -> Result<SocketAddr> {
        member(&self.ready["servers"][server], "game")?.parse().context("the game's address")
    }

    /// An error, and what the launcher and its keepers and games said lately.
    pub fn explain(&self, error: anyhow::Error) -> anyhow::Error {
        let mut report = format!("{error:#}\n{}", self.process.report());
        let folders = fs::read_dir(self.data.join("servers")).into_iter().flatten().flatten();
        let files = folders.flat_map(|folder| fs::read_dir(folder.path()).into_iter().flatten());
        for file in files.flatten().map(|file| file.path()) {
            if file.extension().is_some_and(|extension| extension == "log") {
                report.push_str(&format!("\n{}:\n{}", file.display(), tail(&file)));
            }
        }
        anyhow::anyhow!(report)
    }

    /// The process of the game itself: the one whose program is the game's.
    ///
    /// # Errors
    ///
    /// When none runs.
    pub fn game_process(&self, world: &World) -> Result<i32> {
        let is_server = |arguments: &str| {
            let mut words = arguments.split(' ');
            words.next() == Some(OPENTTD) && words.any(|word| word == "-D")
        };
        let found = world.scope.processes().into_iter().find(|(_, args)| is_server(args));
        Ok(found.context("no game server runs")?.0)
    }
}

/// Somebody with a profile of their own.
#[derive(Clone, Debug)]
pub struct Player {
    /// The name of the account.
    pub name: String,
    /// Its password.
    pub password: String,
    /// Where the session is kept.
    pub profile: PathBuf,
    /// The login server's address.
    pub server: String,
    /// The login server's pin.
    pub trust: String,
}

impl Player {
    /// `gatehouse` as this player types it.
    ///
    /// # Errors
    ///
    /// When our programs do not build.
    pub fn command(&self, world: &World, arguments: &[&str]) -> Result<Command> {
        let mut command = world.command(Program::Gatehouse)?;
        command.args(["--json", "--server", &self.server, "--trust", &self.trust, "--profile"]);
        command.arg(&self.profile).args(arguments);
        Ok(command)
    }

    /// Starts a command that stays.
    ///
    /// # Errors
    ///
    /// When it does not start.
    pub fn start(&self, world: &World, arguments: &[&str]) -> Result<Process> {
        let command = self.command(world, arguments)?;
        let name = format!("{}-{}", self.name, arguments.first().unwrap_or(&"gatehouse"));
        Process::start(&world.scope, &name, command, Stdio::Events)
    }

    /// Runs a command to its end and returns its exit status and what it said.
    ///
    /// # Errors
    ///
    /// When it does not end in time.
    #[track_caller]
    pub fn try_run(
        &self,
        world: &World,
        arguments: &[&str],
        input: Option<&str>,
    ) -> Result<(ExitStatus, Vec<Event>)> {
        let mut process = self.start(world, arguments)?;
        if let Some(input) = input {
            process.say(input)?;
        }
        process.close_input();
        let status = process.wait(ANSWERS_WITHIN)?;
        // Its output has ended with it: this waits only for who reads it here.
        let mut events = Vec::new();
        let _ = process.events.wait("the end", ANSWERS_WITHIN, |event| {
            events.push(event.clone());
            false
        });
        Ok((status, events))
    }

    /// As [`try_run`](Self::try_run), for a command that must succeed.
    ///
    /// # Errors
    ///
    /// When it does not.
    #[track_caller]
    pub fn run(
        &self,
        world: &World,
        arguments: &[&str],
        input: Option<&str>,
    ) -> Result<Vec<Event>> {
        let (status, events) = self.try_run(world, arguments, input)?;
        if !status.success() {
            bail!("gatehouse {arguments:?} as {}: {status}, said {events:?}", self.name);
        }
        Ok(events)
    }

    /// The same player elsewhere: with a session of its own.
    ///
    /// # Errors
    ///
    /// When there is no place for the profile.
    pub fn elsewhere(&self, world: &World, place: &str) -> Result<Self> {
        let profile = world.scope.folder(&format!("profile-{}-{place}", self.name))?;
        Ok(Self { profile, ..self.clone() })
    }

    /// Makes the account, and logs in to it.
    ///
    /// # Errors
    ///
    /// When it is refused.
    #[track_caller]
    pub fn register(&self, world: &World) -> Result<Vec<Event>> {
        self.run(world, &["register", &self.name, "--password-stdin"], Some(&self.password))
    }

    /// Logs in.
    ///
    /// # Errors
    ///
    /// When it is refused.
    #[track_caller]
    pub fn log_in(&self, world: &World) -> Result<Vec<Event>> {
        self.run(world, &["login", &self.name, "--password-stdin"], Some(&self.password))
    }

    /// Joins a server with the real game client, which needs no display, and stays.
    ///
    /// # Errors
    ///
    /// When it does not start.
    pub fn join_headless(&self, world: &World, server: &str) -> Result<Process> {
        let config = write_client_config(&self.profile, &self.name)?;
        let game = headless_client(&config);
        self.start(world, &[&["join", server, "--chat-stdin", "--"], &*as_strs(&game)].concat())
    }

    /// As [`join_headless`](Self::join_headless), until the player is in the game: until `list`,
    /// somebody's watched list, says so.
    ///
    /// One in twenty clients of OpenTTD 13 never connects: a thread of it that resolves the address
    /// may be done before the other one notes that it has begun, which is then waited for for ever
    /// (`TCPConnecter::CheckActivity`). A person starts the game again then, and so does this.
    ///
    /// # Errors
    ///
    /// When three clients in a row did not get in.
    #[track_caller]
    pub fn play(
        &self,
        world: &World,
        server: &str,
        list: &mut Process,
    ) -> Result<(Process, Event)> {
        let mut attempts = 0;
        loop {
            attempts += 1;
            let mut game = self.join_headless(world, server)?;
            let joined = game.events.kind("joined", ANSWERS_WITHIN);
            let joined = joined.map_err(|error| game.explain(error))?;
            let what = format!("{} in the game", self.name);
            match list.events.wait(&what, ENTERS_WITHIN, |event| event.has_player(&self.name)) {
                Ok(_) => return Ok((game, joined)),
                Err(_) if attempts < 3 && !has_connected(&game.log_text()) => {
                    game.stop(ANSWERS_WITHIN)?;
                }
                Err(error) => return Err(game.explain(error)),
            }
        }
    }

    /// Starts watching the list of servers.
    ///
    /// # Errors
    ///
    /// When it does not start.
    pub fn watch(&self, world: &World) -> Result<Process> {
        self.start(world, &["servers", "--watch"])
    }
}

/// Whether the last game client of a log, which has those before it too, got a connection.
fn has_connected(log: &str) -> bool {
    log.rsplit("Starting network").next().is_some_and(|last| last.contains("Connected to"))
}

fn as_strs(words: &[String]) -> Vec<&str> {
    words.iter().map(String::as_str).collect()
}

#[track_caller]
fn wait_until_ready(file: &Path, process: &mut Process) -> Result<Value> {
    let text = eventually("the ready file", STARTS_WITHIN, || match fs::read_to_string(file) {
        Ok(text) => Some(Ok(text)),
        Err(_) if process.runs() => None,
        Err(_) => Some(Err(anyhow::anyhow!("it ended before it was ready"))),
    });
    let text = text.flatten().map_err(|error| process.explain(error))?;
    serde_json::from_str(&text).with_context(|| format!("the ready file: {text}"))
}

fn forget(file: &Path) -> Result<()> {
    match fs::remove_file(file) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}

fn member<'a>(object: &'a Value, name: &str) -> Result<&'a str> {
    object[name].as_str().with_context(|| format!("no {name} in {object}"))
}

/// Starting a program or a game server, on a busy machine.
const STARTS_WITHIN: Duration = Duration::from_secs(30);
/// From the start of the real client until its player is in the game, which takes half a second.
const ENTERS_WITHIN: Duration = Duration::from_secs(10);
/// One command of a player.
const ANSWERS_WITHIN: Duration = Duration::from_secs(30);
