//! What the server makes of what operators say.

use std::{future::ready, path::Path};

use ::protocol::{
    CaptureScope, Goodbye, Hello, LauncherInfo, List, LoginServerStatus, PlayerInfo, RequestId,
    ServerId, ServerInfo, Text, Welcome, negotiate,
};
use actix::{AsyncContext, Context, Handler, Message};
use anyhow::Context as _;
use connection_handler::{Peer, PeerConnected, PeerDisconnected, PeerId, PeerMessages};

use super::{
    Operator,
    protocol::{FromOperator, ToOperator},
};
use crate::{
    admin::Performed,
    launchers::{Invitation, KnownLauncher},
    lobby::{Census, Event, LauncherKey, View},
    operator::PROGRAM,
    recordings::NewFile,
    server::LoginServer,
};

impl Handler<PeerConnected<Operator>> for LoginServer {
    type Result = ();

    fn handle(&mut self, PeerConnected { peer }: PeerConnected<Operator>, _: &mut Context<Self>) {
        self.operators.insert(peer.id(), peer);
    }
}

impl Handler<PeerMessages<Operator>> for LoginServer {
    type Result = ();

    fn handle(&mut self, batch: PeerMessages<Operator>, ctx: &mut Context<Self>) {
        for message in batch.messages {
            let greeted = self.operators.get(&batch.peer).is_some_and(|peer| peer.greeted);
            match message {
                FromOperator::Hello(hello) if !greeted => self.greet_operator(batch.peer, &hello),
                FromOperator::Hello(_) => self.operator_violation(batch.peer, "Hello is said once"),
                _ if !greeted => {
                    self.operator_violation(batch.peer, "the first message is Hello");
                }
                message => self.operator_asks(batch.peer, message, ctx),
            }
        }
    }
}

impl Handler<PeerDisconnected<Operator>> for LoginServer {
    type Result = ();

    fn handle(&mut self, gone: PeerDisconnected<Operator>, _: &mut Context<Self>) {
        self.operators.remove(&gone.peer);
    }
}

/// What the store or the disk has said to an operator's request.
#[derive(Debug, Message)]
#[rtype(result = "()")]
struct OperatorAnswered {
    operator: PeerId,
    request: RequestId,
    answer: anyhow::Result<OperatorAnswer>,
}

#[derive(Debug)]
enum OperatorAnswer {
    Invited(Invitation),
    Launchers(Vec<KnownLauncher>),
    Revoked(Option<LauncherKey>),
    /// A capture can be started.
    FileCreated {
        file: NewFile,
        scope: CaptureScope,
        max_bytes: u64,
    },
    /// A capture is stopped.
    FileWritten(Text<4096>),
    Performed(Performed),
}

impl Handler<OperatorAnswered> for LoginServer {
    type Result = ();

    fn handle(&mut self, answered: OperatorAnswered, ctx: &mut Context<Self>) {
        let OperatorAnswered { operator, request, answer } = answered;
        if let Some(operator) = self.operators.get_mut(&operator) {
            operator.waiting -= 1;
        }
        match answer {
            Ok(OperatorAnswer::Invited(Invitation { enrollment, expires })) => {
                let enrollment = Text::lossy(&enrollment.to_string());
                let invitation = ToOperator::Invitation { request, enrollment, expires };
                self.to_operator(operator, invitation);
            }
            Ok(OperatorAnswer::Launchers(launchers)) => {
                for launcher in launchers {
                    let connected = Some(self.lobby.is_connected(launcher.key));
                    let (servers, refused) = self.lobby.servers().count_of(launcher.key);
                    let count = |count| u32::try_from(count).unwrap_or(u32::MAX);
                    let launcher = LauncherInfo {
                        servers: count(servers),
                        refused_servers: count(refused),
                        ..launcher_info(launcher, connected)
                    };
                    self.to_operator(operator, ToOperator::Launcher { request, launcher });
                }
                self.to_operator(operator, ToOperator::Done { request });
            }
            Ok(OperatorAnswer::Performed(Performed { records, events })) => {
                for event in events {
                    self.happened(event, ctx);
                }
                for record in records {
                    self.to_operator(operator, ToOperator::Record { request, record });
                }
                self.to_operator(operator, ToOperator::Done { request });
            }
            Ok(OperatorAnswer::Revoked(key)) => {
                if let Some(key) = key {
                    self.happened(Event::Revoked { key }, ctx);
                }
                self.to_operator(operator, ToOperator::Done { request });
            }
            Ok(OperatorAnswer::FileCreated { file, scope, max_bytes }) => {
                self.start_capture(operator, request, file, scope, max_bytes);
            }
            Ok(OperatorAnswer::FileWritten(path)) => {
                self.to_operator(operator, ToOperator::Capture { request, path });
            }
            Err(error) => self.refuse_operator(operator, request, &format!("{error:#}")),
        }
    }
}

