//! The library against a login server of the test's own, over real sockets.

mod fake;

use std::{net::SocketAddr, time::Duration};

use fake::{Behaviour, FakeServer, SERVER, said};
use game_client::{
    Client, ClientConfig, ConnectError, ConnectionLost, Event, RequestError, ServerList, Session,
    SessionEnd, SessionEvent, SessionEvents,
};
use protocol::{Channel, FromGameClient, Goodbye, Password, Refusal, Text, ToGameClient};
use tokio::{
    net::{TcpListener, TcpStream, UdpSocket},
    time::timeout,
};

fn config(server: &FakeServer) -> ClientConfig {
    ClientConfig {
        // Soon enough to notice that a server was killed, late enough for a busy machine.
        ping_interval: Duration::from_millis(500),
        silence_timeout: Duration::from_secs(2),
        ..ClientConfig::new(server.addr.to_string(), server.pin().into())
    }
}

fn name() -> Text<64> {
    Text::lossy("Ada")
}

fn password() -> Password {
    Password(Text::lossy("correct horse"))
}

async fn registered(server: &FakeServer) -> (Session, SessionEvents) {
    Session::register(config(server), name(), password()).await.unwrap()
}

/// What the events hold that `pick` wants.
async fn find<T>(events: &mut SessionEvents, pick: impl Fn(SessionEvent) -> Option<T>) -> T {
    let found = timeout(Duration::from_secs(20), async {
        loop {
            if let Some(found) = pick(events.next().await.unwrap()) {
                return found;
            }
        }
    });
    found.await.expect("it happens in time")
}

async fn end(events: &mut SessionEvents) -> SessionEnd {
    let end = timeout(Duration::from_secs(20), async {
        loop {
            if let Err(end) = events.next().await {
                return end;
            }
        }
    });
    end.await.expect("it ends in time")
}

async fn a_player_does_everything(config: ClientConfig) {
    let (client, mut events) = Client::connect(config).await.unwrap();
    let logged_in = client.register(name(), password()).await.unwrap();
    assert_eq!((logged_in.name, logged_in.on_server), (name(), None));
    client.watch_servers().await.unwrap();
    let ticket = client.join(SERVER).await.unwrap();
    assert_eq!((ticket.port, ticket.secret.reveal()), (3979, fake::SECRET));
    assert_eq!(client.joined(), Some(SERVER));
    client.chat(Channel::Server, Text::lossy("hello")).await.unwrap();
    assert!(client.ping().await.unwrap() < Duration::from_secs(5));

    let Event::Servers(servers) = events.next().await.unwrap() else { panic!("no list") };
    let mut list = ServerList::new();
    list.apply(&servers);
    assert_eq!(list.find(fake::SERVER_NAME), [SERVER]);
    let Event::Said(said) = events.next().await.unwrap() else { panic!("no echo") };
    assert_eq!(said.text.as_str(), "hello");

    client.leave().await.unwrap();
    assert_eq!(client.joined(), None);
    let refused = client.chat(Channel::Server, Text::lossy("x")).await;
    assert!(matches!(refused, Err(RequestError::Refused(Refusal::NotOnServer))), "{refused:?}");
    client.log_out().await.unwrap();
    client.close().await;
    assert!(matches!(events.next().await, Err(ConnectionLost::Local)));
}

#[tokio::test]
async fn a_player_does_everything_over_quic() {
    let server = FakeServer::start(Behaviour::default());
    let (client, _events) = Client::connect(config(&server)).await.unwrap();
    assert_eq!(client.transport(), "quic");
    a_player_does_everything(config(&server)).await;
}

#[tokio::test]
async fn a_player_does_everything_over_tls_where_udp_is_blocked() {
    let server = FakeServer::start(Behaviour::default());
    let addr = without_udp(server.addr).await;
    let config = ClientConfig { server: addr.to_string(), ..config(&server) };
    let (client, _events) = Client::connect(config.clone()).await.unwrap();
    assert_eq!(client.transport(), "tls");
    a_player_does_everything(config).await;
}

/// A way to `server` that swallows what is sent over UDP.
async fn without_udp(server: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let udp = UdpSocket::bind(addr).await.unwrap();
    tokio::spawn(async move {
        let _swallows = udp;
        while let Ok((mut near, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut far = TcpStream::connect(server).await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
            });
        }
    });
    addr
}

#[tokio::test]
async fn a_wrong_password_is_refused_and_can_be_tried_again() {
    let server = FakeServer::start(Behaviour::default());
    server.account("Ada", "correct horse");
    let (client, _events) = Client::connect(config(&server)).await.unwrap();
    let refused = client.log_in(name(), Password(Text::lossy("wrong"))).await;
    assert!(matches!(refused, Err(RequestError::Refused(Refusal::WrongNameOrPassword))));
    client.log_in(name(), password()).await.unwrap();
}

