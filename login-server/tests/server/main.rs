//! The whole login server, through real sockets.

mod accounts;
mod belongings;
mod browser;
mod commands;
mod cuts;
mod databases;
mod launchers;
mod operators;
mod outages;
mod port;
mod seeing;
mod storm;
mod support;
mod tickets;
mod trouble;
mod web;
