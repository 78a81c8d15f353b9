//! What launchers say that players have achieved: of who holds a ticket for a server of theirs, where
//! the operator lets them.

use std::net::{IpAddr, Ipv4Addr};

use protocol::{
    Counting, MatchId, RequestId, SessionToken, Text, TicketId, ToLauncher, UnixMillis,
};

use super::{Effect, LinkId, Lobby, Owner, SessionId, Task, sessions::Asker};

/// A match, as a launcher says it was for one player.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Played {
    /// Which one.
    pub id: MatchId,
    /// When the player began.
    pub started: UnixMillis,
    /// When the player ended.
    pub ended: UnixMillis,
    /// Whether the player has won.
    pub won: bool,
    /// Experience the player has earned.
    pub xp: u32,
}

impl Lobby {
    /// A player has played a match, says a launcher.
    pub(super) fn played(
        &mut self,
        link: LinkId,
        request: RequestId,
        ticket: TicketId,
        played: Played,
    ) {
        let may_count = self.launcher_limits(link).is_some_and(|limits| limits.counts_progress);
        let Some(account) = self.holder(link, ticket) else {
            return self.counted(link, request, Counting::UnknownPlayer);
        };
        if !may_count {
            return self.counted(link, request, Counting::NotAllowed);
        }
        let asker = Asker::Link(link);
        if self.waiting.of(asker) >= MAX_WAITING || self.waiting.len() >= self.limits.waiting {
            return self.counted(link, request, Counting::Unavailable);
        }
        let (Some(owner), Some(launcher)) = (self.player(account, link), self.launcher_name(link))
        else {
            return self.counted(link, request, Counting::UnknownPlayer);
        };
        let game = self.game_of(ticket);
        let task = Task::CountMatch { launcher, game, played };
        self.advance_task(asker, request, owner, task);
    }

    /// Says to a launcher what became of a match.
    pub(super) fn counted(&mut self, link: LinkId, request: RequestId, counting: Counting) {
        if self.launchers.contains_key(&link) {
            let counted = ToLauncher::Counted { request, counting };
            self.effects.push(Effect::ToLauncher(link, counted));
        }
    }

    /// Whoever has this place. Who is kept need not be here any more.
    fn player(&self, account: SessionId, link: LinkId) -> Option<Owner> {
        let session = self.sessions.get(&account);
        if session.is_none() && !account.is_kept() {
            return None;
        }
        let client = session.and_then(|s| s.link()).and_then(|link| self.clients.get(&link));
        let nowhere = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        Some(Owner {
            account,
            name: session.map(|session| session.name.clone()).unwrap_or_default(),
            token: session.map_or(SessionToken([0; 32]), |session| session.stream.token.clone()),
            from: client.map_or(nowhere, |client| client.from),
            link,
            program: client.map_or_else(Text::default, |client| client.program.clone()),
        })
    }
}

/// Reports of one launcher that wait for the store. Further ones are `Unavailable`.
const MAX_WAITING: usize = 64;
