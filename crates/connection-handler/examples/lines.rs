//! Both sides of somebody else's protocol: the line-based remote console that small game servers
//! have. A password first, then a line for each command, and lines as answers, at any time.
//!
//! ```text
//! cargo run -p connection-handler --example lines -- serve 127.0.0.1:7002 secret
//! cargo run -p connection-handler --example lines -- ask 127.0.0.1:7002 secret 'say hello'
//! ```
//!
//! The server shows a connection with a state of its own (who has said the password), the client an
//! outgoing connection and a central actor that ends by itself.

use std::{env, io, net::SocketAddr, str};

use actix::{Actor, ActorContext, Context};
use bytes::BytesMut;
use connection_handler::{
    ConnectionConfig, DisconnectReason, IncomingConnectionHandler, OutgoingConnectionHandler, Peer,
    PeerId, Peers, PlainHandler, Serves, supervise,
    transport::{Connector, Listener, tcp::TcpConnector},
};
use framing::lines::{self, Lines};
use tokio::net::TcpListener;
use tokio_util::codec::{Decoder, Encoder};

// What each side says. The format is not ours, so that neither are there enums.
connection_handler::peer! {
    /// Who asks, as the console sees it.
    struct Operator: Line => Line {
        access: Access,
    }
}
connection_handler::peer! {
    /// The console, as who asks sees it.
    struct Console: Line => Line;
}

/// One line of text, without its end and without control characters.
#[derive(Clone, Debug, PartialEq)]
struct Line(String);

impl Line {
    fn new(text: &str) -> Self {
        Self(text.chars().filter(|c| !c.is_control()).collect())
    }
}

struct LineCodec(Lines);

impl Default for LineCodec {
    fn default() -> Self {
        Self(Lines::new(1024))
    }
}

impl Decoder for LineCodec {
    type Item = Line;
    type Error = DisconnectReason;

    fn decode(&mut self, src: &mut BytesMut) -> Result<Option<Line>, DisconnectReason> {
        let Some(line) = self.0.next(src)? else { return Ok(None) };
        Ok(Some(Line::new(str::from_utf8(&line).map_err(DisconnectReason::invalid)?)))
    }
}

impl Encoder<Line> for LineCodec {
    type Error = DisconnectReason;

    fn encode(&mut self, Line(text): Line, dst: &mut BytesMut) -> Result<(), DisconnectReason> {
        Ok(lines::encode(text.as_bytes(), dst)?)
    }
}

/// The console of a game server.
struct Server {
    password: String,
    operators: Peers<Operator>,
}

#[derive(Debug)]
enum Access {
    Asked { attempts: u8 },
    Granted,
}

impl Default for Access {
    fn default() -> Self {
        Self::Asked { attempts: 0 }
    }
}

impl Server {
    fn new(password: &str) -> Self {
        Self { password: password.into(), operators: Peers::new() }
    }
}

impl Actor for Server {
    type Context = Context<Self>;
}

connection_handler::serves!(Server: Operator);

impl Serves<Operator> for Server {
    fn peers(&mut self) -> &mut Peers<Operator> {
        &mut self.operators
    }

    fn connected(&mut self, operator: &mut Operator, _: &mut Context<Self>) {
        operator.send(Line::new("Enter password:"));
    }

    fn message(&mut self, from: PeerId, Line(text): Line, _: &mut Context<Self>) {
        let Some(operator) = self.operators.get_mut(from) else { return };
        match &mut operator.access {
            Access::Granted => match text.split_once(' ') {
                Some(("say", words)) => operator.send(Line::new(&format!("*** {words}"))),
                _ if text == "logout" => operator.disconnect("logout"),
                _ => operator.send(Line::new(&format!("No such command: {text}."))),
            },
            Access::Asked { .. } if text == self.password => {
                operator.access = Access::Granted;
                operator.send(Line::new("Authentication successful."));
            }
            Access::Asked { attempts: 2 } => operator.disconnect("three wrong passwords"),
            Access::Asked { attempts } => {
                *attempts += 1;
                let wrong = format!("Wrong password {attempts}/3.");
                operator.send(Line::new(&wrong));
            }
        }
    }
}

