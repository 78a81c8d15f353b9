//! The kinds of connections of a launcher. Both are opened by it.

pub(crate) mod keeper;
pub(crate) mod login_server;
