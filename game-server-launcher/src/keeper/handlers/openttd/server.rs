//! What the keeper does with the admin port of its game.

use std::time::Instant;

use actix::{Context, Handler};
use connection_handler::{Peer, PeerConnected, PeerDisconnected, PeerMessages};

use super::handler::OpenttdAdmin;
use crate::keeper::{openttd::Heard, server::Keeper};

impl Handler<PeerConnected<OpenttdAdmin>> for Keeper {
    type Result = ();

    fn handle(&mut self, connected: PeerConnected<OpenttdAdmin>, _: &mut Context<Self>) {
        let PeerConnected { peer } = connected;
        // A connection to a game that is gone is dropped here, and with that ended.
        let Some(game) = self.game.as_mut().filter(|game| game.start == peer.start) else { return };
        for message in game.world.connected(&game.admin_password) {
            peer.send(message);
        }
        game.admin = Some(peer);
    }
}

impl Handler<PeerMessages<OpenttdAdmin>> for Keeper {
    type Result = ();

    fn handle(&mut self, batch: PeerMessages<OpenttdAdmin>, ctx: &mut Context<Self>) {
        let now = Instant::now();
        for message in batch.messages {
            let Some(game) = &mut self.game else { return };
            let Some(admin) = game.admin.as_ref().filter(|admin| admin.id() == batch.peer) else {
                return;
            };
            let Heard { events, replies } = game.world.heard(message, now);
            for reply in replies {
                admin.send(reply);
            }
            for event in events {
                self.game_said(event, now, ctx);
            }
        }
        self.flush();
    }
}

impl Handler<PeerDisconnected<OpenttdAdmin>> for Keeper {
    type Result = ();

    fn handle(&mut self, gone: PeerDisconnected<OpenttdAdmin>, _: &mut Context<Self>) {
        let Some(game) = &mut self.game else { return };
        if game.admin.take_if(|admin| admin.id() == gone.peer).is_some() {
            // Whether that matters is seen from whether the process ends, or no longer answers.
            tracing::debug!(reason = %gone.reason, "admin connection lost");
        }
    }
}
