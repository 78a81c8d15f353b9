//! What happens, in order; each line is told after it was seen in what the programs say.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tests::{Event, Launcher, LauncherOptions, LoginServer, Player, Process, World};

use super::teller::Teller;

/// Tells the story up to where ann has left, and returns the servers, still running.
pub(crate) fn tell(world: &World, teller: &mut Teller) -> Result<(LoginServer, Launcher)> {
    let login_server = world.login_server()?;
    let address = login_server.address;
    teller.tell(format!("The login server is ready: QUIC and TLS on {address}."));

    let options = LauncherOptions::default();
    let (data, config) = Launcher::prepare(world, &options)?;
    Launcher::enroll(world, &data, &login_server.enrollment(world, "demo")?)?;
    teller
        .tell("A launcher is enrolled, with a string that works once; it is its key from now on.");
    let launcher = Launcher::start_enrolled(world, data, config)?;
    let game = launcher.game_address(SERVER)?;
    teller.tell(format!("The launcher is ready; its OpenTTD server is for {game}."));

    let bob = world.player(&login_server, "bob")?;
    bob.register(world)?;
    let mut list = bob.watch(world)?;
    let ready = see(&mut list, "the server, ready", Event::is_ready)?;
    teller.tell(format!(
        "bob registered, and sees it: {}, {}, {} of {} players.",
        ready.text("name"),
        ready.text("map"),
        tests::list_of(&ready.0["players"]).len(),
        ready.0["max_players"]
    ));
    play(world, teller, &world.player(&login_server, "ann")?, &bob, list)?;
    Ok((login_server, launcher))
}

fn play(
    world: &World,
    teller: &mut Teller,
    ann: &Player,
    bob: &Player,
    mut list: Process,
) -> Result<()> {
    let registered = ann.register(world)?;
    contains(&registered, "registered")?;
    teller.tell("ann registers. Her password is stored as argon2id, her account is on disk.");
    contains(&ann.run(world, &["logout"], None)?, "logged_out")?;
    contains(&ann.log_in(world)?, "logged_in")?;
    teller.tell("ann logs out, and in again.");
    let listed = ann.run(world, &["servers"], None)?;
    ensure!(listed.iter().any(Event::is_ready), "ann's list has no server: {listed:?}");
    teller.tell("ann sees the server on her list too.");

    let (mut game, joined) = ann.play(world, SERVER, &mut list)?;
    teller.tell(format!(
        "ann joins {}:{} with a random secret, and her real OpenTTD client: bob sees her in the game.",
        joined.text("address"),
        joined.0["port"]
    ));

    // An account is on one connection at a time.
    list.stop(ENDS_WITHIN)?;
    chat(world, teller, bob, &mut game)?;

    let mut list = bob.watch(world)?;
    see(&mut list, "ann, still in the game", |event| event.has_player("ann"))?;
    game.signal(tests::Signal::TERM);
    see(&mut game, "left", |event| event.kind() == "left")?;
    see(&mut list, "ann gone", |event| event.kind() == "server" && !event.has_player("ann"))?;
    teller.tell("ann leaves: bob sees nobody on the server any more.");
    list.stop(ENDS_WITHIN)?;
    Ok(())
}

fn chat(world: &World, teller: &mut Teller, bob: &Player, ann: &mut Process) -> Result<()> {
    bob.run(world, &["chat", "--channel", "lobby", LOBBY], None)?;
    see(ann, "bob in the lobby", |event| event.says(LOBBY) && event.text("from") == "bob")?;
    teller.tell(format!("bob says in the lobby: {LOBBY:?}; ann reads it."));

    let mut bob = bob.start(world, &["join", SERVER, "--chat-stdin"])?;
    see(&mut bob, "joined", |event| event.kind() == "joined")?;
    ann.say(ANSWER)?;
    see(&mut bob, "ann's answer", |event| event.says(ANSWER) && event.text("from") == "ann")?;
    bob.say(SERVER_TALK)?;
    see(ann, "bob on the server", |event| event.says(SERVER_TALK) && event.text("from") == "bob")?;
    teller.tell(format!("On the server ann says {ANSWER:?}, and bob {SERVER_TALK:?}."));
    bob.stop(ENDS_WITHIN)?;
    Ok(())
}

/// The end of the story, when nobody wants to play by hand.
pub(crate) fn end(
    teller: &mut Teller,
    mut login_server: LoginServer,
    mut launcher: Launcher,
) -> Result<()> {
    let status = launcher.process.stop(ENDS_WITHIN)?;
    ensure!(status.success(), "the launcher ended with {status}: {}", launcher.process.report());
    teller.tell("SIGTERM: the launcher has stopped its game, and ends with exit code 0.");
    let status = login_server.process.stop(ENDS_WITHIN)?;
    ensure!(status.success(), "the login server: {status}: {}", login_server.process.report());
    teller.tell("SIGTERM: the login server ends with exit code 0.");
    Ok(())
}

#[track_caller]
fn see(process: &mut Process, what: &str, is_it: impl FnMut(&Event) -> bool) -> Result<Event> {
    let seen = process.events.wait(what, SEEN_WITHIN, is_it);
    seen.with_context(|| format!("expected to see: {what}"))
}

fn contains(events: &[Event], kind: &str) -> Result<()> {
    let found = events.iter().any(|event| event.kind() == kind);
    ensure!(found, "expected {kind:?}, seen {events:?}");
    Ok(())
}

const SERVER: &str = "openttd";
const LOBBY: &str = "who is for a game?";
const ANSWER: &str = "I am in already";
const SERVER_TALK: &str = "have fun, ann";
/// For what takes well under a second, on a busy machine; the game server's start among it.
const SEEN_WITHIN: Duration = Duration::from_secs(30);
const ENDS_WITHIN: Duration = Duration::from_secs(20);
