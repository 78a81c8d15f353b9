//! Fuzzes the framing on a stable compiler: `cargo run --release -p connection-handler --example
//! fuzz -- --seconds 600 --seed 7 [TARGET…]`.
//!
//! Every target gets so many seconds. What fails is printed by the panic, seed included; a crash of
//! the process is a finding too. `fuzz/` holds the same targets for `cargo fuzz`. Those of the web
//! need the feature `websocket`.

#[path = "../fuzz/targets.rs"]
mod targets;
#[cfg(feature = "websocket")]
#[path = "../fuzz/web.rs"]
mod web;

use std::{
    env,
    time::{Duration, Instant},
};

use connection_handler::testing::Mutations;
use targets::TARGETS;

fn main() {
    let (mut seconds, mut seed, mut names) = (60, 1, Vec::new());
    let mut arguments = env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut number = || arguments.next().and_then(|number| number.parse().ok());
        match argument.as_str() {
            "--seconds" => seconds = number().expect("--seconds NUMBER"),
            "--seed" => seed = number().expect("--seed NUMBER"),
            _ => names.push(argument),
        }
    }
    #[cfg(feature = "websocket")]
    let all = TARGETS.into_iter().chain(web::TARGETS);
    #[cfg(not(feature = "websocket"))]
    let all = TARGETS.into_iter();
    for (name, target, corpus) in all {
        if names.is_empty() || names.iter().any(|chosen| chosen == name) {
            println!("{name}: {seconds} s from seed {seed}");
            let corpus = corpus.iter().map(|bytes| bytes.to_vec());
            let inputs = fuzz(target, Mutations::new(seed, corpus), Duration::from_secs(seconds));
            println!("{name}: {inputs} inputs, no finding");
        }
    }
}

fn fuzz(target: fn(&[u8]), inputs: Mutations, time: Duration) -> u64 {
    let (begun, mut count) = (Instant::now(), 0);
    for bytes in inputs {
        target(&bytes);
        count += 1;
        if count % 1024 == 0 && begun.elapsed() >= time {
            break;
        }
    }
    count
}
