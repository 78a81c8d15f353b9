//! What handlers do when what they live on fails, and when there is too much of everything.

use std::{io, time::Duration};

use actix::{Actor, Addr, Context};
use connection_handler::{
    Activity, ConnectionConfig, Drain, IncomingConnectionHandler, OutgoingConnectionHandler,
    Status, supervise,
    transport::{
        Connector, Listener,
        memory::memory,
        tcp::{TcpConnector, TcpPort},
    },
};
use tokio::{
    io::AsyncReadExt,
    net::{TcpListener, TcpStream},
    time::{sleep, timeout},
};

use crate::{
    again_after,
    central::Event,
    handler::{ClientHandler, ServerHandler},
    incoming,
    listeners::{Failing, Hanging, NotThere},
    log::Log,
    mortal::{Die, Mortal},
    soon, until,
};

const LONG: Duration = Duration::from_secs(600);

#[actix::test]
async fn a_central_actor_that_ends_takes_its_handlers_and_peers_along() {
    for how in [Die::Stopped, Die::Panicking] {
        let (central, ended) = supervise(Mortal::default());
        let (listener, mut connector) = memory(64);
        let config = ConnectionConfig::default();
        let handler = IncomingConnectionHandler::new(
            ClientHandler,
            listener,
            central.clone(),
            config.clone(),
        )
        .start();
        let mut socket = connector.connect().await.unwrap();
        let mut status = handler.send(Status).await.unwrap();
        soon(status.wait_for(|status| status.open == 1)).await.unwrap();
        central.do_send(how);
        soon(ended).await;
        assert_eq!(
            soon(socket.read.read(&mut [0])).await.unwrap(),
            0,
            "its peers are disconnected"
        );
        soon(gone(&handler)).await;

        let (_listener, connector) = memory(64);
        let late =
            OutgoingConnectionHandler::new(ServerHandler, connector, central, config).start();
        soon(gone(&late)).await;
    }
}

#[actix::test]
async fn a_central_actor_that_lives_is_not_said_to_have_ended() {
    let (_central, ended) = supervise(Mortal::default());
    assert!(timeout(Duration::from_millis(50), ended).await.is_err());
}

#[actix::test]
async fn an_idle_listener_notices_that_the_central_actor_has_ended() {
    let (central, ended) = supervise(Mortal::default());
    let (listener, mut connector) = memory(64);
    let config = ConnectionConfig::default();
    let handler =
        IncomingConnectionHandler::new(ClientHandler, listener, central.clone(), config).start();
    central.do_send(Die::Stopped);
    soon(ended).await;
    soon(gone(&handler)).await;
    assert!(connector.connect().await.is_err(), "the listener is closed");
}

#[actix::test]
async fn handshakes_in_flight_end_with_the_central_actor() {
    let (central, _ended) = supervise(Mortal::default());
    let (inner, mut connector) = memory(64);
    let config = ConnectionConfig { handshake_timeout: LONG, ..Default::default() };
    let handler = IncomingConnectionHandler::new(
        ClientHandler,
        Hanging::always(inner),
        central.clone(),
        config,
    )
    .start();
    let mut socket = connector.connect().await.unwrap();
    let mut status = handler.send(Status).await.unwrap();
    soon(status.wait_for(|status| status.handshakes == 1)).await.unwrap();
    central.do_send(Die::Stopped);
    assert_eq!(soon(socket.read.read(&mut [0])).await.unwrap(), 0);
    soon(gone(&handler)).await;
}

#[actix::test]
async fn a_connection_we_opened_ends_with_the_central_actor_and_is_not_opened_again() {
    let (central, _ended) = supervise(Mortal::default());
    let (mut listener, connector) = memory(64);
    let handler = OutgoingConnectionHandler::new(
        ServerHandler,
        connector,
        central.clone(),
        again_after(LONG),
    )
    .start();
    let mut socket = soon(listener.accept()).await.unwrap().await.unwrap();
    let mut status = handler.send(Status).await.unwrap();
    soon(status.wait_for(|status| status.open == 1)).await.unwrap();
    central.do_send(Die::Stopped);
    assert_eq!(soon(socket.read.read(&mut [0])).await.unwrap(), 0);
    soon(gone(&handler)).await;
}

