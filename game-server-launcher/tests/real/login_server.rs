//! The login server's side of the protocol, and what it has come to know.

use std::{
    collections::{BTreeMap, HashMap},
    net::SocketAddr,
    path::Path,
    time::Duration,
};

use bytes::BytesMut;
use connection_handler::{
    Decoded, DisconnectReason, MessageDecoder, MessageEncoder, MessageLimit,
    TcpMessageConnectionReader, TcpMessageConnectionWriter,
    transport::{
        Listener as _,
        keys::{Identity, KeyFingerprint},
        secure::{SecureListener, SecurePort, SecurePortConfig, SecurePortHandle},
    },
};
use futures_util::{SinkExt as _, StreamExt as _};
use protocol::{
    ALPN_LAUNCHER, Admission, BootId, DecodeError, Enrollment, EnrollmentSecret, FromLauncher,
    GamePlayerId, Goodbye, JoinSecret, List, MAX_AFTER_LOGIN, RequestId, ServerChange, ServerEvent,
    ServerId, ServerProperty, ServerState, SignedTicket, Text, TicketId, TicketKey, ToLauncher,
    UnixMillis, Welcome,
};
use tickets::{JoinCode, ServerName, SigningKeys, Ticket};
use tokio::{sync::mpsc, task::JoinHandle, time::timeout};
use tokio_util::codec::{FramedRead, FramedWrite};

use crate::game_client::GameClient;

/// A login server that knows one launcher.
pub(crate) struct LoginServer {
    addr: SocketAddr,
    identity: Identity,
    heard: mpsc::UnboundedReceiver<Heard>,
    launcher: Option<mpsc::UnboundedSender<ToLauncher>>,
    running: Option<(SecurePortHandle, JoinHandle<()>)>,
    requests: u32,
    /// What is known of each server.
    pub(crate) servers: HashMap<ServerId, Server>,
    /// What was said in games, and by whom.
    pub(crate) said: Vec<(String, String)>,
    pub(crate) admissions: HashMap<u32, Admission>,
    /// What tickets are signed with, for which launcher.
    pub(crate) ticket_keys: SigningKeys,
    launcher_key: Option<[u8; 32]>,
    /// By how many milliseconds our clock is behind.
    pub(crate) behind_ms: u64,
    /// Whose ticket was announced, and what of it.
    pub(crate) announced: HashMap<String, Announced>,
    /// Who is in the game with a ticket.
    pub(crate) arrived: HashMap<TicketId, GamePlayerId>,
    /// How often a launcher has told everything.
    pub(crate) snapshots: usize,
}

/// What is known of one game server.
#[derive(Clone, Debug, Default)]
pub(crate) struct Server {
    pub(crate) title: String,
    pub(crate) game: String,
    pub(crate) map: String,
    pub(crate) state: Option<ServerState>,
    pub(crate) states: Vec<ServerState>,
    pub(crate) max_players: u16,
    pub(crate) details: BTreeMap<String, String>,
    pub(crate) players: BTreeMap<GamePlayerId, String>,
    pub(crate) port: Option<u16>,
}

/// A ticket and a code that the launcher was told of.
#[derive(Clone, Debug)]
pub(crate) struct Announced {
    pub(crate) id: TicketId,
    pub(crate) ticket: SignedTicket,
    pub(crate) code: String,
}

enum Heard {
    Connected(mpsc::UnboundedSender<ToLauncher>, [u8; 32]),
    Message(FromLauncher),
}

const SECRET: EnrollmentSecret = EnrollmentSecret([7; 32]);

impl LoginServer {
    pub(crate) async fn start() -> Self {
        let identity = Identity::ephemeral().unwrap();
        let mut server = Self {
            addr: ([127, 0, 0, 1], 0).into(),
            identity,
            heard: mpsc::unbounded_channel().1,
            launcher: None,
            running: None,
            requests: 0,
            servers: HashMap::new(),
            said: Vec::new(),
            admissions: HashMap::new(),
            ticket_keys: SigningKeys::generate().unwrap(),
            launcher_key: None,
            behind_ms: 0,
            announced: HashMap::new(),
            arrived: HashMap::new(),
            snapshots: 0,
        };
        server.begin(true).await;
        server
    }

