//! A login server that does what a test wants, and otherwise what the protocol says.

#![allow(dead_code, unreachable_pub, reason = "each test program uses a part of it")]

use std::{
    collections::HashMap,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use bytes::BytesMut;
use connection_handler::transport::{
    Listener,
    keys::{Identity, KeyFingerprint},
    secure::{SecurePort, SecurePortConfig, SecureRead, SecureWrite},
};
use framing::{
    FrameError,
    chunks::{self, ChunkReader, ChunkSize, Progress},
};
use protocol::*;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::{mpsc, oneshot},
    task::JoinSet,
};

pub const SERVER: ServerId = ServerId(0xabc);
pub const SERVER_NAME: &str = "Test Server";
pub const SECRET: &str = "s3cret";
pub const TICKET: &str = "v4.public.ticket";

/// What is not as the protocol says.
#[derive(Clone, Debug, Default)]
pub struct Behaviour {
    /// Says nothing at all.
    pub silent: bool,
    /// Says this instead of a welcome.
    pub refuse: Option<Goodbye>,
    /// Says things to who is logged in, without end.
    pub flood: bool,
    /// Answers neither requests nor pings after the login.
    pub deaf: bool,
    /// Knows no game server for that many attempts to join.
    pub not_ready: u32,
    /// Every place is taken: who logs in stands here, until they are let in.
    pub queue: Option<u32>,
}

pub struct FakeServer {
    identity: Identity,
    pub addr: SocketAddr,
    state: Arc<Mutex<State>>,
    life: Option<Life>,
}

struct Life {
    stop: oneshot::Sender<()>,
    thread: JoinHandle<()>,
}

#[derive(Default)]
struct State {
    behaviour: Behaviour,
    accounts: HashMap<String, String>,
    sessions: HashMap<[u8; 32], Session>,
    logins: u8,
    heard: Vec<FromGameClient>,
    flooded: u64,
    boot: u64,
    /// Who waits for a place, and what they are told then.
    held: Vec<(mpsc::UnboundedSender<ToGameClient>, ToGameClient)>,
}

struct Session {
    name: Text<64>,
    joined: Option<ServerId>,
    link: Option<mpsc::UnboundedSender<ToGameClient>>,
}

impl FakeServer {
    pub fn start(behaviour: Behaviour) -> Self {
        let state = Arc::new(Mutex::new(State { behaviour, ..State::default() }));
        let identity = Identity::ephemeral().unwrap();
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let mut server = Self { identity, addr: any, state, life: None };
        server.live();
        server
    }

    pub fn pin(&self) -> KeyFingerprint {
        self.identity.fingerprint()
    }

    /// Dies without a word: no close frames, no last messages.
    pub fn kill(&mut self) {
        let life = self.life.take().expect("it lives");
        life.stop.send(()).unwrap();
        life.thread.join().unwrap();
        for session in self.state().sessions.values_mut() {
            session.link = None;
            session.joined = None;
        }
    }