impl LoginServer {
    fn greet_operator(&mut self, id: PeerId, hello: &Hello) {
        let (now, boot) = (self.now().clock, self.boot);
        let Some(operator) = self.operators.get_mut(&id) else { return };
        match negotiate(hello) {
            Ok(version) => {
                operator.greeted = true;
                operator.send(ToOperator::Welcome(Welcome { version, now, boot, features: 0 }));
            }
            Err(goodbye) => say_goodbye(operator, goodbye),
        }
    }

    fn operator_asks(&mut self, operator: PeerId, message: FromOperator, ctx: &mut Context<Self>) {
        if let Some(request) = answered_later(&message)
            && !self.may_wait(operator)
        {
            return self.refuse_operator(operator, request, "too many requests at once");
        }
        let launchers = self.store.launchers.clone();
        match message {
            FromOperator::Hello(_) => {}
            FromOperator::InviteLauncher { request, name, address } => {
                answer(ctx, operator, request, async move {
                    let invited = launchers.invite(&name, address.as_deref()).await;
                    Ok(OperatorAnswer::Invited(invited?))
                });
            }
            FromOperator::ListLaunchers { request } => {
                answer(ctx, operator, request, async move {
                    Ok(OperatorAnswer::Launchers(launchers.list().await?))
                });
            }
            FromOperator::RevokeLauncher { request, name } => {
                answer(ctx, operator, request, async move {
                    Ok(OperatorAnswer::Revoked(launchers.revoke(&name).await?))
                });
            }
            FromOperator::Perform { request, task } => {
                let admin = self.store.admin.clone();
                answer(ctx, operator, request, async move {
                    admin.perform(task).await.map(OperatorAnswer::Performed)
                });
            }
            FromOperator::ListServers { request } => self.list_servers(operator, request),
            FromOperator::Kick { request, server, player, reason } => {
                match self.lobby.kick(&server, &player, reason) {
                    Ok(effect) => {
                        self.carry_out(effect, ctx);
                        self.to_operator(operator, ToOperator::Done { request });
                    }
                    Err(error) => self.refuse_operator(operator, request, &error.to_string()),
                }
            }
            FromOperator::Status { request } => {
                let status = self.status();
                self.to_operator(operator, ToOperator::Status { request, status });
            }
            FromOperator::Metrics { request } => self.tell_metrics(operator, request),
            FromOperator::StartCapture { request, .. } if self.recordings.current().is_some() => {
                answer(ctx, operator, request, ready(Err(anyhow::anyhow!(ALREADY))));
            }
            FromOperator::StartCapture { request, scope, max_bytes } => {
                let folder = self.recordings.folder();
                answer(ctx, operator, request, async move {
                    let file = blocking(move || NewFile::create(&folder)).await?;
                    Ok(OperatorAnswer::FileCreated { file, scope, max_bytes })
                });
            }
            FromOperator::StopCapture { request } => {
                let stopped = self.recordings.stop();
                answer(ctx, operator, request, async move {
                    let (path, ending) = stopped.context("nothing is being captured")?;
                    blocking(|| ending.wait()).await?;
                    Ok(OperatorAnswer::FileWritten(shown(&path)))
                });
            }
        }
    }

    fn status(&self) -> LoginServerStatus {
        let Census { game_clients, sessions, launchers, servers } = self.lobby.census();
        let count = |count| u32::try_from(count).unwrap_or(u32::MAX);
        LoginServerStatus {
            program: Text::lossy(PROGRAM),
            boot: self.boot,
            since: self.since,
            game_clients: count(game_clients),
            sessions: count(sessions),
            launchers: count(launchers),
            servers: count(servers),
            capture: self.recordings.current().map(shown),
        }
    }

    fn tell_metrics(&self, operator: PeerId, request: RequestId) {
        let text = program_metrics::render();
        let mut lines = text.lines().map(Text::lossy).peekable();
        while lines.peek().is_some() {
            let lines = List::first_of(lines.by_ref().take(LINES));
            self.to_operator(operator, ToOperator::Metrics { request, lines });
        }
        self.to_operator(operator, ToOperator::Done { request });
    }

