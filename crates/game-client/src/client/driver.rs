//! The task that owns a connection: the only one that reads it, writes it and knows its state.

use std::{collections::HashMap, sync::Arc, time::Duration};

use protocol::{FromGameClient, Refusal, RequestId, ToGameClient};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::{mpsc, oneshot},
    time::{Instant, sleep_until, timeout},
};

use super::{Answer, Command, Event, MAX_REQUESTS, Reply, Shared};
use crate::{
    ClientConfig, ConnectionLost,
    deliver::deliver,
    wire::{MessageReader, MessageWriter},
};

/// A connection, and who waits for what.
pub(super) struct Driver<R, W> {
    reader: MessageReader<R>,
    writer: MessageWriter<W>,
    commands: mpsc::Receiver<Command>,
    events: mpsc::Sender<Event>,
    shared: Arc<Shared>,
    requests: HashMap<RequestId, Reply>,
    pings: HashMap<u64, (Instant, OnPong)>,
    next_nonce: u64,
    /// Does not fit among the events that wait. Nothing is read meanwhile.
    blocked: Option<Event>,
    heard: Instant,
    /// Whether a ping was sent since `heard`.
    pinged: bool,
    ping_interval: Duration,
    silence_timeout: Duration,
    closing: Option<oneshot::Sender<()>>,
}

/// What the answer to a ping means.
enum OnPong {
    /// It took this long.
    Measured(oneshot::Sender<Duration>),
    /// The message before it was not refused.
    Heard(RequestId),
}

impl<R: AsyncRead + Unpin, W: AsyncWrite + Unpin> Driver<R, W> {
    pub(super) fn new(
        (reader, writer): (MessageReader<R>, MessageWriter<W>),
        commands: mpsc::Receiver<Command>,
        events: mpsc::Sender<Event>,
        shared: Arc<Shared>,
        config: &ClientConfig,
    ) -> Self {
        Self {
            reader,
            writer,
            commands,
            events,
            shared,
            requests: HashMap::new(),
            pings: HashMap::new(),
            next_nonce: 0,
            blocked: None,
            heard: Instant::now(),
            pinged: false,
            ping_interval: config.ping_interval,
            silence_timeout: config.silence_timeout,
            closing: None,
        }
    }

    /// Serves the connection until it ends, and closes it.
    pub(super) async fn run(mut self) {
        let lost = loop {
            if let Err(lost) = self.step().await {
                break lost;
            }
        };
        tracing::debug!(reason = %lost, "connection to the login server ended");
        self.shared.lost.get_or_init(|| lost);
        // Nobody is kept waiting for the last bytes but who asked for it.
        self.shared.slots.close();
        self.requests.clear();
        self.pings.clear();
        self.commands.close();
        while self.commands.try_recv().is_ok() {}
        drop(self.events);
        // When the other side is gone there is nothing to do about it.
        let _ = timeout(CLOSE_TIMEOUT, self.writer.finish()).await;
        if let Some(reply) = self.closing {
            let _ = reply.send(());
        }
    }

    /// Waits for the next thing to do, and does it.
    async fn step(&mut self) -> Result<(), ConnectionLost> {
        let reading = self.blocked.is_none();
        tokio::select! {
            biased;
            () = sleep_until(self.deadline()), if reading => self.silent(),
            sent = self.writer.transmit(), if self.writer.has_work() => Ok(sent?),
            command = self.commands.recv(), if self.writer.has_room() => {
                self.command(command.ok_or(ConnectionLost::Local)?)
            }
            () = deliver(&self.events, &mut self.blocked), if !reading => {
                self.heard = Instant::now();
                Ok(())
            }
            message = self.reader.next(), if reading => {
                (self.heard, self.pinged) = (Instant::now(), false);
                self.message(message?)
            }
        }
    }

    fn deadline(&self) -> Instant {
        self.heard + if self.pinged { self.silence_timeout } else { self.ping_interval }
    }

    fn silent(&mut self) -> Result<(), ConnectionLost> {
        if self.pinged || self.silence_timeout <= self.ping_interval {
            return Err(ConnectionLost::Silent);
        }
        self.pinged = true;
        // Any word will do: nobody waits for this pong.
        let nonce = self.next_nonce();
        self.writer.queue(&FromGameClient::Ping { nonce });
        Ok(())
    }

