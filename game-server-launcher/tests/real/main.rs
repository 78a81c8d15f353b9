//! The launcher as a process, with real games, real clients, and a login server played by the test.

mod arena;
mod game_client;
mod launcher;
mod login_server;
mod stories {
    mod configuration;
    mod controller;
    mod enrolment;
    mod fleet;
    mod players;
    mod shim;
    mod survival;
    mod teeworlds;
    mod tickets;
    mod world;
}
mod teeworlds_client;

use std::time::Duration;

/// How long anything may take. Machines of tests are busy.
const LIMIT: Duration = Duration::from_secs(40);

/// What to install when OpenTTD is missing.
fn openttd() -> &'static std::path::Path {
    let program = std::path::Path::new("/usr/games/openttd");
    assert!(
        program.is_file(),
        "{} is missing: apt install openttd openttd-opengfx",
        program.display()
    );
    program
}
