//! `join`: stays on a game server until the game ends.

use std::{
    io::{self, IsTerminal},
    process::{ExitCode, ExitStatus},
    sync::Arc,
    time::Duration,
};

use game_client::{RequestError, ServerList, Session, SessionEnd};
use protocol::{Channel, JoinTicket, Refusal, ServerId, Text};
use rustix::process::Signal;
use tokio::{
    net::UnixStream,
    sync::{broadcast, mpsc, oneshot},
    time::timeout,
};

use crate::{
    args::Global,
    control::{ControlServer, Hub, Order},
    failure::{Failure, Kind},
    game::{self, Game},
    link::Notice,
    listening::Listening,
    output::{Event, Output},
    place::Place,
    prompt,
    signals::Signals,
    template::{Template, Values},
};

/// What was asked for.
#[derive(Debug)]
pub(crate) struct Wanted {
    pub(crate) server: String,
    pub(crate) chat_stdin: bool,
    /// How long the game may take to end when it has to.
    pub(crate) stop_timeout: Duration,
    pub(crate) command: Vec<String>,
}

/// Joins a game server, starts the game, and leaves when it ends.
pub(super) async fn join(
    global: Global,
    wanted: Wanted,
    output: Output,
) -> Result<ExitCode, Failure> {
    let template = Template::parse(&wanted.command)?;
    let mut place = Place::new(global)?;
    let stored = place.session()?;
    let lock = place.profile.lock(&place.server)?.ok_or_else(|| {
        let message = "`gatehouse join` runs already in this profile";
        Failure::failed("join_running", message).hint("end it with `gatehouse leave`")
    })?;
    let control = ControlServer::bind(&place.profile.socket(&place.server), lock)?;
    let signals = Signals::listen()?;
    let resumed = Session::resume(place.config().await?, stored.token.clone()).await;
    place.remember_way();
    let (session, events) = resumed?;
    let mut events = Listening::new(events);

    session.watch_servers().await?;
    let mut list = ServerList::new();
    let server = find(&wanted.server, &mut list, &mut events).await?;
    let ticket = events.during(session.join(server)).await?;
    place.store(Some(stored))?;
    say_joined(&ticket, &list, output)?;

    let chat = wanted.chat_stdin || io::stdin().is_terminal();
    let started = start(&template, &ticket, session.name(), |program, arguments| {
        Game::start(program, arguments, chat, output.json, wanted.stop_timeout)
    });
    let game = match started {
        Ok(game) => game,
        Err(failure) => {
            leave(&session, &mut events).await?;
            session.close().await;
            return Err(failure);
        }
    };
    if chat {
        tokio::spawn(speak(session.clone(), output));
        output.hint("-- what you type is said on the server; Ctrl-C leaves")?;
    } else if game.is_none() {
        output.hint("-- Ctrl-C leaves")?;
    }
    let mut stay = Stay { session, events, list, control, signals, game, output, ended: None };
    let end = stay.until_the_end().await;
    // Whatever ended it: the game does not outlive us, and nobody is expected on its server.
    let code = stay.finish(end, &mut place).await;
    place.remember_keys()?;
    code
}

/// Being on a game server.
struct Stay {
    session: Session,
    events: Listening,
    list: ServerList,
    control: ControlServer,
    signals: Signals,
    game: Option<Game>,
    output: Output,
    /// The session is over for good, but the game is not.
    ended: Option<SessionEnd>,
}

/// Why a stay is over.
enum End {
    /// The game has ended.
    Game(ExitStatus),
    /// A person wants it so: with a signal, or with another command.
    Asked(Option<Farewell>),
    /// There is nothing to stay for.
    Failed(Failure),
}

/// What another command asked for, and waits to see done.
struct Farewell {
    log_out: bool,
    done: oneshot::Sender<Result<(), Failure>>,
}

/// What happens next.
enum Next {
    Notice(Result<Notice, SessionEnd>),
    Game(io::Result<ExitStatus>),
    Signal(Signal),
    Order(Order),
    Command(UnixStream),
}

