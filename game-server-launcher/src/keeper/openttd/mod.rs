//! OpenTTD without its connection: how it is started, and what its packets mean.

mod cfg;
mod date;
mod world;

pub(crate) use self::{
    cfg::{PROGRAM, StartFiles},
    world::{Heard, World},
};
