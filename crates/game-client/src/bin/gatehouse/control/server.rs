//! The end of the running `join`.

use std::{
    fs, io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use game_client::Session;
use protocol::ServerEvents;
use tokio::{
    net::{UnixListener, UnixStream},
    sync::{broadcast, mpsc, oneshot},
    task::JoinSet,
};

use super::{FromJoin, JsonLines};
use crate::{
    failure::Failure,
    link::{Notice, Reply, Request, on_session},
    profile::JoinLock,
};

/// Where other commands of the profile come in.
#[derive(Debug)]
pub(crate) struct ControlServer {
    listener: UnixListener,
    path: PathBuf,
    connections: JoinSet<()>,
    /// The path is ours as long as we hold it.
    _lock: JoinLock,
}

/// What connections to other commands share with the loop of `join`.
#[derive(Clone, Debug)]
pub(crate) struct Hub {
    pub(crate) session: Session,
    pub(crate) notices: broadcast::Sender<Arc<Notice>>,
    pub(crate) orders: mpsc::Sender<Order>,
}

/// What only the loop of `join` can do.
#[derive(Debug)]
pub(crate) enum Order {
    Leave { done: oneshot::Sender<Result<(), Failure>> },
    LogOut { done: oneshot::Sender<Result<(), Failure>> },
    Servers { reply: oneshot::Sender<Vec<ServerEvents>> },
}

impl ControlServer {
    /// Listens at `path`.
    pub(crate) fn bind(path: &Path, lock: JoinLock) -> Result<Self, Failure> {
        let bind = || {
            // Of a `join` that was killed: we hold the lock.
            let _ = fs::remove_file(path);
            let listener = UnixListener::bind(path)?;
            fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
            Ok(listener)
        };
        let listener = bind().map_err(|error: io::Error| {
            Failure::failed("profile", format!("{}: {error}", path.display()))
        })?;
        Ok(Self { listener, path: path.into(), connections: JoinSet::new(), _lock: lock })
    }

    /// Waits for the next command. Cancel-safe.
    pub(crate) async fn accept(&mut self) -> UnixStream {
        loop {
            tokio::select! {
                accepted = self.listener.accept(), if self.connections.len() < MAX_CONNECTIONS => {
                    match accepted {
                        Ok((stream, _)) => return stream,
                        // Too many open files: that passes.
                        Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
                    }
                }
                Some(_) = self.connections.join_next() => {}
            }
        }
    }

    /// Serves a command until it goes.
    pub(crate) fn serve(&mut self, stream: UnixStream, hub: Hub) {
        self.connections.spawn(async move {
            // That a command goes away is how each of them ends.
            let _ = serve(JsonLines::new(stream), hub).await;
        });
    }
}

impl Drop for ControlServer {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

async fn serve(mut lines: JsonLines, hub: Hub) -> io::Result<()> {
    let mut notices = hub.notices.subscribe();
    let mut watching = false;
    loop {
        tokio::select! {
            request = lines.next() => {
                let request = request?;
                if matches!(request, Request::WatchServers) {
                    watching = true;
                    snapshot(&mut lines, &hub).await?;
                }
                let answer = answer(&hub, request).await;
                lines.write(&FromJoin::Answer(answer)).await?;
            }
            notice = notices.recv() => match notice {
                Ok(notice) if matches!(*notice, Notice::Servers(_)) && !watching => {}
                Ok(notice) => lines.write(&FromJoin::Notice((*notice).clone())).await?,
                // Too slow: what was said is lost, but the list must not be wrong.
                Err(broadcast::error::RecvError::Lagged(_)) if watching => {
                    snapshot(&mut lines, &hub).await?;
                }
                Err(broadcast::error::RecvError::Lagged(_)) => {}
                Err(broadcast::error::RecvError::Closed) => return Ok(()),
            },
        }
    }
}

async fn snapshot(lines: &mut JsonLines, hub: &Hub) -> io::Result<()> {
    let (reply, list) = oneshot::channel();
    if hub.orders.send(Order::Servers { reply }).await.is_ok() {
        for part in list.await.unwrap_or_default() {
            lines.write(&FromJoin::Notice(Notice::Servers(part))).await?;
        }
    }
    Ok(())
}

async fn answer(hub: &Hub, request: Request) -> Result<Reply, Failure> {
    let (done, finished) = oneshot::channel();
    let order = match request {
        Request::Leave => Order::Leave { done },
        Request::LogOut => Order::LogOut { done },
        Request::WatchServers => return Ok(Reply::Done),
        Request::Chat { .. }
        | Request::Ping
        | Request::Sessions
        | Request::RevokeSessions { .. }
        | Request::ChangePassword { .. }
        | Request::Export { .. }
        | Request::DataKeys { .. }
        | Request::Data { .. }
        | Request::SetData { .. }
        | Request::Progress { .. }
        | Request::Report { .. } => return on_session(&hub.session, request).await,
    };
    let ended = || Failure::failed("join_ended", "the running join has ended");
    hub.orders.send(order).await.map_err(|_| ended())?;
    finished.await.map_err(|_| ended())?.map(|()| Reply::Done)
}

/// Commands served at the same time; further ones wait.
const MAX_CONNECTIONS: usize = 16;

/// How long to wait when a command cannot be taken in.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
