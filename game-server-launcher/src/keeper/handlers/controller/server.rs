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
        if let Some((_, link)) = self.controller_where(|link| link.start() == peer.start) {
            link.connected(peer);
        }
    }
}

impl Handler<PeerMessages<Controller>> for Keeper {
    type Result = ();

    fn handle(&mut self, batch: PeerMessages<Controller>, ctx: &mut Context<Self>) {
        let (now, boot) = (Instant::now(), self.boot);
        if let Some((role, link)) = self.controller_where(|link| link.knows(batch.peer)) {
            let events = link.heard(batch, boot, now);
            self.controller_said(role, events, now, ctx);
            self.flush();
        }
    }
}

impl Handler<PeerDisconnected<Controller>> for Keeper {
    type Result = ();

    fn handle(&mut self, gone: PeerDisconnected<Controller>, _: &mut Context<Self>) {
        if let Some((_, link)) = self.controller_where(|link| link.knows(gone.peer)) {
            link.disconnected(&gone);
        }
    }
}