#[tokio::test]
async fn another_key_than_the_pinned_one_is_explained() {
    let (server, other) =
        (FakeServer::start(Behaviour::default()), FakeServer::start(Behaviour::default()));
    let config = ClientConfig::new(server.addr.to_string(), other.pin().into());
    let error = Client::connect(config).await.unwrap_err();
    let ConnectError::WrongKey { expected, seen, .. } = &error else { panic!("{error}") };
    assert_eq!((expected.as_slice(), *seen), (&[other.pin()][..], server.pin()));
    let text = error.to_string();
    assert!(text.contains(&server.pin().to_string()) && text.contains("--trust"), "{text}");
}

#[tokio::test]
async fn a_key_can_be_looked_at() {
    let server = FakeServer::start(Behaviour::default());
    assert_eq!(game_client::probe(&server.addr.to_string()).await.unwrap(), server.pin());
}

#[tokio::test]
async fn a_version_refusal_says_which_side_is_too_old() {
    let refuse = Some(Goodbye::YouAreTooOld { lowest: 7 });
    let server = FakeServer::start(Behaviour { refuse, ..Behaviour::default() });
    let error = Client::connect(config(&server)).await.unwrap_err();
    assert!(error.is_final());
    assert!(error.to_string().contains("this program is too old"), "{error}");
}

#[tokio::test]
async fn a_server_that_never_answers_is_given_up() {
    let server = FakeServer::start(Behaviour { silent: true, ..Behaviour::default() });
    let connect_timeout = Duration::from_millis(500);
    let error = Client::connect(ClientConfig { connect_timeout, ..config(&server) }).await;
    assert!(matches!(error, Err(ConnectError::TimedOut { .. })), "{error:?}");
}

#[tokio::test]
async fn nobody_at_the_address_is_unreachable() {
    let mut server = FakeServer::start(Behaviour::default());
    server.kill();
    let error = Client::connect(config(&server)).await.unwrap_err();
    assert!(matches!(error, ConnectError::Unreachable { .. }), "{error}");
    assert!(!error.is_final());
}

#[tokio::test]
async fn a_server_that_falls_silent_is_lost() {
    let server = FakeServer::start(Behaviour { deaf: true, ..Behaviour::default() });
    let config = ClientConfig {
        request_timeout: Duration::from_millis(200),
        ping_interval: Duration::from_millis(300),
        silence_timeout: Duration::from_millis(600),
        ..config(&server)
    };
    let (client, mut events) = Client::connect(config).await.unwrap();
    client.register(name(), password()).await.unwrap();
    assert!(matches!(client.leave().await, Err(RequestError::Timeout)));
    let lost = timeout(Duration::from_secs(5), events.next()).await.unwrap();
    assert!(matches!(lost, Err(ConnectionLost::Silent)), "{lost:?}");
    let after = client.leave().await;
    assert!(matches!(after, Err(RequestError::NotSaid(ConnectionLost::Silent))));
}

#[tokio::test]
async fn events_that_nobody_takes_slow_the_server_down() {
    let server = FakeServer::start(Behaviour { flood: true, ..Behaviour::default() });
    let (client, mut events) = Client::connect(config(&server)).await.unwrap();
    client.register(name(), password()).await.unwrap();
    let mut before = 0;
    let standstill = timeout(Duration::from_secs(20), async {
        loop {
            tokio::time::sleep(Duration::from_millis(300)).await;
            let now = server.flooded();
            if now > 0 && now == before {
                return now;
            }
            before = now;
        }
    });
    let sent = standstill.await.expect("the server comes to a standstill");
    // What is under way between them: socket buffers and the windows of QUIC.
    assert!(sent * 400 < 4 * 1024 * 1024, "{sent}");
    for _ in 0..sent + 100 {
        events.next().await.unwrap();
    }
    assert!(server.flooded() > sent, "it goes on when events are taken");
}

#[tokio::test]
async fn the_ping_of_a_server_is_answered() {
    let server = FakeServer::start(Behaviour::default());
    let (_session, _events) = registered(&server).await;
    server.say(&ToGameClient::Ping { nonce: 77 });
    server.heard(|message| matches!(message, FromGameClient::Pong { nonce: 77 })).await;
}

