//! What moderators do to those who are here: at once.

use accounts::Permissions;
use protocol::{Goodbye, Refusal, Text, UnixMillis};

use super::{LinkId, Lobby, Mute, SessionId, Whom, sessions::Session};

impl Lobby {
    /// Puts out who is meant; the store keeps them out.
    pub(super) fn banned(&mut self, whom: &Whom, until: Option<UnixMillis>, reason: &Text<128>) {
        let links: Vec<LinkId> = match whom {
            Whom::Account(account) => {
                self.sessions.get(account).and_then(Session::link).into_iter().collect()
            }
            Whom::Addresses(range) => {
                let from_there = self.clients.iter().filter(|(_, c)| range.contains(c.from));
                from_there.map(|(link, _)| *link).collect()
            }
        };
        let mut sessions: Vec<_> = links.iter().filter_map(|link| self.session_of(*link)).collect();
        if let Whom::Account(account) = whom {
            sessions.push(*account);
            self.leave_queue(*account);
        }
        for link in links {
            self.goodbye(link, Goodbye::Banned { until, reason: reason.clone() });
        }
        for session in sessions {
            self.kick_from_games(session, reason);
            self.session_over(session);
        }
    }

    /// Lets nobody of those who are meant speak, or all of them again.
    pub(super) fn muted(&mut self, whom: &Whom, mute: Option<Mute>) {
        let clients = &self.clients;
        for (id, session) in &mut self.sessions {
            let is_meant = match whom {
                Whom::Account(account) => account == id,
                Whom::Addresses(range) => {
                    let client = session.link().and_then(|link| clients.get(&link));
                    client.is_some_and(|client| range.contains(client.from))
                }
            };
            if is_meant {
                session.mute = mute;
            }
        }
    }

    /// The store has ended sessions: who is here with one of them has to go.
    pub(super) fn sessions_ended(&mut self, account: SessionId, number: Option<u64>) {
        self.settle(account);
        if number.is_none() {
            self.leave_queue(account);
        }
        let session = self.sessions.get(&account);
        let is_meant = |session: &&Session| number.is_none_or(|number| number == session.number);
        let Some(session) = session.filter(is_meant) else { return };
        let token = session.stream.token.clone();
        let link = session.link();
        self.token_ended(token);
        self.session_over(account);
        if let Some(link) = link {
            self.goodbye(link, Goodbye::Revoked);
        }
    }

    pub(super) fn role_given(&mut self, account: SessionId, permissions: Permissions) {
        if let Some(session) = self.sessions.get_mut(&account) {
            session.permissions = permissions;
        }
    }

    /// Why a session may not speak now, if that is so.
    pub(super) fn silenced(&self, session: &Session) -> Option<Refusal> {
        let Mute { until } = session.mute?;
        let holds = until.is_none_or(|until| self.now.clock < until);
        holds.then_some(Refusal::Muted { until })
    }
}
