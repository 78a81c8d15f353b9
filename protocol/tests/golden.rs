//! The bytes and the JSON of every message stay what they are.
//!
//! The files in `golden/` hold them. When version 0 changes on purpose, make them anew:
//!
//! ```sh
//! GATEHOUSE_MAKE_GOLDEN=1 cargo test -p protocol --test golden
//! ```
//!
//! and read what `git diff` says about them. From version 1 on lines are only added.

mod samples;

use std::{collections::BTreeSet, env, fmt::Write as _, fs, path::PathBuf};

use data_encoding::HEXLOWER;
use protocol::{Enrollment, EnrollmentSecret, FromGameClient, Text, ToGameClient, decode};
use samples::{Sample, Visitor, encoded, visit_local, visit_public};

#[test]
fn the_bytes_of_every_message_stay_what_they_are() {
    visit_public(&mut Bytes);
    visit_local(&mut Bytes);
}

#[test]
fn the_json_of_every_message_stays_what_it_is() {
    let mut json = Json(String::new());
    visit_public(&mut json);
    visit_local(&mut json);
    compare("json", &json.0);
}

#[test]
fn numbers_of_64_bits_are_strings_in_json_and_bytes_are_base64url() {
    let json = |message: &ToGameClient| serde_json::to_value(message).unwrap();
    let sample = |name: &str| {
        let found = ToGameClient::samples().into_iter().find(|(found, _)| found == name);
        json(&found.unwrap().1)[name.split('.').next().unwrap()].clone()
    };
    let welcome = sample("Welcome");
    assert_eq!(welcome["now"], "1800000000000");
    assert_eq!(welcome["boot"], "fedcba9876543210");
    assert_eq!(welcome["features"], "0");
    let session = sample("LoggedIn.on_server");
    assert_eq!(session["token"], "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8");
    assert_eq!(session["expires"], "1802592000000");
    assert_eq!(session["on_server"], "0123456789abcdef");
    assert_eq!(session["request"], 2);
    assert_eq!(sample("Pong")["nonce"], "8");
    assert_eq!(sample("Joined")["address"], "203.0.113.5");
}

#[test]
fn the_chunks_of_every_message_stay_what_they_are() {
    let full = |full: usize| {
        let mut message = encoded(&FromGameClient::WatchServers);
        message.resize(full, 0);
        message
    };
    let hello = &FromGameClient::samples()[0].1;
    let mut lines = String::new();
    for (name, size, message) in [
        ("65535.WatchServers", 65_535, encoded(&FromGameClient::WatchServers)),
        ("65535.Hello", 65_535, encoded(hello)),
        ("16.Hello", 16, encoded(hello)),
        ("4.one_less_than_full", 4, full(3)),
        ("4.full", 4, full(4)),
        ("4.one_more_than_full", 4, full(5)),
        ("4.twice_full", 4, full(8)),
    ] {
        let chunks = cut(&message, size);
        assert_eq!(put_together(&chunks, size), message, "{name}");
        writeln!(lines, "{name} {}", HEXLOWER.encode(&chunks)).unwrap();
    }
    compare("chunks", &lines);
}

#[test]
fn the_enrolment_string_stays_what_it_is() {
    let enrollment = Enrollment {
        address: "play.example:9000".into(),
        pin: [0xab; 32],
        secret: EnrollmentSecret([0xa5; 32]),
    };
    let string = format!(
        "gatehouse-enroll:play.example:9000/{}/{}",
        "ab".repeat(32),
        "paWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaU"
    );
    assert_eq!(enrollment.to_string(), string);
    assert_eq!(string.parse(), Ok(enrollment));
}

/// The encodings of numbers that more than one byte sequence could stand for.
#[test]
fn a_longer_form_of_a_number_is_read_too() {
    for bytes in ["0b08", "0bfb0800", "0bfc08000000", "0bfd0800000000000000"] {
        let bytes = HEXLOWER.decode(bytes.as_bytes()).unwrap();
        let ping = decode::<FromGameClient>(&bytes);
        assert_eq!(ping.unwrap(), FromGameClient::Pong { nonce: 8 }, "{bytes:02x?}");
    }
    assert!(decode::<FromGameClient>(&[0x0b, 0xfe]).is_err());
    assert!(decode::<Text<4>>(&[0xff]).is_err());
}

