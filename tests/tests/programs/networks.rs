//! Players on bad networks: a relay stands between `gatehouse` and the login server.

use std::{net::SocketAddr, time::Duration};

use anyhow::{Result, ensure};
use connection_handler::testing::{DatagramImpairments, Impairments, TcpRelay, UdpRelay};
use tests::{LoginServer, Player, Process, World};

/// A player who knows the login server by another address.
fn player_at(world: &World, server: &LoginServer, address: SocketAddr) -> Result<Player> {
    Ok(Player { server: address.to_string(), ..world.player(server, "ann")? })
}

/// Says a line, and waits until it is heard.
fn say(chat: &mut Process, line: &str) -> Result<()> {
    chat.say(line)?;
    let heard = chat.events.wait(line, HEARD_WITHIN, |event| {
        assert_ne!(event.kind(), "connection_lost", "{event:?}");
        event.says(line)
    });
    heard.map(drop).map_err(|error| chat.explain(error))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_over_quic_survives_a_nat_that_forgets_and_a_network_that_loses() -> Result<()> {
    let world = World::new()?;
    let server = world.login_server()?;
    let lossy = DatagramImpairments {
        seed: 1,
        loss_percent: 5,
        duplicate_percent: 2,
        delay: Duration::from_millis(10),
        jitter: Duration::from_millis(10),
        ..Default::default()
    };
    // There is no TCP at its address: it is QUIC or nothing.
    let relay = UdpRelay::start(server.address, lossy).await?;
    let ann = player_at(&world, &server, relay.addr())?;
    ann.register(&world)?;
    let ping = ann.run(&world, &["ping"], None)?;
    ensure!(ping[0].text("over") == "udp", "{ping:?}");
    let mut chat = ann.start(&world, &["chat"])?;
    say(&mut chat, "hello")?;
    for number in 0..10 {
        // Two for each line: a player may say one a second.
        for _ in 0..2 {
            relay.rebind();
            std::thread::sleep(BETWEEN_REBINDS);
        }
        say(&mut chat, &format!("number {number}"))?;
    }
    let counts = relay.counts();
    println!("{counts:?}");
    ensure!(counts.rebinds == 20 && counts.lost > 5, "{counts:?}");
    chat.close_input();
    ensure!(chat.wait(ENDS_WITHIN)?.success(), "{}", chat.report());
    ensure!(chat.events.rest().iter().all(|event| event.kind() != "connection_lost"));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_over_tls_arrives_one_byte_at_a_time() -> Result<()> {
    let world = World::new()?;
    let server = world.login_server()?;
    let bytes = Impairments { max_piece: Some(1), ..Default::default() };
    let relay = TcpRelay::start(server.address, bytes).await?;
    let ann = player_at(&world, &server, relay.addr())?;
    ann.register(&world)?;
    let ping = ann.run(&world, &["ping"], None)?;
    ensure!(ping[0].text("over") == "session", "there is no UDP here: {ping:?}");
    let mut chat = ann.start(&world, &["chat"])?;
    for number in 0..5 {
        say(&mut chat, &format!("{number} {}", "long ".repeat(70).trim_end()))?;
    }
    chat.close_input();
    ensure!(chat.wait(ENDS_WITHIN)?.success(), "{}", chat.report());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_player_is_back_after_a_cut_and_after_a_stall() -> Result<()> {
    let world = World::new()?;
    let server = world.login_server()?;
    let relay = TcpRelay::start(server.address, Impairments::default()).await?;
    let ann = player_at(&world, &server, relay.addr())?;
    ann.register(&world)?;
    let mut chat = ann.start(&world, &["chat"])?;
    say(&mut chat, "hello")?;
    relay.cut();
    lost_and_back(&mut chat, || ())?;
    say(&mut chat, "after the cut")?;
    relay.set_stalled(true);
    lost_and_back(&mut chat, || relay.set_stalled(false))?;
    say(&mut chat, "after the stall")?;
    chat.close_input();
    ensure!(chat.wait(ENDS_WITHIN)?.success(), "{}", chat.report());
    Ok(())
}

fn lost_and_back(chat: &mut Process, meanwhile: impl FnOnce()) -> Result<()> {
    let lost = chat.events.kind("connection_lost", BACK_WITHIN);
    lost.map_err(|error| chat.explain(error))?;
    meanwhile();
    let back = chat.events.kind("reconnected", BACK_WITHIN);
    back.map(drop).map_err(|error| chat.explain(error))
}

/// For a line that may be lost several times on the way.
const HEARD_WITHIN: Duration = Duration::from_secs(20);
const BETWEEN_REBINDS: Duration = Duration::from_millis(500);
/// Silence is noticed after 7 s; connecting again takes up to 10 s, after 5 s.
const BACK_WITHIN: Duration = Duration::from_secs(40);
const ENDS_WITHIN: Duration = Duration::from_secs(20);