    fn command(&mut self, command: Command) -> Result<(), ConnectionLost> {
        match command {
            Command::Request { id, message, reply } => {
                self.forget_who_waits_no_more();
                self.requests.insert(id, reply);
                self.writer.queue(&message);
                if let FromGameClient::Chat { request, .. } = message {
                    // It is answered only when refused. The server answers in order, so a pong
                    // behind it says that it was not.
                    self.ping(OnPong::Heard(request));
                }
            }
            Command::Tell(message) => self.writer.queue(&message),
            Command::Ping { reply } => {
                self.forget_who_waits_no_more();
                self.ping(OnPong::Measured(reply));
            }
            Command::Close { reply } => {
                self.closing = Some(reply);
                return Err(ConnectionLost::Local);
            }
        }
        Ok(())
    }

    fn message(&mut self, message: ToGameClient) -> Result<(), ConnectionLost> {
        match message {
            ToGameClient::Welcome(_) => Err(ConnectionLost::Invalid("a second welcome".into())),
            ToGameClient::Goodbye(goodbye) => Err(ConnectionLost::Goodbye(goodbye)),
            ToGameClient::Refused { request, reason } => {
                self.answer(request, Err(reason));
                Ok(())
            }
            ToGameClient::LoggedIn(logged_in) => {
                self.shared.joined.send_replace(logged_in.on_server);
                self.answer(logged_in.request, Ok(Answer::LoggedIn(logged_in)));
                Ok(())
            }
            ToGameClient::LoggedOut { request } => {
                self.shared.joined.send_replace(None);
                self.answer(request, Ok(Answer::LoggedOut));
                Ok(())
            }
            ToGameClient::Servers(events) => self.event(Event::Servers(events)),
            ToGameClient::Joined(ticket) => {
                self.shared.joined.send_replace(Some(ticket.server));
                self.answer(ticket.request, Ok(Answer::Joined(ticket)));
                Ok(())
            }
            ToGameClient::Left { request } => {
                self.shared.joined.send_replace(None);
                match request {
                    Some(request) => self.answer(request, Ok(Answer::Left)),
                    None => self.event(Event::Left)?,
                }
                Ok(())
            }
            ToGameClient::Said(said) => self.event(Event::Said(said)),
            ToGameClient::Ping { nonce } => self.pong(nonce),
            ToGameClient::Pong { nonce } => {
                self.ponged(nonce);
                Ok(())
            }
        }
    }

    fn event(&mut self, event: Event) -> Result<(), ConnectionLost> {
        if let Err(mpsc::error::TrySendError::Full(event)) = self.events.try_send(event) {
            self.blocked = Some(event);
        }
        Ok(())
    }

    fn answer(&mut self, request: RequestId, answer: Result<Answer, Refusal>) {
        // Who waits no more has no entry, or no receiver.
        if let Some(reply) = self.requests.remove(&request) {
            let _ = reply.send(answer);
        }
    }

    fn ping(&mut self, on_pong: OnPong) {
        let nonce = self.next_nonce();
        self.pings.insert(nonce, (Instant::now(), on_pong));
        self.writer.queue(&FromGameClient::Ping { nonce });
    }

    fn next_nonce(&mut self) -> u64 {
        let nonce = self.next_nonce;
        self.next_nonce = nonce.wrapping_add(1);
        nonce
    }

    fn pong(&mut self, nonce: u64) -> Result<(), ConnectionLost> {
        if self.writer.is_stuck() {
            return Err(ConnectionLost::Invalid("it asks and does not read the answers".into()));
        }
        self.writer.queue(&FromGameClient::Pong { nonce });
        Ok(())
    }

    fn ponged(&mut self, nonce: u64) {
        match self.pings.remove(&nonce) {
            Some((sent, OnPong::Measured(reply))) => {
                let _ = reply.send(sent.elapsed());
            }
            Some((_, OnPong::Heard(request))) => self.answer(request, Ok(Answer::Heard)),
            None => {}
        }
    }

    /// Keeps the tables from growing with requests that were given up.
    fn forget_who_waits_no_more(&mut self) {
        if self.requests.len() + self.pings.len() >= 2 * MAX_REQUESTS {
            self.requests.retain(|_, reply| !reply.is_closed());
            let requests = &self.requests;
            self.pings.retain(|_, (_, on_pong)| match on_pong {
                OnPong::Measured(reply) => !reply.is_closed(),
                OnPong::Heard(request) => requests.contains_key(request),
            });
        }
    }
}

/// How long the last bytes may take to reach the server.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);
