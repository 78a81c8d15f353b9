//! `game-server-launcher exec`: becomes another program that does not outlive its keeper.

use std::{
    ffi::OsString,
    io,
    os::unix::process::CommandExt as _,
    process::{Command, ExitCode},
};

use rustix::process::{Pid, Signal, getppid, set_parent_process_death_signal};

/// Becomes `program`, which the kernel kills when the process `parent` ends. Keeps the process id.
///
/// Only returns when that does not work: with 127, or with 0 if the parent is gone already.
pub fn exec(parent: u32, program: &[OsString]) -> ExitCode {
    let Some((program, arguments)) = program.split_first() else { return ExitCode::from(2) };
    match become_program(parent, program, arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cannot start {}: {error}", program.display());
            ExitCode::from(127)
        }
    }
}

fn become_program(parent: u32, program: &OsString, arguments: &[OsString]) -> io::Result<()> {
    set_parent_process_death_signal(Some(Signal::KILL))?;
    // Asked after the signal was arranged: a parent that ends from now on takes us with it.
    let expected = i32::try_from(parent).ok().and_then(Pid::from_raw);
    if getppid() != expected {
        return Ok(());
    }
    Err(Command::new(program).args(arguments).exec())
}
