//! The external console (econ) of a Teeworlds server, to which the keeper connects.

mod handler;
mod protocol;
mod server;

pub(crate) use self::{
    handler::Teeworlds,
    protocol::{FromTeeworlds, ToTeeworlds},
};
