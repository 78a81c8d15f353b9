//! Where players sign in, meet and choose where to play.
//!
//! [`run`] is the whole program; `main.rs` only reads the command line. Read `lobby` for what it
//! decides, `server` for the one actor that does what the lobby wants done, and `handlers` for who
//! connects.

mod admin;
mod capture_show;
mod certificates;
pub mod cli;
pub mod config;
mod data_dir;
mod handlers;
mod keys;
mod launchers;
pub mod lobby;
mod operator;
mod ready;
mod recordings;
mod run;
mod server;
mod store;
pub mod systemd;
mod tickets;
mod web;

pub use crate::{
    config::{Config, ConfigError},
    run::{CentralActorEnded, run, run_on},
};