    /// Is gone, as after kill -9.
    pub(crate) async fn die(&mut self) {
        if let Some((port, connections)) = self.running.take() {
            connections.abort();
            let _ = connections.await;
            port.close().await;
        }
        self.launcher = None;
        self.servers.clear();
    }

    /// Is there (again). A launcher it does not `know` is refused.
    pub(crate) async fn begin(&mut self, know: bool) {
        let bind = async {
            // What is left of the life before may take a moment to let go of the port.
            loop {
                let config = SecurePortConfig::default();
                match SecurePort::bind(self.addr, &self.identity, config).await {
                    Ok(port) => return port,
                    Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {
                        tokio::time::sleep(Duration::from_millis(20)).await;
                    }
                    Err(error) => panic!("{error}"),
                }
            }
        };
        let mut port = timeout(crate::LIMIT, bind).await.expect("the port is free again");
        let listener = port.listener(ALPN_LAUNCHER);
        self.addr = port.local_addr();
        let (sender, heard) = mpsc::unbounded_channel();
        self.heard = heard;
        self.running = Some((port.start(), actix::spawn(accept(listener, sender, know))));
    }

    /// What `login-server launcher enroll` would print.
    pub(crate) fn enrollment(&self) -> Enrollment {
        let pin = *self.identity.fingerprint().as_bytes();
        Enrollment { address: self.addr.to_string(), pin, secret: SECRET }
    }

    /// What is known of the only server.
    #[track_caller]
    pub(crate) fn server(&self) -> (ServerId, &Server) {
        let (id, server) = self.servers.iter().next().expect("a server is listed");
        (*id, server)
    }

    pub(crate) fn send(&self, message: ToLauncher) {
        self.launcher.as_ref().expect("a launcher is connected").send(message).unwrap();
    }

