//! What the launcher does with the login server.

use std::time::{Duration, Instant};

use actix::{Context, Handler};
use connection_handler::{DisconnectReason, Peer, PeerConnected, PeerDisconnected, PeerMessages};
use protocol::{Goodbye, Hello, LauncherRefusal};

use super::{
    handler::LoginServer,
    protocol::{FromLoginServer, ToLoginServer},
};
use crate::{
    server::{Launcher, PROGRAM},
    supervisor::{Event, LoginServerEvent},
    unix_now,
};

impl Handler<PeerConnected<LoginServer>> for Launcher {
    type Result = ();

    fn handle(&mut self, connected: PeerConnected<LoginServer>, _: &mut Context<Self>) {
        let PeerConnected { peer } = connected;
        tracing::info!(transport = peer.link().transport(), "connected to the login server");
        peer.send(ToLoginServer::Hello(Hello::from_us(PROGRAM)));
        self.login.connected(peer);
    }
}

impl Handler<PeerMessages<LoginServer>> for Launcher {
    type Result = ();

    fn handle(&mut self, batch: PeerMessages<LoginServer>, ctx: &mut Context<Self>) {
        for message in batch.messages {
            if !self.login.is(batch.peer) {
                return;
            }
            self.login_server_said(message, ctx);
        }
    }
}

impl Handler<PeerDisconnected<LoginServer>> for Launcher {
    type Result = ();

    fn handle(&mut self, gone: PeerDisconnected<LoginServer>, ctx: &mut Context<Self>) {
        if self.login.disconnected(gone.peer) {
            match gone.reason {
                DisconnectReason::Drain => tracing::info!("left the login server"),
                reason => tracing::warn!(%reason, "the login server is gone, the games go on"),
            }
            self.apply(Event::LoginServer(LoginServerEvent::Lost), ctx);
        }
    }
}

impl Launcher {
    fn login_server_said(&mut self, message: FromLoginServer, ctx: &mut Context<Self>) {
        let event = match message {
            FromLoginServer::Welcome(_) => LoginServerEvent::Up,
            FromLoginServer::Goodbye(goodbye) => return self.refused(&goodbye),
            FromLoginServer::Enrolled { name } => {
                return tracing::info!(?name, "the login server knows this launcher");
            }
            FromLoginServer::TicketKeys { now, keys } => {
                let launcher = self.login.fingerprint;
                let ahead_ms = now.0.cast_signed().saturating_sub(unix_now().0.cast_signed());
                LoginServerEvent::TicketKeys { launcher, ahead_ms, keys }
            }
            FromLoginServer::Admit { request, server, player, ticket, code } => {
                LoginServerEvent::Admit { request, server, player, ticket, code }
            }
            FromLoginServer::Dismiss { server, player } => {
                LoginServerEvent::Dismiss { server, player }
            }
            FromLoginServer::Say { server, speaker, text } => {
                LoginServerEvent::Say { server, speaker, text }
            }
            FromLoginServer::Kick { server, player, reason } => {
                LoginServerEvent::Kick { server, player, reason }
            }
            FromLoginServer::Ping { nonce } => {
                return self.login.send(ToLoginServer::Pong { nonce });
            }
            FromLoginServer::Refused(refusal @ LauncherRefusal::TooManyServers { .. }) => {
                return tracing::warn!(%refusal, "ask the operator of the login server for more");
            }
            FromLoginServer::Refused(refusal @ LauncherRefusal::NotYourPlayer { .. }) => {
                return tracing::info!(%refusal, "not taken");
            }
            FromLoginServer::Counted { counting, .. } => {
                return tracing::debug!(?counting, "a match was reported");
            }
            FromLoginServer::NextKey { pin } => return self.login.next_key(pin),
            FromLoginServer::Pong { .. } => return,
        };
        self.apply(Event::LoginServer(event), ctx);
    }

    /// The login server ends the connection. Some reasons do not go away by themselves.
    fn refused(&mut self, goodbye: &Goodbye) {
        let remedy = match goodbye {
            Goodbye::NotEnrolled | Goodbye::Revoked | Goodbye::EnrollmentRefused => {
                "run `login-server launcher enroll NAME` there, and `game-server-launcher enroll` here with what it prints"
            }
            Goodbye::YouAreTooOld { .. } => "update this launcher",
            Goodbye::IAmTooOld { .. } => "update the login server",
            Goodbye::TakenOver => "another launcher uses the key of this one: stop one of them",
            Goodbye::ComeBack { after_ms } => {
                tracing::warn!(%goodbye, "the login server says goodbye");
                let after = Duration::from_millis((*after_ms).into()).min(LONGEST_ABSENCE);
                return self.login.pause(Instant::now(), after);
            }
            // Launchers are revoked instead.
            Goodbye::Banned { .. }
            | Goodbye::ShuttingDown
            | Goodbye::Violation { .. }
            | Goodbye::Busy { .. }
            | Goodbye::Silent => {
                return tracing::warn!(%goodbye, "the login server says goodbye");
            }
        };
        tracing::error!(%goodbye, remedy, "the login server does not want this launcher");
        self.login.pause(Instant::now(), RETRY_AFTER);
    }
}

/// After a refusal that does not go away by itself.
const RETRY_AFTER: Duration = Duration::from_secs(60);

/// A login server is believed no longer pause than this.
const LONGEST_ABSENCE: Duration = Duration::from_secs(60);
