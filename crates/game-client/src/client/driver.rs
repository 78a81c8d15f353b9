//! The task that owns a connection: the only one that reads it, writes it and knows its state.

use std::{collections::HashMap, sync::Arc, time::Duration};

use connection_handler::transport::keys::{KeyFingerprint, KnownKeys};
use protocol::{FromGameClient, LoggedIn, Refusal, RequestId, SessionList, ToGameClient};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::{mpsc, oneshot},
    time::{Instant, sleep_until, timeout},
};

use super::{
    Answer, Carried, Command, Event, MAX_REQUESTS, Reply, Shared, conversation::Conversation,
};
use crate::{
    ClientConfig, ConnectionLost, QueuePosition,
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
    /// Since the login; before it, what an earlier connection has left.
    conversation: Option<Conversation>,
    logged_in: bool,
    /// To be said after the login.
    backlog: Vec<Command>,
    pings: HashMap<u64, (Instant, oneshot::Sender<Duration>)>,
    next_nonce: u64,
    /// Does not fit among the events that wait. Nothing is read meanwhile.
    blocked: Option<Event>,
    heard: Instant,
    /// Whether a ping was sent since `heard`.
    pinged: bool,
    ping_interval: Duration,
    silence_timeout: Duration,
    closing: Option<oneshot::Sender<()>>,
    /// The login that waits for a place, and where its position is shown.
    queued: Option<RequestId>,
    place: QueuePosition,
    /// What is known of the login server's keys, if it may become more, and which of them it has
    /// proven to own.
    keys: Option<(KnownKeys, KeyFingerprint)>,
}

impl<R: AsyncRead + Unpin, W: AsyncWrite + Unpin> Driver<R, W> {
    pub(super) fn new(
        (reader, writer): (MessageReader<R>, MessageWriter<W>),
        commands: mpsc::Receiver<Command>,
        events: mpsc::Sender<Event>,
        shared: Arc<Shared>,
        keys: Option<(KnownKeys, KeyFingerprint)>,
        config: &ClientConfig,
    ) -> Self {
        Self {
            reader,
            writer,
            commands,
            events,
            shared,
            requests: HashMap::new(),
            conversation: None,
            logged_in: false,
            backlog: Vec::new(),
            pings: HashMap::new(),
            next_nonce: 0,
            blocked: None,
            heard: Instant::now(),
            pinged: false,
            ping_interval: config.ping_interval,
            silence_timeout: config.silence_timeout,
            closing: None,
            queued: None,
            place: config.queue_position.clone(),
            keys,
        }
    }

    /// Takes over what an earlier connection of the session has left.
    pub(super) fn carry(&mut self, carried: Carried) {
        let Carried { conversation, requests, commands, .. } = carried;
        (self.conversation, self.requests, self.backlog) = (conversation, requests, commands);
    }

    /// Serves the connection until it ends, leaves behind what the next one needs, and closes.
    pub(super) async fn run(mut self, leave: oneshot::Sender<Carried>) {
        let lost = loop {
            if let Err(lost) = self.step().await {
                break lost;
            }
        };
        tracing::debug!(reason = %lost, "connection to the login server ended");
        self.shared.lost.get_or_init(|| lost);
        // Nobody is kept waiting for the last bytes but who asked for it.
        self.shared.slots.close();
        self.leave_queue();
        self.pings.clear();
        self.commands.close();
        let mut commands = self.backlog;
        while let Ok(command) = self.commands.try_recv() {
            if matches!(command, Command::Request { .. } | Command::Tell(_)) {
                commands.push(command);
            }
        }
        drop(self.events);
        // Without a session nobody takes it, and who waits learns that the connection is lost.
        let _ = leave.send(Carried {
            conversation: self.conversation,
            requests: self.requests,
            commands,
            next_request: self.shared.next_request.clone(),
        });
        // When the other side is gone there is nothing to do about it.
        let _ = timeout(CLOSE_TIMEOUT, self.writer.finish()).await;
        if let Some(reply) = self.closing {
            let _ = reply.send(());
        }
    }

    /// Waits for the next thing to do, and does it.
    async fn step(&mut self) -> Result<(), ConnectionLost> {
        let reading = self.blocked.is_none();
        let conversation = self.conversation.as_ref().filter(|_| self.logged_in);
        let ack_at = conversation.and_then(Conversation::ack_at);
        let has_room = self.writer.has_room() && conversation.is_none_or(Conversation::has_room);
        tokio::select! {
            biased;
            () = sleep_until(self.deadline()), if reading => self.silent(),
            sent = self.writer.transmit(), if self.writer.has_work() => Ok(sent?),
            () = sleep_until(ack_at.unwrap_or(self.heard)), if ack_at.is_some() => {
                let ack = self.conversation.as_mut().map(Conversation::ack);
                ack.iter().for_each(|ack| self.writer.queue(ack));
                Ok(())
            }
            command = self.commands.recv(), if has_room => {
                self.command(command.ok_or(ConnectionLost::Local)?)
            }
            () = deliver(&self.events, &mut self.blocked), if !reading => {
                self.heard = Instant::now();
                // Only now: who goes on without this connection must get it again.
                self.conversation.as_mut().into_iter().for_each(Conversation::received);
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
                self.say(&message);
            }
            Command::Tell(message) => self.say(&message),
            Command::Ping { reply } => {
                self.forget_who_waits_no_more();
                self.ping(reply);
            }
            Command::Close { reply } => {
                self.closing = Some(reply);
                return Err(ConnectionLost::Local);
            }
        }
        Ok(())
    }

