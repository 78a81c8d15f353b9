//! `cargo deny`, as far as it needs no network.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use anyhow::{Context, Result, bail, ensure};

/// Checks bans, licences and sources; advisories too where their database was fetched. What the tool
/// reads goes into the folder `scratch`.
///
/// # Errors
///
/// When something is denied, with what the tool says about it.
pub(crate) fn check(scratch: &Path) -> Result<String> {
    let mut checks = vec!["bans", "licenses", "sources"];
    let advisories = advisories_are_here();
    if advisories {
        checks.push("advisories");
    }
    let metadata = scratch.join("deny-metadata.json");
    fs::write(&metadata, metadata_of_this_platform()?)?;
    let mut deny = crate::steps::cargo();
    deny.args(["deny", "--offline", "--metadata-path"]).arg(&metadata);
    deny.args(["check", "--hide-inclusion-graph"]).args(&checks);
    let output = deny.output()?;
    if !output.status.success() {
        bail!("{}{}", text(&output.stdout), text(&output.stderr));
    }
    let without = if advisories { "" } else { ", no advisories (`cargo deny fetch` gets them)" };
    Ok(format!("{}{without}", checks.join(", ")))
}

/// The dependencies of this platform: those of others were never downloaded.
fn metadata_of_this_platform() -> Result<Vec<u8>> {
    let rustc = run(Command::new("rustc").arg("-vV"))?;
    let version = text(&rustc.stdout);
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    let mut metadata = crate::steps::cargo();
    metadata.args(["metadata", "--offline", "--format-version", "1", "--all-features"]);
    metadata.args(["--filter-platform", host.context("rustc names no host")?]);
    Ok(run(&mut metadata)?.stdout)
}

fn advisories_are_here() -> bool {
    let home = |name, folder| env::var_os(name).map(|home| PathBuf::from(home).join(folder));
    let cargo = home("CARGO_HOME", "").or_else(|| home("HOME", ".cargo"));
    // The folder is there after any run; a database is a folder in it, a clone.
    let databases = cargo.and_then(|cargo| fs::read_dir(cargo.join("advisory-dbs")).ok());
    databases
        .is_some_and(|mut all| all.any(|one| one.is_ok_and(|d| d.path().join(".git").exists())))
}

fn run(command: &mut Command) -> Result<Output> {
    let output = command.output().with_context(|| format!("{command:?}"))?;
    ensure!(output.status.success(), "{command:?}: {}", text(&output.stderr));
    Ok(output)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
