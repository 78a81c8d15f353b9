//! What players have done about what is theirs.

use std::net::IpAddr;

use accounts::{
    Account, AccountId, AccountName, Author, CreateAccountError, DataError, DataKey, Expect,
    LauncherName, MatchId, MatchReport, NewReport, NewSession, Origin, Password, Prefix,
    ProgressError, ProgressRules, ReportError, SessionToken, Verified,
};
use protocol::{
    Blob, Counting, DataEntry, DataValue, DataVersion, List, MAX_VALUE, Progress, Refusal,
    RequestId, SessionInfo, SessionList, SessionNumber, Text, ToGameClient, UnixMillis,
};

use super::{
    Accounts, SESSION_LIFETIME, Try, invalid_name, invalid_password, locked_out, not_hashed, now,
    shown, unavailable,
};
use crate::lobby::{Answer, Guest, Owner, Played, SessionId, Task};

impl Accounts {
    /// Does it, and says what the player is to be told.
    pub(super) async fn task(
        &self,
        request: RequestId,
        owner: Owner,
        task: Task,
    ) -> Result<Answer, Refusal> {
        let account = AccountId::from_u64(owner.account.0);
        let done = match task {
            Task::Claim { name, password } => return self.claim(&owner, &name, password).await,
            Task::CountMatch { launcher, game, played } => {
                return self.count_match(account, (&launcher, &game), played).await;
            }
            Task::ListSessions => self.list_sessions(request, &owner).await?,
            Task::RevokeSessions { number } => {
                self.revoke_sessions(&owner, number).await?;
                ToGameClient::Done { request }
            }
            Task::ChangePassword { old, new } => {
                self.change_password(&owner, &old, &new).await?;
                ToGameClient::Done { request }
            }
            Task::Delete { password } => {
                self.delete(&owner, password).await?;
                ToGameClient::LoggedOut { request }
            }
            Task::Export { offset } => {
                let part = self.exports.part(&self.store, account, offset).await?;
                ToGameClient::Exported(part.of(request))
            }
            Task::ListData { game } => {
                let entries = self.store.data_entries(account, &key(&game)?).await;
                let entries = entries.map_err(unavailable)?.into_iter().map(|entry| DataEntry {
                    key: Text::lossy(entry.key.as_str()),
                    version: DataVersion(entry.version),
                    length: u32::try_from(entry.bytes).unwrap_or(u32::MAX),
                    updated: UnixMillis(entry.updated.as_millis()),
                });
                ToGameClient::DataKeys { request, entries: List::first_of(entries) }
            }
            Task::GetData { game, key: name } => {
                let stored = self.store.data(account, &key(&game)?, &key(&name)?).await;
                let value = stored.map_err(unavailable)?.map(value).transpose()?;
                ToGameClient::Data { request, value }
            }
            Task::SetData { game, key: name, value, expect } => {
                let place = (key(&game)?, key(&name)?);
                let version = self.set_data(account, place, value, expect).await?;
                ToGameClient::DataWritten { request, version }
            }
            Task::GetProgress { game } => {
                let progress = self.store.progress(account, &key(&game)?).await;
                let progress = progress.map_err(unavailable)?;
                let played_ms = u64::try_from(progress.played.as_millis()).unwrap_or(u64::MAX);
                let (matches, wins, xp) = (progress.matches, progress.wins, progress.xp);
                let progress = Progress { played_ms, matches, wins, xp };
                ToGameClient::Progress { request, progress }
            }
            Task::Report { player, place, text } => {
                self.report(account, &player, (&place, &text)).await?;
                ToGameClient::Done { request }
            }
        };
        Ok(Answer::Done(done))
    }

    /// Keeps a guest with their session. Asked again, it says what it said before.
    pub(super) async fn keep_guest(
        &self,
        guest: Guest,
        from: IpAddr,
        program: &str,
    ) -> Result<Answer, Refusal> {
        let token = self.secret_key.hash_token(&SessionToken::from_bytes(guest.token.0));
        let at = now();
        if self.store.session(&token, at).await.map_err(unavailable)?.is_none() {
            let name = AccountName::parse_guest(&guest.name).map_err(invalid_name)?;
            let expires = at.saturating_add(SESSION_LIFETIME);
            let prefix = Some(Prefix::of(from));
            let session = NewSession { token: &token, expires, prefix, client: program };
            match self.store.keep_guest(&name, &session, at).await {
                // Taken: by this guest, who was being kept already.
                Ok(_) | Err(CreateAccountError::NameTaken) => {}
                Err(CreateAccountError::Store(error)) => return Err(unavailable(error)),
            }
        }
        let kept = self.store.session(&token, at).await.map_err(unavailable)?;
        let kept = kept.ok_or(Refusal::Unavailable)?;
        let account = SessionId(kept.account.as_u64());
        Ok(Answer::Kept { account, number: kept.number.0 })
    }

