//! What a launcher and a keeper say to each other: the same enums on both sides.

pub(crate) use protocol::{FromKeeper, ToKeeper};