impl Stay {
    async fn until_the_end(&mut self) -> End {
        let (notices, _) = broadcast::channel(MAX_NOTICES);
        let (orders, mut given) = mpsc::channel(8);
        let hub = Hub { session: self.session.clone(), notices, orders };
        loop {
            let done = match self.next(&mut given).await {
                Next::Notice(Ok(notice)) => self.notice(notice, &hub),
                Next::Notice(Err(end)) => self.session_ended(end),
                Next::Game(Ok(status)) => return End::Game(status),
                Next::Game(Err(error)) => return End::Failed(Failure::failed("command", error)),
                Next::Signal(signal) => match &mut self.game {
                    Some(game) => {
                        game.ask_to_end(signal);
                        Ok(())
                    }
                    None => return End::Asked(None),
                },
                Next::Order(Order::Servers { reply }) => {
                    // Who asked may be gone.
                    let _ = reply.send(self.list.to_events());
                    Ok(())
                }
                Next::Order(Order::Leave { done }) => {
                    return End::Asked(Some(Farewell { log_out: false, done }));
                }
                Next::Order(Order::LogOut { done }) => {
                    return End::Asked(Some(Farewell { log_out: true, done }));
                }
                Next::Command(stream) => {
                    self.control.serve(stream, hub.clone());
                    Ok(())
                }
            };
            if let Err(failure) = done {
                return End::Failed(failure);
            }
        }
    }

    async fn next(&mut self, orders: &mut mpsc::Receiver<Order>) -> Next {
        let Self { events, control, signals, game, ended, .. } = self;
        let game_ended = async {
            match game {
                Some(game) => game.ended().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            signal = signals.next() => Next::Signal(signal),
            status = game_ended => Next::Game(status),
            notice = events.next(), if ended.is_none() => Next::Notice(notice),
            Some(order) = orders.recv() => Next::Order(order),
            stream = control.accept() => Next::Command(stream),
        }
    }

    fn notice(&mut self, notice: Notice, hub: &Hub) -> Result<(), Failure> {
        if let Notice::Servers(events) = &notice {
            self.list.apply(events);
        }
        notice.print(self.output)?;
        let left = matches!(notice, Notice::Left);
        // That no other command listens is the rule.
        let _ = hub.notices.send(Arc::new(notice));
        match left && self.game.is_none() {
            true => Err(Failure::failed("server_gone", "the game server is gone")),
            false => Ok(()),
        }
    }

    /// The player keeps playing: the game does not need us.
    fn session_ended(&mut self, end: SessionEnd) -> Result<(), Failure> {
        if self.game.is_none() {
            return Err(end.into());
        }
        self.output.failure(&end.clone().into());
        self.ended = Some(end);
        Ok(())
    }

    async fn finish(mut self, end: End, place: &mut Place) -> Result<ExitCode, Failure> {
        if let (Some(game), End::Asked(_) | End::Failed(_)) = (&mut self.game, &end) {
            game.end().await;
        }
        let (farewell, outcome) = match end {
            End::Game(status) => {
                if !status.success() || self.output.json {
                    self.output.event(&game::event(status))?;
                }
                (None, Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::from(1) }))
            }
            End::Asked(farewell) => (farewell, Ok(ExitCode::SUCCESS)),
            End::Failed(failure) => (None, Err(failure)),
        };
        let over = self.ended.is_some() || outcome.is_err();
        let log_out = farewell.as_ref().is_some_and(|farewell| farewell.log_out);
        let left = match log_out {
            true => self.events.during(self.session.log_out()).await.map_err(Failure::from),
            false => leave(&self.session, &mut self.events).await,
        };
        if log_out && left.is_ok() {
            place.store(None)?;
        }
        if let Some(farewell) = farewell {
            // Who asked may be gone.
            let _ = farewell.done.send(left.clone());
            // The answer is on its way to the other command.
            tokio::task::yield_now().await;
        }
        if left.is_ok() {
            self.output.event(if log_out { &Event::LoggedOut } else { &Event::Left })?;
        }
        self.session.close().await;
        match (outcome, left) {
            (Ok(code), Ok(())) if self.ended.is_none() => Ok(code),
            (Ok(_), Err(failure)) if !over => Err(failure),
            (Ok(_), _) => Ok(ExitCode::from(1)),
            (Err(failure), _) => Err(failure),
        }
    }
}

/// The server a person means, as soon as the list has it.
async fn find(
    wanted: &str,
    list: &mut ServerList,
    events: &mut Listening,
) -> Result<ServerId, Failure> {
    let found = timeout(LIST_TIMEOUT, async {
        let mut waiting = None;
        loop {
            match list.find(wanted).as_slice() {
                [] => {}
                [server] => return Ok(Some(*server)),
                several => return Err(ambiguous(wanted, several)),
            }
            // A long list comes in parts.
            let next = match waiting {
                None => Some(events.next().await),
                Some(()) => timeout(LIST_PART_TIMEOUT, events.next()).await.ok(),
            };
            match next {
                None => return Ok(None),
                Some(notice) => {
                    if let Notice::Servers(events) = notice? {
                        list.apply(&events);
                        waiting = Some(());
                    }
                }
            }
        }
    });
    match found.await {
        Ok(Ok(Some(server))) => Ok(server),
        Ok(Err(failure)) => Err(failure),
        Ok(Ok(None)) | Err(_) => Err(unknown(wanted, list)),
    }
}