#[actix::test]
async fn an_attempt_to_connect_and_a_pause_end_with_the_central_actor() {
    for hangs in [true, false] {
        let (central, _ended) = supervise(Mortal::default());
        let config = ConnectionConfig { handshake_timeout: LONG, ..again_after(LONG) };
        let connector = NotThere { hangs };
        let handler =
            OutgoingConnectionHandler::new(ServerHandler, connector, central.clone(), config)
                .start();
        let mut status = handler.send(Status).await.unwrap();
        match hangs {
            true => drop(soon(status.wait_for(|status| status.handshakes == 1)).await.unwrap()),
            false => {
                until(&mut status, |activity| matches!(activity, Activity::Failing(_))).await;
            }
        }
        central.do_send(Die::Stopped);
        soon(gone(&handler)).await;
    }
}

#[actix::test]
async fn a_listener_whose_socket_dies_says_so() {
    let log = Log::default();
    let _guard = log.capture();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let killer = killer(listener).await;
    let (mut server, handler) = incoming(killer.listener, ConnectionConfig::default());
    let _socket = TcpStream::connect(addr).await.unwrap();
    let _peer = server.connected().await;
    let mut status = handler.send(Status).await.unwrap();
    kill(&killer.socket);
    let status = until(&mut status, |activity| matches!(activity, Activity::Ended(_))).await;
    let Activity::Ended(Some(_)) = status.activity else { panic!("{status:?}") };
    assert_eq!(status.open, 1, "connections live on");
    let lines = log.lines("the listener is closed");
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].contains(&addr.to_string()), "{lines:?}");
    assert_eq!(log.lines("trying again").len(), 0);
}

#[actix::test]
async fn a_port_is_taken_again_when_its_socket_dies() {
    let log = Log::default();
    let _guard = log.capture();
    let killer = killer(TcpListener::bind("127.0.0.1:0").await.unwrap()).await;
    let port = TcpPort::try_from(killer.listener).unwrap();
    let mut connector = TcpConnector { addr: port.local_addr() };
    let (mut server, handler) = incoming(port, ConnectionConfig::default());
    let _first = connector.connect().await.unwrap();
    let _first_peer = server.connected().await;
    let mut status = handler.send(Status).await.unwrap();
    kill(&killer.socket);
    drop(killer.socket);
    until(&mut status, |activity| matches!(activity, Activity::Failing(_))).await;
    let _second = soon(async {
        loop {
            match connector.connect().await {
                Ok(connection) => return connection,
                Err(_) => sleep(Duration::from_millis(5)).await,
            }
        }
    })
    .await;
    server.connected().await;
    assert!(matches!(status.borrow().activity, Activity::Running));
    assert_eq!(log.lines("trying again").len(), 1);
    assert_eq!(log.lines("accepting connections again").len(), 1);
}

#[actix::test]
async fn who_leaves_before_being_accepted_delays_nobody() {
    let log = Log::default();
    let _guard = log.capture();
    let (inner, mut connector) = memory(64);
    let listener = Failing { inner, left: 1000, error: io::ErrorKind::ConnectionAborted };
    let (mut server, _handler) = incoming(listener, ConnectionConfig::default());
    let _socket = connector.connect().await.unwrap();
    server.connected().await;
    assert_eq!(log.lines("trying again").len(), 0);
}

#[actix::test]
async fn failing_to_accept_is_said_once_and_tried_again() {
    let log = Log::default();
    let _guard = log.capture();
    let (inner, mut connector) = memory(64);
    let listener = Failing { inner, left: 3, error: io::ErrorKind::Other };
    let (mut server, _handler) = incoming(listener, ConnectionConfig::default());
    let _socket = connector.connect().await.unwrap();
    server.connected().await;
    assert_eq!(log.lines("trying again").len(), 1);
}

