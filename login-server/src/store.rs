//! What only the store knows: slow, and therefore never done by the central actor.

use std::time::{Duration, SystemTime};

use accounts::{
    AccountId, AccountName, CreateAccountError, EnrollError, EnrollmentSecret, HashError,
    HashQueue, Origin, Password, SecretKey, SessionToken, SqliteStore, Store, StoreError,
};
use protocol::{Refusal, Text, UnixMillis};

use crate::{
    launchers::Launchers,
    lobby::{Answer, KnownSession, LauncherKey, Query, SessionId},
};

/// Accounts, sessions and launchers, with what it takes to check and to make them.
///
/// A handle: cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Accounts {
    pub(crate) store: SqliteStore,
    pub(crate) hashes: HashQueue,
    pub(crate) secret_key: SecretKey,
    pub(crate) launchers: Launchers,
}

impl Accounts {
    /// What the store says to `query`. Takes as long as it takes: who asks has a limit.
    pub(crate) async fn answer(&self, query: Query) -> Answer {
        match self.try_to_answer(query).await {
            Ok(answer) => answer,
            Err(reason) => Answer::Refused(reason),
        }
    }

    /// Forgets, for ever, sessions that have ended.
    pub(crate) async fn sweep(self) {
        loop {
            match self.store.remove_expired_sessions(now()).await {
                Ok(0) => {}
                Ok(sessions) => tracing::debug!(sessions, "expired sessions removed"),
                Err(error) => tracing::warn!(%error, "expired sessions could not be removed"),
            }
            tokio::time::sleep(SWEEP_INTERVAL).await;
        }
    }

    async fn try_to_answer(&self, query: Query) -> Result<Answer, Refusal> {
        match query {
            Query::Register { name, password, from, link } => {
                let origin = Origin::new(from, link.0);
                self.register(&name, password.reveal(), origin).await
            }
            Query::LogIn { name, password, from, link } => {
                let origin = Origin::new(from, link.0);
                self.log_in(&name, password.reveal(), origin).await
            }
            Query::Resume { token } => self.resume(SessionToken::from_bytes(token.0)).await,
            Query::LogOut { token } => {
                let token = SessionToken::from_bytes(token.0);
                let hash = self.secret_key.hash_token(&token);
                self.store.close_session(&hash).await.map_err(unavailable)?;
                Ok(Answer::LoggedOut)
            }
            Query::FindLauncher { key: LauncherKey(key) } => {
                let name = self.store.launcher(&key).await.map_err(unavailable)?;
                Ok(name.map_or(Answer::NoLauncher, |name| Answer::Launcher(shown(name.as_str()))))
            }
            Query::Enroll { secret, key: LauncherKey(key) } => {
                self.enroll(&EnrollmentSecret::from_bytes(secret.0), key).await
            }
        }
    }

    async fn register(
        &self,
        name: &str,
        password: &str,
        origin: Origin,
    ) -> Result<Answer, Refusal> {
        let name = AccountName::parse(name)
            .map_err(|error| Refusal::InvalidName { rule: Text::lossy(&error.to_string()) })?;
        let password = Password::new(password.to_owned())
            .map_err(|error| Refusal::InvalidPassword { rule: Text::lossy(&error.to_string()) })?;
        // Asked first because it is cheap; decided again by the store at the end.
        if self.store.account(&name).await.map_err(unavailable)?.is_some() {
            return Err(Refusal::NameTaken);
        }
        let hash = self.hashes.hash(origin, password).await.map_err(not_hashed)?;
        let account =
            self.store.create_account(&name, hash, now()).await.map_err(|error| match error {
                CreateAccountError::NameTaken => Refusal::NameTaken,
                CreateAccountError::Store(error) => unavailable(error),
            })?;
        self.open_session(account, &name).await
    }

