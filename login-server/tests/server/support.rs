//! A login server in this process, and everybody who talks to it.

use std::{net::SocketAddr, path::Path, time::Duration};

use bytes::BytesMut;
use connection_handler::{
    Decoded, DisconnectReason, MessageDecoder, MessageEncoder, MessageLimit,
    TcpMessageConnectionReader, TcpMessageConnectionWriter,
    transport::{
        keys::{Identity, Trust},
        secure::{SecureConnector, SecureRead, SecureWrite},
    },
};
use futures_util::{SinkExt, StreamExt};
use login_server::{Config, config::ConfigLimits, run};
use protocol::{
    ALPN_GAME_CLIENT, ALPN_LAUNCHER, DecodeError, FromGameClient, FromLauncher, Goodbye, Hello,
    List, LoggedIn, Password, Reachable, Refusal, RequestId, ServerChange, ServerEvent,
    ServerEvents, ServerId, ServerProperty, ServerState, Text, ToGameClient, ToLauncher, Wire,
};
use serde_json::Value;
use tempfile::TempDir;
use tokio::{
    sync::oneshot,
    task::JoinHandle,
    time::{sleep, timeout},
};
use tokio_util::codec::{FramedRead, FramedWrite};

/// A login server that listens.
pub(crate) struct Server {
    pub(crate) config: Config,
    pub(crate) addr: SocketAddr,
    pub(crate) trust: Trust,
    shutdown: oneshot::Sender<()>,
    running: JoinHandle<anyhow::Result<()>>,
    _directory: Option<TempDir>,
}

impl Server {
    /// A new one, with its own data.
    pub(crate) async fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let server = Self::start_in(directory.path()).await;
        Self { _directory: Some(directory), ..server }
    }

    /// One with the data in `directory`.
    pub(crate) async fn start_in(directory: &Path) -> Self {
        Self::start_with(Config {
            data_dir: directory.join("data"),
            listen: vec!["127.0.0.1:0".parse().unwrap()],
            ready_file: Some(directory.join("ready.json")),
            limits: ConfigLimits { registrations_per_hour: 100, ..Default::default() },
            ..Default::default()
        })
        .await
    }

    pub(crate) async fn start_with(config: Config) -> Self {
        let file = config.ready_file.clone().unwrap();
        let _ = std::fs::remove_file(&file);
        let (shutdown, wanted) = oneshot::channel();
        let running = actix::spawn(run(config.clone(), async {
            let _ = wanted.await;
        }));
        let (addr, trust) = ready(&file, || running.is_finished()).await;
        Self { config, addr, trust, shutdown, running, _directory: None }
    }

    /// Ends it as SIGTERM does.
    pub(crate) async fn stop(self) {
        self.shutdown.send(()).unwrap();
        within(self.running).await.unwrap().unwrap();
    }

    /// The pin of its key, as browsers write it.
    pub(crate) fn spki(&self) -> String {
        let Trust::Pins(pins) = &self.trust else { panic!("it is pinned") };
        data_encoding::BASE64.encode(pins[0].as_bytes())
    }

    /// A game client that was welcomed.
    pub(crate) async fn client(&self) -> Client {
        greeted(self.addr, &self.trust).await
    }

    /// A game client that has said nothing.
    pub(crate) async fn stranger(&self) -> Client {
        Line::connect(self.addr, &self.trust, ALPN_GAME_CLIENT, None).await
    }

    /// A game client with a new account.
    pub(crate) async fn registered(&self, name: &str) -> (Client, LoggedIn) {
        let mut client = self.client().await;
        client.send(register(name, PASSWORD)).await;
        let logged_in = client.logged_in().await;
        (client, logged_in)
    }

    /// A launcher that has said Hello.
    pub(crate) async fn launcher(&self, identity: &Identity) -> Launcher {
        let identity = Some(identity.clone());
        let mut launcher = Line::connect(self.addr, &self.trust, ALPN_LAUNCHER, identity).await;
        launcher.send(FromLauncher::Hello(Hello::from_us("test"))).await;
        launcher
    }
}

