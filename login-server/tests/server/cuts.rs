//! Connections that are cut at any moment, over QUIC and TLS: nothing is missing, nothing twice.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use connection_handler::testing::{DatagramImpairments, Impairments, TcpRelay, UdpRelay, relays};
use game_client::{ClientConfig, RequestError, ServerList, Session, SessionEvent};
use protocol::{
    Channel, FromLauncher, GamePlayerId, Password, Refusal, ServerChange, ServerEvent,
    ServerProperty, Speaker, Text, ToLauncher,
};
use tokio::time::{Instant, sleep, timeout};

use crate::{
    launchers::{SERVER, enrolled},
    support::{LIMIT, Launcher, PASSWORD, Server},
};

#[actix::test]
async fn cut_connections_lose_nothing() {
    players_chat_while_connections_are_cut(Duration::from_secs(12), 3).await;
}

mod soak {
    use super::*;

    #[actix::test]
    #[ignore = "soak"]
    async fn connections_cut_for_minutes_lose_nothing() {
        players_chat_while_connections_are_cut(Duration::from_secs(180), 8).await;
    }
}

/// A network that cuts connections, and players behind it.
struct Network {
    tcp: TcpRelay,
    udp: UdpRelay,
}

impl Network {
    async fn between(server: &Server, is_udp_blocked: bool) -> Self {
        let healthy = (Impairments::default(), DatagramImpairments::default());
        let (tcp, udp) = relays(server.addr, healthy.0, healthy.1).await.unwrap();
        udp.set_black_hole(is_udp_blocked);
        Self { tcp, udp }
    }

    fn cut(&self) {
        self.tcp.cut();
        self.udp.forsake();
    }
}

/// What a player has heard of everybody, and done.
struct Story {
    heard: BTreeMap<String, Vec<String>>,
    said: Vec<String>,
    list: ServerList,
    reconnected: u32,
}

async fn players_chat_while_connections_are_cut(time: Duration, players_each: usize) {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut rng = fastrand::Rng::with_seed(seed);
    let server = Server::start().await;
    let (mut launcher, _) = enrolled(&server, "ours").await;
    launcher.list_server(SERVER, "A server").await;
    let networks = [Network::between(&server, false).await, Network::between(&server, true).await];
    let mut sessions = Vec::new();
    for network in &networks {
        for _ in 0..players_each {
            let name = format!("player{}", sessions.len());
            let config = ClientConfig {
                ping_interval: Duration::from_millis(400),
                silence_timeout: Duration::from_millis(1200),
                connect_timeout: Duration::from_secs(4),
                request_timeout: 4 * LIMIT,
                ..ClientConfig::new(network.tcp.addr().to_string(), server.trust.clone())
            };
            let password = Password(Text::lossy(PASSWORD));
            let session = Session::register(config, Text::lossy(&name), password).await.unwrap();
            session.0.watch_servers().await.unwrap();
            sessions.push((name, session));
        }
    }
    let names: Vec<_> = sessions.iter().map(|(name, _)| name.clone()).collect();
    let enough = Arc::new(AtomicBool::new(false));
    let mut players = Vec::new();
    for (name, (session, events)) in sessions {
        let (names, enough) = (names.clone(), enough.clone());
        players.push(actix::spawn(async move {
            tokio::join!(speak(name, session.clone(), enough), listen(session, events, names))
        }));
    }
    let end = Instant::now() + time;
    let mut reports = 0_u32;
    while Instant::now() < end {
        sleep(Duration::from_millis(rng.u64(100..1500))).await;
        rng.choice(&networks).unwrap().cut();
        for _ in 0..rng.u32(..4) {
            reports += 1;
            report(&mut launcher, changed(&mut rng, reports)).await;
        }
    }
    enough.store(true, Ordering::SeqCst);
    let title = ServerChange::Property(ServerProperty::Title(Text::lossy(LAST)));
    report(&mut launcher, title).await;
    // Its pings are answered while the players come to an end.
    let pongs = actix::spawn(async move {
        loop {
            if let ToLauncher::Ping { nonce } = launcher.receive().await {
                launcher.send(FromLauncher::Pong { nonce }).await;
            }
        }
    });
    let mut stories = Vec::new();
    for player in players {
        let (said, mut story) = timeout(4 * LIMIT, player).await.expect("it ends").unwrap();
        story.said = said;
        stories.push(story);
    }
    pongs.abort();
    let expected: BTreeMap<_, _> =
        names.iter().cloned().zip(stories.iter().map(|story| story.said.clone())).collect();
    let lines: usize = expected.values().map(Vec::len).sum();
    let reconnected: u32 = stories.iter().map(|story| story.reconnected).sum();
    println!("{lines} lines, {reports} reports, {reconnected} times connected again");
    assert!(u64::from(reconnected) >= time.as_secs() / 2, "{reconnected}");
    for (name, story) in names.iter().zip(&stories) {
        assert_eq!(story.heard, expected, "{name}, seed {seed}");
        assert_eq!(story.list, stories[0].list, "{name}, seed {seed}");
    }
    server.stop().await;
}

