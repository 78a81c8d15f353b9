//! What a player may have done about what is theirs: sessions, password, values of games, reports.
//!
//! All of it is the store's to do, once. What the lobby has to know is what follows for who is here.

use std::net::IpAddr;

use protocol::{
    Blob, Expect, MAX_VALUE, Password, Refusal, RequestId, SessionNumber, SessionToken, Text,
    ToGameClient,
};

use super::{
    LinkId, Lobby, Played, Query, SessionId, clients::BUSY, guests::Guest, sessions::Asker,
    waiting::What,
};

/// Something a player wants done.
#[derive(Clone, Debug, PartialEq)]
pub enum Task {
    /// Give a guest a name and a password.
    Claim {
        /// The name.
        name: Text<64>,
        /// The password.
        password: Password,
    },
    /// List the sessions.
    ListSessions,
    /// End a session; none: all but this one.
    RevokeSessions {
        /// Which one.
        number: Option<SessionNumber>,
    },
    /// Set another password.
    ChangePassword {
        /// The one until now.
        old: Password,
        /// The one from now on.
        new: Password,
    },
    /// Erase the account.
    Delete {
        /// Its password; guests have none.
        password: Option<Password>,
    },
    /// Tell everything that is kept.
    Export {
        /// From here on.
        offset: u64,
    },
    /// List the values of a game.
    ListData {
        /// Which game.
        game: Text<64>,
    },
    /// Read a value of a game.
    GetData {
        /// Which game.
        game: Text<64>,
        /// Which value.
        key: Text<64>,
    },
    /// Write or remove a value of a game.
    SetData {
        /// Which game.
        game: Text<64>,
        /// Which value.
        key: Text<64>,
        /// What; none: remove it.
        value: Option<Blob<MAX_VALUE>>,
        /// What has to be there.
        expect: Expect,
    },
    /// Read what was achieved in a game.
    GetProgress {
        /// Which game.
        game: Text<64>,
    },
    /// Report a player.
    Report {
        /// The player's account.
        player: Text<64>,
        /// Where it happened. Filled in here.
        place: Text<64>,
        /// What happened.
        text: Text<400>,
    },
    /// Count a match for the player's progress. Only launchers want that.
    CountMatch {
        /// Which launcher says so.
        launcher: Text<64>,
        /// In which game.
        game: Text<64>,
        /// What it was for the player.
        played: Played,
    },
}

/// Who wants something done.
#[derive(Clone, Debug, PartialEq)]
pub struct Owner {
    /// The account; a guest's, if nobody keeps it yet.
    pub account: SessionId,
    /// The player's name.
    pub name: Text<64>,
    /// What proves the session that asks.
    pub token: SessionToken,
    /// Where the player is.
    pub from: IpAddr,
    /// The connection it was asked on.
    pub link: LinkId,
    /// What the player's program calls itself.
    pub program: Text<64>,
}

/// What follows for who is here, once a task is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum After {
    Nothing,
    /// A guest has a name now.
    Claimed,
    /// Sessions are over that are not this one.
    OthersEnded,
    /// This session is over.
    Ended(SessionNumber),
    /// The account is no more.
    Deleted,
}

impl Task {
    /// Whether a password has to be hashed for it: one at a time.
    pub(super) fn hashes(&self) -> bool {
        match self {
            Self::Claim { .. } | Self::ChangePassword { .. } | Self::Delete { .. } => true,
            Self::ListSessions
            | Self::RevokeSessions { .. }
            | Self::Export { .. }
            | Self::ListData { .. }
            | Self::GetData { .. }
            | Self::SetData { .. }
            | Self::GetProgress { .. }
            | Self::Report { .. }
            | Self::CountMatch { .. } => false,
        }
    }

    fn after(&self) -> After {
        match self {
            Self::Claim { .. } => After::Claimed,
            Self::RevokeSessions { number: None } | Self::ChangePassword { .. } => {
                After::OthersEnded
            }
            Self::RevokeSessions { number: Some(number) } => After::Ended(*number),
            Self::Delete { .. } => After::Deleted,
            Self::ListSessions
            | Self::Export { .. }
            | Self::ListData { .. }
            | Self::GetData { .. }
            | Self::SetData { .. }
            | Self::GetProgress { .. }
            | Self::Report { .. }
            | Self::CountMatch { .. } => After::Nothing,
        }
    }
}

impl Lobby {
    /// A player wants something done that takes the store.
    pub(super) fn task(&mut self, link: LinkId, request: RequestId, task: Task) {
        let Some(owner) = self.owner(link) else {
            return self.refuse(link, request, Refusal::NotLoggedIn);
        };
        if let Err(reason) = self.may_have_done(link, &owner, &task) {
            return self.refuse(link, request, reason);
        }
        let task = match task {
            Task::Report { player, text, .. } => {
                let place = self.place_of(owner.account);
                Task::Report { player, place, text }
            }
            other => other,
        };
        if !owner.account.is_kept() && self.done_for_guest(link, &owner, request, &task) {
            return;
        }
        self.waits(link, request);
        self.count_task(&task, owner.from);
        self.advance_task(self.asker_of(link), request, owner, task);
    }

    /// Asks the store for it. A guest who has to be kept for it is kept first.
    pub(super) fn advance_task(
        &mut self,
        asker: Asker,
        request: RequestId,
        owner: Owner,
        task: Task,
    ) {
        if let Some(guest) = self.to_be_kept(&owner, &task) {
            let (from, program) = (owner.from, owner.program.clone());
            let query = Query::KeepGuest { guest: guest.clone(), from, program };
            let what = What::Keep { request, guest: guest.session, then: Box::new((owner, task)) };
            return self.ask(asker, what, query);
        }
        let what = What::Task {
            request,
            owner: owner.account,
            token: owner.token.clone(),
            from: owner.from,
            hashes: task.hashes(),
            after: task.after(),
        };
        self.ask(asker, what, Query::Task { request, owner, task });
    }

