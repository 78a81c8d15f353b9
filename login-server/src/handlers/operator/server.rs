//! What the server makes of what operators say.

use ::protocol::{
    Goodbye, Hello, LauncherInfo, List, PlayerInfo, RequestId, ServerId, ServerInfo, Text, Welcome,
    negotiate,
};
use actix::{AsyncContext, Context, Handler, Message};
use connection_handler::{Peer, PeerConnected, PeerDisconnected, PeerId, PeerMessages};

use super::{
    Operator,
    protocol::{FromOperator, ToOperator},
};
use crate::{
    launchers::{Invitation, KnownLauncher, LauncherError},
    lobby::{Event, LauncherKey, View},
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

/// What the store has said to an operator's request.
#[derive(Debug, Message)]
#[rtype(result = "()")]
struct OperatorAnswered {
    operator: PeerId,
    request: RequestId,
    answer: Result<OperatorAnswer, LauncherError>,
}

#[derive(Debug)]
enum OperatorAnswer {
    Invited(Invitation),
    Launchers(Vec<KnownLauncher>),
    Revoked(Option<LauncherKey>),
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
                    let launcher = launcher_info(launcher, connected);
                    self.to_operator(operator, ToOperator::Launcher { request, launcher });
                }
                self.to_operator(operator, ToOperator::Done { request });
            }
            Ok(OperatorAnswer::Revoked(key)) => {
                if let Some(key) = key {
                    self.happened(Event::Revoked { key }, ctx);
                }
                self.to_operator(operator, ToOperator::Done { request });
            }
            Err(error) => self.refuse_operator(operator, request, &error.to_string()),
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
        if let Some(request) = request_to_store(&message)
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
                    invited.map(OperatorAnswer::Invited)
                });
            }
            FromOperator::ListLaunchers { request } => {
                answer(ctx, operator, request, async move {
                    launchers.list().await.map(OperatorAnswer::Launchers)
                });
            }
            FromOperator::RevokeLauncher { request, name } => {
                answer(ctx, operator, request, async move {
                    launchers.revoke(&name).await.map(OperatorAnswer::Revoked)
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
    let KnownLauncher { name, key: LauncherKey(key), enrolled } = launcher;
    let key = connection_handler::transport::keys::KeyFingerprint::from_bytes(key);
    LauncherInfo { name, key: Text::lossy(&key.to_string()), enrolled, connected }
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

/// The request a message makes of the store, if it makes one.
fn request_to_store(message: &FromOperator) -> Option<RequestId> {
    match message {
        FromOperator::InviteLauncher { request, .. }
        | FromOperator::ListLaunchers { request }
        | FromOperator::RevokeLauncher { request, .. } => Some(*request),
        FromOperator::Hello(_) | FromOperator::ListServers { .. } | FromOperator::Kick { .. } => {
            None
        }
    }
}

fn say_goodbye(operator: &Operator, goodbye: Goodbye) {
    let reason = goodbye.to_string();
    operator.send(ToOperator::Goodbye(goodbye));
    operator.disconnect(reason);
}

/// Lets the store work, and brings its answer back to the server.
fn answer(
    ctx: &Context<LoginServer>,
    operator: PeerId,
    request: RequestId,
    work: impl Future<Output = Result<OperatorAnswer, LauncherError>> + 'static,
) {
    let server = ctx.address();
    actix::spawn(async move {
        let answer = work.await;
        server.do_send(OperatorAnswered { operator, request, answer });
    });
}

/// Most requests of one operator that wait for the store. Further ones are refused.
const MAX_WAITING: usize = 4;
