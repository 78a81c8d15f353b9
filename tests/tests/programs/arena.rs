//! The whole way once with a game written for Gatehouse: the sample game server.

use std::{fs, path::Path, time::Duration};

use anyhow::Result;
use tests::{Event, Launcher, LauncherOptions, LoginServer, World, sample_game};

#[test]
fn players_of_a_game_with_a_controller_are_seen_heard_and_go_on_after_a_match() -> Result<()> {
    let world = World::new()?;
    let login_server = world.login_server()?;
    let _launcher = arena(&world, &login_server)?;

    let bob = world.player(&login_server, "bob")?;
    bob.register(&world)?;
    let mut list = bob.watch(&world)?;
    let plays = |map: &'static str| move |e: &Event| e.is_ready() && e.text("map") == map;
    let server = list.events.wait("the first map", SOON, plays("harbour"))?;
    assert_eq!(server.text("game"), "arena");
    let cat = world.player(&login_server, "cat")?;
    cat.register(&world)?;
    let mut cat = cat.start(&world, &["join", "arena", "--chat-stdin"])?;
    let joined = cat.events.kind("joined", SOON)?;

    let ann = world.player(&login_server, "ann")?;
    ann.register(&world)?;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("python/arena_player.py");
    let script = script.display().to_string();
    let game = ["python3", "-B", &script, "Ann", "{address}", "{port}", "{secret}"];
    let join: Vec<_> = ["join", "arena", "--"].into_iter().chain(game).collect();
    let mut ann = ann.start(&world, &join)?;
    let ann_joined = ann.events.kind("joined", SOON)?;
    assert_ne!(joined.text("secret"), ann_joined.text("secret"), "each has a secret of their own");
    list.events.wait("ann in the game", SOON, |event| event.has_player("Ann"))?;
    let heard = cat.events.wait("ann", SOON, |event| event.says("Ann is in"))?;
    assert_eq!((heard.text("channel"), heard.text("from")), ("server", "Ann"));

    let is_next = plays("quarry");
    let next = list.events.wait("the next match", SOON, |e| is_next(e) && e.has_player("Ann"))?;
    assert_eq!(next.text("server"), server.text("server"));

    ann.signal(tests::Signal::TERM);
    ann.events.kind("left", SOON)?;
    list.events.wait("ann gone", SOON, |e| e.kind() == "server" && !e.has_player("Ann"))?;
    Ok(())
}

/// A launcher with a sample game of which each match has a process of its own.
fn arena(world: &World, login_server: &LoginServer) -> Result<Launcher> {
    let (data, config) = Launcher::prepare(world, &LauncherOptions::default())?;
    let text = format!(
        "[[server]]\nname = \"arena\"\ngame = \"controller\"\nprogram = \"{}\"\n\
         bind = \"127.0.0.1\"\n[server.controller]\ngame = \"arena\"\nsecond_port = 0\n\
         arguments = [\"--bots\", \"2\", \"--match-ms\", \"25000\", \"--vote-ms\", \"500\"]\n",
        sample_game()?.display()
    );
    fs::write(&config, text)?;
    Launcher::enroll(world, &data, &login_server.enrollment(world, "demo")?)?;
    Launcher::start_enrolled(world, data, config)
}

/// For what takes about a second, or a match, on a busy machine.
const SOON: Duration = Duration::from_secs(60);