/// Says the password and a command, and shows the answer.
struct Client {
    /// What is still to be said, last first.
    say: Vec<Line>,
    show: fn(&str),
    consoles: Peers<Console>,
}

impl Client {
    fn new(password: &str, command: &str, show: fn(&str)) -> Self {
        let say = ["logout", command, password].map(Line::new).into();
        Self { say, show, consoles: Peers::new() }
    }
}

impl Actor for Client {
    type Context = Context<Self>;
}

connection_handler::serves!(Client: Console);

impl Serves<Console> for Client {
    fn peers(&mut self) -> &mut Peers<Console> {
        &mut self.consoles
    }

    fn message(&mut self, from: PeerId, Line(text): Line, _: &mut Context<Self>) {
        (self.show)(&text);
        if let (Some(console), Some(line)) = (self.consoles.get(from), self.say.pop()) {
            console.send(line);
        }
    }

    fn disconnected(&mut self, _: Console, reason: DisconnectReason, ctx: &mut Context<Self>) {
        (self.show)(&format!("({reason})"));
        ctx.stop();
    }
}

async fn serve(listener: impl Listener, password: &str) {
    let (server, ended) = supervise(Server::new(password));
    let handler = PlainHandler::<Operator, LineCodec, LineCodec>::new();
    let config = ConnectionConfig { max_connections: 16, ..ConnectionConfig::default() };
    IncomingConnectionHandler::new(handler, listener, server, config).start();
    ended.await;
}

async fn ask(connector: impl Connector, client: Client) {
    let (client, ended) = supervise(client);
    let handler = PlainHandler::<Console, LineCodec, LineCodec>::new();
    let config = ConnectionConfig::default();
    let handler = OutgoingConnectionHandler::new(handler, connector, client, config).start();
    ended.await;
    drop(handler);
}

#[actix::main]
async fn main() -> io::Result<()> {
    let arguments: Vec<_> = env::args().skip(1).collect();
    match &arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["serve", addr, password] => serve(TcpListener::bind(*addr).await?, password).await,
        ["ask", addr, password, command] => {
            let addr: SocketAddr = addr.parse().map_err(io::Error::other)?;
            let client = Client::new(password, command, |line| println!("{line}"));
            ask(TcpConnector { addr }, client).await;
        }
        _ => eprintln!("lines serve ADDRESS PASSWORD | lines ask ADDRESS PASSWORD COMMAND"),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use connection_handler::{
        testing::{Remote, codec_suite},
        transport::memory::memory,
    };

    use super::*;

    #[actix::test]
    async fn a_client_asks_and_a_server_answers() {
        thread_local!(static SHOWN: RefCell<Vec<String>> = RefCell::default());
        let show = |line: &str| SHOWN.with_borrow_mut(|shown| shown.push(line.into()));
        let (listener, connector) = memory(1024);
        actix::spawn(serve(listener, "secret"));
        ask(connector, Client::new("secret", "say hello", show)).await;
        let expected =
            ["Enter password:", "Authentication successful.", "*** hello", "(closed by the peer)"];
        assert_eq!(SHOWN.take(), expected);
    }

    #[actix::test]
    async fn three_wrong_passwords_are_enough() {
        let (listener, mut connector) = memory(1024);
        actix::spawn(serve(listener, "secret"));
        let mut remote = Remote::new(connector.connect().await.unwrap());
        remote.send_bytes(b"one\r\ntwo\r\nthree\r\nsecret\r\n").await;
        let heard = remote.rest().await;
        assert_eq!(heard, b"Enter password:\nWrong password 1/3.\nWrong password 2/3.\n");
    }

    #[test]
    fn lines_survive_whatever_a_network_does() {
        let samples = ["", "say hello", "ünï"].map(Line::new);
        codec_suite(LineCodec::default, LineCodec::default, samples);
    }
}