    /// Listens until `what` is so.
    #[track_caller]
    pub(crate) fn until<'a>(
        &'a mut self,
        what: &'a str,
        is_so: impl Fn(&Self) -> bool + 'a,
    ) -> impl Future<Output = ()> + 'a {
        let caller = std::panic::Location::caller();
        async move {
            if !self.sees(crate::LIMIT, is_so).await {
                panic!("{caller}: never {what}; known: {:#?}", self.servers);
            }
        }
    }

    /// Listens until something is so, or for `limit`. Whether it is.
    pub(crate) async fn sees(&mut self, limit: Duration, is_so: impl Fn(&Self) -> bool) -> bool {
        let listen = async {
            while !is_so(self) {
                match self.heard.recv().await {
                    Some(Heard::Connected(launcher, key)) => {
                        self.launcher = Some(launcher);
                        self.launcher_key = Some(key);
                        self.arrived.clear();
                        self.tell_keys();
                    }
                    Some(Heard::Message(message)) => self.hear(message),
                    None => panic!("nobody is listened to"),
                }
            }
        };
        timeout(limit, listen).await.is_ok()
    }

    /// Lets a player into the only game, with a real client.
    ///
    /// A client that has just started sometimes forgets where it was told to connect to (its log
    /// ends before any attempt), and never tries again: then it is started once more.
    pub(crate) async fn enters(
        &mut self,
        dir: &Path,
        name: &str,
        port: u16,
        secret: &str,
    ) -> GameClient {
        for _ in 0..4 {
            let client = GameClient::join(dir, name, port, secret);
            let is_in = |login: &Self| {
                login.servers.values().any(|s| s.players.values().any(|player| player == name))
            };
            if self.sees(Duration::from_secs(8), is_in).await {
                return client;
            }
        }
        panic!("{name} does not get in; known: {:#?}", self.servers);
    }

    /// Listens until the only server has this state.
    #[track_caller]
    pub(crate) fn until_state(&mut self, state: ServerState) -> impl Future<Output = ()> {
        self.until("the state", move |login| {
            login.servers.values().any(|server| server.state == Some(state))
        })
    }

    /// Listens until players of these names are in.
    #[track_caller]
    pub(crate) fn until_players<'a>(
        &'a mut self,
        names: &'a [&'a str],
    ) -> impl Future<Output = ()> + 'a {
        self.until("these players", move |login| {
            let server = login.servers.values().next();
            server.is_some_and(|server| server.players.values().eq(names.iter()))
        })
    }

    fn now_ms(&self) -> u64 {
        clock_ms() - self.behind_ms
    }

    /// Tells the launcher what tickets are signed with.
    pub(crate) fn tell_keys(&self) {
        let keys = self.ticket_keys.public(self.now_ms());
        let keys = List::first_of(keys.iter().map(|key| TicketKey(*key.as_bytes())));
        let keys = ToLauncher::TicketKeys { now: UnixMillis(self.now_ms()), keys };
        // Who has only enrolled is gone by now.
        let _ = self.launcher.as_ref().expect("a launcher is connected").send(keys);
    }

    /// Asks for a player to be admitted, with a new ticket, and for the answer.
    pub(crate) async fn admit(&mut self, player: &str) -> Admission {
        let launcher = self.launcher_key.expect("a launcher is connected");
        let name = ServerName::of_launcher(&launcher, self.server().0.0);
        let ticket = Ticket::new(1, player, name, self.now_ms(), Duration::from_secs(300)).unwrap();
        self.announced.insert(
            player.to_owned(),
            Announced {
                id: TicketId(ticket.id.0),
                ticket: SignedTicket(Text::lossy(&self.ticket_keys.sign(&ticket))),
                code: JoinCode::generate().unwrap().as_str().to_owned(),
            },
        );
        self.admit_again(player).await
    }

    /// Asks for a player to be admitted, with the ticket announced before.
    pub(crate) async fn admit_again(&mut self, player: &str) -> Admission {
        self.requests += 1;
        let request = self.requests;
        let Announced { ticket, code, .. } = self.announced[player].clone();
        let (server, player) = (self.server().0, Text::lossy(player));
        let code = JoinSecret(Text::lossy(&code));
        self.send(ToLauncher::Admit { request: RequestId(request), server, player, ticket, code });
        self.until("an answer", |login| login.admissions.contains_key(&request)).await;
        self.admissions[&request].clone()
    }

    /// The secret for a player who has to be let in, and the port to show it at.
    pub(crate) async fn secret(&mut self, player: &str) -> (String, u16) {
        match self.admit(player).await {
            Admission::Granted { secret } => {
                (secret.reveal().to_owned(), self.server().1.port.unwrap())
            }
            other => panic!("{other:?}"),
        }
    }

    fn hear(&mut self, message: FromLauncher) {
        match message {
            FromLauncher::Servers(told) => {
                if told.fresh {
                    self.servers.clear();
                    self.snapshots += 1;
                }
                for event in told.events {
                    self.event(event);
                }
            }
            FromLauncher::Reachable(reachable) => {
                self.servers.entry(reachable.server).or_default().port = Some(reachable.port);
            }
            FromLauncher::Admitted { request, admission } => {
                self.admissions.insert(request.0, admission);
            }
            FromLauncher::Said { name, text, .. } => self.said.push((name.into(), text.into())),
            FromLauncher::Arrived { ticket, player } => {
                let ticket = Ticket::read(ticket.reveal(), &self.ticket_keys.remembered());
                let id = TicketId(ticket.expect("a ticket of ours").id.0);
                assert_eq!(self.arrived.insert(id, player), None, "told once");
            }
            FromLauncher::Left { ticket } => {
                assert!(self.arrived.remove(&ticket).is_some(), "{ticket} was not in");
            }
            FromLauncher::Hello(_)
            | FromLauncher::Enroll { .. }
            | FromLauncher::Ping { .. }
            | FromLauncher::Pong { .. }
            | FromLauncher::Played { .. } => {}
        }
    }

    fn event(&mut self, event: ServerEvent) {
        match event {
            ServerEvent::Appeared { server } => {
                self.servers.insert(server, Server::default());
            }
            ServerEvent::Changed { server, change } => {
                self.servers.get_mut(&server).expect("it has appeared").change(change);
            }
            ServerEvent::Disappeared { server } => drop(self.servers.remove(&server)),
        }
    }
}

