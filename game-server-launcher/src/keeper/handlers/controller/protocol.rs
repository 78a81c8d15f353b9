//! What a game and its keeper say to each other is in the crate `protocol`.

pub(crate) use protocol::{FromGameController as FromGame, ToGameController as ToGame};
