//! Fuzz targets: found in the folders `fuzz`, run by cargo-fuzz.

use std::{
    collections::VecDeque,
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};

use crate::{
    console::faint,
    steps::{Outcome, cargo, is_installed, root},
};

/// One of them.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) name: String,
    /// The folder it is in, relative to the root.
    folder: PathBuf,
}

impl Target {
    /// All there are, by folder and name.
    pub(super) fn all() -> Result<Vec<Self>> {
        let mut folders = Vec::new();
        for parent in [root().to_owned(), root().join("crates")] {
            let crates = entries(&parent)?.into_iter();
            folders.extend(
                crates.map(|member| member.join("fuzz")).filter(|f| f.join("Cargo.toml").is_file()),
            );
        }
        let mut all = Vec::new();
        for folder in folders {
            for file in entries(&folder.join("fuzz_targets"))? {
                let name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
                all.push(Self { name, folder: folder.strip_prefix(root())?.to_owned() });
            }
        }
        Ok(all)
    }

    /// Its file, relative to the root.
    pub(super) fn file(&self) -> String {
        self.folder.join("fuzz_targets").join(&self.name).with_extension("rs").display().to_string()
    }

    /// Lets it run for so long, and says now and then how far it is.
    pub(super) fn run(&self, minutes: u32) -> Result<Outcome> {
        ensure!(is_installed("fuzz"), "not installed; `cargo install cargo-fuzz --locked`");
        let seconds = u64::from(minutes) * 60;
        let mut fuzz = cargo();
        fuzz.args(["fuzz", "run", "--sanitizer", "none", "--fuzz-dir"]).arg(&self.folder);
        // What they have in common is compiled once.
        fuzz.arg("--target-dir").arg(root().join("target/fuzz")).arg(&self.name);
        fuzz.args(["--", "-print_final_stats=1", &format!("-max_total_time={seconds}")]);
        println!("{}", faint(format!("{fuzz:?}")));
        let mut child = fuzz.stderr(Stdio::piped()).spawn().context("cargo does not start")?;
        let output = child.stderr.take().context("it was piped")?;
        let watched = Watched::until_the_end(lines_of(output), &self.name, seconds);
        let status: ExitStatus = child.wait()?;
        if !status.success() {
            watched.last.iter().for_each(|line| println!("{line}"));
            bail!("{status}: a finding, unless the above says that it does not compile");
        }
        Ok(Outcome::Passed(format!(
            "{} inputs, {} edges, no finding",
            watched.inputs, watched.edges
        )))
    }
}

/// What a fuzzer has said so far.
#[derive(Default)]
struct Watched {
    inputs: u64,
    edges: u64,
    /// When it has begun with the first input, and not to compile.
    since: Option<Instant>,
    last: VecDeque<String>,
}

impl Watched {
    fn until_the_end(lines: Receiver<String>, name: &str, seconds: u64) -> Self {
        let mut watched = Self::default();
        let mut report_at = Instant::now() + BETWEEN_REPORTS;
        loop {
            match lines.recv_timeout(report_at.saturating_duration_since(Instant::now())) {
                Ok(line) => watched.heard(line),
                Err(RecvTimeoutError::Timeout) => {
                    println!("{}", watched.report(name, seconds));
                    report_at += BETWEEN_REPORTS;
                }
                Err(RecvTimeoutError::Disconnected) => return watched,
            }
        }
    }

    fn heard(&mut self, line: String) {
        if let Some((inputs, edges)) = parse(&line) {
            self.inputs = inputs;
            self.edges = edges.unwrap_or(self.edges);
            self.since.get_or_insert_with(Instant::now);
        }
        if self.last.len() == MAX_LAST {
            self.last.pop_front();
        }
        self.last.push_back(line);
    }

    fn report(&self, name: &str, seconds: u64) -> String {
        let Self { inputs, edges, since, last } = self;
        match since {
            Some(since) => format!(
                "{name}: {} of {seconds} s, more than {inputs} inputs, {edges} edges",
                since.elapsed().as_secs(),
            ),
            None => last.back().map_or_else(|| "…".into(), |line| line.trim().to_owned()),
        }
    }
}

/// Inputs and, where they are said, edges, of a line such as `#512 NEW cov: 57 ft: 60 corp: 3/9b`.
fn parse(line: &str) -> Option<(u64, Option<u64>)> {
    if let Some(done) = line.strip_prefix("stat::number_of_executed_units:") {
        return Some((done.trim().parse().ok()?, None));
    }
    let mut words = line.strip_prefix('#')?.split_whitespace();
    let inputs = words.next()?.parse().ok()?;
    let edges = words.skip_while(|word| *word != "cov:").nth(1);
    Some((inputs, edges.and_then(|edges| edges.parse().ok())))
}

fn lines_of(output: impl std::io::Read + Send + 'static) -> Receiver<String> {
    let (sender, lines) = channel();
    thread::spawn(move || {
        for line in BufReader::new(output).split(b'\n').map_while(Result::ok) {
            if sender.send(String::from_utf8_lossy(&line).into_owned()).is_err() {
                return;
            }
        }
    });
    lines
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).with_context(|| folder.display().to_string())?;
    let mut entries = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    entries.sort();
    Ok(entries)
}

/// A person wants to see that it goes on, and a log is not to be filled with it.
const BETWEEN_REPORTS: Duration = Duration::from_secs(30);

/// Lines that are shown of a failure: a panic, the input, and where it was written to.
const MAX_LAST: usize = 60;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_found_wherever_a_crate_has_them() {
        let all = Target::all().unwrap();
        let files: Vec<_> = all.iter().map(Target::file).collect();
        assert!(files.contains(&"crates/connection-handler/fuzz/fuzz_targets/chunks.rs".into()));
        assert!(files.contains(&"protocol/fuzz/fuzz_targets/from_game_client.rs".into()));
    }

    #[test]
    fn what_libfuzzer_says_is_understood() {
        let line = "#2097152\tpulse  cov: 1009 ft: 3210 corp: 421/37Kb lim: 4096 exec/s: 233016";
        assert_eq!(parse(line), Some((2_097_152, Some(1009))));
        assert_eq!(parse("#2\tINITED exec/s: 0 rss: 24Mb"), Some((2, None)));
        assert_eq!(parse("stat::number_of_executed_units: 91043"), Some((91_043, None)));
        assert_eq!(parse("#![no_main]"), None);
        assert_eq!(parse("   Compiling bytes v1.0.0"), None);
    }
}
