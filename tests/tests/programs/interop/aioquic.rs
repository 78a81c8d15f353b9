//! aioquic, from PyPI: a game client, and two kinds of clients that nobody wants.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use tests::{Process, Stdio, World, memory_kib};
use tokio::{task::JoinSet, time::sleep};

use super::{LIMIT, python};
use crate::raw::RawClient;

#[test]
#[ignore = "interop"]
fn a_game_client_over_aioquic_logs_in_and_does_what_only_quic_can() -> Result<()> {
    runs("aioquic_client.py")
}

#[test]
#[ignore = "interop"]
fn who_talks_and_acknowledges_nothing_is_thrown_out() -> Result<()> {
    runs("zombie.py")
}

fn runs(script: &str) -> Result<()> {
    let world = World::new()?;
    let server = world.login_server()?;
    let client = python(&world.scope, &server, script)?;
    let done = Process::run(&world.scope, "aioquic", client, LIMIT);
    println!("{}", std::fs::read_to_string(world.scope.path().join("logs/aioquic.log"))?);
    done
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "interop"]
async fn a_crowd_over_quic_and_tcp_costs_those_who_play_nothing() -> Result<()> {
    let world = World::new()?;
    let server = world.login_server()?;
    let memory = || memory_kib(server.process.id()).context("its memory");
    let mut polite = Vec::new();
    for _ in 0..POLITE {
        polite.push(RawClient::greeted(server.address, [127, 0, 0, 1].into()).await?);
    }
    let command = python(&world.scope, &server, "crowd.py")?;
    let mut crowd = Process::start(&world.scope, "crowd", command, Stdio::Events)?;
    let (before, mut waits) = (memory()?, Vec::new());
    // What a crowd costs it costs each time; what else there is on this machine comes and goes.
    while waits.len() < ROUNDS {
        crowd.events.kind("prepared", LIMIT).map_err(|error| crowd.explain(error))?;
        let quiet = answers(&mut polite).await?;
        crowd.say("go")?;
        let crowded = answers(&mut polite).await?;
        let forgotten = crowd.events.kind("forgotten", LIMIT);
        let forgotten = forgotten.map_err(|error| crowd.explain(error))?;
        let after = memory()?;
        println!("{}; p99 {quiet:?} quiet, {crowded:?} crowded; {after} KiB", forgotten.0);
        let factor = |group: &str| forgotten.0["factors"][group].as_f64().context("a factor");
        ensure!(factor("first")? <= 3.2 && factor("others")? <= 0.1, "{forgotten:?}");
        ensure!(forgotten.0["closed"] == 500, "{forgotten:?}");
        ensure!(after < before + FORGOTTEN_KIB, "{before} KiB became {after} KiB");
        waits.push((quiet, crowded));
        if crowded <= quiet * 3 / 2 + NOTHING {
            return Ok(());
        }
    }
    anyhow::bail!("quiet and crowded: {waits:?}")
}

/// The 99th percentile of how long answers take, for a while.
async fn answers(clients: &mut Vec<RawClient>) -> Result<Duration> {
    let mut asking = JoinSet::new();
    for mut client in clients.drain(..) {
        asking.spawn(async move {
            let (begin, mut times) = (Instant::now(), Vec::new());
            // Not as fast as a client may ask.
            while begin.elapsed() < Duration::from_secs(6) {
                times.push(client.ping().await?);
                sleep(Duration::from_millis(100)).await;
            }
            anyhow::Ok((client, times))
        });
    }
    let mut times = Vec::new();
    while let Some(asked) = asking.join_next().await {
        let (client, took) = asked??;
        clients.push(client);
        times.extend(took);
    }
    times.sort_unstable();
    Ok(times[times.len() * 99 / 100])
}

const ROUNDS: usize = 5;
/// What nobody notices.
const NOTHING: Duration = Duration::from_millis(2);
/// Clients that ask, meanwhile.
const POLITE: usize = 10;
/// What an allocator may keep of what it has given back.
const FORGOTTEN_KIB: u64 = 8 * 1024;