/// What the ready file says, once it is there. `ended`: whether that will not happen any more.
pub(crate) async fn ready(file: &Path, mut ended: impl FnMut() -> bool) -> (SocketAddr, Trust) {
    let ready = within(async {
        // A file has no event to wait for.
        loop {
            match std::fs::read(file) {
                Ok(json) => break serde_json::from_slice::<Value>(&json).unwrap(),
                Err(_) if ended() => panic!("the server did not start"),
                Err(_) => sleep(Duration::from_millis(10)).await,
            }
        }
    })
    .await;
    let addr = ready["game_clients"].as_str().unwrap().parse().unwrap();
    let pin = ready["spki_fingerprint"].as_str().unwrap().parse().unwrap();
    (addr, Trust::Pins(vec![pin]))
}

/// A game client of the server at `addr` that was welcomed.
pub(crate) async fn greeted(addr: SocketAddr, trust: &Trust) -> Client {
    let mut client: Client = Line::connect(addr, trust, ALPN_GAME_CLIENT, None).await;
    client.send(FromGameClient::Hello(Hello::from_us("test"))).await;
    let welcome = client.receive().await;
    assert!(matches!(welcome, ToGameClient::Welcome(_)), "{welcome:?}");
    client
}

/// One connection, and what travels on it.
pub(crate) struct Line<I, O> {
    read: FramedRead<SecureRead, TcpMessageConnectionReader<Codec<I>>>,
    pub(crate) write: FramedWrite<SecureWrite, TcpMessageConnectionWriter<Codec<O>>>,
}

pub(crate) type Client = Line<ToGameClient, FromGameClient>;
pub(crate) type Launcher = Line<ToLauncher, FromLauncher>;

impl<I: Wire + std::fmt::Debug + 'static, O: Wire + 'static> Line<I, O> {
    async fn connect(
        addr: SocketAddr,
        trust: &Trust,
        alpn: &'static str,
        identity: Option<Identity>,
    ) -> Self {
        within(Self::try_connect(addr, trust, alpn, identity)).await.unwrap()
    }

    pub(crate) async fn try_connect(
        addr: SocketAddr,
        trust: &Trust,
        alpn: &'static str,
        identity: Option<Identity>,
    ) -> std::io::Result<Self> {
        let connector = SecureConnector::new(addr, alpn, trust.clone(), identity);
        let connection = connector.connect().await?;
        let limit = MessageLimit::new(protocol::MAX_AFTER_LOGIN);
        Ok(Self {
            read: FramedRead::new(
                connection.read,
                TcpMessageConnectionReader::new(Codec::default(), limit),
            ),
            write: FramedWrite::new(
                connection.write,
                TcpMessageConnectionWriter::new(Codec::default()),
            ),
        })
    }

    /// Says something to who may be gone.
    pub(crate) async fn try_send(&mut self, message: O) -> Result<(), DisconnectReason> {
        self.write.send(message).await
    }

    /// The next message; none when the connection has ended.
    pub(crate) async fn try_receive(&mut self) -> Option<I> {
        self.read.next().await?.ok()
    }

    pub(crate) async fn send(&mut self, message: O) {
        within(self.write.send(message)).await.unwrap();
    }

    #[track_caller]
    pub(crate) fn receive(&mut self) -> impl Future<Output = I> + use<'_, I, O> {
        let caller = std::panic::Location::caller();
        async move {
            let next = timeout(LIMIT, self.read.next()).await;
            let next = next.unwrap_or_else(|_| panic!("{caller}: nothing was said"));
            next.unwrap_or_else(|| panic!("{caller}: the connection has ended")).unwrap()
        }
    }

    /// What is said until the connection ends.
    pub(crate) async fn rest(&mut self) -> Vec<I> {
        let mut rest = Vec::new();
        while let Some(Ok(message)) = within(self.read.next()).await {
            rest.push(message);
        }
        rest
    }
}

impl Client {
    #[track_caller]
    pub(crate) fn logged_in(&mut self) -> impl Future<Output = LoggedIn> + use<'_> {
        let caller = std::panic::Location::caller();
        async move {
            match self.receive().await {
                ToGameClient::LoggedIn(logged_in) => logged_in,
                other => panic!("{caller}: {other:?}"),
            }
        }
    }

    #[track_caller]
    pub(crate) fn refused(&mut self) -> impl Future<Output = Refusal> + use<'_> {
        let caller = std::panic::Location::caller();
        async move {
            match self.receive().await {
                ToGameClient::Refused { reason, .. } => reason,
                other => panic!("{caller}: {other:?}"),
            }
        }
    }

    /// The one server there is, as clients know it.
    pub(crate) async fn the_server(&mut self) -> ServerId {
        self.send(FromGameClient::WatchServers).await;
        let events = self.events_until(|event| matches!(event, ServerEvent::Appeared { .. })).await;
        self.send(FromGameClient::UnwatchServers).await;
        appeared(&events)
    }

    /// The events of the list up to one that satisfies `last`.
    pub(crate) async fn events_until(
        &mut self,
        last: impl Fn(&ServerEvent) -> bool,
    ) -> Vec<ServerEvent> {
        let mut events = Vec::new();
        loop {
            if let ToGameClient::Servers(message) = self.receive().await {
                events.extend(message.events);
                if events.iter().any(&last) {
                    return events;
                }
            }
        }
    }
}

