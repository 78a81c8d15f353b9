//! The admin port of an OpenTTD server, to which the keeper connects.

mod handler;
mod protocol;
mod server;

pub(crate) use self::{
    handler::Openttd,
    protocol::{Frequency, FromOpenttd, ToOpenttd, UpdateKind, Welcome},
};
