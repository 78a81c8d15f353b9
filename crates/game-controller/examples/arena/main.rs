//! A whole game server with a game controller in it: bots play short matches, and whoever comes in
//! plays along.
//!
//! Run by a launcher (`game = "controller"`), with any of these arguments: `--maps harbour,quarry`,
//! `--bots 4`, `--match-ms 30000`, `--vote-ms 5000`.
//!
//! Players connect over TCP and speak lines: `join NAME SECRET`, then `say TEXT` and `leave`. They
//! hear `welcome NUMBER TEAM`, `refused`, `map NAME`, `score RED BLUE`, `said NAME TEXT`,
//! `over WINNER`, `go PORT SECRET`, `removed REASON` and `closing`. With `nc 127.0.0.1 PORT` it can be played by hand.

mod arena;
mod guests;

use std::{process::ExitCode, time::Duration};

use game_controller::GameController;

use arena::Arena;
use guests::Guests;

/// What the operator wants.
#[derive(Debug)]
struct Options {
    /// The rotation.
    maps: Vec<String>,
    bots: u32,
    match_lasts: Duration,
    vote_lasts: Duration,
}

fn main() -> ExitCode {
    let options = match Options::parse(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(wrong) => {
            eprintln!("arena: {wrong}");
            return ExitCode::from(2);
        }
    };
    match run(options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("arena: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: Options) -> Result<(), Box<dyn std::error::Error>> {
    let (controller, start) = GameController::connect("arena/0.1.0")?;
    let guests = Guests::listen((start.bind, start.port).into())?;
    println!("arena: {} is open on port {}", start.title, start.port);
    let mut arena = Arena::begin(controller, guests, start, options);
    while arena.turn() {
        std::thread::sleep(TURN);
    }
    println!("arena: closed");
    Ok(())
}

impl Options {
    fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = Self {
            maps: ["harbour", "quarry", "ridge"].map(String::from).into(),
            bots: 4,
            match_lasts: Duration::from_secs(30),
            vote_lasts: Duration::from_secs(5),
        };
        while let Some(key) = arguments.next() {
            let value = arguments.next().ok_or_else(|| format!("{key} needs a value"))?;
            let number = || value.parse::<u32>().map_err(|error| format!("{key} {value}: {error}"));
            match key.as_str() {
                "--maps" => options.maps = value.split(',').map(String::from).collect(),
                "--bots" => options.bots = number()?,
                "--match-ms" => options.match_lasts = Duration::from_millis(number()?.into()),
                "--vote-ms" => options.vote_lasts = Duration::from_millis(number()?.into()),
                _ => return Err(format!("{key} is not known")),
            }
        }
        Ok(options)
    }
}

/// Twenty in a second.
const TURN: Duration = Duration::from_millis(50);
