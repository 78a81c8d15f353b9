//! What the server makes of what game clients say.

use actix::{Context, Handler};
use connection_handler::{Peer, PeerAddressChanged, PeerConnected, PeerDisconnected, PeerMessages};

use super::GameClient;
use crate::{
    lobby::{Event, LinkId},
    server::LoginServer,
};

impl Handler<PeerConnected<GameClient>> for LoginServer {
    type Result = ();

    fn handle(
        &mut self,
        PeerConnected { peer }: PeerConnected<GameClient>,
        ctx: &mut Context<Self>,
    ) {
        let link = LinkId(peer.id().as_u64());
        let from = peer.link().remote_addr().ip();
        self.game_clients.insert(link, peer);
        self.happened(Event::ClientConnected { link, from }, ctx);
    }
}

impl Handler<PeerMessages<GameClient>> for LoginServer {
    type Result = ();

    fn handle(&mut self, batch: PeerMessages<GameClient>, ctx: &mut Context<Self>) {
        let link = LinkId(batch.peer.as_u64());
        for message in batch.messages {
            self.happened(Event::FromClient { link, message }, ctx);
        }
    }
}

impl Handler<PeerAddressChanged<GameClient>> for LoginServer {
    type Result = ();

    /// The player is who they were: limits and the address for games stay those of the login.
    fn handle(&mut self, moved: PeerAddressChanged<GameClient>, _: &mut Context<Self>) {
        let PeerAddressChanged { peer, from, to, .. } = moved;
        if from.ip() != to.ip() {
            tracing::info!(%peer, %from, %to, "a player has changed networks");
        }
    }
}

impl Handler<PeerDisconnected<GameClient>> for LoginServer {
    type Result = ();

    fn handle(&mut self, gone: PeerDisconnected<GameClient>, ctx: &mut Context<Self>) {
        let link = LinkId(gone.peer.as_u64());
        self.game_clients.remove(&link);
        self.happened(Event::Disconnected { link }, ctx);
    }
}
