//! Signed permission to join one game server, checked offline.
//!
//! The login server signs; whoever guards a game server (its launcher, its gate, a controller inside
//! the game) checks, without asking anybody. Nothing here reads a clock, and only [`SpentFile`]
//! touches a disk.
//!
//! * A [`Ticket`] lets *one* player onto *one* server, *once*, within minutes. On the wire it is a
//!   PASETO `v4.public` token: Ed25519, any PASETO library can read it.
//! * [`SigningKeys`] sign, and rotate: the next key is announced before it is used, and the last
//!   one is valid for as long as a ticket of it may be. [`VerifyingKeys`] is the public half.
//! * [`Gate`] admits: it checks, and remembers in a [`SpentFile`], across restarts, which tickets
//!   were used.
//! * [`JoinCode`] is for games that carry no ticket: 20 random characters which fit into a field
//!   for a password and can be typed.
//!
//! # What is promised
//!
//! * What comes from the network never panics, and is refused before anything is decoded when it is
//!   longer than [`Ticket::MAX_BYTES`].
//! * A ticket is admitted once: [`Gate::admit`] returns it only after its id is on disk. When the
//!   memory for ids is full, nobody is admitted, rather than somebody twice.
//! * Another server's ticket, an old one, one of a withdrawn key, and one with a changed bit are
//!   refused, each with its own [`TicketError`]; which of them is not for the player to know.
//!
//! ```
//! use std::time::Duration;
//!
//! use tickets::{Gate, ServerName, SigningKeys, SpentFile, Ticket};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let directory = tempfile::tempdir()?;
//! # let now_ms = 1_800_000_000_000;
//! // The login server:
//! let keys = SigningKeys::generate()?;
//! let server = ServerName::parse("home/7")?;
//! let ticket = Ticket::new(17, "Rosa", server.clone(), now_ms, Duration::from_secs(60))?;
//! let text = keys.sign(&ticket);
//!
//! // Whoever guards the game server, with the public keys it was given:
//! let spent = SpentFile::open(&directory.path().join("spent"), now_ms)?;
//! let mut gate = Gate::new(server, keys.public(now_ms), spent);
//! let admitted = gate.admit(&text, now_ms + 5_000)?;
//! assert_eq!((admitted.account, admitted.player.as_str()), (17, "Rosa"));
//! assert!(gate.admit(&text, now_ms + 6_000).is_err(), "once");
//! # Ok(())
//! # }
//! ```

mod code;
mod date;
mod gate;
mod keys;
mod paseto;
mod spent;
mod spent_file;
mod ticket;

pub use code::{JoinCode, JoinCodeError};
pub use gate::{AdmitError, Gate};
pub use keys::{
    KeyId, KeysError, MAX_VERIFYING_KEYS, RandomError, SigningKeys, VerifyingKey, VerifyingKeys,
};
pub use spent::{SpendError, Spent};
pub use spent_file::SpentFile;
pub use ticket::{ServerName, ServerNameError, Ticket, TicketError, TicketId, TicketNameError};
