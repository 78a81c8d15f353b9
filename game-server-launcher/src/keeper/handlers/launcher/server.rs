//! What the keeper does with its launcher.

use std::time::Instant;

use actix::{Context, Handler};
use connection_handler::{Peer, PeerConnected, PeerDisconnected, PeerId, PeerMessages};
use protocol::{Goodbye, Hello, Text, Welcome, negotiate_keeper};

use super::{
    handler::{Launcher, LauncherState},
    protocol::{FromLauncher, ToLauncher},
};
use crate::{
    keeper::{
        gate::Newcomer,
        life,
        server::{Keeper, arrived},
    },
    unix_now,
};

impl Handler<PeerConnected<Launcher>> for Keeper {
    type Result = ();

    fn handle(&mut self, PeerConnected { peer }: PeerConnected<Launcher>, _: &mut Context<Self>) {
        self.launchers.insert(peer.id(), peer);
    }
}

impl Handler<PeerMessages<Launcher>> for Keeper {
    type Result = ();

    fn handle(&mut self, batch: PeerMessages<Launcher>, ctx: &mut Context<Self>) {
        for message in batch.messages {
            self.launcher_said(batch.peer, message, ctx);
        }
        self.flush();
    }
}

impl Handler<PeerDisconnected<Launcher>> for Keeper {
    type Result = ();

    fn handle(&mut self, gone: PeerDisconnected<Launcher>, _: &mut Context<Self>) {
        let launcher = self.launchers.remove(&gone.peer);
        if launcher.is_some_and(|launcher| launcher.state == LauncherState::Attached) {
            tracing::info!(reason = %gone.reason, "the launcher is gone, the game goes on");
        }
    }
}

impl Keeper {
    fn launcher_said(&mut self, peer: PeerId, message: FromLauncher, ctx: &mut Context<Self>) {
        let now = Instant::now();
        match message {
            FromLauncher::Hello(hello) => self.greet(peer, &hello),
            FromLauncher::Attach => self.attach(peer),
            FromLauncher::Report => self.report(peer),
            FromLauncher::Stop => {
                if self.may_command(peer) {
                    tracing::info!("the launcher stops the game");
                    self.live(life::Event::Stop, now, ctx);
                }
            }
            FromLauncher::Admit { request, player } => {
                if self.may_command(peer) {
                    self.expect(request, player, None, now);
                }
            }
            FromLauncher::TicketKeys { server, ahead_ms, keys } => {
                if self.may_command(peer)
                    && let Some(gate) = &mut self.gate
                {
                    gate.set_keys(&server, ahead_ms, &keys);
                }
            }
            FromLauncher::AdmitTicket { request, player, ticket, code } => {
                if self.may_command(peer) {
                    self.admit_ticket(Newcomer { request, player, ticket, code });
                }
            }
            FromLauncher::Dismiss { player } => {
                if self.may_command(peer) {
                    self.dismiss(player, now);
                }
            }
            FromLauncher::Say { speaker, text } => {
                if self.may_command(peer) {
                    self.say(&speaker, &text);
                }
            }
            FromLauncher::Kick { player, reason } => {
                if self.may_command(peer) {
                    self.kick(player, &reason);
                }
            }
            FromLauncher::Ping { nonce } => {
                if let Some(launcher) = self.launchers.get(&peer) {
                    launcher.send(ToLauncher::Pong { nonce });
                }
            }
            FromLauncher::Pong { .. } => {}
        }
    }

    fn greet(&mut self, peer: PeerId, hello: &Hello) {
        let Some(launcher) = self.launchers.get_mut(&peer) else { return };
        if launcher.state != LauncherState::Connected {
            return violation(launcher, "a second hello");
        }
        match negotiate_keeper(hello) {
            Ok(version) => {
                launcher.state = LauncherState::Greeted;
                launcher.version = version;
                let welcome = Welcome { version, now: unix_now(), boot: self.boot, features: 0 };
                launcher.send(ToLauncher::Welcome(welcome));
            }
            Err(goodbye) => {
                tracing::warn!(%goodbye, program = ?hello.program, "a launcher of another age");
                launcher.send(ToLauncher::Goodbye(goodbye));
                launcher.disconnect("no common version");
            }
        }
    }

    /// The newest launcher wins: the one before may be hanging, and would never let go.
    fn attach(&mut self, peer: PeerId) {
        for (other, launcher) in &mut self.launchers {
            if *other != peer && launcher.state == LauncherState::Attached {
                launcher.state = LauncherState::Greeted;
                launcher.send(ToLauncher::Goodbye(Goodbye::TakenOver));
                launcher.disconnect("taken over by another launcher");
            }
        }
        let Some(launcher) = self.launchers.get_mut(&peer) else { return };
        if launcher.state == LauncherState::Connected {
            return violation(launcher, "hello comes first");
        }
        launcher.state = LauncherState::Attached;
        let knows_tickets = launcher.knows_tickets();
        tracing::info!("a launcher is attached");
        self.flush();
        self.report(peer);
        let Some(launcher) = self.launchers.get(&peer).filter(|_| knows_tickets) else { return };
        for (player, holder) in self.roster.inside() {
            launcher.send(arrived(player, holder));
        }
    }

    fn report(&self, peer: PeerId) {
        let Some(launcher) = self.launchers.get(&peer) else { return };
        if launcher.state == LauncherState::Connected {
            return violation(launcher, "hello comes first");
        }
        for changes in self.snapshot() {
            launcher.send(ToLauncher::Changes(changes));
        }
    }

    fn may_command(&self, peer: PeerId) -> bool {
        let Some(launcher) = self.launchers.get(&peer) else { return false };
        let attached = launcher.state == LauncherState::Attached;
        if !attached {
            violation(launcher, "attach comes first");
        }
        attached
    }
}

fn violation(launcher: &Launcher, what: &'static str) {
    launcher.send(ToLauncher::Goodbye(Goodbye::Violation { what: Text::lossy(what) }));
    launcher.disconnect(what);
}
