//! The last words, over every transport, as Python, aioquic and websockets hear them.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use tests::{Process, Signal, Stdio, World};

use super::{LIMIT, python};

#[test]
#[ignore = "interop"]
fn every_goodbye_arrives_before_the_end_whatever_the_transport() -> Result<()> {
    let world = World::new()?;
    let server = world.login_server_configured(CONFIG)?;
    let mut client = python(&world.scope, &server, "last_words.py")?;
    client.args(["--refusals", "40"]);
    let done = Process::run(&world.scope, "last-words", client, LIMIT);
    println!("{}", std::fs::read_to_string(world.scope.path().join("logs/last-words.log"))?);
    done
}

#[test]
#[ignore = "interop"]
fn a_login_server_that_stops_ends_each_transport_as_it_should_be() -> Result<()> {
    let world = World::new()?;
    let mut server = world.login_server_configured(CONFIG)?;
    let mut client = python(&world.scope, &server, "last_words.py")?;
    client.arg("--until-it-stops");
    let mut client = Process::start(&world.scope, "last-words", client, Stdio::Events)?;
    client.events.kind("connected", LIMIT).map_err(|error| client.explain(error))?;
    let begin = Instant::now();
    server.process.signal(Signal::TERM);
    let ended = client.wait(STOPS_WITHIN)?;
    let status = server.process.wait(STOPS_WITHIN)?;
    println!("after {:?}: {:?}", begin.elapsed(), client.events.rest());
    ensure!(ended.success(), "{}", client.report());
    ensure!(status.success(), "{status}: {}", server.process.report());
    Ok(())
}

const CONFIG: &str = "plain.frames = true\n";
/// It takes 4.5 s at most, on a machine that is not busy.
const STOPS_WITHIN: Duration = Duration::from_secs(20);