/// Says a line now and then, and at last one that is the last. Returns what was taken.
async fn speak(name: String, session: Session, enough: Arc<AtomicBool>) -> Vec<String> {
    let mut said = Vec::new();
    for number in 0.. {
        let last = enough.load(Ordering::SeqCst);
        let line = if last { LAST.to_owned() } else { format!("{name} {number}") };
        match session.chat(Channel::Lobby, Text::lossy(&line)).await {
            Ok(()) => said.push(line),
            Err(RequestError::Refused(Refusal::Busy { retry_after_ms })) => {
                sleep(Duration::from_millis(retry_after_ms.into())).await;
                continue;
            }
            Err(error) => panic!("{name}: {error}"),
        }
        if last {
            break;
        }
        sleep(Duration::from_millis(fastrand::u64(..600))).await;
    }
    said
}

/// Listens until everybody has said the last line, and the list is the last.
async fn listen(
    session: Session,
    mut events: game_client::SessionEvents,
    names: Vec<String>,
) -> Story {
    let mut story = Story {
        heard: names.iter().map(|name| (name.clone(), Vec::new())).collect(),
        said: Vec::new(),
        list: ServerList::new(),
        reconnected: 0,
    };
    let mut waiting: BTreeSet<_> = names.into_iter().collect();
    let is_last = |list: &ServerList| list.iter().any(|(_, server)| server.title.as_str() == LAST);
    while !waiting.is_empty() || !is_last(&story.list) {
        match events.next().await.unwrap() {
            SessionEvent::Said(said) => {
                let Speaker::Account(name) = said.speaker else { panic!("{said:?}") };
                if said.text.as_str() == LAST {
                    waiting.remove(name.as_str());
                }
                let heard = story.heard.get_mut(name.as_str()).expect("a player");
                heard.push(said.text.to_string());
            }
            SessionEvent::Servers(servers) => {
                story.list.apply(&servers);
            }
            SessionEvent::Reconnected => story.reconnected += 1,
            SessionEvent::ConnectionLost(_) => {}
            other => panic!("{}: {other:?}", session.name()),
        }
    }
    story
}

fn changed(rng: &mut fastrand::Rng, number: u32) -> ServerChange {
    let (player, name) = (GamePlayerId(rng.u32(..8)), Text::lossy(&number.to_string()));
    match rng.u32(..4) {
        0 => ServerChange::PlayerLeft { player },
        1 => ServerChange::Property(ServerProperty::Map(name)),
        _ => ServerChange::PlayerEntered { player, name },
    }
}

async fn report(launcher: &mut Launcher, change: ServerChange) {
    let event = ServerEvent::Changed { server: SERVER, change };
    launcher.send(FromLauncher::Servers(one_event(event))).await;
    launcher.send(FromLauncher::Pong { nonce: 0 }).await;
}

fn one_event(event: ServerEvent) -> protocol::ServerEvents {
    protocol::ServerEvents { fresh: false, events: protocol::List::first_of([event]) }
}

/// The last line, and the last title.
const LAST: &str = "the last";
