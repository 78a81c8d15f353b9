//! What the server makes of what launchers say.

use actix::{Context, Handler};
use connection_handler::{Peer, PeerConnected, PeerDisconnected, PeerMessages};

use super::Launcher;
use crate::{
    lobby::{Event, LauncherKey, LinkId},
    server::LoginServer,
};

impl Handler<PeerConnected<Launcher>> for LoginServer {
    type Result = ();

    fn handle(&mut self, PeerConnected { peer }: PeerConnected<Launcher>, ctx: &mut Context<Self>) {
        let link = LinkId(peer.id().as_u64());
        let from = peer.link().remote_addr().ip();
        let key = peer.link().identity().map(|key| LauncherKey(*key.as_bytes()));
        self.launchers.insert(link, peer);
        self.happened(Event::LauncherConnected { link, from, key }, ctx);
    }
}

impl Handler<PeerMessages<Launcher>> for LoginServer {
    type Result = ();

    fn handle(&mut self, batch: PeerMessages<Launcher>, ctx: &mut Context<Self>) {
        let link = LinkId(batch.peer.as_u64());
        for message in batch.messages {
            self.happened(Event::FromLauncher { link, message }, ctx);
        }
    }
}

impl Handler<PeerDisconnected<Launcher>> for LoginServer {
    type Result = ();

    fn handle(&mut self, gone: PeerDisconnected<Launcher>, ctx: &mut Context<Self>) {
        let link = LinkId(gone.peer.as_u64());
        self.launchers.remove(&link);
        self.happened(Event::Disconnected { link }, ctx);
    }
}
