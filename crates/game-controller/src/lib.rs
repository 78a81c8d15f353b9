//! What a game server embeds to be run by a Gatehouse launcher.
//!
//! A launcher can run any program, and knows a few games well enough to talk to them from outside.
//! A game with a [`GameController`] in it tells by itself what is going on in it, lets in those who
//! joined through the login server and nobody else, and is told to throw players out, to play the
//! map that was voted for, and to stop.
//!
//! ```no_run
//! use std::{net::UdpSocket, time::Duration};
//! use game_controller::{Event, GameController};
//!
//! let (mut controller, start) = GameController::connect("tag/1.0")?;
//! let socket = UdpSocket::bind((start.bind, start.port))?;
//! controller.map("harbour");
//! controller.ready();
//! 'game: loop {
//!     while let Some(event) = controller.poll() {
//!         match event {
//!             Event::Stop { .. } => break 'game,
//!             Event::Remove { player, reason } => println!("{player:?} is out: {reason}"),
//!             _ => {}
//!         }
//!     }
//!     // A datagram says that somebody wants to play: who are you, and what were you given?
//!     let (name, secret) = ("Ada", "k3JYt8Wq0ZbVx5RmPa7e");
//!     if let Some(account) = controller.admit(secret) {
//!         controller.player_entered(1, name, Some(&account));
//!     }
//!     std::thread::sleep(Duration::from_millis(50));
//! }
//! # let _ = socket;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # How it works
//!
//! The launcher starts each game below a small process of its own, the *keeper*, which listens on
//! this machine; the environment of the game says where, and holds a token that proves that this is
//! the game it has started. [`GameController::connect`] connects there. From then on a thread of the
//! controller holds the connection, and makes it again when it is lost. The launcher may come and go
//! meanwhile; the keeper does not, and takes the game along when it ends.
//!
//! Nothing that is said to a controller waits for anybody, and none of it fails: what is known of
//! the game is kept, and told again on a new connection. What is heard waits until the game
//! [polls](GameController::poll). **Poll in every round of the game's loop**: that is how the keeper
//! sees that the game goes on. One that hangs for a minute (`hung_after` in the configuration of the
//! launcher) is ended and started again.
//!
//! The bytes are described in `protocol/PROTOCOL.md`, section 12, for games in other languages. The
//! example `arena` is a whole game server.

mod connection;
mod controller;
mod doors;
mod environment;
mod known;
mod link;
mod outbox;

pub use protocol;

pub use crate::{
    connection::ConnectError,
    controller::{Account, Event, GameController, match_end},
    environment::{Environment, EnvironmentError},
};