    async fn claim(
        &self,
        owner: &Owner,
        name: &str,
        password: protocol::Password,
    ) -> Result<Answer, Refusal> {
        let (name, password) = self.new_name_and_password(name, password.reveal())?;
        let account = AccountId::from_u64(owner.account.0);
        if owner.account.is_kept() && !self.account_of(owner).await?.name.is_guest() {
            return Err(Refusal::NotAGuest);
        }
        if self.store.account(&name).await.map_err(unavailable)?.is_some() {
            return Err(Refusal::NameTaken);
        }
        let origin = Origin::new(owner.from, owner.link.0);
        let hash = self.hashes.hash(origin, password).await.map_err(not_hashed)?;
        let taken = |error| match error {
            CreateAccountError::NameTaken => Refusal::NameTaken,
            CreateAccountError::Store(error) => unavailable(error),
        };
        let token = self.secret_key.hash_token(&SessionToken::from_bytes(owner.token.0));
        let at = now();
        if owner.account.is_kept() {
            let claimed = self.store.claim_guest(account, &name, hash, at).await.map_err(taken)?;
            if !claimed {
                return Err(Refusal::NotAGuest);
            }
        } else {
            let account = self.store.create_account(&name, hash, at).await.map_err(taken)?;
            let expires = at.saturating_add(SESSION_LIFETIME);
            let prefix = Some(Prefix::of(owner.from));
            let session =
                NewSession { token: &token, expires, prefix, client: owner.program.as_str() };
            self.store.open_session(account, &session, at).await.map_err(unavailable)?;
        }
        let session = self.store.session(&token, at).await.map_err(unavailable)?;
        let session = session.ok_or(Refusal::SessionEnded)?;
        let permissions = self.permissions(&session.name, &session.role).await?;
        Ok(Answer::Claimed {
            account: SessionId(session.account.as_u64()),
            number: session.number.0,
            name: shown(session.name.as_str()),
            permissions,
        })
    }

    async fn list_sessions(
        &self,
        request: RequestId,
        owner: &Owner,
    ) -> Result<ToGameClient, Refusal> {
        let (account, at) = (AccountId::from_u64(owner.account.0), now());
        let token = self.secret_key.hash_token(&SessionToken::from_bytes(owner.token.0));
        let this = self.store.session(&token, at).await.map_err(unavailable)?;
        let this = this.map(|session| session.number);
        let sessions = self.store.sessions(account, at).await.map_err(unavailable)?;
        let sessions = sessions.into_iter().map(|session| SessionInfo {
            number: SessionNumber(session.number.0),
            this: Some(session.number) == this,
            opened: UnixMillis(session.created.as_millis()),
            seen: UnixMillis(session.seen.as_millis()),
            expires: UnixMillis(session.expires.as_millis()),
            network: Text::lossy(session.prefix.as_deref().unwrap_or_default()),
            program: Text::lossy(session.client.as_str()),
        });
        let sessions = List::first_of(sessions);
        Ok(ToGameClient::Sessions(SessionList { request, sessions }))
    }

    async fn revoke_sessions(
        &self,
        owner: &Owner,
        number: Option<SessionNumber>,
    ) -> Result<(), Refusal> {
        let account = AccountId::from_u64(owner.account.0);
        let Some(SessionNumber(number)) = number else {
            let this = self.secret_key.hash_token(&SessionToken::from_bytes(owner.token.0));
            self.store.revoke_sessions(account, Some(&this)).await.map_err(unavailable)?;
            return Ok(());
        };
        let number = accounts::SessionNumber(number);
        match self.store.revoke_session(account, number).await.map_err(unavailable)? {
            true => Ok(()),
            false => Err(Refusal::UnknownSession),
        }
    }

    async fn change_password(
        &self,
        owner: &Owner,
        old: &protocol::Password,
        new: &protocol::Password,
    ) -> Result<(), Refusal> {
        let new = Password::new(new.reveal().to_owned()).map_err(invalid_password)?;
        let account = self.account_of(owner).await?;
        self.check_password(&account, old, owner).await?;
        let origin = Origin::new(owner.from, owner.link.0);
        let hash = self.hashes.hash(origin, new).await.map_err(not_hashed)?;
        let this = self.secret_key.hash_token(&SessionToken::from_bytes(owner.token.0));
        let by = Author::Account(account.id);
        let set = self.store.set_password(account.id, hash, Some(&this), &by, now()).await;
        match set.map_err(unavailable)? {
            true => Ok(()),
            false => Err(Refusal::SessionEnded),
        }
    }

    async fn delete(
        &self,
        owner: &Owner,
        password: Option<protocol::Password>,
    ) -> Result<(), Refusal> {
        let account = self.account_of(owner).await?;
        match password {
            Some(password) => self.check_password(&account, &password, owner).await?,
            None if account.name.is_guest() => {}
            None => return Err(Refusal::WrongNameOrPassword),
        }
        let by = Author::Account(account.id);
        self.store.erase_account(account.id, &by, now()).await.map_err(unavailable)?;
        self.exports.forget(account.id);
        tracing::info!(account = %account.id, "a player has deleted their account");
        Ok(())
    }

