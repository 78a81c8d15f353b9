//! OpenTTD without its connection: how it is started, and what its packets mean.

mod cfg;
mod date;
mod saves;
mod world;

pub(crate) use self::{
    cfg::{PROGRAM, StartFiles},
    saves::{NOT_LOADED, Save, Saves},
    world::World,
};