#[actix::test]
async fn a_listener_that_is_closed_is_not_asked_again() {
    let log = Log::default();
    let _guard = log.capture();
    let (listener, connector) = memory(64);
    drop(connector);
    let (_server, handler) = incoming(listener, ConnectionConfig::default());
    soon(handler.send(Drain { patience: LONG })).await.unwrap();
    assert_eq!(log.lines("the listener is closed").len(), 1);
    assert_eq!(log.lines("trying again").len(), 0);
}

/// actix-server lets in more than its limit when many wait, and once at its limit may never accept
/// again.
#[actix::test]
async fn the_limit_holds_while_many_wait_and_all_of_them_get_their_turn() {
    const LIMIT_OF_CONNECTIONS: usize = 3;
    const CLIENTS: usize = 60;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    // All of them are with the kernel before anybody is accepted.
    let mut waiting = Vec::new();
    for _ in 0..CLIENTS {
        waiting.push(TcpStream::connect(addr).await.unwrap());
    }
    let config = ConnectionConfig { max_connections: LIMIT_OF_CONNECTIONS, ..Default::default() };
    let (mut server, handler) = incoming(listener, config);
    let mut status = handler.send(Status).await.unwrap();
    let (mut open, mut served) = (Vec::new(), 0);
    while served < CLIENTS {
        match soon(server.0.recv()).await.unwrap() {
            Event::Connected(peer) => open.push(peer),
            Event::Disconnected(_) => served += 1,
            Event::Message(_) => panic!("nobody says anything"),
        }
        let counted = status.borrow_and_update().clone();
        assert!(counted.open + counted.handshakes <= LIMIT_OF_CONNECTIONS, "{counted:?}");
        assert!(open.len() <= LIMIT_OF_CONNECTIONS);
        // Several at once, since that is when the limit may be overshot.
        if open.len() == LIMIT_OF_CONNECTIONS {
            open.clear();
        }
    }
    let mut late = TcpStream::connect(addr).await.unwrap();
    drop(server.connected().await);
    assert_eq!(soon(late.read(&mut [0])).await.unwrap(), 0);
}

#[actix::test]
async fn unfinished_handshakes_are_no_more_than_the_limit() {
    let (inner, mut connector) = memory(64);
    let config = ConnectionConfig {
        max_handshakes: 2,
        handshake_timeout: Duration::from_millis(50),
        ..Default::default()
    };
    let (mut server, handler) = incoming(Hanging { inner, left: 20 }, config);
    let mut status = handler.send(Status).await.unwrap();
    let mut sockets = Vec::new();
    for _ in 0..23 {
        sockets.push(connector.connect().await.unwrap());
    }
    let mut served = Vec::new();
    while served.len() < 3 {
        soon(status.changed()).await.unwrap();
        let handshakes = status.borrow_and_update().handshakes;
        // Those three that are done may be on their way to be started.
        assert!(handshakes <= 5, "{handshakes} handshakes");
        while let Ok(Event::Connected(peer)) = server.0.try_recv() {
            served.push(peer);
        }
    }
}

async fn gone<A: Actor<Context = Context<A>>>(handler: &Addr<A>) {
    while handler.connected() {
        sleep(Duration::from_millis(5)).await;
    }
}

/// A listener, and another descriptor of its socket.
struct Killer {
    listener: TcpListener,
    socket: std::net::TcpListener,
}

async fn killer(listener: TcpListener) -> Killer {
    let listener = listener.into_std().unwrap();
    let socket = listener.try_clone().unwrap();
    Killer { listener: TcpListener::from_std(listener).unwrap(), socket }
}

/// What `ss -K` does to it.
fn kill(socket: &std::net::TcpListener) {
    rustix::net::shutdown(socket, rustix::net::Shutdown::Read).unwrap();
}
