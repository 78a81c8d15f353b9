//! The program between a keeper and its game.

use std::process::{Command, Output};

fn exec(parent: u32, program: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_game-server-launcher"));
    command.args(["exec", "--parent", &parent.to_string(), "--"]).args(program);
    command.output().unwrap()
}

#[test]
fn it_becomes_the_program_with_all_its_arguments() {
    let output = exec(std::process::id(), &["/bin/echo", "-n", "--parent", "a b"]);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(output.stdout, b"--parent a b");
}

#[test]
fn it_starts_nothing_when_its_parent_is_gone() {
    let output = exec(std::process::id() + 1, &["/bin/echo", "a"]);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(output.stdout, b"");
}

#[test]
fn it_says_why_a_program_cannot_be_started() {
    let output = exec(std::process::id(), &["/nowhere"]);
    assert_eq!(output.status.code(), Some(127));
    assert!(output.stderr.starts_with(b"cannot start /nowhere: No such file"));
}