#[tokio::test]
async fn a_session_goes_on_when_the_server_is_back() {
    let mut server = FakeServer::start(Behaviour::default());
    let (session, mut events) = registered(&server).await;
    session.watch_servers().await.unwrap();
    session.join(SERVER).await.unwrap();
    server.kill();
    server.forget_heard();
    // The launcher of a server that was started again needs a moment.
    server.set(Behaviour { not_ready: 2, ..Behaviour::default() });
    server.live();
    find(&mut events, |event| matches!(event, SessionEvent::ConnectionLost(_)).then_some(())).await;
    find(&mut events, |event| matches!(event, SessionEvent::Reconnected).then_some(())).await;
    let ticket = find(&mut events, |event| match event {
        SessionEvent::JoinedAgain(ticket) => Some(ticket),
        _ => None,
    });
    assert_eq!(ticket.await.server, SERVER);
    assert_eq!((session.joined(), server.joined()), (Some(SERVER), vec![Some(SERVER)]));
    server.heard(|message| matches!(message, FromGameClient::WatchServers)).await;
    session.chat(Channel::Server, Text::lossy("still here")).await.unwrap();
}

#[tokio::test]
async fn a_request_waits_for_the_next_connection() {
    let mut server = FakeServer::start(Behaviour::default());
    let (session, mut events) = registered(&server).await;
    server.kill();
    find(&mut events, |event| matches!(event, SessionEvent::ConnectionLost(_)).then_some(())).await;
    let ping = tokio::spawn(async move { session.ping().await });
    server.live();
    ping.await.unwrap().unwrap();
}

#[tokio::test]
async fn what_is_said_on_the_server_waits_until_it_is_joined_again() {
    let mut server = FakeServer::start(Behaviour::default());
    let (session, mut events) = registered(&server).await;
    session.join(SERVER).await.unwrap();
    server.kill();
    server.set(Behaviour { not_ready: u32::MAX, ..Behaviour::default() });
    server.live();
    find(&mut events, |event| matches!(event, SessionEvent::Reconnected).then_some(())).await;
    server.heard(|message| matches!(message, FromGameClient::Join { .. })).await;
    server.forget_heard();
    let chat = session.chat(Channel::Server, Text::lossy("hello"));
    tokio::pin!(chat);
    // Attempts to join go on, and nothing is said.
    tokio::select! {
        said = &mut chat => panic!("said before its time: {said:?}"),
        () = server.heard(|message| matches!(message, FromGameClient::Join { .. })) => {}
    }
    session.chat(Channel::Lobby, Text::lossy("others need not wait")).await.unwrap();
    server.set(Behaviour::default());
    assert_eq!(session.rejoined().await, Some(SERVER));
    chat.await.unwrap();
}

#[tokio::test]
async fn who_leaves_meanwhile_waits_for_no_server() {
    let mut server = FakeServer::start(Behaviour::default());
    let (session, mut events) = registered(&server).await;
    session.join(SERVER).await.unwrap();
    server.kill();
    server.set(Behaviour { not_ready: u32::MAX, ..Behaviour::default() });
    server.live();
    find(&mut events, |event| matches!(event, SessionEvent::Reconnected).then_some(())).await;
    let (server, left) = tokio::join!(session.rejoined(), session.leave());
    assert_eq!(server, None);
    assert!(matches!(left, Err(RequestError::Refused(Refusal::NotOnServer))), "{left:?}");
}

#[tokio::test]
async fn who_left_is_not_joined_again() {
    let mut server = FakeServer::start(Behaviour::default());
    let (session, mut events) = registered(&server).await;
    session.join(SERVER).await.unwrap();
    session.leave().await.unwrap();
    server.kill();
    server.forget_heard();
    server.live();
    find(&mut events, |event| matches!(event, SessionEvent::Reconnected).then_some(())).await;
    session.ping().await.unwrap();
    assert_eq!((session.joined(), server.joined()), (None, vec![None]));
}

#[tokio::test]
async fn a_session_taken_over_does_not_come_back() {
    let server = FakeServer::start(Behaviour::default());
    let (session, mut events) = registered(&server).await;
    let (other, _other_events) =
        Session::resume(config(&server), session.token().clone()).await.unwrap();
    let end = end(&mut events).await;
    assert!(matches!(end, SessionEnd::Goodbye(Goodbye::TakenOver)), "{end:?}");
    let after = session.ping().await;
    assert!(matches!(
        after,
        Err(RequestError::NotSaid(ConnectionLost::Goodbye(Goodbye::TakenOver)))
    ));
    other.ping().await.unwrap();
}