struct Bytes;

impl Visitor for Bytes {
    fn visit<S: Sample>(&mut self) {
        let mut lines = String::new();
        for (name, sample) in S::samples() {
            assert_eq!(name.split('.').next(), Some(sample.variant()), "{}", S::NAME);
            writeln!(lines, "{name} {}", HEXLOWER.encode(&encoded(&sample))).unwrap();
        }
        compare(&snake_case(S::NAME), &lines);
        every_line_decodes::<S>();
    }
}

struct Json(String);

impl Visitor for Json {
    fn visit<S: Sample>(&mut self) {
        for (name, sample) in S::samples() {
            let json = serde_json::to_string(&sample).unwrap();
            assert_eq!(serde_json::from_str::<S>(&json).unwrap(), sample, "{json}");
            writeln!(self.0, "{}.{name} {json}", S::NAME).unwrap();
        }
    }
}

/// What the file says, and not what the encoder says now, is what other programs send.
fn every_line_decodes<S: Sample>() {
    let mut left: BTreeSet<_> = S::VARIANTS.iter().collect();
    let file = fs::read_to_string(path(&snake_case(S::NAME))).unwrap();
    for (line, (name, sample)) in file.lines().zip(S::samples()) {
        let bytes = HEXLOWER.decode(line.split_once(' ').unwrap().1.as_bytes()).unwrap();
        assert_eq!(decode::<S>(&bytes).unwrap(), sample, "{name}");
        assert_eq!(usize::from(bytes[0]), tag(&sample), "the tag of {name}");
        left.remove(&sample.variant());
    }
    assert!(left.is_empty(), "{} without a golden line: {left:?}", S::NAME);
}

fn tag<S: Sample>(sample: &S) -> usize {
    S::VARIANTS.iter().position(|variant| *variant == sample.variant()).unwrap()
}

/// Compares `lines` to a golden file, or makes it.
#[track_caller]
fn compare(file: &str, lines: &str) {
    let path = path(file);
    if env::var_os("GATEHOUSE_MAKE_GOLDEN").is_some() {
        fs::write(&path, lines).unwrap();
    }
    let golden = fs::read_to_string(&path).unwrap_or_default();
    for (golden, line) in golden.lines().zip(lines.lines()) {
        assert_eq!(line, golden, "{file}.txt: if this is meant, see the top of tests/golden.rs");
    }
    let (golden, lines) = (golden.lines().count(), lines.lines().count());
    assert_eq!(lines, golden, "{file}.txt: if this is meant, see the top of tests/golden.rs");
}

fn path(file: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("tests/golden/{file}.txt"))
}

fn snake_case(name: &str) -> String {
    let mut snake = String::new();
    for c in name.chars() {
        if c.is_uppercase() && !snake.is_empty() {
            snake.push('_');
        }
        snake.push(c.to_ascii_lowercase());
    }
    snake
}

/// The chunk framing, written from its description once more: a second opinion.
fn cut(message: &[u8], size: usize) -> Vec<u8> {
    let mut wire = Vec::new();
    for chunk in message.chunks(size) {
        let length = if chunk.len() == size { 0 } else { chunk.len() as u16 };
        wire.extend_from_slice(&length.to_le_bytes());
        wire.extend_from_slice(chunk);
    }
    wire
}

fn put_together(mut wire: &[u8], size: usize) -> Vec<u8> {
    let mut message = Vec::new();
    while let [low, high, rest @ ..] = wire {
        let length = match u16::from_le_bytes([*low, *high]) {
            0 => size,
            length => length.into(),
        };
        let (chunk, rest) = rest.split_at(length);
        message.extend_from_slice(chunk);
        wire = rest;
    }
    message
}