    /// Lives (again), at the same address.
    pub fn live(&mut self) {
        let (started, addr) = std::sync::mpsc::channel();
        let (stop, stopped) = oneshot::channel();
        let (identity, state, at) = (self.identity.clone(), self.state.clone(), self.addr);
        self.state().boot += 1;
        let thread = std::thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let config = SecurePortConfig::default();
                let mut port = SecurePort::bind(at, &identity, config).await.unwrap();
                let mut listener = port.listener(ALPN_GAME_CLIENT);
                started.send(port.local_addr()).unwrap();
                let _port = port.start();
                let mut connections = JoinSet::new();
                tokio::select! {
                    () = async {
                        while let Ok(handshake) = listener.accept().await {
                            let connection = handshake.await.unwrap();
                            connections
                                .spawn(serve(connection.read, connection.write, state.clone()));
                        }
                    } => {}
                    _ = stopped => {}
                }
            });
        });
        self.addr = addr.recv().unwrap();
        self.life = Some(Life { stop, thread });
    }

    pub fn set(&self, behaviour: Behaviour) {
        self.state().behaviour = behaviour;
    }

    pub fn account(&self, name: &str, password: &str) {
        self.state().accounts.insert(name.into(), password.into());
    }

    pub fn joined(&self) -> Vec<Option<ServerId>> {
        self.state().sessions.values().map(|session| session.joined).collect()
    }

    pub fn flooded(&self) -> u64 {
        self.state().flooded
    }

    pub fn end_sessions(&self) {
        self.state().sessions.clear();
    }

    /// Says something to everybody who is logged in.
    pub fn say(&self, message: &ToGameClient) {
        for session in self.state().sessions.values() {
            if let Some(link) = &session.link {
                let _ = link.send(message.clone());
            }
        }
    }

    /// Waits until somebody has said this.
    pub async fn heard(&self, what: impl Fn(&FromGameClient) -> bool) {
        let limit = Instant::now() + Duration::from_secs(10);
        while !self.state().heard.iter().any(&what) {
            assert!(Instant::now() < limit, "not heard; but {:?}", self.state().heard);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Lets in who waits for a place.
    pub fn let_in(&self) {
        let mut state = self.state();
        state.behaviour.queue = None;
        for (link, logged_in) in std::mem::take(&mut state.held) {
            let _ = link.send(logged_in);
        }
    }

    /// How many connections have said Hello.
    pub fn hellos(&self) -> usize {
        let state = self.state();
        state.heard.iter().filter(|message| matches!(message, FromGameClient::Hello(_))).count()
    }

    pub fn forget_heard(&self) {
        self.state().heard.clear();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

impl Drop for FakeServer {
    fn drop(&mut self) {
        if let Some(life) = self.life.take() {
            let _ = life.stop.send(());
        }
    }
}

async fn serve(mut read: SecureRead, mut write: SecureWrite, state: Arc<Mutex<State>>) {
    let (link, mut say) = mpsc::unbounded_channel();
    let mut visitor = Visitor { state, link, token: None };
    let mut chunks = ChunkReader::new(ChunkSize::default());
    let (mut received, mut out, mut unflushed) = (BytesMut::new(), BytesMut::new(), false);
    loop {
        if visitor.floods() && out.is_empty() {
            (out, unflushed) = (encoded(&flood_message()), true);
            visitor.state.lock().unwrap().flooded += 1;
        }
        tokio::select! {
            biased;
            message = say.recv() => {
                unflushed = true;
                let message = message.unwrap();
                out.extend_from_slice(&encoded(&message));
                if matches!(message, ToGameClient::Goodbye(_)) {
                    let _ = tokio::time::timeout(Duration::from_secs(1), async {
                        write.write_all(&out).await?;
                        write.shutdown().await
                    })
                    .await;
                    return;
                }
            }
            count = read.read_buf(&mut received) => match count {
                Ok(0) | Err(_) => return,
                Ok(_) => {
                    let message = |bytes: &[u8]| -> Result<_, FrameError> {
                        Ok(Progress::Message(decode::<FromGameClient>(bytes).unwrap()))
                    };
                    while let Some(message) = chunks.next(&mut received, 4096, message).unwrap() {
                        visitor.hear(message);
                    }
                }
            },
            sent = transmit(&mut write, &mut out), if !out.is_empty() || unflushed => {
                if sent.is_err() {
                    return;
                }
                unflushed = false;
            }
        }
    }
}

/// Cancel-safe.
async fn transmit(write: &mut SecureWrite, out: &mut BytesMut) -> std::io::Result<()> {
    while !out.is_empty() {
        write.write_buf(out).await?;
    }
    write.flush().await
}

fn encoded(message: &ToGameClient) -> BytesMut {
    let mut bytes = BytesMut::new();
    chunks::encode::<FrameError>(ChunkSize::default(), &mut bytes, |bytes| {
        encode(message, bytes);
        Ok(())
    })
    .unwrap();
    bytes
}

struct Visitor {
    state: Arc<Mutex<State>>,
    link: mpsc::UnboundedSender<ToGameClient>,
    token: Option<[u8; 32]>,
}

impl Visitor {
    fn floods(&self) -> bool {
        self.token.is_some() && self.state.lock().unwrap().behaviour.flood
    }

    fn hear(&mut self, message: FromGameClient) {
        let state = self.state.clone();
        let mut state = state.lock().unwrap();
        state.heard.push(message.clone());
        let behaviour = state.behaviour.clone();
        if behaviour.silent || (behaviour.deaf && self.token.is_some()) {
            return;
        }
        for mut answer in self.answer(&mut state, message) {
            if let (ToGameClient::LoggedIn(logged_in), Some(position)) = (&answer, behaviour.queue)
            {
                let request = logged_in.request;
                state.held.push((self.link.clone(), answer));
                answer = ToGameClient::Queued { request, position };
            }
            let _ = self.link.send(answer);
        }
    }

    fn answer(&mut self, state: &mut State, message: FromGameClient) -> Vec<ToGameClient> {
        let refused = |request, reason| vec![ToGameClient::Refused { request, reason }];
        match message {
            FromGameClient::Hello(hello) => match (&state.behaviour.refuse, negotiate(&hello)) {
                (Some(goodbye), _) => vec![ToGameClient::Goodbye(goodbye.clone())],
                (None, Err(goodbye)) => vec![ToGameClient::Goodbye(goodbye)],
                (None, Ok(version)) => vec![ToGameClient::Welcome(Welcome {
                    version,
                    now: UnixMillis(0),
                    boot: BootId(state.boot),
                    features: 0,
                })],
            },
            FromGameClient::Register { request, name, password } => {
                if state.accounts.contains_key(name.as_str()) {
                    return refused(request, Refusal::NameTaken);
                }
                state.accounts.insert(name.to_string(), password.reveal().into());
                self.log_in(state, request, name)
            }
            FromGameClient::LogIn { request, name, password } => {
                match state.accounts.get(name.as_str()) {
                    Some(right) if right == password.reveal() => self.log_in(state, request, name),
                    _ => refused(request, Refusal::WrongNameOrPassword),
                }
            }
            FromGameClient::Resume { request, token, .. } => {
                let Some(session) = state.sessions.get_mut(&token.0) else {
                    return refused(request, Refusal::SessionEnded);
                };
                if let Some(before) = session.link.replace(self.link.clone()) {
                    let _ = before.send(ToGameClient::Goodbye(Goodbye::TakenOver));
                }
                self.token = Some(token.0);
                vec![logged_in(request, session, token)]
            }
            FromGameClient::LogOut { request } => {
                state.sessions.remove(&self.token.take().unwrap());
                vec![ToGameClient::LoggedOut { request }]
            }
            FromGameClient::WatchServers => vec![servers()],
            FromGameClient::Join { request, .. } if state.behaviour.not_ready > 0 => {
                state.behaviour.not_ready -= 1;
                refused(request, Refusal::UnknownServer)
            }
            FromGameClient::Join { request, server } if server == SERVER => {
                self.session(state).joined = Some(server);
                vec![ToGameClient::Joined(JoinTicket {
                    request,
                    server,
                    address: Ipv4Addr::LOCALHOST.into(),
                    port: 3979,
                    secret: JoinSecret(Text::lossy(SECRET)),
                    ticket: protocol::SignedTicket(Text::lossy(TICKET)),
                })]
            }
            FromGameClient::Join { request, .. } => refused(request, Refusal::UnknownServer),
            FromGameClient::Leave { request } => match self.session(state).joined.take() {
                Some(_) => vec![ToGameClient::Left { request: Some(request) }],
                None => refused(request, Refusal::NotOnServer),
            },
            FromGameClient::Chat { request, channel, text } => {
                let session = self.session(state);
                if channel == Channel::Server && session.joined.is_none() {
                    return refused(request, Refusal::NotOnServer);
                }
                let speaker = Speaker::Account(session.name.clone());
                vec![
                    ToGameClient::Said(Said { channel, speaker, text }),
                    ToGameClient::Done { request },
                ]
            }
            FromGameClient::Ping { nonce } => vec![ToGameClient::Pong { nonce }],
            FromGameClient::Pong { .. }
            | FromGameClient::Ack { .. }
            | FromGameClient::UnwatchServers => vec![],
            FromGameClient::LogInAsGuest { request } => {
                self.log_in(state, request, Text::lossy("~guest-abcdef"))
            }
            // What is durable is for tests with a real login server.
            FromGameClient::Claim { request, .. }
            | FromGameClient::ListSessions { request }
            | FromGameClient::RevokeSessions { request, .. }
            | FromGameClient::ChangePassword { request, .. }
            | FromGameClient::DeleteAccount { request, .. }
            | FromGameClient::Export { request, .. }
            | FromGameClient::ListData { request, .. }
            | FromGameClient::GetData { request, .. }
            | FromGameClient::SetData { request, .. }
            | FromGameClient::GetProgress { request, .. }
            | FromGameClient::Report { request, .. } => refused(request, Refusal::Unavailable),
        }
    }

    fn session<'a>(&self, state: &'a mut State) -> &'a mut Session {
        state.sessions.get_mut(&self.token.unwrap()).unwrap()
    }

    fn log_in(
        &mut self,
        state: &mut State,
        request: RequestId,
        name: Text<64>,
    ) -> Vec<ToGameClient> {
        // A token is never given out twice.
        state.logins += 1;
        let mut token = [state.logins; 32];
        token[0] = 1;
        let session = Session { name, joined: None, link: Some(self.link.clone()) };
        let answer = logged_in(request, &session, SessionToken(token));
        state.sessions.insert(token, session);
        self.token = Some(token);
        vec![answer]
    }
}

pub fn said(text: &str) -> ToGameClient {
    ToGameClient::Said(Said {
        channel: Channel::Lobby,
        speaker: Speaker::InGame(Text::lossy("somebody")),
        text: Text::lossy(text),
    })
}

fn flood_message() -> ToGameClient {
    said(&"x".repeat(400))
}

fn logged_in(request: RequestId, session: &Session, token: SessionToken) -> ToGameClient {
    let (name, on_server) = (session.name.clone(), session.joined);
    let expires = UnixMillis(1);
    // It keeps nothing: every conversation begins anew.
    let continues = None;
    ToGameClient::LoggedIn(LoggedIn { request, name, token, expires, on_server, continues })
}

fn servers() -> ToGameClient {
    let properties = [
        ServerProperty::Title(Text::lossy(SERVER_NAME)),
        ServerProperty::Game(Text::lossy("openttd")),
        ServerProperty::State(ServerState::Ready),
        ServerProperty::MaxPlayers(16),
        ServerProperty::Detail { key: Text::lossy("date"), value: Text::lossy("1950-01-01") },
    ];
    let changes = properties.map(|property| ServerEvent::Changed {
        server: SERVER,
        change: ServerChange::Property(property),
    });
    let appeared = ServerEvent::Appeared { server: SERVER };
    let events = List::first_of([appeared].into_iter().chain(changes));
    ToGameClient::Servers(ServerEvents { fresh: true, events })
}
