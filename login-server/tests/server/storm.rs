//! Everybody comes back at once, as after an outage: all are in by resumption, nobody twice.

use std::{
    collections::BTreeSet,
    net::SocketAddr,
    path::Path,
    time::{Duration, Instant},
};

use accounts::{AccountName, NewSession, PasswordHash, SecretKey, SessionToken, Store, UnixMillis};
use connection_handler::transport::keys::Trust;
use futures_util::{StreamExt, future::join_all, stream};
use login_server::Config;
use protocol::{
    ALPN_GAME_CLIENT, BootId, FromGameClient, Hello, LastSeen, LoggedIn, RequestId, ToGameClient,
};
use tokio::time::{sleep, timeout};

use crate::{
    outages::start_with,
    support::{Client, LIMIT, Line},
};

#[actix::test]
async fn five_hundred_players_who_come_back_at_once_are_in_within_a_minute() {
    everybody_comes_back(500, 300 * 1024).await;
}

mod soak {
    use super::*;

    /// Needs 10,000 open files in each of two processes.
    #[actix::test]
    #[ignore = "soak"]
    async fn ten_thousand_players_who_come_back_at_once_are_in_within_a_minute() {
        everybody_comes_back(10_000, 1024 * 1024).await;
    }
}

async fn everybody_comes_back(players: usize, memory_kib: u64) {
    let directory = tempfile::tempdir().unwrap();
    let config = Config {
        data_dir: directory.path().join("data"),
        listen: vec!["127.0.0.1:0".parse().unwrap()],
        ready_file: Some(directory.path().join("ready.json")),
        ..Default::default()
    };
    std::fs::create_dir_all(&config.data_dir).unwrap();
    let tokens = accounts_with_sessions(&config.data_dir, players).await;
    let file = directory.path().join("login-server.toml");
    let many = (players + 1000).to_string();
    std::fs::write(
        &file,
        format!("[limits]\nmax_connections = {many}\nmax_connections_per_ip = {many}\n"),
    )
    .unwrap();
    let (server, addr, trust) = start_with(&config, &["--config", file.to_str().unwrap()]).await;
    // Before the outage they came one after the other.
    let came = Instant::now();
    let first = tokens.iter().map(|token| resume_in_the_end(addr, &trust, token.clone(), None));
    let first: Vec<_> = stream::iter(first).buffer_unordered(64).collect().await;
    println!("{players} players came in {:?}", came.elapsed());
    let last: Vec<_> = first
        .iter()
        .map(|arrived| {
            let last = LastSeen { boot: arrived.boot, count: 0 };
            (arrived.logged_in.token.clone(), Some(last))
        })
        .collect();
    drop(first);
    let came_back = Instant::now();
    let second = all_resume(addr, &trust, last.into_iter()).await;
    let took = came_back.elapsed();
    println!("{players} players came back in {took:?}");
    assert!(took <= Duration::from_secs(60), "{took:?}");
    let names: BTreeSet<_> =
        second.iter().map(|arrived| arrived.logged_in.name.as_str().to_owned()).collect();
    assert_eq!(names.len(), players, "somebody is here twice");
    let continues = |arrived: &&Arrived| arrived.logged_in.continues.is_some();
    let continued = second.iter().filter(continues).count();
    assert_eq!(continued, players, "somebody has lost the place");
    for mut arrived in second {
        arrived.is_still_here().await;
    }
    let used = memory_of(server.id().unwrap());
    println!("the server uses {used} KiB");
    assert!(used <= memory_kib, "{used} KiB");
}

/// Somebody who is in.
struct Arrived {
    client: Client,
    boot: BootId,
    logged_in: LoggedIn,
}

impl Arrived {
    /// Nobody else has taken the place.
    async fn is_still_here(&mut self) {
        self.client.send(FromGameClient::Ping { nonce: 77 }).await;
        loop {
            match self.client.receive().await {
                ToGameClient::Pong { nonce: 77 } => return,
                ToGameClient::Goodbye(goodbye) => panic!("{goodbye}"),
                _ => {}
            }
        }
    }
}

/// Makes so many accounts with a session each, and says what continues those.
async fn accounts_with_sessions(data: &Path, count: usize) -> Vec<protocol::SessionToken> {
    let key = SecretKey::load_or_create(&data.join("session.key")).unwrap();
    let store = Store::open_sqlite(&data.join("accounts.db")).await.unwrap();
    let now = UnixMillis::from(std::time::SystemTime::now());
    let expires = now.saturating_add(Duration::from_secs(3600));
    let tokens = stream::iter(0..count).map(|number| {
        let (store, key) = (&store, &key);
        async move {
            let name = AccountName::parse(&format!("player{number}")).unwrap();
            let hash = PasswordHash::parse(SOME_HASH).unwrap();
            let account = store.create_account(&name, hash, now).await.unwrap();
            let token = SessionToken::generate().unwrap();
            let hash = key.hash_token(&token);
            let session = NewSession { token: &hash, expires, prefix: None, client: "" };
            store.open_session(account, &session, now).await.unwrap();
            protocol::SessionToken(*token.as_bytes())
        }
    });
    let tokens = tokens.buffer_unordered(64).collect().await;
    store.close().await;
    tokens
}

/// Everybody connects at the same time, and tries again until they are in.
async fn all_resume(
    addr: SocketAddr,
    trust: &Trust,
    sessions: impl Iterator<Item = (protocol::SessionToken, Option<LastSeen>)>,
) -> Vec<Arrived> {
    let all = sessions.map(|(token, last)| resume_in_the_end(addr, trust, token, last));
    timeout(10 * LIMIT, join_all(all)).await.expect("everybody comes in")
}

/// Tries again until it is done.
async fn resume_in_the_end(
    addr: SocketAddr,
    trust: &Trust,
    token: protocol::SessionToken,
    last: Option<LastSeen>,
) -> Arrived {
    let mut pause = Duration::from_millis(200);
    loop {
        let resumed = timeout(Duration::from_secs(20), resume(addr, trust, &token, last)).await;
        if let Ok(Some(arrived)) = resumed {
            return arrived;
        }
        // As PROTOCOL.md says.
        sleep(pause.mul_f64(0.5 + fastrand::f64() / 2.0)).await;
        pause = (pause * 2).min(Duration::from_secs(5));
    }
}

async fn resume(
    addr: SocketAddr,
    trust: &Trust,
    token: &protocol::SessionToken,
    last: Option<LastSeen>,
) -> Option<Arrived> {
    let mut client: Client = Line::try_connect(addr, trust, ALPN_GAME_CLIENT, None).await.ok()?;
    client.try_send(FromGameClient::Hello(Hello::from_us("storm"))).await.ok()?;
    let ToGameClient::Welcome(welcome) = client.try_receive().await? else { return None };
    let (request, token) = (RequestId(1), token.clone());
    client.try_send(FromGameClient::Resume { request, token, last }).await.ok()?;
    loop {
        match client.try_receive().await? {
            ToGameClient::LoggedIn(logged_in) => {
                return Some(Arrived { client, boot: welcome.boot, logged_in });
            }
            ToGameClient::Ping { nonce } => {
                client.try_send(FromGameClient::Pong { nonce }).await.ok()?;
            }
            ToGameClient::Queued { .. } => {}
            _ => return None,
        }
    }
}

fn memory_of(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// Nobody knows its password.
const SOME_HASH: &str = "$argon2id$v=19$m=19456,t=2,p=1$c29tZSBzYWx0IG9mIDE2$\
    AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