    async fn set_data(
        &self,
        account: AccountId,
        (game, name): (DataKey, DataKey),
        value: Option<Blob<MAX_VALUE>>,
        expect: protocol::Expect,
    ) -> Result<Option<DataVersion>, Refusal> {
        let expect = match expect {
            protocol::Expect::Anything => Expect::Anything,
            protocol::Expect::Nothing => Expect::Nothing,
            protocol::Expect::Version(DataVersion(version)) => Expect::Version(version),
        };
        let written = match value {
            Some(value) => {
                let put = self.store.put_data(account, &game, &name, &value, expect, now()).await;
                put.map(|version| Some(DataVersion(version)))
            }
            None => self.store.remove_data(account, &game, &name, expect).await.map(|_| None),
        };
        written.map_err(|error| match error {
            DataError::Changed { version } => {
                Refusal::Changed { version: version.map(DataVersion) }
            }
            // The message holds no longer one.
            DataError::TooLong | DataError::TooMany => Refusal::TooMany,
            DataError::UnknownAccount => Refusal::SessionEnded,
            DataError::Store(error) => unavailable(error),
        })
    }

    async fn report(
        &self,
        reporter: AccountId,
        player: &str,
        (place, said): (&str, &str),
    ) -> Result<(), Refusal> {
        let name = match player.starts_with(AccountName::GUEST_PREFIX) {
            true => AccountName::parse_guest(player),
            false => AccountName::parse(player),
        };
        let name = name.map_err(|_| Refusal::UnknownPlayer)?;
        let about = self.store.account(&name).await.map_err(unavailable)?;
        let about = about.ok_or(Refusal::UnknownPlayer)?.id;
        let report = NewReport { reporter, about, place, said };
        let number = self.store.file_report(&report, now()).await.map_err(|error| match error {
            ReportError::TooMany => Refusal::TooMany,
            ReportError::UnknownAccount => Refusal::UnknownPlayer,
            ReportError::Store(error) => unavailable(error),
        })?;
        tracing::info!(number, %reporter, %about, "a player was reported");
        Ok(())
    }

    async fn count_match(
        &self,
        account: AccountId,
        (launcher, game): (&str, &str),
        played: Played,
    ) -> Result<Answer, Refusal> {
        let (Ok(game), Ok(launcher)) = (DataKey::parse(game), LauncherName::parse(launcher)) else {
            return Ok(Answer::Counted(Counting::Impossible));
        };
        let time = |at: UnixMillis| accounts::UnixMillis::from_millis(at.0);
        let report = MatchReport {
            id: MatchId(played.id.0),
            account,
            game: &game,
            launcher: &launcher,
            started: time(played.started),
            ended: time(played.ended),
            won: played.won,
            xp: played.xp.into(),
        };
        let counted = self.store.count_match(&report, &ProgressRules::default(), now()).await;
        Ok(Answer::Counted(match counted {
            Ok(_) => Counting::Counts,
            Err(ProgressError::UnknownAccount) => Counting::UnknownPlayer,
            Err(ProgressError::Store(error)) => return Err(unavailable(error)),
            Err(error) => {
                tracing::info!(%account, launcher = launcher.as_str(), %error, "a match does not count");
                Counting::Impossible
            }
        }))
    }

    async fn account_of(&self, owner: &Owner) -> Result<Account, Refusal> {
        let account = self.store.account_by_id(AccountId::from_u64(owner.account.0)).await;
        account.map_err(unavailable)?.ok_or(Refusal::SessionEnded)
    }

    /// A thief of a session has no more guesses than anybody else.
    async fn check_password(
        &self,
        account: &Account,
        password: &protocol::Password,
        owner: &Owner,
    ) -> Result<(), Refusal> {
        let hash = account.password_hash.clone().ok_or(Refusal::NotForGuests)?;
        let Ok(password) = Password::new(password.reveal().to_owned()) else {
            return Err(Refusal::WrongNameOrPassword);
        };
        let origin = Origin::new(owner.from, owner.link.0);
        let tried = Try::begin(&self.lockout, &account.name, origin.prefix).map_err(locked_out)?;
        match self.hashes.verify(origin, password, Some(hash)).await {
            Ok(Verified::Right { .. }) => {
                tried.was_right();
                Ok(())
            }
            Ok(Verified::Wrong) => Err(Refusal::WrongNameOrPassword),
            Err(error) => {
                tried.was_not_tried();
                Err(not_hashed(error))
            }
        }
    }
}

fn key(text: &str) -> Result<DataKey, Refusal> {
    DataKey::parse(text)
        .map_err(|error| Refusal::InvalidKey { rule: Text::lossy(&error.to_string()) })
}

fn value(stored: accounts::Stored) -> Result<DataValue, Refusal> {
    let bytes = Blob::try_from(stored.value).map_err(|error| {
        tracing::error!(%error, "a value that is stored is longer than any");
        Refusal::Unavailable
    })?;
    Ok(DataValue { version: DataVersion(stored.version), bytes })
}
