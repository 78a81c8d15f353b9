//! A chat server: everybody hears what anybody says.
//!
//! ```text
//! cargo run -p connection-handler --example chat -- 127.0.0.1:7001
//! nc 127.0.0.1 7001          # in as many other terminals as you like; the first line is your name
//! ```

use std::{env, io};

use actix::{Actor, Context};
use bytes::BytesMut;
use connection_handler::{
    ConnectionConfig, DisconnectReason, IncomingConnectionHandler, Peer, PeerId, Peers,
    PlainHandler, Serves, supervise,
};
use framing::lines::{self, Lines};
use tokio::net::TcpListener;
use tokio_util::codec::{Decoder, Encoder};

connection_handler::peer! {
    /// Somebody in the chat. Says lines, hears lines.
    struct Member: String => String {
        /// Once it has said it.
        name: Option<String>,
    }
}

type MemberHandler = PlainHandler<Member, Text, Text>;

/// Lines of text ⇄ bytes.
struct Text(Lines);

impl Default for Text {
    fn default() -> Self {
        Self(Lines::new(512))
    }
}

impl Decoder for Text {
    type Item = String;
    type Error = DisconnectReason;

    fn decode(&mut self, src: &mut BytesMut) -> Result<Option<String>, DisconnectReason> {
        let Some(line) = self.0.next(src)? else { return Ok(None) };
        let text = std::str::from_utf8(&line).map_err(DisconnectReason::invalid)?;
        // It will be seen on the terminals of the others.
        Ok(Some(text.chars().filter(|c| !c.is_control()).collect()))
    }
}

impl Encoder<String> for Text {
    type Error = DisconnectReason;

    fn encode(&mut self, line: String, dst: &mut BytesMut) -> Result<(), DisconnectReason> {
        Ok(lines::encode(line.as_bytes(), dst)?)
    }
}

/// Everybody who is connected.
#[derive(Default)]
struct Chat(Peers<Member>);

impl Actor for Chat {
    type Context = Context<Self>;
}

connection_handler::serves!(Chat: Member);

impl Serves<Member> for Chat {
    fn peers(&mut self) -> &mut Peers<Member> {
        &mut self.0
    }

    fn connected(&mut self, member: &mut Member, _: &mut Context<Self>) {
        member.send("Hello! What is your name?".into());
    }

    fn message(&mut self, from: PeerId, line: String, _: &mut Context<Self>) {
        let Some(member) = self.0.get_mut(from) else { return };
        let heard = match &mut member.name {
            Some(name) => format!("{name}: {line}"),
            name => format!("{} is here", name.insert(line)),
        };
        self.0.send_to_all(heard);
    }

    fn disconnected(&mut self, member: Member, _: DisconnectReason, _: &mut Context<Self>) {
        if let Some(name) = member.name {
            self.0.send_to_all(format!("{name} has left"));
        }
    }
}

#[actix::main]
async fn main() -> io::Result<()> {
    let addr = env::args().nth(1).unwrap_or_else(|| "127.0.0.1:7001".into());
    let (chat, ended) = supervise(Chat::default());
    let listener = TcpListener::bind(addr).await?;
    println!("chat on {}", listener.local_addr()?);
    let config = ConnectionConfig { first_message_timeout: None, ..Default::default() };
    IncomingConnectionHandler::new(MemberHandler::new(), listener, chat, config).start();
    ended.await;
    Ok(())
}

#[cfg(test)]
mod tests {
    use connection_handler::{
        testing::{Remote, codec_suite},
        transport::{Connector, memory::memory},
    };

    use super::*;

    #[actix::test]
    async fn everybody_hears_what_anybody_says() {
        let (listener, mut connector) = memory(1024);
        let (chat, _ended) = supervise(Chat::default());
        let config = ConnectionConfig::default();
        IncomingConnectionHandler::new(MemberHandler::new(), listener, chat, config).start();
        let mut join = async || {
            let remote = Remote::new(connector.connect().await.unwrap());
            let mut member = remote.speaking(Text::default(), Text::default());
            assert_eq!(member.message().await, "Hello! What is your name?");
            member
        };

        let mut ann = join().await;
        ann.send("Ann".to_owned()).await;
        assert_eq!(ann.message().await, "Ann is here");
        let mut bob = join().await;
        bob.send_bytes(b"B\x1bob\r\nhi!\n").await;
        for member in [&mut ann, &mut bob] {
            assert_eq!(member.message().await, "Bob is here");
            assert_eq!(member.message().await, "Bob: hi!");
        }
        bob.finish().await;
        assert_eq!(ann.message().await, "Bob has left");
    }

    #[test]
    fn lines_survive_whatever_a_network_does() {
        codec_suite(
            Text::default,
            Text::default,
            ["", "hi", "ünï", &"x".repeat(512)].map(str::to_owned),
        );
    }
}