    /// An unknown name and a wrong password cost the same and are told the same. A password that
    /// no account can have is answered at once, whatever the name.
    async fn log_in(&self, name: &str, password: &str, origin: Origin) -> Result<Answer, Refusal> {
        let Ok(password) = Password::new(password.to_owned()) else {
            return Err(Refusal::WrongNameOrPassword);
        };
        let account = match AccountName::parse(name) {
            Ok(name) => self.store.account(&name).await.map_err(unavailable)?,
            Err(_) => None,
        };
        let hash = account.as_ref().map(|account| account.password_hash.clone());
        let right = self.hashes.verify(origin, password, hash).await.map_err(not_hashed)?;
        match account {
            Some(account) if right => self.open_session(account.id, &account.name).await,
            _ => Err(Refusal::WrongNameOrPassword),
        }
    }

    async fn open_session(
        &self,
        account: AccountId,
        name: &AccountName,
    ) -> Result<Answer, Refusal> {
        let token = SessionToken::generate().map_err(|error| {
            tracing::error!(%error, "no session can be opened");
            Refusal::Unavailable
        })?;
        let (hash, now) = (self.secret_key.hash_token(&token), now());
        let expires = now.saturating_add(SESSION_LIFETIME);
        self.store.open_session(account, &hash, expires, now).await.map_err(unavailable)?;
        Ok(known_session(account, name, &token, expires))
    }

    /// Continues a session, from now on for the whole time again.
    async fn resume(&self, token: SessionToken) -> Result<Answer, Refusal> {
        let (hash, now) = (self.secret_key.hash_token(&token), now());
        let expires = now.saturating_add(SESSION_LIFETIME);
        let session = self.store.extend_session(&hash, expires, now).await.map_err(unavailable)?;
        let session = session.ok_or(Refusal::SessionEnded)?;
        Ok(known_session(session.account, &session.name, &token, session.expires))
    }

    async fn enroll(&self, secret: &EnrollmentSecret, key: [u8; 32]) -> Result<Answer, Refusal> {
        let hash = self.secret_key.hash_enrollment(secret);
        match self.store.enroll_launcher(&hash, key, now()).await {
            Ok(name) => Ok(Answer::Launcher(shown(name.as_str()))),
            Err(EnrollError::Store(error)) => Err(unavailable(error)),
            Err(error) => {
                tracing::info!(%error, "a launcher was not enrolled");
                Ok(Answer::NoLauncher)
            }
        }
    }
}

fn known_session(
    account: AccountId,
    name: &AccountName,
    token: &SessionToken,
    expires: accounts::UnixMillis,
) -> Answer {
    Answer::Session(KnownSession {
        session: SessionId(account.as_u64()),
        name: shown(name.as_str()),
        token: protocol::SessionToken(*token.as_bytes()),
        expires: UnixMillis(expires.as_millis()),
    })
}

/// The clock, as the store counts.
pub(crate) fn now() -> accounts::UnixMillis {
    SystemTime::now().into()
}

/// A name, as everybody sees it.
fn shown(name: &str) -> Text<64> {
    Text::lossy(name)
}

fn unavailable(error: StoreError) -> Refusal {
    match &error {
        StoreError::Unavailable(_) => tracing::warn!(%error, "a request was refused"),
        _ => {
            tracing::error!(%error, source = ?std::error::Error::source(&error), "a request was refused")
        }
    }
    Refusal::Unavailable
}

fn not_hashed(error: HashError) -> Refusal {
    match error {
        HashError::Busy { retry_after } => {
            let millis = u32::try_from(retry_after.as_millis()).unwrap_or(u32::MAX);
            Refusal::Busy { retry_after_ms: millis }
        }
        HashError::SecondOfConnection => Refusal::Busy { retry_after_ms: 1000 },
        _ => Refusal::Unavailable,
    }
}

/// How long a session lasts after it was last continued.
const SESSION_LIFETIME: Duration = Duration::from_secs(30 * 24 * 3600);

const SWEEP_INTERVAL: Duration = Duration::from_secs(10 * 60);
