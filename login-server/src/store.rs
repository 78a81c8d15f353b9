//! What only the store knows: slow, and therefore never done by the central actor.

use std::{
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use accounts::{
    Account, AccountId, AccountName, CreateAccountError, EnrollError, EnrollmentSecret, HashError,
    HashQueue, LockedOut, Lockout, NameRules, NewSession, Origin, Password, PasswordHash,
    Permissions, Prefix, Retention, RoleName, Sanction, SanctionKind, SecretKey, Session,
    SessionToken, Store, StoreError, Verified,
};
use protocol::{Refusal, Text, UnixMillis};

use crate::{
    admin::Admin,
    launchers::Launchers,
    lobby::{Answer, KnownSession, LauncherKey, Mute, Query, SessionId},
};

/// Accounts, sessions and launchers, with what it takes to check and to make them.
///
/// A handle: cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Accounts {
    pub(crate) store: Store,
    pub(crate) hashes: HashQueue,
    pub(crate) secret_key: SecretKey,
    pub(crate) launchers: Launchers,
    pub(crate) admin: Admin,
    pub(crate) name_rules: Arc<NameRules>,
    pub(crate) retention: Retention,
    /// Locked for moments only, and by nobody who waits for anything.
    pub(crate) lockout: Arc<Mutex<Lockout>>,
}

impl Accounts {
    /// What the store says to `query`. Takes as long as it takes: who asks has a limit.
    pub(crate) async fn answer(&self, query: Query) -> Answer {
        match self.try_to_answer(query).await {
            Ok(answer) => answer,
            Err(reason) => Answer::Refused(reason),
        }
    }

    /// Forgets, for ever, what has lasted long enough: sessions, guests, addresses.
    pub(crate) async fn sweep(self) {
        loop {
            match self.store.sweep(&self.retention, now()).await {
                Ok(swept) => tracing::debug!(?swept, "what is over was forgotten"),
                Err(error) => tracing::warn!(%error, "what is over could not be forgotten"),
            }
            tokio::time::sleep(SWEEP_INTERVAL).await;
        }
    }

