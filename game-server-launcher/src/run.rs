//! The launcher, from its start to its end.

use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read as _, Write as _},
    net::SocketAddr,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

use actix::Addr;
use anyhow::{Context as _, bail};
use connection_handler::{Ended, supervise, transport::secure::farewells};
use serde_json::{Map, Value, json};
use tokio::{sync::oneshot, time::timeout};

use crate::{
    Bug, atomic_file,
    config::{Config, ServerName},
    instance::InstanceDir,
    login::{self, LoginLink, LoginServerAddress, RememberedKeys},
    server::{Launcher, Leave, Ports, Stop},
    supervisor::Supervisor,
};

/// How the launcher is asked to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shutdown {
    /// Stop the games too, and wait for them.
    Stop,
    /// Leave the games to their keepers. The next launcher finds them.
    Detach,
}

/// Runs the servers of `config` until `shutdown` resolves.
///
/// Runs on the main thread of an actix system.
///
/// # Errors
///
/// When the data directory cannot be used, or another launcher uses it; when games did not stop in
/// time; [`Bug`] when the central actor has ended unexpectedly.
pub async fn run(config: Config, shutdown: impl Future<Output = Shutdown>) -> anyhow::Result<()> {
    let data_dir = DataDir::lock(&config.data_dir)?;
    remove_ready_file(&config)?;
    let identity = login::identity(data_dir.path())?;
    let fingerprint = identity.fingerprint();
    let login_server = LoginServerAddress::load(data_dir.path())?;
    let way = login_server.as_ref().map(|server| {
        let known = server.keys()?;
        let connector = server.connector(&known, identity);
        let path = data_dir.path().to_owned();
        anyhow::Ok((connector, RememberedKeys::new(known, server.clone(), path)))
    });
    match &login_server {
        Some(server) => tracing::info!(address = %server.address, "login server"),
        None => tracing::warn!("not enrolled: the servers run, but no login server lists them"),
    }

    let (supervisor, dirs) = servers(&config, &data_dir)?;
    let (known, until_known) = oneshot::channel();
    let link = LoginLink::new(way.transpose()?, *fingerprint.as_bytes());
    let launcher = Launcher::new(supervisor, dirs, config.executable.clone(), link, known);
    let (launcher, mut ended) = supervise(launcher);

    let ready = report_ready(&config, &launcher, until_known, fingerprint.to_string());
    let ready = async {
        ready.await;
        std::future::pending().await
    };
    let shutdown = async {
        tokio::select! {
            shutdown = shutdown => shutdown,
            shutdown = ready => shutdown,
        }
    };
    let shutdown = unless_ended(&mut ended, shutdown).await?;
    unless_ended(&mut ended, end(&launcher, shutdown)).await?
}

/// What `wanted` leads to; an error when the central actor ends before that.
async fn unless_ended<T>(ended: &mut Ended, wanted: impl Future<Output = T>) -> Result<T, Bug> {
    tokio::select! {
        // First: what waits for an answer of the actor would call its end something else.
        biased;
        () = ended => Err(Bug("the central actor of the launcher has ended")),
        result = wanted => Ok(result),
    }
}

/// One of the launcher before would say that everything runs.
fn remove_ready_file(config: &Config) -> anyhow::Result<()> {
    let Some(file) = &config.ready_file else { return Ok(()) };
    match fs::remove_file(file) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", file.display()))
        }
        _ => Ok(()),
    }
}

/// The servers that are wanted, and those that others have left behind.
fn servers(
    config: &Config,
    data_dir: &DataDir,
) -> anyhow::Result<(Supervisor, BTreeMap<ServerName, InstanceDir>)> {
    let mut dirs: BTreeMap<_, _> = InstanceDir::all(data_dir.path())?.into_iter().collect();
    let mut wanted = Vec::new();
    for server in &config.servers {
        let dir = InstanceDir::new(data_dir.path(), &server.name);
        wanted.push((dir.prepare(server)?.id, server.clone()));
        dirs.insert(server.name.clone(), dir);
    }
    let is_wanted = |name: &ServerName| config.servers.iter().any(|server| server.name == *name);
    let leftovers: Vec<_> = dirs.keys().filter(|name| !is_wanted(name)).cloned().collect();
    Ok((Supervisor::new(wanted, leftovers), dirs))
}

