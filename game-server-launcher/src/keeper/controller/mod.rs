//! Games with a game controller in them, without their connection: how they are started, what their
//! messages mean, and who may come in.

mod codes;
mod link;
mod start;
mod world;

pub(crate) use self::{
    link::ControllerLink,
    start::{Access, prepare},
};