    /// Says something, and keeps it if the server may have to hear it again.
    fn say(&mut self, message: &FromGameClient) {
        if self.logged_in
            && message.is_counted()
            && let Some(conversation) = &mut self.conversation
        {
            conversation.said(message);
        }
        self.writer.queue(message);
    }

    fn message(&mut self, message: ToGameClient) -> Result<(), ConnectionLost> {
        let counts = self.logged_in && message.is_counted();
        self.take(message)?;
        if counts
            && self.blocked.is_none()
            && let Some(conversation) = &mut self.conversation
        {
            conversation.received();
        }
        Ok(())
    }

    fn take(&mut self, message: ToGameClient) -> Result<(), ConnectionLost> {
        match message {
            ToGameClient::Welcome(_) => Err(ConnectionLost::Invalid("a second welcome".into())),
            ToGameClient::Goodbye(goodbye) => Err(ConnectionLost::Goodbye(goodbye)),
            ToGameClient::Refused { request, reason } => {
                self.answer(request, Err(reason));
                Ok(())
            }
            ToGameClient::LoggedIn(logged_in) => {
                self.shared.joined.send_replace(logged_in.on_server);
                self.converse(&logged_in)?;
                self.answer(logged_in.request, Ok(Answer::LoggedIn(logged_in)));
                Ok(())
            }
            ToGameClient::LoggedOut { request } => {
                (self.logged_in, self.conversation) = (false, None);
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
                if let Some((sent, reply)) = self.pings.remove(&nonce) {
                    let _ = reply.send(sent.elapsed());
                }
                Ok(())
            }
            ToGameClient::Ack { seen } => {
                let conversation = self.conversation.as_mut().filter(|_| self.logged_in);
                match conversation.is_none_or(|conversation| conversation.heard(seen)) {
                    true => Ok(()),
                    false => Err(ConnectionLost::Invalid("an Ack of what was never said".into())),
                }
            }
            ToGameClient::Queued { request, position } => {
                tracing::debug!(position, "waiting for a place");
                self.queued = Some(request);
                self.shared.queued.send_replace(Some(position));
                self.place.is(Some(position));
                Ok(())
            }
            ToGameClient::Done { request } => self.answered(request, Answer::Done),
            ToGameClient::Sessions(SessionList { request, sessions }) => {
                self.answered(request, Answer::Sessions(sessions.into()))
            }
            ToGameClient::Exported(part) => self.answered(part.request, Answer::Exported(part)),
            ToGameClient::DataKeys { request, entries } => {
                self.answered(request, Answer::DataKeys(entries.into()))
            }
            ToGameClient::Data { request, value } => self.answered(request, Answer::Data(value)),
            ToGameClient::DataWritten { request, version } => {
                self.answered(request, Answer::DataWritten(version))
            }
            ToGameClient::Progress { request, progress } => {
                self.answered(request, Answer::Progress(progress))
            }
            ToGameClient::NextKey { pin } => {
                if let Some((known, by)) = &self.keys
                    && known.announced(*by, KeyFingerprint::from_bytes(pin.0))
                {
                    tracing::debug!("the login server has announced another key");
                }
                Ok(())
            }
        }
    }

    /// A request was done.
    fn answered(&mut self, request: RequestId, answer: Answer) -> Result<(), ConnectionLost> {
        self.answer(request, Ok(answer));
        Ok(())
    }

    /// Nobody waits for a place any more.
    fn leave_queue(&mut self) {
        if self.queued.take().is_some() {
            self.shared.queued.send_replace(None);
            self.place.is(None);
        }
    }

    /// Begins the conversation, or goes on with the one an earlier connection has left.
    fn converse(&mut self, logged_in: &LoggedIn) -> Result<(), ConnectionLost> {
        self.logged_in = true;
        match (&mut self.conversation, logged_in.continues) {
            (Some(conversation), Some(at)) => {
                let invalid = || ConnectionLost::Invalid("it goes on where nothing was".into());
                for message in conversation.resume(at).ok_or_else(invalid)? {
                    self.writer.queue(message);
                }
            }
            _ => {
                // Whether what waits was done, nobody knows.
                self.requests.retain(|request, _| *request == logged_in.request);
                self.conversation = Some(Conversation::new(self.shared.welcome.boot));
            }
        }
        for command in std::mem::take(&mut self.backlog) {
            self.command(command)?;
        }
        Ok(())
    }

    fn event(&mut self, event: Event) -> Result<(), ConnectionLost> {
        if let Err(mpsc::error::TrySendError::Full(event)) = self.events.try_send(event) {
            self.blocked = Some(event);
        }
        Ok(())
    }

    fn answer(&mut self, request: RequestId, answer: Result<Answer, Refusal>) {
        if self.queued == Some(request) {
            self.leave_queue();
        }
        // Who waits no more has no entry, or no receiver.
        if let Some(reply) = self.requests.remove(&request) {
            let _ = reply.send(answer);
        }
    }

    fn ping(&mut self, reply: oneshot::Sender<Duration>) {
        let nonce = self.next_nonce();
        self.pings.insert(nonce, (Instant::now(), reply));
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

    /// Keeps the tables from growing with requests that were given up.
    fn forget_who_waits_no_more(&mut self) {
        if self.requests.len() + self.pings.len() >= 2 * MAX_REQUESTS {
            self.requests.retain(|_, reply| !reply.is_closed());
            self.pings.retain(|_, (_, reply)| !reply.is_closed());
        }
    }
}

/// How long the last bytes may take to reach the server.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);
