//! The keeper: the process between a launcher and one game.
//!
//! It is the parent of the game, holds its output and its admin connection, restarts it when it
//! crashes, and goes on doing so when its launcher is gone. A launcher finds it through its Unix
//! socket. It ends when it is told to, with SIGTERM or by its launcher, after it has stopped the
//! game. When it is killed, or ends because of a bug, the kernel kills the game at once, so that
//! no game ever runs without one; the launcher then starts both again.

mod admissions;
mod controller;
mod game;
mod gate;
mod handlers;
pub(crate) mod life;
mod link;
mod log;
pub(crate) mod openttd;
mod process;
mod roster;
mod server;
mod start;
pub(crate) mod teeworlds;

use std::{
    fs, io,
    path::PathBuf,
    time::{Duration, Instant},
};

use actix::Actor;
use anyhow::{Context as _, bail};
use connection_handler::{ConnectionConfig, Drain, IncomingConnectionHandler};
use tokio::{
    net::UnixListener,
    sync::oneshot,
    time::{sleep, timeout},
};

pub(crate) use self::start::check_program;
use self::{
    handlers::launcher::LauncherHandler,
    server::{Keeper, Over, Stop},
};
use crate::{Bug, instance::InstanceDir, rotating_file::RotatingFile};

/// Where the keeper of the game server in `dir` says what it does: a log of bounded size.
///
/// What cannot be written is lost: a keeper does not end because a disk is full.
pub fn log(dir: PathBuf) -> impl io::Write + Send + 'static {
    PatientWriter(RotatingFile::new(InstanceDir::at(dir).keeper_log()))
}

/// Has no errors.
struct PatientWriter<W>(W);

impl<W: io::Write> io::Write for PatientWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // The next line is tried again.
        let _ = self.0.write(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Keeps the game server in `dir` until its launcher stops it, or `shutdown` resolves.
///
/// `executable` is this program. Runs on the main thread of an actix system.
///
/// # Errors
///
/// When another keeper does that already, or the folder cannot be used; [`Bug`] when the central
/// actor has ended unexpectedly.
pub async fn run(
    dir: PathBuf,
    executable: PathBuf,
    shutdown: impl Future<Output = ()>,
) -> anyhow::Result<()> {
    // Fails for who is the leader of a group, and then has nobody to leave.
    let _ = rustix::process::setsid();
    let dir = InstanceDir::at(dir);
    let _lock = lock(&dir).await?;
    let server = dir.server()?;
    let listener = listen(&dir).context("cannot listen on keeper.sock")?;

    let (over, until_over) = oneshot::channel();
    let keeper = Keeper::new(dir, executable, &server, over).start();
    let config = ConnectionConfig { max_connections: 64, ..ConnectionConfig::default() };
    let incoming =
        IncomingConnectionHandler::new(LauncherHandler, listener, keeper.clone(), config).start();
    tracing::info!(server = %server.name, "keeping");

    let stop = async {
        shutdown.await;
        tracing::info!("stopping the game");
        keeper.do_send(Stop);
    };
    wanted_end(until_over, stop).await?;
    let goodbye = Drain { patience: Duration::ZERO };
    // Who does not take the goodbye within that time does not get it.
    let _ = timeout(GOODBYE_WITHIN, incoming.send(goodbye)).await;
    tracing::info!("the game is stopped");
    Ok(())
}

/// Asks the keeper to `stop`, when it is time, and waits until it says that it is over; an error
/// when its central actor ends without that.
async fn wanted_end(
    until_over: oneshot::Receiver<Over>,
    stop: impl Future<Output = ()>,
) -> Result<(), Bug> {
    let stop = async {
        stop.await;
        std::future::pending().await
    };
    let over = tokio::select! {
        over = until_over => over,
        over = stop => over,
    };
    over.map(|Over| ()).map_err(|_| Bug("the central actor of the keeper has ended"))
}

/// Waits for a moment: a launcher may be looking whether somebody holds the lock.
async fn lock(dir: &InstanceDir) -> anyhow::Result<fs::File> {
    let path = dir.path().display();
    let until = Instant::now() + LOCK_WITHIN;
    loop {
        // Asked again and again: a thread that waits for the lock could not be stopped.
        match dir.try_lock().with_context(|| format!("cannot lock {path}"))? {
            Some(lock) => return Ok(lock),
            None if Instant::now() >= until => bail!("another keeper has {path}"),
            None => sleep(LOCK_AGAIN_AFTER).await,
        }
    }
}

/// Whoever holds the lock owns the socket: one that exists is left over.
fn listen(dir: &InstanceDir) -> io::Result<UnixListener> {
    let socket = dir.socket()?;
    match fs::remove_file(socket.as_path()) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    UnixListener::bind(socket.as_path())
}

const LOCK_WITHIN: Duration = Duration::from_secs(2);
const LOCK_AGAIN_AFTER: Duration = Duration::from_millis(20);
const GOODBYE_WITHIN: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use std::{
        future::{pending, ready},
        io::Write as _,
    };

    use actix::{Context, Handler, Message};

    use super::*;

    /// Holds what a keeper says at its end.
    struct Central {
        over: Option<oneshot::Sender<Over>>,
    }

    impl Actor for Central {
        type Context = Context<Self>;
    }

    #[derive(Message)]
    #[rtype(result = "()")]
    enum End {
        Wanted,
        ByABug,
    }

    impl Handler<End> for Central {
        type Result = ();

        fn handle(&mut self, end: End, _: &mut Context<Self>) {
            match end {
                End::Wanted => self.over.take().unwrap().send(Over).unwrap(),
                End::ByABug => panic!("on purpose"),
            }
        }
    }

    async fn result_of(end: End, stop: impl Future<Output = ()>) -> Result<(), Bug> {
        let (over, until_over) = oneshot::channel();
        let central = Central { over: Some(over) }.start();
        central.do_send(end);
        let result = timeout(Duration::from_secs(20), wanted_end(until_over, stop)).await;
        result.expect("it ends")
    }

    #[actix::test]
    async fn a_central_actor_that_panics_ends_the_keeper() {
        assert!(result_of(End::ByABug, pending()).await.is_err());
        assert!(result_of(End::ByABug, ready(())).await.is_err(), "also while it stops");
    }

    #[actix::test]
    async fn a_keeper_that_is_over_ends_well() {
        assert!(result_of(End::Wanted, ready(())).await.is_ok());
    }

    #[test]
    fn the_log_is_bounded_and_outlives_its_folder() {
        let dir = tempfile::tempdir().unwrap();
        let mut log = log(dir.path().to_owned());
        let line = [b'x'; 64 * 1024];
        (0..100).for_each(|_| log.write_all(&line).unwrap());
        let bytes: u64 = fs::read_dir(dir.path())
            .unwrap()
            .map(|file| file.unwrap().metadata().unwrap().len())
            .sum();
        assert_eq!(bytes, (4 * 16 + 4) * 64 * 1024, "four full files and a new one");
        dir.close().unwrap();
        (0..100).for_each(|_| log.write_all(&line).unwrap());
    }
}
