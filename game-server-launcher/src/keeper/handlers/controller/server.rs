//! What the keeper does with a game that has a controller in it.

use std::time::Instant;

use actix::{Context, Handler};
use connection_handler::{PeerConnected, PeerDisconnected, PeerMessages};

use super::handler::Controller;
use crate::keeper::server::Keeper;

impl Handler<PeerConnected<Controller>> for Keeper {
    type Result = ();

    fn handle(&mut self, PeerConnected { peer }: PeerConnected<Controller>, _: &mut Context<Self>) {
        // One of a start that is over is dropped, and with that ended.
        if let Some(link) = self.controller() {
            link.connected(peer);
        }
    }
}

impl Handler<PeerMessages<Controller>> for Keeper {
    type Result = ();

    fn handle(&mut self, batch: PeerMessages<Controller>, ctx: &mut Context<Self>) {
        let (now, boot) = (Instant::now(), self.boot);
        let events = self.controller().map(|link| link.heard(batch, boot, now));
        for event in events.into_iter().flatten() {
            self.game_said(event, now, ctx);
        }
        self.flush();
    }
}

impl Handler<PeerDisconnected<Controller>> for Keeper {
    type Result = ();

    fn handle(&mut self, gone: PeerDisconnected<Controller>, _: &mut Context<Self>) {
        if let Some(link) = self.controller() {
            link.disconnected(&gone);
        }
    }
}