/// Writes the ready file once every server is known.
async fn report_ready(
    config: &Config,
    launcher: &Addr<Launcher>,
    known: oneshot::Receiver<()>,
    fingerprint: String,
) {
    let Some(file) = &config.ready_file else { return };
    // Without an answer the launcher is about to end.
    let Ok(()) = known.await else { return };
    let Ok(ports) = launcher.send(Ports).await else { return };
    let servers: Map<_, _> = ports
        .into_iter()
        .map(|(server, port)| {
            let game = port.map(|port| SocketAddr::new(server.local_ip(), port).to_string());
            (server.name.to_string(), json!({ "game": game }))
        })
        .collect();
    let ready = json!({ "servers": Value::Object(servers), "spki_fingerprint": fingerprint });
    match atomic_file::write(file, format!("{ready}\n").as_bytes()) {
        Ok(()) => tracing::info!(file = %file.display(), "ready"),
        Err(error) => tracing::error!(%error, file = %file.display(), "cannot write"),
    }
}

async fn end(launcher: &Addr<Launcher>, shutdown: Shutdown) -> anyhow::Result<()> {
    match shutdown {
        Shutdown::Detach => {
            tracing::info!("detaching: the games go on");
            leave(launcher).await;
            Ok(())
        }
        Shutdown::Stop => {
            tracing::info!("stopping the games");
            let stopped = launcher.send(Stop).await.context("the central actor is gone")?;
            let stopped = timeout(STOPPED_WITHIN, stopped).await;
            leave(launcher).await;
            match stopped {
                Ok(Ok(())) => Ok(()),
                _ => bail!("games still run after {} s", STOPPED_WITHIN.as_secs()),
            }
        }
    }
}

/// Closes the connection to the login server, which would miss us for a while otherwise.
async fn leave(launcher: &Addr<Launcher>) {
    let _ = timeout(LEFT_WITHIN, async {
        // Without an answer the launcher is gone, and its connections with it.
        let _ = launcher.send(Leave).await;
        farewells().await;
    })
    .await;
}

/// A data directory that is ours until this is dropped, or the process ends.
#[derive(Debug)]
pub(crate) struct DataDir {
    path: PathBuf,
    _lock: File,
}

impl DataDir {
    /// Takes the directory, and makes it if there is none, for its owner only.
    ///
    /// # Errors
    ///
    /// When another launcher has it, or it cannot be used at all.
    pub(crate) fn lock(path: &Path) -> anyhow::Result<Self> {
        let shown = path.display();
        atomic_file::create_dir(path).with_context(|| format!("cannot make {shown}"))?;
        let path = path.canonicalize().with_context(|| format!("cannot use {shown}"))?;
        let lock = try_lock(&path).with_context(|| format!("cannot lock {shown}"))?;
        match lock {
            Ok(lock) => Ok(Self { path, _lock: lock }),
            Err(process) => bail!(
                "a launcher (process {process}) runs on {shown}: stop it first; \
                 with SIGUSR2 its games go on"
            ),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

/// The lock, or the process id of who has it.
fn try_lock(path: &Path) -> io::Result<Result<File, String>> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600);
    let mut lock = options.open(path.join("lock"))?;
    match lock.try_lock() {
        Ok(()) => {
            lock.set_len(0)?;
            write!(lock, "{}", std::process::id())?;
            Ok(Ok(lock))
        }
        Err(TryLockError::WouldBlock) => {
            let mut process = String::new();
            lock.take(MAX_DIGITS).read_to_string(&mut process)?;
            Ok(Err(process))
        }
        Err(TryLockError::Error(error)) => Err(error),
    }
}

const MAX_DIGITS: u64 = 20;

/// More than a game has: its own command, SIGTERM and SIGKILL, one after the other.
const STOPPED_WITHIN: Duration = Duration::from_secs(30);

const LEFT_WITHIN: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use actix::{Actor, Context, Handler, Message};

    use super::*;

    struct Central;

    impl Actor for Central {
        type Context = Context<Self>;
    }

    #[derive(Message)]
    #[rtype(result = "()")]
    struct Panic;

    impl Handler<Panic> for Central {
        type Result = ();

        fn handle(&mut self, _: Panic, _: &mut Context<Self>) {
            panic!("on purpose");
        }
    }

    #[actix::test]
    async fn a_central_actor_that_panics_ends_the_launcher_whatever_it_waits_for() {
        let (central, mut ended) = supervise(Central);
        central.do_send(Panic);
        for _ in ["until it is asked to end", "until the games have stopped"] {
            let end = unless_ended(&mut ended, pending::<()>());
            let end = timeout(Duration::from_secs(20), end).await.expect("it ends");
            let error = anyhow::Error::from(end.unwrap_err());
            assert!(error.is::<Bug>(), "what main makes code 70 of");
        }
    }

    #[actix::test]
    async fn a_launcher_that_is_told_to_end_does_as_it_is_told() {
        let (_central, mut ended) = supervise(Central);
        let shutdown = unless_ended(&mut ended, ready(Shutdown::Detach)).await;
        assert_eq!(shutdown.unwrap(), Shutdown::Detach);
    }
}
