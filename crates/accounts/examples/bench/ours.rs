//! What a login server does for somebody who comes.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use accounts::{
    AccountName, DatabaseUrl, HashQueue, HashQueueConfig, NewSession, Origin, Password, SecretKey,
    SessionToken, Store, UnixMillis,
};

/// How many are at it at the same time, each from a network of its own.
pub(crate) const AT_ONCE: u64 = 64;

#[derive(Clone, Copy, Debug)]
pub(crate) enum What {
    /// A name nobody has, a hash, an account, a session.
    Registration,
    /// An account, a hash, a session.
    Login,
    /// A session that goes on.
    Resumption,
}

pub(crate) struct Setting {
    pub(crate) config: HashQueueConfig,
    pub(crate) measured: Duration,
    store: Store,
    key: SecretKey,
    hashing: HashQueue,
    registered: AtomicU64,
    tokens: Vec<SessionToken>,
}

impl Setting {
    /// With an account and an open session for each of those who come.
    pub(crate) async fn new(
        url: &DatabaseUrl,
        config: HashQueueConfig,
        measured: Duration,
    ) -> Self {
        let mut this = Self {
            config,
            measured,
            store: Store::open(url).await.expect("the database can be opened"),
            key: SecretKey::from_bytes(&[1; 32]),
            hashing: HashQueue::new(config).expect("these are good parameters"),
            registered: AtomicU64::new(0),
            tokens: Vec::new(),
        };
        for who in 0..AT_ONCE {
            this.register(&format!("player{who}"), who).await;
            // Of somebody else: who logs in often closes their older sessions.
            let token = this.register(&format!("back{who}"), who).await;
            this.tokens.push(token);
        }
        this
    }

    /// How many per second.
    pub(crate) async fn measure(&self, what: What) -> f64 {
        let begun = Instant::now();
        let done = AtomicU64::new(0);
        let come = (0..AT_ONCE).map(async |who| {
            while begun.elapsed() < self.measured {
                match what {
                    What::Registration => {
                        let number = self.registered.fetch_add(1, Ordering::Relaxed);
                        self.register(&format!("new{number}"), who).await;
                    }
                    What::Login => self.log_in(who).await,
                    What::Resumption => self.resume(who).await,
                }
                done.fetch_add(1, Ordering::Relaxed);
            }
        });
        futures_util::future::join_all(come).await;
        done.load(Ordering::Relaxed) as f64 / begun.elapsed().as_secs_f64()
    }

    async fn register(&self, name: &str, who: u64) -> SessionToken {
        let name = AccountName::parse(name).expect("this is a name");
        assert!(self.store.account(&name).await.expect("the store works").is_none());
        let hash = self.hashing.hash(origin(who), password()).await.expect("there is room");
        let id = self.store.create_account(&name, hash, now()).await.expect("nobody has it");
        self.open_session(id).await
    }

    async fn log_in(&self, who: u64) {
        let name = AccountName::parse(&format!("player{who}")).expect("this is a name");
        let account = self.store.account(&name).await.expect("the store works");
        let account = account.expect("it was made at the beginning");
        let verified = self.hashing.verify(origin(who), password(), account.password_hash).await;
        assert!(verified.expect("there is room").is_right());
        self.open_session(account.id).await;
    }

    async fn open_session(&self, account: accounts::AccountId) -> SessionToken {
        let token = SessionToken::generate().expect("there are random numbers");
        let hash = self.key.hash_token(&token);
        let expires = now().saturating_add(DAY);
        let session = NewSession { token: &hash, expires, prefix: None, client: "bench" };
        self.store.open_session(account, &session, now()).await.expect("the store works");
        token
    }

    async fn resume(&self, who: u64) {
        let token = &self.tokens[usize::try_from(who).expect("there are not so many")];
        let hash = self.key.hash_token(token);
        let expires = now().saturating_add(DAY);
        let session = NewSession { token: &hash, expires, prefix: None, client: "" };
        let session = self.store.extend_session(&session, now()).await;
        assert!(session.expect("the store works").is_some(), "it is open");
    }
}

fn origin(who: u64) -> Origin {
    let network = u8::try_from(who % 256).expect("it is less");
    Origin::new([192, 0, network, 1].into(), who)
}

fn password() -> Password {
    Password::new("correct horse".to_owned()).expect("this is a password")
}

fn now() -> UnixMillis {
    SystemTime::now().into()
}

const DAY: Duration = Duration::from_secs(24 * 3600);
