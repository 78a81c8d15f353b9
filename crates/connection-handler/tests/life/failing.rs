//! What handlers do when what they live on fails, and when there is too much of everything.

use std::{future::pending, io, time::Duration};

use actix::{Actor, ActorContext, Addr, Context, Handler, Message};
use connection_handler::{
    Activity, ConnectionConfig, IncomingConnectionHandler, OutgoingConnectionHandler,
    PeerConnected, PeerDisconnected, PeerMessages, Status, supervise,
    transport::{
        Connection, Connector, Handshake, Listener,
        memory::{MemoryListener, memory},
        tcp::{TcpConnector, TcpPort},
    },
};
use tokio::{
    io::{AsyncReadExt, DuplexStream, ReadHalf, WriteHalf},
    net::{TcpListener, TcpStream},
    time::sleep,
};

use crate::{
    again_after,
    central::Event,
    handler::{Client, ClientHandler, Server, ServerHandler},
    incoming,
    log::Log,
    soon, until,
};

const LONG: Duration = Duration::from_secs(600);

#[actix::test]
async fn an_idle_listener_notices_that_the_central_actor_has_ended() {
    let (central, ended) = supervise(Mortal::default());
    let (listener, mut connector) = memory(64);
    let config = ConnectionConfig::default();
    let handler =
        IncomingConnectionHandler::new(ClientHandler, listener, central.clone(), config).start();
    central.do_send(Die);
    soon(ended).await;
    soon(gone(&handler)).await;
    assert!(connector.connect().await.is_err(), "the listener is closed");
}

#[actix::test]
async fn handshakes_in_flight_end_with_the_central_actor() {
    let (central, _ended) = supervise(Mortal::default());
    let (inner, mut connector) = memory(64);
    let config = ConnectionConfig { handshake_timeout: LONG, ..Default::default() };
    let handler =
        IncomingConnectionHandler::new(ClientHandler, Hanging(inner), central.clone(), config)
            .start();
    let mut socket = connector.connect().await.unwrap();
    let mut status = handler.send(Status).await.unwrap();
    soon(status.wait_for(|status| status.handshakes == 1)).await.unwrap();
    central.do_send(Die);
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
    central.do_send(Die);
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
        central.do_send(Die);
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
    let (mut server, _handler) =
        incoming(Aborted { inner, left: 1000 }, ConnectionConfig::default());
    let _socket = connector.connect().await.unwrap();
    server.connected().await;
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
    let (mut server, handler) = incoming(FirstHang { inner, left: 20 }, config);
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

/// A central actor that ends when told.
#[derive(Default)]
struct Mortal {
    clients: Vec<Client>,
    servers: Vec<Server>,
}

#[derive(Message)]
#[rtype(result = "()")]
struct Die;

impl Actor for Mortal {
    type Context = Context<Self>;
}

impl Handler<Die> for Mortal {
    type Result = ();

    fn handle(&mut self, _: Die, ctx: &mut Context<Self>) {
        ctx.stop();
    }
}

impl Handler<PeerConnected<Client>> for Mortal {
    type Result = ();

    fn handle(&mut self, connected: PeerConnected<Client>, _: &mut Context<Self>) {
        self.clients.push(connected.peer);
    }
}

impl Handler<PeerMessages<Client>> for Mortal {
    type Result = ();

    fn handle(&mut self, _: PeerMessages<Client>, _: &mut Context<Self>) {}
}

impl Handler<PeerDisconnected<Client>> for Mortal {
    type Result = ();

    fn handle(&mut self, _: PeerDisconnected<Client>, _: &mut Context<Self>) {}
}

impl Handler<PeerConnected<Server>> for Mortal {
    type Result = ();

    fn handle(&mut self, connected: PeerConnected<Server>, _: &mut Context<Self>) {
        self.servers.push(connected.peer);
    }
}

impl Handler<PeerMessages<Server>> for Mortal {
    type Result = ();

    fn handle(&mut self, _: PeerMessages<Server>, _: &mut Context<Self>) {}
}

impl Handler<PeerDisconnected<Server>> for Mortal {
    type Result = ();

    fn handle(&mut self, _: PeerDisconnected<Server>, _: &mut Context<Self>) {}
}

type PipeRead = ReadHalf<DuplexStream>;
type PipeWrite = WriteHalf<DuplexStream>;

/// Never finishes a handshake.
struct Hanging(MemoryListener);

impl Listener for Hanging {
    type Read = PipeRead;
    type Write = PipeWrite;

    async fn accept(&mut self) -> io::Result<Handshake<PipeRead, PipeWrite>> {
        let handshake = self.0.accept().await?;
        Ok(Handshake::new(handshake.remote_addr, async move {
            let _connection = handshake.await?;
            pending().await
        }))
    }
}

/// So many handshakes are never finished, those after them are.
struct FirstHang {
    inner: MemoryListener,
    left: usize,
}

impl Listener for FirstHang {
    type Read = PipeRead;
    type Write = PipeWrite;

    async fn accept(&mut self) -> io::Result<Handshake<PipeRead, PipeWrite>> {
        let handshake = self.inner.accept().await?;
        if self.left == 0 {
            return Ok(handshake);
        }
        self.left -= 1;
        Ok(Handshake::new(handshake.remote_addr, async move {
            let _connection = handshake.await?;
            pending().await
        }))
    }
}

/// So many have left before they were accepted.
struct Aborted {
    inner: MemoryListener,
    left: usize,
}

impl Listener for Aborted {
    type Read = PipeRead;
    type Write = PipeWrite;

    async fn accept(&mut self) -> io::Result<Handshake<PipeRead, PipeWrite>> {
        if self.left > 0 {
            self.left -= 1;
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        self.inner.accept().await
    }
}

/// Does not answer, or says no.
struct NotThere {
    hangs: bool,
}

impl Connector for NotThere {
    type Read = PipeRead;
    type Write = PipeWrite;

    async fn connect(&mut self) -> io::Result<Connection<PipeRead, PipeWrite>> {
        match self.hangs {
            true => pending().await,
            false => Err(io::ErrorKind::ConnectionRefused.into()),
        }
    }
}
