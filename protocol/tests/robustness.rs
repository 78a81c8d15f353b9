//! Whatever arrives, decoding it ends, with a message or an error, within its limits.

mod samples;

use std::{collections::BTreeMap, env, process::Command};

use data_encoding::HEXLOWER;
use fastrand::Rng;
use protocol::{
    DecodeError, FromGameClient, List, MAX_AFTER_LOGIN, MAX_BEFORE_LOGIN, ServerChange,
    ServerEvent, ServerEvents, ServerId, ServerProperty, Text, ToGameClient, decode,
};
use samples::{Sample, Visitor, encoded, visit_local, visit_public};

/// Inputs for each enum.
const INPUTS: usize = 200_000;

/// What the process that decodes them may address, all in all, in KiB: without them it needs less
/// than 8 MiB. An allocation above this ends it.
const MEMORY_KIB: usize = 32 * 1024;

/// Set in the process that decodes.
const CHILD: &str = "GATEHOUSE_ROBUSTNESS_CHILD";

/// Another seed than the usual one.
const SEED: &str = "GATEHOUSE_SEED";

#[test]
fn whatever_arrives_is_decoded_or_refused_within_its_limits() {
    let this = "whatever_arrives_is_decoded_or_refused_within_its_limits";
    in_little_memory(this, visit_public);
}

#[test]
fn whatever_arrives_from_this_machine_is_decoded_or_refused_within_its_limits() {
    let this = "whatever_arrives_from_this_machine_is_decoded_or_refused_within_its_limits";
    in_little_memory(this, visit_local);
}

#[test]
fn a_message_above_every_limit_is_too_long() {
    let bytes = vec![0; MAX_AFTER_LOGIN + 1];
    assert!(matches!(decode::<FromGameClient>(&bytes), Err(DecodeError::TooLong(_))));
}

#[test]
fn the_longest_list_is_decoded_whether_its_elements_are_short_or_long() {
    let server = ServerId(1);
    let short = ServerEvent::Disappeared { server };
    let (key, value) = (Text::lossy(&"k".repeat(32)), Text::lossy(&"v".repeat(64)));
    let change = ServerChange::Property(ServerProperty::Detail { key, value });
    for event in [short, ServerEvent::Changed { server, change }] {
        let events = List::first_of(std::iter::repeat_n(event, 256));
        let message = ToGameClient::Servers(ServerEvents { fresh: true, events });
        assert_eq!(decode::<ToGameClient>(&encoded(&message)).unwrap(), message);
    }
}

/// Visits in a process that has little memory: this program once more, for the test `this` alone.
fn in_little_memory(this: &str, visit: fn(&mut Inputs)) {
    if env::var_os(CHILD).is_some() {
        let seed = env::var(SEED).ok().and_then(|seed| seed.parse().ok()).unwrap_or(1);
        return visit(&mut Inputs(Rng::with_seed(seed)));
    }
    let limited = format!("ulimit -v {MEMORY_KIB} && exec \"$0\" \"$@\"");
    let output = Command::new("sh")
        .args(["-c", &limited])
        .arg(env::current_exe().unwrap())
        .args(["--exact", this, "--test-threads", "1", "--nocapture"])
        .env(CHILD, "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}:\n{said}", output.status);
    assert!(said.contains("1 passed"), "{said}");
}

struct Inputs(Rng);

impl Visitor for Inputs {
    fn visit<S: Sample>(&mut self) {
        let samples: Vec<_> = S::samples().iter().map(|(_, sample)| encoded(sample)).collect();
        let mut decoded = BTreeMap::new();
        for _ in 0..INPUTS {
            let bytes = input(&samples, S::VARIANTS.len(), &mut self.0);
            if let Some(message) = check::<S>(&bytes) {
                *decoded.entry(message.variant()).or_insert(0) += 1;
            }
        }
        println!("{}: of {INPUTS} inputs are messages: {decoded:?}", S::NAME);
        assert_eq!(decoded.len(), S::VARIANTS.len(), "the inputs are too far from messages");
        assert!(decoded.values().sum::<usize>() < INPUTS, "every input is a message");
    }
}

/// The message that `bytes` are, if they are one.
#[track_caller]
fn check<S: Sample>(bytes: &[u8]) -> Option<S> {
    match decode::<S>(bytes) {
        Ok(message) => {
            let again = encoded(&message);
            let shown = || HEXLOWER.encode(bytes);
            assert!(again.len() <= bytes.len(), "{} became longer: {}", S::NAME, shown());
            assert_eq!(decode::<S>(&again).unwrap(), message, "{}", shown());
            Some(message)
        }
        Err(DecodeError::Trailing(left)) => {
            let message = decode::<S>(&bytes[..bytes.len() - left]);
            assert!(message.is_ok(), "{}: {message:?}", HEXLOWER.encode(bytes));
            None
        }
        Err(_) => None,
    }
}

fn input(samples: &[Vec<u8>], variants: usize, rng: &mut Rng) -> Vec<u8> {
    match rng.u8(..) {
        0..40 => random(rng.usize(..64), rng),
        40..42 => random(rng.usize(..MAX_BEFORE_LOGIN * 2), rng),
        42..100 => {
            let mut bytes = vec![rng.usize(..variants) as u8];
            bytes.extend(random(rng.usize(..48), rng));
            bytes
        }
        _ => {
            let mut bytes = rng.choice(samples).cloned().unwrap_or_default();
            for _ in 0..rng.usize(1..=3) {
                mutate(&mut bytes, samples, rng);
            }
            bytes
        }
    }
}

fn random(length: usize, rng: &mut Rng) -> Vec<u8> {
    std::iter::repeat_with(|| rng.u8(..)).take(length).collect()
}

fn mutate(bytes: &mut Vec<u8>, samples: &[Vec<u8>], rng: &mut Rng) {
    let at = rng.usize(..=bytes.len());
    let rest = bytes.len() - at;
    match rng.u8(..8) {
        // One bit.
        0 if rest > 0 => bytes[at] ^= 1 << rng.u8(..8),
        // One byte, often one that begins a longer number.
        1 if rest > 0 => bytes[at] = rng.choice([0, 1, 2, 0xfa, 0xfb, 0xfc, 0xfd, 0xff]).unwrap(),
        2 if rest > 0 => bytes[at] = rng.u8(..),
        // A number too large for a length.
        3 => drop(bytes.splice(at..at, [0xfd].into_iter().chain(rng.u64(..).to_le_bytes()))),
        4 => drop(bytes.splice(at..at, random(1, rng))),
        // A piece is missing, doubled, or of another message.
        5 => drop(bytes.drain(at..at + rng.usize(..=rest))),
        6 => bytes.extend_from_within(at..at + rng.usize(..=rest.min(64))),
        _ => {
            let other = rng.choice(samples).map_or(&[][..], |sample| sample);
            let piece = &other[rng.usize(..=other.len())..];
            drop(bytes.splice(at.., piece.iter().copied()));
        }
    }
}
