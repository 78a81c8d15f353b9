//! What the launcher does with keepers.

use actix::{Context, Handler};
use connection_handler::{Peer, PeerConnected, PeerDisconnected, PeerMessages};
use protocol::{Exited, keeper_hello};

use super::{
    handler::Keeper,
    protocol::{FromKeeper, ToKeeper},
};
use crate::{
    config::ServerName,
    server::{Launcher, PROGRAM},
    supervisor::{Event, KeeperEvent},
};

impl Handler<PeerConnected<Keeper>> for Launcher {
    type Result = ();

    fn handle(&mut self, PeerConnected { peer }: PeerConnected<Keeper>, _: &mut Context<Self>) {
        peer.send(ToKeeper::Hello(keeper_hello(PROGRAM)));
        let name = peer.name.clone();
        if let Some(before) = self.keepers.insert(peer) {
            tracing::warn!(server = %name, peer = %before.id(), "a second connection to a keeper");
        }
    }
}

impl Handler<PeerMessages<Keeper>> for Launcher {
    type Result = ();

    fn handle(&mut self, batch: PeerMessages<Keeper>, ctx: &mut Context<Self>) {
        let Some(name) = self.keepers.name_of(batch.peer).cloned() else { return };
        for message in batch.messages {
            let event = match message {
                FromKeeper::Welcome(welcome) => {
                    tracing::info!(server = %name, version = welcome.version, "keeper found");
                    KeeperEvent::Connected { version: welcome.version }
                }
                FromKeeper::Goodbye(goodbye) => {
                    tracing::info!(server = %name, %goodbye, "the keeper says goodbye");
                    continue;
                }
                FromKeeper::Exited(exited) => {
                    report(&name, &exited, self.is_stopping(&name));
                    continue;
                }
                message => KeeperEvent::Said(message),
            };
            self.apply(Event::Keeper(name.clone(), event), ctx);
        }
    }
}

impl Handler<PeerDisconnected<Keeper>> for Launcher {
    type Result = ();

    fn handle(&mut self, gone: PeerDisconnected<Keeper>, ctx: &mut Context<Self>) {
        let Some(keeper) = self.keepers.remove(gone.peer) else { return };
        tracing::info!(server = %keeper.name, reason = %gone.reason, "keeper lost");
        self.apply(Event::Keeper(keeper.name.clone(), KeeperEvent::Lost), ctx);
    }
}

/// What an operator wants to know of the end of a game.
fn report(server: &ServerName, exited: &Exited, wanted: bool) {
    let Exited { cause, last_lines } = exited;
    if wanted {
        return tracing::info!(%server, %cause, "the game has ended");
    }
    let lines: Vec<_> = last_lines.iter().map(|line| line.as_str()).collect();
    tracing::warn!(%server, %cause, last_lines = ?lines, "the game has ended");
}
