//! What a launcher and the login server say to each other: the same enums on both sides.

pub(crate) use protocol::{FromLauncher as ToLoginServer, ToLauncher as FromLoginServer};