#[tokio::test]
async fn a_session_that_was_withdrawn_or_has_expired_ends() {
    let mut server = FakeServer::start(Behaviour::default());
    let (_session, mut events) = registered(&server).await;
    server.say(&ToGameClient::Goodbye(Goodbye::Revoked));
    assert!(matches!(end(&mut events).await, SessionEnd::Goodbye(Goodbye::Revoked)));

    let (_session, mut events) =
        Session::log_in(config(&server), name(), password()).await.unwrap();
    server.kill();
    server.end_sessions();
    server.live();
    let end = end(&mut events).await;
    assert!(matches!(end, SessionEnd::Refused(Refusal::SessionEnded)), "{end:?}");
}

#[tokio::test]
async fn a_session_ends_when_the_server_becomes_too_new_for_us() {
    let mut server = FakeServer::start(Behaviour::default());
    let (_session, mut events) = registered(&server).await;
    server.kill();
    let refuse = Some(Goodbye::YouAreTooOld { lowest: 7 });
    server.set(Behaviour { refuse, ..Behaviour::default() });
    server.live();
    let end = end(&mut events).await;
    assert!(matches!(end, SessionEnd::Connect(ConnectError::Version { .. })), "{end:?}");
}

#[tokio::test]
async fn a_session_that_was_logged_out_ends() {
    let server = FakeServer::start(Behaviour::default());
    let (session, mut events) = registered(&server).await;
    session.log_out().await.unwrap();
    assert!(matches!(end(&mut events).await, SessionEnd::LoggedOut));
    assert!(session.ping().await.is_err());
}

#[tokio::test]
async fn dropping_the_last_handle_ends_the_connection() {
    let server = FakeServer::start(Behaviour::default());
    let (session, mut events) = registered(&server).await;
    server.say(&said("before"));
    find(&mut events, |event| matches!(event, SessionEvent::Said(_)).then_some(())).await;
    drop(session);
    assert!(matches!(end(&mut events).await, SessionEnd::Closed));
}

#[tokio::test]
async fn a_login_that_waits_for_a_place_waits_as_long_as_it_takes_on_one_connection() {
    let server = FakeServer::start(Behaviour { queue: Some(3), ..Behaviour::default() });
    let config = ClientConfig { request_timeout: Duration::from_millis(300), ..config(&server) };
    let position = config.queue_position.clone();
    let mut shown = position.subscribe();
    let logging_in = tokio::spawn(Session::register(config, name(), password()));
    let queued = timeout(Duration::from_secs(20), shown.wait_for(Option::is_some));
    assert_eq!(*queued.await.unwrap().unwrap(), Some(3));
    // Four times as long as any other request may take.
    tokio::time::sleep(Duration::from_millis(1200)).await;
    assert!(!logging_in.is_finished());
    server.let_in();
    let (session, _events) = logging_in.await.unwrap().unwrap();
    assert_eq!((session.name(), position.now()), (&name(), None));
    assert_eq!(server.hellos(), 1, "it has not connected again");
}

#[tokio::test]
async fn a_session_that_comes_back_waits_for_a_place_on_one_connection() {
    let mut server = FakeServer::start(Behaviour::default());
    let config = ClientConfig { request_timeout: Duration::from_millis(300), ..config(&server) };
    let position = config.queue_position.clone();
    let (_session, mut events) = Session::register(config, name(), password()).await.unwrap();
    server.kill();
    server.set(Behaviour { queue: Some(1), ..Behaviour::default() });
    server.forget_heard();
    server.live();
    let mut shown = position.subscribe();
    let queued = timeout(Duration::from_secs(20), shown.wait_for(Option::is_some));
    assert_eq!(*queued.await.unwrap().unwrap(), Some(1));
    tokio::time::sleep(Duration::from_millis(1200)).await;
    server.let_in();
    find(&mut events, |event| matches!(event, SessionEvent::Reconnected).then_some(())).await;
    assert_eq!((server.hellos(), position.now()), (1, None));
}

#[tokio::test]
async fn who_loses_the_connection_while_waiting_hears_so() {
    let mut server = FakeServer::start(Behaviour { queue: Some(1), ..Behaviour::default() });
    let config = config(&server);
    let position = config.queue_position.clone();
    let (client, _events) = Client::connect(config).await.unwrap();
    let logging_in = tokio::spawn(async move { client.log_in_as_guest().await });
    let mut shown = position.subscribe();
    timeout(Duration::from_secs(20), shown.wait_for(Option::is_some)).await.unwrap().unwrap();
    server.kill();
    let lost = timeout(Duration::from_secs(20), logging_in).await.unwrap().unwrap();
    assert!(matches!(lost, Err(RequestError::ConnectionLost(_))), "{lost:?}");
    assert_eq!(position.now(), None);
}
