//! The whole login server, through real sockets.

mod accounts;
mod commands;
mod databases;
mod launchers;
mod outages;
mod port;
mod seeing;
mod support;
mod trouble;
