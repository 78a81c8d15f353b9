//! Teeworlds without its connection: how it is started, and what its lines mean.

mod cfg;
mod world;

pub(crate) use self::{
    cfg::{PROGRAM, StartFiles},
    world::World,
};