fn ambiguous(wanted: &str, servers: &[ServerId]) -> Failure {
    let ids: Vec<_> = servers.iter().map(ToString::to_string).collect();
    let message = format!("several servers are called {wanted:?}: say which, {}", ids.join(" or "));
    Failure::failed("ambiguous_server", message)
}

fn unknown(wanted: &str, list: &ServerList) -> Failure {
    let names: Vec<_> = list.iter().map(|(_, server)| format!("{:?}", server.title)).collect();
    let there_is = match names.is_empty() {
        true => "there are no servers now".to_owned(),
        false => format!("there is {}", names.join(", ")),
    };
    let failure = Failure::from(Refusal::UnknownServer);
    Failure { message: format!("no server is called {wanted:?}; {there_is}"), ..failure }
}

fn say_joined(ticket: &JoinTicket, list: &ServerList, output: Output) -> Result<(), Failure> {
    if let Some(server) = list.get(ticket.server).filter(|_| !output.json) {
        output.hint(format_args!("{} ({})", server.title, server.game))?;
    }
    output.event(&ticket.into())
}

fn start(
    template: &Template,
    ticket: &JoinTicket,
    name: &str,
    start: impl FnOnce(&str, &[String]) -> Result<Game, Failure>,
) -> Result<Option<Game>, Failure> {
    let address = ticket.address.to_string();
    let secret = ticket.secret.reveal();
    let (port, ticket) = (ticket.port, ticket.ticket.reveal());
    let values = Values { address: &address, port, secret, ticket, name };
    let Some((program, arguments)) = template.fill(values) else { return Ok(None) };
    start(&program, &arguments).map(Some)
}

/// Says every line of the input to who is on the server.
///
/// While the server is joined again the next line waits, and those behind it do.
async fn speak(session: Session, output: Output) {
    let mut lines = prompt::lines();
    while let Some(line) = lines.recv().await {
        let said = match line {
            Ok(text) => say(&session, text, output).await,
            Err(failure) => Err(failure),
        };
        if let Err(failure) = said {
            output.failure(&failure);
        }
    }
}

async fn say(session: &Session, text: Text<400>, output: Output) -> Result<(), Failure> {
    let unsaid = format!("{:?} was not sent", text.as_str());
    let server = match back_on_server(session, output).await {
        Ok(server) => server,
        Err(failure) => return Err(failure.hint(&unsaid)),
    };
    let said = session.chat(Channel::Server, text).await.map_err(Failure::from);
    said.map_err(|failure| match (server, failure.kind) {
        (None, _) | (_, Kind::Refused) => failure.hint(&unsaid),
        // Nobody knows.
        (Some(_), _) => failure,
    })
}

/// Waits while the server is joined again. `None`: we are on none any more.
async fn back_on_server(session: &Session, output: Output) -> Result<Option<ServerId>, Failure> {
    let rejoined = session.rejoined();
    tokio::pin!(rejoined);
    tokio::select! {
        biased;
        server = &mut rejoined => return Ok(server),
        () = std::future::ready(()) => {
            output.hint("-- not on the server just now; what you type is said when you are again")?;
        }
    }
    match timeout(SAY_TIMEOUT, rejoined).await {
        Ok(server) => Ok(server),
        Err(_) => Err(Failure::failed("timeout", "not on the server again for too long")),
    }
}

/// Leaves, unless it has happened already.
async fn leave(session: &Session, events: &mut Listening) -> Result<(), Failure> {
    match timeout(LEAVE_TIMEOUT, events.during(session.leave())).await {
        Ok(Ok(()) | Err(RequestError::Refused(Refusal::NotOnServer))) => Ok(()),
        Ok(Err(error)) => Err(error.into()),
        Err(_) => Err(RequestError::Timeout.into()),
    }
}

/// How long the list of servers may take.
const LIST_TIMEOUT: Duration = Duration::from_secs(10);

/// How long to wait for more of it.
const LIST_PART_TIMEOUT: Duration = Duration::from_millis(500);

/// How long leaving may take when the game is over: the login server finds out anyway.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a line waits to be said: longer than the session tries to join again, and not so long
/// that nobody remembers what it was about.
const SAY_TIMEOUT: Duration = Duration::from_secs(90);

/// Notices another command may be behind before it loses some.
const MAX_NOTICES: usize = 256;
