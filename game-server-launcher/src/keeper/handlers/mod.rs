//! The kinds of connections of a keeper.

pub(crate) mod controller;
pub(crate) mod launcher;
pub(crate) mod openttd;
pub(crate) mod teeworlds;
