//! Registrations, logins with a password and resumptions, in both databases, against what cannot be
//! saved: the bare hashes of argon2 and the bare commits of the database.
//!
//! ```text
//! cargo run --release -p accounts --example bench -- [--json] [--quick] [--runs N]
//! ```
//!
//! Ours and the baseline take turns, on the same machine with as many threads and at the same disk;
//! who is first changes each time. Figures are medians, the ratio is ours over the baseline's.

mod bare;
mod ours;

use std::env;
use std::process::ExitCode;
use std::time::Duration;

use accounts::testing::{Durable, Postgres};
use accounts::{DatabaseUrl, HashParameters, HashQueueConfig};
use serde_json::json;

use crate::ours::{Setting, What};

fn main() -> ExitCode {
    let mut options = Options { json: false, runs: 5, measured: Duration::from_secs(2) };
    let mut arguments = env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--json" => options.json = true,
            "--quick" => (options.runs, options.measured) = (1, Duration::from_millis(500)),
            "--runs" => match arguments.next().and_then(|runs| runs.parse().ok()) {
                Some(runs @ 1..) => options.runs = runs,
                _ => return usage("--runs NUMBER"),
            },
            other => return usage(&format!("what is {other}?")),
        }
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(bench(&options));
    ExitCode::SUCCESS
}

fn usage(said: &str) -> ExitCode {
    eprintln!("{said}");
    ExitCode::from(2)
}

struct Options {
    json: bool,
    runs: usize,
    measured: Duration,
}

async fn bench(options: &Options) {
    let config = HashQueueConfig::default();
    let HashParameters { memory_kib, iterations, parallelism } = config.parameters;
    let cost = format!("argon2id {memory_kib} KiB x{iterations} p{parallelism}");
    let directory = tempfile::tempdir().expect("a temporary directory");
    let server = Postgres::start(Durable::Yes);
    if !options.json {
        println!(
            "{cost}, {} threads; per second: ours, bare, ratio (medians of {})",
            config.threads, options.runs
        );
    }
    for (database, url) in [
        ("SQLite", DatabaseUrl::sqlite(directory.path().join("accounts.db"))),
        ("PostgreSQL", server.database().await),
    ] {
        let setting = Setting::new(&url, config, options.measured).await;
        let commits = match url.file() {
            Some(_) => bare::Commits::sqlite(&directory.path().join("bare.db")).await,
            None => bare::Commits::postgres(&server.database().await.to_string()).await,
        };
        for what in [What::Registration, What::Login, What::Resumption] {
            let mut runs = Vec::new();
            for run in 0..options.runs {
                let (ours, baseline);
                if run % 2 == 0 {
                    baseline = bare_of(what, &setting, &commits).await;
                    ours = setting.measure(what).await;
                } else {
                    ours = setting.measure(what).await;
                    baseline = bare_of(what, &setting, &commits).await;
                }
                runs.push((ours, baseline));
            }
            let against = match what {
                What::Registration | What::Login => cost.as_str(),
                What::Resumption => "bare commits",
            };
            report(&format!("{what:?} in {database} against {against}"), &runs, options.json);
        }
    }
}

async fn bare_of(what: What, setting: &Setting, commits: &bare::Commits) -> f64 {
    match what {
        What::Registration | What::Login => bare::hashes(setting.config, setting.measured),
        What::Resumption => commits.measure(ours::AT_ONCE, setting.measured).await,
    }
}

fn report(name: &str, runs: &[(f64, f64)], as_json: bool) {
    let median = |of: &dyn Fn(&(f64, f64)) -> f64| {
        let mut values: Vec<_> = runs.iter().map(of).collect();
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    let (ours, bare) = (median(&|run| run.0), median(&|run| run.1));
    let ratio = median(&|run| run.0 / run.1);
    if as_json {
        let figure = json!({
            "name": name, "ours": ours, "baseline": bare, "ratio": ratio, "unit": "1/s",
        });
        println!("{figure}");
    } else {
        println!("{name:<64} {ours:>9.1} {bare:>9.1} {ratio:>6.2}");
    }
}