    fn start_capture(
        &mut self,
        operator: PeerId,
        request: RequestId,
        file: NewFile,
        scope: CaptureScope,
        max_bytes: u64,
    ) {
        let path = file.path().to_owned();
        match self.recordings.start(file, scope, max_bytes).map(shown) {
            Ok(path) => self.to_operator(operator, ToOperator::Capture { request, path }),
            Err(error) => {
                // Nobody needs it: if it stays, it is empty.
                actix::spawn(blocking(move || std::fs::remove_file(path)));
                self.refuse_operator(operator, request, &error.to_string());
            }
        }
    }

    /// Takes one of the places of an operator's requests that wait for the store.
    fn may_wait(&mut self, operator: PeerId) -> bool {
        let Some(operator) = self.operators.get_mut(&operator) else { return false };
        let may = operator.waiting < MAX_WAITING;
        operator.waiting += usize::from(may);
        may
    }

    fn list_servers(&self, operator: PeerId, request: RequestId) {
        for (id, _, view) in self.lobby.servers().iter() {
            let server = server_info(id, view);
            self.to_operator(operator, ToOperator::Server { request, server });
        }
        self.to_operator(operator, ToOperator::Done { request });
    }

    fn refuse_operator(&self, operator: PeerId, request: RequestId, why: &str) {
        let why = Text::lossy(why);
        self.to_operator(operator, ToOperator::Refused { request, why });
    }

    fn operator_violation(&self, operator: PeerId, what: &str) {
        if let Some(operator) = self.operators.get(&operator) {
            say_goodbye(operator, Goodbye::Violation { what: Text::lossy(what) });
        }
    }

    fn to_operator(&self, operator: PeerId, message: ToOperator) {
        if let Some(operator) = self.operators.get(&operator) {
            operator.send(message);
        }
    }
}

/// A launcher, as an operator sees it.
pub(crate) fn launcher_info(launcher: KnownLauncher, connected: Option<bool>) -> LauncherInfo {
    let KnownLauncher { name, key: LauncherKey(key), enrolled, limits } = launcher;
    let key = connection_handler::transport::keys::KeyFingerprint::from_bytes(key);
    LauncherInfo {
        name,
        key: Text::lossy(&key.to_string()),
        enrolled,
        connected,
        max_servers: limits.max_servers,
        counts_progress: limits.counts_progress,
        servers: 0,
        refused_servers: 0,
    }
}

fn server_info(server: ServerId, view: &View) -> ServerInfo {
    let players = view.players().map(|(player, name)| PlayerInfo { player, name: name.clone() });
    ServerInfo {
        server,
        title: Text::lossy(view.title()),
        game: Text::lossy(view.game()),
        state: view.state(),
        players: List::first_of(players),
    }
}

/// The request of a message, if it makes the store or the disk work.
fn answered_later(message: &FromOperator) -> Option<RequestId> {
    match message {
        FromOperator::InviteLauncher { request, .. }
        | FromOperator::ListLaunchers { request }
        | FromOperator::RevokeLauncher { request, .. }
        | FromOperator::Perform { request, .. }
        | FromOperator::StartCapture { request, .. }
        | FromOperator::StopCapture { request } => Some(*request),
        FromOperator::Hello(_)
        | FromOperator::ListServers { .. }
        | FromOperator::Kick { .. }
        | FromOperator::Status { .. }
        | FromOperator::Metrics { .. } => None,
    }
}

fn say_goodbye(operator: &Operator, goodbye: Goodbye) {
    let reason = goodbye.to_string();
    operator.send(ToOperator::Goodbye(goodbye));
    operator.disconnect(reason);
}

fn shown(path: &Path) -> Text<4096> {
    Text::lossy(&path.display().to_string())
}

/// Does what has to wait for the disk, where nobody else waits for it.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> std::io::Result<T> + Send + 'static,
) -> anyhow::Result<T> {
    Ok(tokio::task::spawn_blocking(work).await??)
}

/// Lets the store or the disk work, and brings the answer back to the server.
fn answer(
    ctx: &Context<LoginServer>,
    operator: PeerId,
    request: RequestId,
    work: impl Future<Output = anyhow::Result<OperatorAnswer>> + 'static,
) {
    let server = ctx.address();
    actix::spawn(async move {
        let answer = work.await;
        server.do_send(OperatorAnswered { operator, request, answer });
    });
}

const ALREADY: &str = "a capture is being written already: stop it first";

/// Lines of metrics in a message: of those, as many as fit into a message after login.
const LINES: usize = 256;

/// Most requests of one operator that wait for the store or the disk. Further ones are refused.
const MAX_WAITING: usize = 4;
