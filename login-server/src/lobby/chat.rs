//! Who hears what.

use protocol::{
    Channel, Refusal, RequestId, Said, ServerId, Speaker, Text, ToGameClient, ToLauncher,
};

use super::{Effect, LinkId, Lobby, SessionId, limits::Taken, server_ids::OwnId};

impl Lobby {
    /// A player says something, and hears it too.
    pub(super) fn chat(
        &mut self,
        link: LinkId,
        request: RequestId,
        channel: Channel,
        text: Text<400>,
    ) {
        let id = self.session_of(link);
        let Some(session) = id.and_then(|id| self.sessions.get_mut(&id)) else {
            return self.refuse(link, request, Refusal::NotLoggedIn);
        };
        let taken = session.chat.take(self.now.running);
        let silenced =
            self.sessions.get(&id.unwrap_or(SessionId(0))).and_then(|s| self.silenced(s));
        if let Some(reason) = silenced {
            return self.refuse(link, request, reason);
        }
        match taken {
            Taken::Within => {}
            Taken::Beyond { retry_after_ms } => {
                return self.refuse(link, request, Refusal::Busy { retry_after_ms });
            }
            Taken::FarBeyond => return self.violation(link, "far too much said"),
        }
        let Some(session) = id.and_then(|id| self.sessions.get(&id)) else { return };
        let (name, joined) = (session.name.clone(), session.joined);
        let speaker = Speaker::Account(name.clone());
        match (channel, joined) {
            (Channel::Lobby, _) => {
                let said = Said { channel, speaker, text };
                self.tell(&self.everybody(), ToGameClient::Said(said));
            }
            (Channel::Server, None) => {
                return self.refuse(link, request, Refusal::NotOnServer);
            }
            (Channel::Server, Some(server)) => {
                let said = Said { channel, speaker, text: text.clone() };
                self.tell(&self.players_on(server), ToGameClient::Said(said));
                self.say_in_game(server, name, text);
            }
        }
        self.reply(link, ToGameClient::Done { request });
    }

    /// Somebody in a game says something.
    pub(super) fn said_in_game(
        &mut self,
        launcher: LinkId,
        own: OwnId,
        name: Text<64>,
        text: Text<400>,
    ) {
        let Some(key) = self.launchers.get(&launcher).and_then(|link| link.key) else { return };
        let server = own.public(key);
        if self.launcher_of(server) == Some((launcher, own)) {
            let said = Said { channel: Channel::Server, speaker: Speaker::InGame(name), text };
            self.tell(&self.players_on(server), ToGameClient::Said(said));
        }
    }

    /// The connection of who has this server, and how to name it there.
    pub(super) fn launcher_of(&self, server: ServerId) -> Option<(LinkId, OwnId)> {
        let (key, own) = self.servers.origin(server)?;
        Some((*self.enrolled.get(&key)?, own))
    }

    fn say_in_game(&mut self, server: ServerId, speaker: Text<64>, text: Text<400>) {
        if let Some((launcher, own)) = self.launcher_of(server) {
            let say = ToLauncher::Say { server: own.0, speaker, text };
            self.effects.push(Effect::ToLauncher(launcher, say));
        }
    }
}
