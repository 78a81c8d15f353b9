//! The kinds of connections: one folder each.

pub(crate) mod guest;