impl Server {
    fn change(&mut self, change: ServerChange) {
        match change {
            ServerChange::Property(property) => match property {
                ServerProperty::Title(title) => self.title = title.into(),
                ServerProperty::Game(game) => self.game = game.into(),
                ServerProperty::State(state) => {
                    self.state = Some(state);
                    self.states.push(state);
                }
                ServerProperty::Map(map) => self.map = map.into(),
                ServerProperty::MaxPlayers(max) => self.max_players = max,
                ServerProperty::Detail { key, value } if value.is_empty() => {
                    self.details.remove(key.as_str());
                }
                ServerProperty::Detail { key, value } => {
                    self.details.insert(key.into(), value.into());
                }
            },
            ServerChange::PlayerEntered { player, name } => {
                self.players.insert(player, name.into());
            }
            ServerChange::PlayerLeft { player } => {
                assert!(self.players.remove(&player).is_some(), "{player:?} was not in");
            }
            ServerChange::AllPlayersLeft => self.players.clear(),
        }
    }
}

async fn accept(mut listener: SecureListener, heard: mpsc::UnboundedSender<Heard>, know: bool) {
    let mut connections = tokio::task::JoinSet::new();
    while let Ok(handshake) = listener.accept().await {
        let Ok(connection) = handshake.await else { continue };
        let key = connection.identity.expect("launchers prove who they are");
        let key = *key.as_bytes();
        let heard = heard.clone();
        connections.spawn_local(async move {
            let read = FramedRead::new(
                connection.read,
                TcpMessageConnectionReader::new(Codec, MessageLimit::new(MAX_AFTER_LOGIN)),
            );
            let write = TcpMessageConnectionWriter::new(Codec);
            serve(read, FramedWrite::new(connection.write, write), heard, know, key).await;
        });
    }
}

async fn serve<R, W>(
    mut read: FramedRead<R, TcpMessageConnectionReader<Codec>>,
    mut write: FramedWrite<W, TcpMessageConnectionWriter<Codec>>,
    heard: mpsc::UnboundedSender<Heard>,
    know: bool,
    key: [u8; 32],
) where
    R: tokio::io::AsyncRead + Unpin,
    W: tokio::io::AsyncWrite + Unpin,
{
    let (sender, mut to_send) = mpsc::unbounded_channel();
    loop {
        let message = tokio::select! {
            message = read.next() => match message {
                Some(Ok(message)) => message,
                _ => return,
            },
            Some(message) = to_send.recv() => {
                if write.send(message).await.is_err() {
                    return;
                }
                continue;
            }
        };
        let answer = match &message {
            FromLauncher::Hello(_) => {
                let _ = heard.send(Heard::Connected(sender.clone(), key));
                let (boot, now) = (BootId(1), UnixMillis(clock_ms()));
                ToLauncher::Welcome(Welcome { version: 0, now, boot, features: 0 })
            }
            FromLauncher::Enroll { secret } if *secret == SECRET => {
                ToLauncher::Enrolled { name: Text::lossy("a launcher") }
            }
            FromLauncher::Enroll { .. } => ToLauncher::Goodbye(Goodbye::EnrollmentRefused),
            FromLauncher::Servers(_) if !know => ToLauncher::Goodbye(Goodbye::NotEnrolled),
            FromLauncher::Ping { nonce } => ToLauncher::Pong { nonce: *nonce },
            _ => {
                let _ = heard.send(Heard::Message(message));
                continue;
            }
        };
        let over = matches!(answer, ToLauncher::Goodbye(_));
        if write.send(answer).await.is_err() {
            return;
        }
        if over {
            // Not before the other side has it.
            let _ = write.close().await;
            return;
        }
    }
}

#[derive(Clone, Copy)]
struct Codec;

impl MessageDecoder for Codec {
    type Message = FromLauncher;
    type Error = DisconnectReason;

    fn decode(&mut self, bytes: &[u8]) -> Result<Decoded<FromLauncher>, DisconnectReason> {
        match protocol::decode(bytes) {
            Ok(message) => Ok(Decoded::Message(message)),
            Err(DecodeError::Incomplete) => Ok(Decoded::Incomplete),
            Err(error) => Err(DisconnectReason::invalid(error)),
        }
    }
}

impl MessageEncoder<ToLauncher> for Codec {
    type Error = DisconnectReason;

    fn encode(
        &mut self,
        message: &ToLauncher,
        bytes: &mut BytesMut,
    ) -> Result<(), DisconnectReason> {
        protocol::encode(message, bytes);
        Ok(())
    }
}

fn clock_ms() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    u64::try_from(since.as_millis()).unwrap()
}

/// A pin that is not this login server's.
pub(crate) fn another_pin() -> [u8; 32] {
    *KeyFingerprint::from_bytes([1; 32]).as_bytes()
}
