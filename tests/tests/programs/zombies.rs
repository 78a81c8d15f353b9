//! Processes that stand still: neither do they end, nor do they say anything.

use std::time::Duration;

use anyhow::{Result, ensure};
use connection_handler::testing::{Impairments, TcpRelay};
use tests::{Player, Process, Signal, World, until};

/// Says a line, and waits until it is heard.
fn say(chat: &mut Process, line: &str) -> Result<()> {
    chat.say(line)?;
    let heard = chat.events.wait(line, HEARD_WITHIN, |event| event.says(line));
    heard.map(drop).map_err(|error| chat.explain(error))
}

fn lost_and_back(chat: &mut Process, wakes: impl FnOnce()) -> Result<()> {
    let lost = chat.events.kind("connection_lost", NOTICED_WITHIN);
    lost.map_err(|error| chat.explain(error))?;
    wakes();
    let back = chat.events.kind("reconnected", NOTICED_WITHIN);
    back.map(drop).map_err(|error| chat.explain(error))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_player_who_stands_still_is_missed_slows_nobody_and_comes_back() -> Result<()> {
    let world = World::new()?;
    let server = world.login_server_with("login-server", |command| {
        command.args(["--log", "info,connection_handler=debug"]);
    })?;
    // There is no UDP at its address: it is TLS or nothing.
    let relay = TcpRelay::start(server.address, Impairments::default()).await?;
    let quic = world.player(&server, "ann")?;
    let tls = Player { server: relay.addr().to_string(), ..world.player(&server, "bob")? };
    let other = world.player(&server, "zoe")?;
    let mut chats = Vec::new();
    for player in [&quic, &tls, &other] {
        player.register(&world)?;
        let mut chat = player.start(&world, &["chat"])?;
        say(&mut chat, "hello")?;
        chats.push(chat);
    }
    let mut other = chats.pop().expect("the last of three");
    let gone = |transport: &str| {
        let transport = format!("\"transport\":\"{transport}\"");
        let log = server.process.log_text();
        let is_end = |line: &&str| line.contains("\"disconnected\"") && line.contains(&transport);
        log.lines().filter(is_end).count()
    };
    let before = (gone("quic"), gone("tls"));
    chats.iter().for_each(|chat| chat.signal(Signal::STOP));
    let mut lines = 0;
    until("their end", NOTICED_WITHIN, || {
        // As fast as a player may speak. The test waits for each line, and fails with it.
        lines += 1;
        let heard = say(&mut other, &format!("number {lines}"));
        std::thread::sleep(Duration::from_secs(1));
        heard.is_err() || gone("quic") > before.0 && gone("tls") > before.1
    })?;
    say(&mut other, "nobody is in the way")?;
    for chat in &mut chats {
        chat.signal(Signal::CONT);
        lost_and_back(chat, || ())?;
        say(chat, "back again")?;
    }
    Ok(())
}

#[test]
fn a_login_server_that_stands_still_is_missed_and_found_again() -> Result<()> {
    let world = World::new()?;
    let server = world.login_server()?;
    let ann = world.player(&server, "ann")?;
    ann.register(&world)?;
    let mut chat = ann.start(&world, &["chat"])?;
    say(&mut chat, "hello")?;
    server.process.signal(Signal::STOP);
    lost_and_back(&mut chat, || server.process.signal(Signal::CONT))?;
    say(&mut chat, "back again")?;
    ensure!(chat.runs(), "{}", chat.report());
    Ok(())
}

const HEARD_WITHIN: Duration = Duration::from_secs(20);
/// Over QUIC 20 s, over TLS two pings without an answer: 45 s and the 5 s for a goodbye. The rest is
/// for a machine that is busy.
const NOTICED_WITHIN: Duration = Duration::from_secs(90);
