//! slowhttptest, from Debian, which asks as slowly as it can.

use std::{process::Command, time::Duration};

use anyhow::{Context, Result, ensure};
use tests::{Process, Stdio};

use crate::abuse::Place;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "interop"]
async fn slow_requests_are_cut_off_at_the_deadline_and_slow_nobody_down() -> Result<()> {
    // One address may hold them all: they are to be many.
    let config = "plain.http = true\nlimits.max_connections_per_ip = 1000\n";
    let place = Place::open_with(config).await?;
    let address = place.server.address;
    // Slow heads; and slow bodies, which nobody waits for.
    let headers = ["-H", "-t", "GET"];
    for (name, how, scheme, held_s) in [
        ("headers", &headers[..], "http", HEADER_S),
        ("headers-tls", &headers[..], "https", HEADER_S),
        ("bodies", &["-B", "-t", "POST", "-s", "8192"][..], "http", 0),
    ] {
        let report = place.world.scope.path().join(name);
        let mut command = Command::new("slowhttptest");
        command.args(how).args(["-c", CONNECTIONS, "-r", CONNECTIONS, "-i", "1", "-x", "24"]);
        command.args(["-l", "60", "-g", "-o"]).arg(&report);
        command.args(["-u", &format!("{scheme}://{address}/health")]);
        let mut test = Process::start(&place.world.scope, name, command, Stdio::Log)?;
        test.close_input();
        let ended = tokio::task::spawn_blocking(move || {
            let status = test.wait(Duration::from_secs(90))?;
            ensure!(status.success() && test.log_text().contains("No open connections left"));
            Ok(test)
        });
        let test = ended.await?.with_context(|| format!("{name} from {address}"))?;
        let report = std::fs::read_to_string(report.with_extension("csv"))?;
        let (seconds, held, available) = read(&report)?;
        println!("{name}: at most {held} at once, all cut off after {seconds} s");
        ensure!(available, "{name}: not available in between\n{report}\n{}", test.report());
        // It takes a second to connect, and the machine its time.
        ensure!((held_s..=held_s + 4).contains(&seconds), "{name}: {seconds} s\n{report}");
        ensure!(held_s == 0 || held.to_string() == CONNECTIONS, "{name}: {held} were held");
    }
    place.close().await
}

/// Of its report: how many seconds it took, the most connections at once, and whether it was always
/// answered when it asked as others do.
fn read(report: &str) -> Result<(u64, u64, bool)> {
    let (mut seconds, mut held, mut available) = (0, 0, true);
    for line in report.lines().skip(1) {
        let numbers = line.split(',').map(str::parse).collect::<Result<Vec<u64>, _>>()?;
        let [second, _closed, _pending, connected, answered] = numbers[..] else { continue };
        (seconds, held) = (second, held.max(connected));
        available &= answered > 0;
    }
    ensure!(seconds > 0, "nothing in {report:?}");
    Ok((seconds, held, available))
}

const CONNECTIONS: &str = "200";
/// From the beginning of a connection to the end of the head of its request.
const HEADER_S: u64 = 5;
