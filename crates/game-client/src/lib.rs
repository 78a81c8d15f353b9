//! The player's side of Gatehouse: what a game embeds to log in, see the servers, join and chat.
//!
//! [`Client`] is one connection; [`Session`] is a session that outlives its connections;
//! [`ServerList`] turns what either says about servers into a list. Nothing here knows a user
//! interface; the `gatehouse` command in this package is one.
//!
//! ```no_run
//! # async fn play(pin: game_client::KeyFingerprint) -> Result<(), Box<dyn std::error::Error>> {
//! use game_client::{ClientConfig, ServerList, Session, SessionEvent};
//! use game_client::protocol::{Password, Text};
//!
//! let config = ClientConfig::new("play.example:9000", pin.into());
//! let password = Password(Text::parse("correct horse battery staple")?);
//! let (session, mut events) = Session::log_in(config, Text::parse("Ada")?, password).await?;
//! session.watch_servers().await?;
//! let mut servers = ServerList::new();
//! while servers.is_empty() {
//!     if let SessionEvent::Servers(events) = events.next().await? {
//!         servers.apply(&events);
//!     }
//! }
//! let (server, _) = servers.iter().next().expect("the list is not empty");
//! let ticket = session.join(server).await?;
//! println!("play at {}:{}", ticket.address, ticket.port);
//! # Ok(())
//! # }
//! ```
//!
//! Everything runs on tokio; each connection is a task. Nothing grows with what a server sends, and
//! no wait is endless: the numbers are in [`ClientConfig`].

mod backoff;
mod client;
mod config;
mod deliver;
mod error;
mod ping;
mod probe;
mod server_list;
mod session;
mod wire;

pub use connection_handler::transport::{
    keys::{KeyFingerprint, Trust},
    secure::QuicBlocked,
};
pub use protocol;

pub use crate::{
    client::{Client, Event, Events},
    config::{ClientConfig, QueuePosition},
    error::{ConnectError, ConnectionLost, RequestError, SessionEnd, StartError},
    ping::ping,
    probe::probe,
    server_list::{ListChanges, Server, ServerList},
    session::{Session, SessionEvent, SessionEvents},
};
