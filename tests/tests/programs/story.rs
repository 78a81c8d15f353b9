//! The whole way once: from an account to a real game and out of it again.

use std::{path::Path, time::Duration};

use anyhow::Result;
use tests::{
    Display, Event, Launcher, LauncherOptions, Player, Process, World, list_of, visible_client,
    write_client_config,
};

#[test]
fn a_player_joins_a_real_game_is_seen_in_it_chats_and_leaves() -> Result<()> {
    let world = World::new()?;
    let login_server = world.login_server()?;
    let _launcher = Launcher::start(&world, &login_server, &LauncherOptions::default())?;

    let bob = world.player(&login_server, "bob")?;
    bob.register(&world)?;
    let mut list = bob.watch(&world)?;
    let server = list.events.wait("the server, ready", SOON, Event::is_ready)?;
    assert_eq!(server.text("game"), "openttd");
    assert_eq!(list_of(&server.0["players"]), [""; 0]);

    let ann = world.player(&login_server, "ann")?;
    let registered = ann.register(&world)?;
    assert!(registered.iter().any(|e| e.kind() == "registered" && e.text("name") == "ann"));
    ann.log_in(&world)?;
    assert!(ann.run(&world, &["servers"], None)?.iter().any(Event::is_ready));

    let (mut game, joined) = ann.play(&world, "openttd", &mut list)?;
    assert_eq!(joined.text("server"), server.text("server"));
    assert_eq!(joined.text("secret").len(), 20, "a random code of 20 characters");

    let cat = world.player(&login_server, "cat")?;
    cat.register(&world)?;
    cat.run(&world, &["chat", "--channel", "lobby", "who is there?"], None)?;
    let chat = game.events.wait("the lobby", SOON, |event| event.says("who is there?"))?;
    assert_eq!((chat.text("channel"), chat.text("from")), ("lobby", "cat"));

    game.signal(tests::Signal::TERM);
    game.events.kind("left", SOON)?;
    list.events.wait("ann gone", SOON, |e| e.kind() == "server" && !e.has_player("ann"))?;
    Ok(())
}

#[test]
fn what_is_typed_in_the_real_game_is_read_at_the_login_server_and_back() -> Result<()> {
    let world = World::new()?;
    let login_server = world.login_server()?;
    let _launcher = Launcher::start(&world, &login_server, &LauncherOptions::default())?;
    let display = Display::start(&world.scope)?;

    let bob = world.player(&login_server, "bob")?;
    bob.register(&world)?;
    let mut list = bob.watch(&world)?;
    list.events.wait("the server, ready", SOON, Event::is_ready)?;
    let cat = world.player(&login_server, "cat")?;
    cat.register(&world)?;
    let mut cat = cat.start(&world, &["join", "openttd", "--chat-stdin"])?;
    cat.events.kind("joined", SOON)?;

    let ann = world.player(&login_server, "ann")?;
    ann.register(&world)?;
    let config = write_client_config(&ann.profile, "ann")?;
    let mut game = (1..=TRIES).find_map(|attempt| {
        match enter_visibly(&world, &ann, &display, &config, &mut list) {
            // See `Player::play` for why a client may not connect at all.
            Err(_) if attempt < TRIES => None,
            entered => Some(entered),
        }
    });
    let game = game.as_mut().expect("the last attempt counts").as_mut();
    let game = game.map_err(|error| anyhow::anyhow!("{error:#}"))?;

    // Keys can be lost while the game draws its first pictures.
    let heard = (1..=TRIES).find_map(|attempt| {
        let text = format!("typed in the game {attempt}");
        let typed = display.say_in_game(&text);
        let heard = cat.events.wait(&text, Duration::from_secs(5), |event| event.says(&text));
        match (typed, heard) {
            (_, Ok(event)) => Some(event),
            (Err(error), _) | (_, Err(error)) if attempt == TRIES => panic!("{error:#}"),
            _ => None,
        }
    });
    let heard = heard.expect("the last attempt panics");
    assert_eq!((heard.text("channel"), heard.text("from")), ("server", "ann"));
    assert_eq!(heard.0["in_game"], true, "{heard:?}");

    // The game would ask whether to quit, were it asked to with a signal.
    ann.run(&world, &["leave"], None)?;
    game.events.kind("left", SOON)?;
    list.events.wait("ann gone", SOON, |e| e.kind() == "server" && !e.has_player("ann"))?;
    Ok(())
}

/// Joins with the game client that has a window, and waits until ann is in the game.
fn enter_visibly(
    world: &World,
    ann: &Player,
    display: &Display,
    config: &Path,
    list: &mut Process,
) -> Result<Process> {
    let mut command = ann.command(world, &["join", "openttd", "--"])?;
    display.put_into(command.args(visible_client(config)));
    let mut game = Process::start(&world.scope, "ann-join", command, tests::Stdio::Events)?;
    game.events.kind("joined", SOON)?;
    let entered = Duration::from_secs(10);
    match list.events.wait("ann in the game", entered, |event| event.has_player("ann")) {
        Ok(_) => Ok(game),
        Err(error) => {
            ann.run(world, &["leave"], None)?;
            Err(game.explain(error))
        }
    }
}

/// For what takes about a second, on a busy machine.
const SOON: Duration = Duration::from_secs(30);
const TRIES: u32 = 6;
