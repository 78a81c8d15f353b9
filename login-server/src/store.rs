//! What only the store knows: slow, and therefore never done by the central actor.

mod exports;
mod tasks;

use std::{
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

pub(crate) use self::exports::Exports;
use accounts::{
    Account, AccountId, AccountName, CreateAccountError, EnrollError, EnrollmentSecret, HashError,
    HashQueue, LockedOut, Lockout, NameRules, NewSession, Origin, Password, PasswordError,
    PasswordHash, Permission, Permissions, Prefix, RandomError, Retention, RoleName, Sanction,
    SanctionKind, SecretKey, Session, SessionToken, Store, StoreError, Verified,
};

use protocol::{Refusal, Text, UnixMillis};

use crate::{
    admin::Admin,
    launchers::Launchers,
    lobby::{Answer, Guest, KnownSession, LauncherKey, Mute, Query, SessionId},
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
    pub(crate) exports: Exports,
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
                let at = At { from, origin: Origin::new(from, link.0), program: &program };
                self.register(&name, password.reveal(), &at).await
            }
            Query::LogIn { name, password, from, program, link } => {
                let at = At { from, origin: Origin::new(from, link.0), program: &program };
                self.log_in(&name, password.reveal(), &at).await
            }
            Query::LogInAsGuest { session, from } => self.new_guest(session, from).await,
            Query::ResumeGuest { guest, from } => self.let_guest_in(guest, from).await,
            Query::KeepGuest { guest, from, program } => {
                self.keep_guest(guest, from, &program).await
            }
            Query::Task { request, owner, task } => self.task(request, owner, task).await,
            Query::Resume { token, from, program } => {
                self.resume(SessionToken::from_bytes(token.0), from, &program).await
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

    async fn register(&self, name: &str, password: &str, at: &At<'_>) -> Result<Answer, Refusal> {
        let (name, password) = self.new_name_and_password(name, password)?;
        if self.is_banned(None, at.from).await? {
            return Err(Refusal::Unavailable);
        }
        // Asked first because it is cheap; decided again by the store at the end.
        if self.store.account(&name).await.map_err(unavailable)?.is_some() {
            return Err(Refusal::NameTaken);
        }
        let hash = self.hashes.hash(at.origin, password).await.map_err(not_hashed)?;
        let account =
            self.store.create_account(&name, hash, now()).await.map_err(|error| match error {
                CreateAccountError::NameTaken => Refusal::NameTaken,
                CreateAccountError::Store(error) => unavailable(error),
            })?;
        self.open_session(account, &name, &RoleName::player(), at).await
    }

    /// What somebody wants to be called, and to log in with.
    fn new_name_and_password(
        &self,
        name: &str,
        password: &str,
    ) -> Result<(AccountName, Password), Refusal> {
        let name = AccountName::parse(name).map_err(invalid_name)?;
        self.name_rules.check(&name).map_err(invalid_name)?;
        Ok((name, Password::new(password.to_owned()).map_err(invalid_password)?))
    }

    /// An unknown name and a wrong password cost the same and are told the same, and so is somebody
    /// banned, without a hash. A password or a name that no account can have is answered at once.
    async fn log_in(&self, name: &str, password: &str, at: &At<'_>) -> Result<Answer, Refusal> {
        let Ok(password) = Password::new(password.to_owned()) else {
            return Err(Refusal::WrongNameOrPassword);
        };
        let Ok(name) = AccountName::parse(name) else {
            return Err(Refusal::WrongNameOrPassword);
        };
        let account = self.store.account(&name).await.map_err(unavailable)?;
        if self.is_banned(account.as_ref().map(|account| account.id), at.from).await? {
            return Err(Refusal::WrongNameOrPassword);
        }
        let tried = Try::begin(&self.lockout, &name, at.origin.prefix).map_err(locked_out)?;
        let hash = account.as_ref().and_then(|account| account.password_hash.clone());
        let verified = match self.hashes.verify(at.origin, password, hash).await {
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
                self.open_session(account.id, &account.name, &account.role, at).await
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
        at: &At<'_>,
    ) -> Result<Answer, Refusal> {
        let token = new_token()?;
        let (hash, now) = (self.secret_key.hash_token(&token), now());
        let expires = now.saturating_add(SESSION_LIFETIME);
        let prefix = Some(at.origin.prefix);
        let session = NewSession { token: &hash, expires, prefix, client: at.program };
        let number = self.store.open_session(account, &session, now).await.map_err(unavailable)?;
        let name = name.clone();
        let session = Session { account, name, role: role.clone(), number, expires };
        self.known_session(session, &token, at.from).await?.ok_or(Refusal::WrongNameOrPassword)
    }

    /// Continues a session, from now on for the whole time again.
    async fn resume(
        &self,
        token: SessionToken,
        from: IpAddr,
        program: &str,
    ) -> Result<Answer, Refusal> {
        let (hash, now) = (self.secret_key.hash_token(&token), now());
        let expires = now.saturating_add(SESSION_LIFETIME);
        let prefix = Some(Prefix::of(from));
        let session = NewSession { token: &hash, expires, prefix, client: program };
        let session = self.store.extend_session(&session, now).await;
        let session = session.map_err(unavailable)?.ok_or(Refusal::SessionEnded)?;
        self.known_session(session, &token, from).await?.ok_or(Refusal::SessionEnded)
    }

    /// A session with what its player may do; none when they are banned. Asked last: a ban imposed
    /// before it puts out who comes in, one imposed after it finds them here.
    async fn known_session(
        &self,
        session: Session,
        token: &SessionToken,
        from: IpAddr,
    ) -> Result<Option<Answer>, Refusal> {
        let permissions = self.permissions(&session.name, &session.role).await?;
        let sanctions =
            self.store.sanctions_against(Some(session.account), Some(from), now()).await;
        let sanctions = sanctions.map_err(unavailable)?;
        if sanctions.iter().any(|sanction| sanction.kind == SanctionKind::Ban) {
            return Ok(None);
        }
        Ok(Some(Answer::Session(KnownSession {
            session: SessionId(session.account.as_u64()),
            name: shown(session.name.as_str()),
            token: protocol::SessionToken(*token.as_bytes()),
            expires: UnixMillis(session.expires.as_millis()),
            number: session.number.0,
            permissions,
            mute: mute(&sanctions),
        })))
    }

    /// What a player may do. Guests have the role `guest` where the operator has made one; otherwise
    /// they may do what players may, but not report anybody.
    async fn permissions(
        &self,
        name: &AccountName,
        role: &RoleName,
    ) -> Result<Permissions, Refusal> {
        let roles = self.store.roles().await.map_err(unavailable)?;
        let allows = |wanted: &str| {
            let found = roles.iter().find(|role| role.name.as_str() == wanted);
            found.map(|role| role.permissions)
        };
        if !name.is_guest() {
            return Ok(allows(role.as_str()).unwrap_or_default());
        }
        let players = allows(RoleName::player().as_str()).unwrap_or_default();
        let as_player = || players.iter().filter(|may| *may != Permission::Report).collect();
        Ok(allows("guest").unwrap_or_else(as_player))
    }

    async fn new_guest(&self, session: SessionId, from: IpAddr) -> Result<Answer, Refusal> {
        let name = AccountName::generate_guest().map_err(no_random)?;
        // One in a thousand million.
        if self.store.account(&name).await.map_err(unavailable)?.is_some() {
            return Err(Refusal::Unavailable);
        }
        let token = protocol::SessionToken(*new_token()?.as_bytes());
        self.let_guest_in(Guest { session, name: shown(name.as_str()), token }, from).await
    }

    /// A guest who is nowhere but in the lobby: only the address can be banned.
    async fn let_guest_in(&self, guest: Guest, from: IpAddr) -> Result<Answer, Refusal> {
        let sanctions = self.store.sanctions_against(None, Some(from), now()).await;
        let sanctions = sanctions.map_err(unavailable)?;
        if sanctions.iter().any(|sanction| sanction.kind == SanctionKind::Ban) {
            return Err(Refusal::Unavailable);
        }
        let name = AccountName::parse_guest(&guest.name).map_err(invalid_name)?;
        let permissions = self.permissions(&name, &RoleName::player()).await?;
        Ok(Answer::Session(KnownSession {
            session: guest.session,
            name: guest.name,
            token: guest.token,
            expires: UnixMillis(0),
            number: 0,
            permissions,
            mute: mute(&sanctions),
        }))
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

/// From where somebody wants to be let in, and with what.
struct At<'a> {
    from: IpAddr,
    origin: Origin,
    program: &'a str,
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

fn new_token() -> Result<SessionToken, Refusal> {
    SessionToken::generate().map_err(no_random)
}

fn no_random(error: RandomError) -> Refusal {
    tracing::error!(%error, "no session can be opened");
    Refusal::Unavailable
}

fn invalid_name(error: impl std::error::Error) -> Refusal {
    Refusal::InvalidName { rule: Text::lossy(&error.to_string()) }
}

fn invalid_password(error: PasswordError) -> Refusal {
    Refusal::InvalidPassword { rule: Text::lossy(&error.to_string()) }
}

/// Of several the one without an end, else the one that ends last.
fn mute(sanctions: &[Sanction]) -> Option<Mute> {
    let mutes = sanctions.iter().filter(|sanction| sanction.kind == SanctionKind::Mute);
    let until = |sanction: &Sanction| sanction.expires.map(|at| UnixMillis(at.as_millis()));
    let until = mutes.map(until).max_by_key(|until| until.map_or(u64::MAX, |at| at.0));
    until.map(|until| Mute { until })
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