impl Launcher {
    /// Lists one server that is ready, and waits until it is known.
    pub(crate) async fn list_server(&mut self, server: ServerId, title: &str) {
        self.send(FromLauncher::Servers(one_server(server, title))).await;
        let reachable = Reachable { server, addresses: List::default(), port: 3979 };
        self.send(FromLauncher::Reachable(reachable)).await;
        self.send(FromLauncher::Ping { nonce: 7 }).await;
        let pong = self.receive().await;
        assert!(matches!(pong, ToLauncher::Pong { nonce: 7 }), "{pong:?}");
    }
}

/// The goodbye among `messages`, which has to be the last.
#[track_caller]
pub(crate) fn goodbye(messages: &[ToGameClient]) -> &Goodbye {
    match messages {
        [.., ToGameClient::Goodbye(goodbye)] => goodbye,
        other => panic!("{other:?}"),
    }
}

/// The one server that has appeared.
#[track_caller]
pub(crate) fn appeared(events: &[ServerEvent]) -> ServerId {
    let appeared = events.iter().filter_map(|event| match event {
        ServerEvent::Appeared { server } => Some(*server),
        ServerEvent::Changed { .. } | ServerEvent::Disappeared { .. } => None,
    });
    match appeared.collect::<Vec<_>>()[..] {
        [server] => server,
        ref other => panic!("{other:?}"),
    }
}

/// A whole list: one server.
pub(crate) fn one_server(server: ServerId, title: &str) -> ServerEvents {
    let property =
        |property| ServerEvent::Changed { server, change: ServerChange::Property(property) };
    let events = vec![
        ServerEvent::Appeared { server },
        property(ServerProperty::Title(Text::lossy(title))),
        property(ServerProperty::Game(Text::lossy("openttd"))),
        property(ServerProperty::State(ServerState::Ready)),
    ];
    ServerEvents { fresh: true, events: events.try_into().unwrap() }
}

pub(crate) fn register(name: &str, password: &str) -> FromGameClient {
    let (name, password) = (Text::lossy(name), Password(Text::lossy(password)));
    FromGameClient::Register { request: REQUEST, name, password }
}

pub(crate) fn log_in(name: &str, password: &str) -> FromGameClient {
    let (name, password) = (Text::lossy(name), Password(Text::lossy(password)));
    FromGameClient::LogIn { request: REQUEST, name, password }
}

pub(crate) async fn within<T>(future: impl Future<Output = T>) -> T {
    timeout(LIMIT, future).await.expect("it takes too long")
}

pub(crate) const REQUEST: RequestId = RequestId(3);
pub(crate) const PASSWORD: &str = "correct horse";

/// More than any of this may take on a busy machine.
pub(crate) const LIMIT: Duration = Duration::from_secs(30);

/// The codec, as somebody else would write it.
pub(crate) struct Codec<M>(std::marker::PhantomData<fn() -> M>);

impl<M> Default for Codec<M> {
    fn default() -> Self {
        Self(std::marker::PhantomData)
    }
}

impl<M: Wire + 'static> MessageDecoder for Codec<M> {
    type Message = M;
    type Error = DisconnectReason;

    fn decode(&mut self, bytes: &[u8]) -> Result<Decoded<M>, DisconnectReason> {
        match protocol::decode(bytes) {
            Ok(message) => Ok(Decoded::Message(message)),
            Err(DecodeError::Incomplete) => Ok(Decoded::Incomplete),
            Err(error) => Err(DisconnectReason::invalid(error)),
        }
    }
}

impl<M: Wire + 'static> MessageEncoder<M> for Codec<M> {
    type Error = DisconnectReason;

    fn encode(&mut self, message: &M, bytes: &mut BytesMut) -> Result<(), DisconnectReason> {
        protocol::encode(message, bytes);
        Ok(())
    }
}
