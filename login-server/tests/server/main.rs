//! The whole login server, through real sockets.

mod accounts;
mod browser;
mod commands;
mod databases;
mod launchers;
mod outages;
mod port;
mod seeing;
mod support;
mod trouble;
mod web;