    /// The store has done it. `asker`: who waits to hear so.
    pub(super) fn task_done(
        &mut self,
        asker: Option<(Asker, RequestId)>,
        owner: SessionId,
        (token, after): (SessionToken, After),
        message: ToGameClient,
    ) {
        if after == After::Deleted {
            return self.deleted(asker, owner);
        }
        // First: the answer is the last word to a session that ends itself.
        if let Some((asker, _)) = asker {
            self.answer(asker, message);
        }
        match after {
            After::Nothing | After::Claimed | After::Deleted => {}
            After::OthersEnded => self.others_ended(owner, &token),
            After::Ended(number) => self.sessions_ended(owner, Some(number.0)),
        }
    }

    fn owner(&self, link: LinkId) -> Option<Owner> {
        let account = self.session_of(link)?;
        let (client, session) = (self.clients.get(&link)?, self.sessions.get(&account)?);
        Some(Owner {
            account,
            name: session.name.clone(),
            token: session.stream.token.clone(),
            from: client.from,
            link,
            program: client.program.clone(),
        })
    }

    fn may_have_done(&self, link: LinkId, owner: &Owner, task: &Task) -> Result<(), Refusal> {
        let asker = self.asker_of(link);
        if !self.may_wait(link) || (task.hashes() && self.waiting.hashes_for(asker)) {
            return Err(BUSY);
        }
        let now = self.now.running;
        let busy = |retry_after_ms| Refusal::Busy { retry_after_ms };
        if task.hashes() {
            let guesses = self.limits.failed_logins_per_hour;
            self.failed_logins.check(owner.from, guesses, now).map_err(busy)?;
        }
        match task {
            Task::Claim { .. } => {
                let session = self.sessions.get(&owner.account).ok_or(Refusal::NotLoggedIn)?;
                // Its launcher knows the guest by the old name.
                if session.joined.is_some() || self.is_joining(asker) {
                    return Err(Refusal::OnServer);
                }
                let per_hour = self.limits.registrations_per_hour;
                self.registrations.check(owner.from, per_hour, now).map_err(busy)
            }
            Task::Report { .. } => {
                let per_hour = self.limits.reports_per_hour;
                self.reports.check(owner.from, per_hour, now).map_err(busy)
            }
            _ => Ok(()),
        }
    }

    fn count_task(&mut self, task: &Task, from: IpAddr) {
        let now = self.now.running;
        match task {
            Task::Claim { .. } => self.registrations.add(from, now),
            Task::Report { .. } => self.reports.add(from, now),
            _ => {}
        }
    }

    /// What a moderator should look at: the server by its title, or the lobby.
    fn place_of(&self, session: SessionId) -> Text<64> {
        let joined = self.sessions.get(&session).and_then(|session| session.joined);
        let title =
            joined.and_then(|server| self.servers.get(server)).map(|(_, view)| view.title());
        Text::lossy(title.unwrap_or("lobby"))
    }

    /// The guest who has to be kept before this can be done.
    fn to_be_kept(&self, owner: &Owner, task: &Task) -> Option<Guest> {
        match task {
            // Makes an account itself.
            Task::Claim { .. } => None,
            _ if !owner.account.is_kept() => Some(Guest {
                session: owner.account,
                name: owner.name.clone(),
                token: owner.token.clone(),
            }),
            Task::Report { player, .. } => self.guests.named(player),
            _ => None,
        }
    }

    /// What a guest who is not kept has, which is nothing. Says whether there was more to do.
    fn done_for_guest(
        &mut self,
        link: LinkId,
        owner: &Owner,
        request: RequestId,
        task: &Task,
    ) -> bool {
        let answer = match task {
            Task::Claim { .. }
            | Task::SetData { .. }
            | Task::Report { .. }
            | Task::CountMatch { .. } => return false,
            Task::Delete { .. } => {
                self.log_out_guest(link, request, owner.account);
                return true;
            }
            Task::ListSessions
            | Task::RevokeSessions { .. }
            | Task::ChangePassword { .. }
            | Task::Export { .. } => {
                ToGameClient::Refused { request, reason: Refusal::NotForGuests }
            }
            Task::ListData { .. } => {
                ToGameClient::DataKeys { request, entries: Default::default() }
            }
            Task::GetData { .. } => ToGameClient::Data { request, value: None },
            Task::GetProgress { .. } => {
                ToGameClient::Progress { request, progress: Default::default() }
            }
        };
        self.reply(link, answer);
        true
    }

    /// The account is gone, and who is here with it has to go.
    fn deleted(&mut self, asked: Option<(Asker, RequestId)>, account: SessionId) {
        self.settle(account);
        self.leave_queue(account);
        let token = self.sessions.get(&account).map(|session| session.stream.token.clone());
        if let Some(token) = token {
            self.logged_out(asked, account, token);
        }
    }

    /// Only the session of this token is left.
    fn others_ended(&mut self, account: SessionId, token: &SessionToken) {
        self.settle(account);
        let other = self.sessions.get(&account).filter(|session| session.stream.token != *token);
        if let Some(number) = other.map(|session| session.number) {
            self.sessions_ended(account, Some(number));
        }
    }
}
