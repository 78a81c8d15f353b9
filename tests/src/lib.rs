//! Whole programs, through real sockets, with a real game: what tests and `cargo demo` do it with.
//!
//! A [`Scope`] is a temporary directory and every process that works in it, however detached;
//! dropping it ends them. In it a [`World`] starts login servers, launchers and players. Every
//! wait has a limit, and an error that ends one carries what was seen instead.

mod events;
mod openttd;
mod process;
mod programs;
mod scope;
mod wait;
mod world;

pub use rustix::process::Signal;

pub use events::{Event, Events, list_of};
pub use openttd::{Display, OPENTTD, headless_client, visible_client, write_client_config};
pub use process::{Process, Stdio, memory_kib};
pub use programs::{Program, build, programs, sample_game};
pub use scope::{Scope, stop_in, sweep};
pub use wait::{eventually, until};
pub use world::{Launcher, LauncherOptions, LoginServer, Player, World};