    async fn try_to_answer(&self, query: Query) -> Result<Answer, Refusal> {
        match query {
            Query::Register { name, password, from, program, link } => {
                let (origin, from) = (Origin::new(from, link.0), Caller { ip: from, program });
                self.register(&name, password.reveal(), &from, origin).await
            }
            Query::LogIn { name, password, from, program, link } => {
                let (origin, from) = (Origin::new(from, link.0), Caller { ip: from, program });
                self.log_in(&name, password.reveal(), &from, origin).await
            }
            Query::Resume { token, from, program } => {
                let from = Caller { ip: from, program };
                self.resume(SessionToken::from_bytes(token.0), &from).await
            }
            Query::LogOut { token } => {
                let token = SessionToken::from_bytes(token.0);
                let hash = self.secret_key.hash_token(&token);
                self.store.close_session(&hash).await.map_err(unavailable)?;
                Ok(Answer::LoggedOut)
            }
            Query::FindLauncher { key: LauncherKey(key) } => {
                let launcher = self.store.launcher(&key).await.map_err(unavailable)?;
                let known = |launcher: accounts::LauncherRecord| {
                    Answer::Launcher(shown(launcher.name.as_str()), launcher.limits)
                };
                Ok(launcher.map_or(Answer::NoLauncher, known))
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
        from: &Caller,
        origin: Origin,
    ) -> Result<Answer, Refusal> {
        let invalid = |error: &dyn std::error::Error| Refusal::InvalidName {
            rule: Text::lossy(&error.to_string()),
        };
        let name = AccountName::parse(name).map_err(|error| invalid(&error))?;
        self.name_rules.check(&name).map_err(|error| invalid(&error))?;
        let password = Password::new(password.to_owned())
            .map_err(|error| Refusal::InvalidPassword { rule: Text::lossy(&error.to_string()) })?;
        if self.is_banned(None, from.ip).await? {
            return Err(Refusal::Unavailable);
        }
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
        self.open_session(account, &name, &RoleName::player(), from).await
    }

    /// An unknown name and a wrong password cost the same and are told the same, and so is somebody
    /// banned, without a hash. A password or a name that no account can have is answered at once.
    async fn log_in(
        &self,
        name: &str,
        password: &str,
        from: &Caller,
        origin: Origin,
    ) -> Result<Answer, Refusal> {
        let Ok(password) = Password::new(password.to_owned()) else {
            return Err(Refusal::WrongNameOrPassword);
        };
        let Ok(name) = AccountName::parse(name) else {
            return Err(Refusal::WrongNameOrPassword);
        };
        let account = self.store.account(&name).await.map_err(unavailable)?;
        if self.is_banned(account.as_ref().map(|account| account.id), from.ip).await? {
            return Err(Refusal::WrongNameOrPassword);
        }
        let tried = Try::begin(&self.lockout, &name, origin.prefix).map_err(locked_out)?;
        let hash = account.as_ref().and_then(|account| account.password_hash.clone());
        let verified = match self.hashes.verify(origin, password, hash).await {
            Ok(verified) => verified,
            Err(error) => {
                tried.was_not_tried();
                return Err(not_hashed(error));
            }
        };
        match (account, verified) {
            (Some(account), Verified::Right { stronger }) => {
                tried.was_right();
                self.strengthen(&account, stronger).await;
                self.open_session(account.id, &account.name, &account.role, from).await
            }
            _ => Err(Refusal::WrongNameOrPassword),
        }
    }

    /// Keeps a stronger hash of the same password, where there is one. Who logs in does not depend
    /// on it.
    async fn strengthen(&self, account: &Account, stronger: Option<PasswordHash>) {
        let (Some(old), Some(new)) = (&account.password_hash, stronger) else { return };
        match self.store.replace_password_hash(account.id, old, &new).await {
            Ok(replaced) => {
                tracing::debug!(account = %account.id, replaced, "password hashed anew")
            }
            Err(error) => tracing::warn!(%error, "a password hash could not be replaced"),
        }
    }

    async fn is_banned(&self, account: Option<AccountId>, from: IpAddr) -> Result<bool, Refusal> {
        let sanctions = self.store.sanctions_against(account, Some(from), now()).await;
        let sanctions = sanctions.map_err(unavailable)?;
        Ok(sanctions.iter().any(|sanction| sanction.kind == SanctionKind::Ban))
    }

    async fn open_session(
        &self,
        account: AccountId,
        name: &AccountName,
        role: &RoleName,
        from: &Caller,
    ) -> Result<Answer, Refusal> {
        let token = SessionToken::generate().map_err(|error| {
            tracing::error!(%error, "no session can be opened");
            Refusal::Unavailable
        })?;
        let (hash, now) = (self.secret_key.hash_token(&token), now());
        let expires = now.saturating_add(SESSION_LIFETIME);
        let prefix = Some(Prefix::of(from.ip));
        let session = NewSession { token: &hash, expires, prefix, client: &from.program };
        let number = self.store.open_session(account, &session, now).await.map_err(unavailable)?;
        let name = name.clone();
        let session = Session { account, name, role: role.clone(), number, expires };
        self.known_session(session, &token, from.ip).await?.ok_or(Refusal::WrongNameOrPassword)
    }

    /// Continues a session, from now on for the whole time again.
    async fn resume(&self, token: SessionToken, from: &Caller) -> Result<Answer, Refusal> {
        let (hash, now) = (self.secret_key.hash_token(&token), now());
        let expires = now.saturating_add(SESSION_LIFETIME);
        let prefix = Some(Prefix::of(from.ip));
        let session = NewSession { token: &hash, expires, prefix, client: &from.program };
        let session = self.store.extend_session(&session, now).await;
        let session = session.map_err(unavailable)?.ok_or(Refusal::SessionEnded)?;
        self.known_session(session, &token, from.ip).await?.ok_or(Refusal::SessionEnded)
    }

    /// A session with what its player may do; none when they are banned. Asked last: a ban imposed
    /// before it puts out who comes in, one imposed after it finds them here.
    async fn known_session(
        &self,
        session: Session,
        token: &SessionToken,
        from: IpAddr,
    ) -> Result<Option<Answer>, Refusal> {
        let roles = self.store.roles().await.map_err(unavailable)?;
        let role = roles.into_iter().find(|role| role.name == session.role);
        let sanctions =
            self.store.sanctions_against(Some(session.account), Some(from), now()).await;
        let sanctions = sanctions.map_err(unavailable)?;
        if sanctions.iter().any(|sanction| sanction.kind == SanctionKind::Ban) {
            return Ok(None);
        }
        let until = |sanction: &Sanction| sanction.expires.map(|at| UnixMillis(at.as_millis()));
        let mutes = sanctions.iter().filter(|sanction| sanction.kind == SanctionKind::Mute);
        // The one without an end, else the one that ends last.
        let mute = mutes.map(until).max_by_key(|until| {
            until.is_none().then_some(u64::MAX).or_else(|| until.map(|at| at.0))
        });
        Ok(Some(Answer::Session(KnownSession {
            session: SessionId(session.account.as_u64()),
            name: shown(session.name.as_str()),
            token: protocol::SessionToken(*token.as_bytes()),
            expires: UnixMillis(session.expires.as_millis()),
            number: session.number.0,
            permissions: role.map_or(Permissions::NONE, |role| role.permissions),
            mute: mute.map(|until| Mute { until }),
        })))
    }

    async fn enroll(&self, secret: &EnrollmentSecret, key: [u8; 32]) -> Result<Answer, Refusal> {
        let hash = self.secret_key.hash_enrollment(secret);
        match self.store.enroll_launcher(&hash, key, now()).await {
            Ok(name) => {
                // One that is enrolled anew keeps its limits.
                let known = self.store.launcher(&key).await.map_err(unavailable)?;
                let limits = known.map(|launcher| launcher.limits).unwrap_or_default();
                Ok(Answer::Launcher(shown(name.as_str()), limits))
            }
            Err(EnrollError::Store(error)) => Err(unavailable(error)),
            Err(error) => {
                tracing::info!(%error, "a launcher was not enrolled");
                Ok(Answer::NoLauncher)
            }
        }
    }
}

/// Who asks: from where, and with which program.
struct Caller {
    ip: IpAddr,
    program: Text<64>,
}

/// A password that is being tried: wrong, unless somebody says otherwise, also when nobody waits for
/// the answer any more.
struct Try<'a> {
    lockout: &'a Mutex<Lockout>,
    name: &'a AccountName,
    prefix: Prefix,
}

impl<'a> Try<'a> {
    fn begin(
        lockout: &'a Mutex<Lockout>,
        name: &'a AccountName,
        prefix: Prefix,
    ) -> Result<Self, LockedOut> {
        let this = Self { lockout, name, prefix };
        this.with(|lockout| lockout.try_password(name.key(), prefix, now()))?;
        Ok(this)
    }

    fn was_right(self) {
        self.with(|lockout| lockout.was_right(self.name.key(), self.prefix));
    }

    fn was_not_tried(self) {
        self.with(|lockout| lockout.was_not_tried(self.name.key(), self.prefix));
    }

    /// Whoever panicked left whole counts.
    fn with<T>(&self, act: impl FnOnce(&mut Lockout) -> T) -> T {
        act(&mut self.lockout.lock().unwrap_or_else(PoisonError::into_inner))
    }
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
        StoreError::Unavailable(_) | StoreError::Uncertain(_) => {
            tracing::warn!(%error, "a request was refused")
        }
        _ => {
            tracing::error!(%error, source = ?std::error::Error::source(&error), "a request was refused")
        }
    }
    Refusal::Unavailable
}

fn locked_out(error: LockedOut) -> Refusal {
    busy(error.retry_after)
}

fn busy(retry_after: Duration) -> Refusal {
    let millis = u32::try_from(retry_after.as_millis()).unwrap_or(u32::MAX);
    Refusal::Busy { retry_after_ms: millis }
}

fn not_hashed(error: HashError) -> Refusal {
    match error {
        HashError::Busy { retry_after } => busy(retry_after),
        HashError::SecondOfConnection => Refusal::Busy { retry_after_ms: 1000 },
        _ => Refusal::Unavailable,
    }
}

/// How long a session lasts after it was last continued.
const SESSION_LIFETIME: Duration = Duration::from_secs(30 * 24 * 3600);

const SWEEP_INTERVAL: Duration = Duration::from_secs(10 * 60);
