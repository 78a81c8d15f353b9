//! The bytes of a real OpenTTD 13.0, recorded.

use connection_handler::testing::decoder_suite;

use super::*;

/// What the server (`<`) or the other side (`>`) said in one recording.
fn recorded(recording: &str, side: &str) -> Vec<Vec<u8>> {
    let lines = recording.lines().filter_map(|line| line.strip_prefix(side));
    lines
        .map(|line| {
            let hex = line.split(" ; ").next().unwrap_or_default().trim();
            data_encoding::HEXLOWER.decode(hex.as_bytes()).expect("recordings are hexadecimal")
        })
        .collect()
}

macro_rules! recording {
    ($name:literal) => {
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/", $name, ".hex"))
    };
}

const RECORDINGS: [&str; 10] = [
    recording!("01-join-ok"),
    recording!("02-poll"),
    recording!("03-rcon"),
    recording!("04-quit"),
    recording!("11-player-join"),
    recording!("12-password-company-kick-ban"),
    recording!("14-newgame"),
    recording!("15-sigterm"),
    recording!("16-company-economy-stats"),
    recording!("17-client-quit"),
];

fn decoded(recording: &str) -> Vec<FromOpenttd> {
    let mut bytes = BytesMut::from(&recorded(recording, "< ").concat()[..]);
    let mut codec = OpenttdCodec::default();
    let mut messages = Vec::new();
    while let Some(message) = codec.decode(&mut bytes).unwrap() {
        messages.push(message);
    }
    assert!(bytes.is_empty());
    messages
}

#[test]
fn the_first_words_of_a_server_are_understood() {
    let welcome = Welcome {
        name: "launcher-test".into(),
        revision: "13.0".into(),
        seed: 12345,
        landscape: 0,
        width: 128,
        height: 128,
    };
    let messages = decoded(RECORDINGS[0]);
    let expected = [FromOpenttd::Protocol { version: 2 }, FromOpenttd::Welcome(welcome)];
    assert_eq!(messages[..2], expected);
}

#[test]
fn a_player_coming_and_going_is_understood() {
    let messages = decoded(recording!("11-player-join"));
    let alice = FromOpenttd::ClientInfo { client: 3, name: "alice".into(), company: 255 };
    let info = messages.iter().position(|message| *message == alice).unwrap();
    let join = messages.iter().position(|message| *message == FromOpenttd::ClientJoin(3)).unwrap();
    assert!(info < join);
    let messages = decoded(recording!("17-client-quit"));
    assert!(messages.iter().any(|message| matches!(message, FromOpenttd::ClientQuit(_))));
}

#[test]
fn the_answer_to_a_command_is_understood() {
    let messages = decoded(recording!("03-rcon"));
    let first = "Invite code:                ".to_owned();
    assert!(messages.contains(&FromOpenttd::Rcon(first)));
    assert!(messages.contains(&FromOpenttd::RconEnd("server_info".into())));
}

#[test]
fn a_new_map_and_the_end_are_understood() {
    let messages = decoded(recording!("14-newgame"));
    let new = messages.iter().position(|message| *message == FromOpenttd::NewGame).unwrap();
    let welcome = messages[new..].iter().find_map(|message| match message {
        FromOpenttd::Welcome(welcome) => Some(welcome.seed),
        _ => None,
    });
    assert_eq!(welcome, Some(777));
    assert!(decoded(recording!("15-sigterm")).contains(&FromOpenttd::Shutdown));
}

#[test]
fn recorded_bytes_survive_every_cut_and_changed_ones_do_no_harm() {
    for recording in RECORDINGS {
        let bytes = recorded(recording, "< ").concat();
        let messages = decoder_suite(OpenttdCodec::default, &bytes);
        assert_eq!(messages, decoded(recording));
    }
}

#[test]
fn a_packet_that_ends_too_early_is_an_error() {
    for recording in RECORDINGS {
        for packet in recorded(recording, "< ") {
            for length in 3..packet.len() {
                let mut cut = packet[..length].to_vec();
                cut[..2].copy_from_slice(&(length as u16).to_le_bytes());
                let message = OpenttdCodec::default().decode(&mut BytesMut::from(&cut[..]));
                let understood = |message: &FromOpenttd| {
                    // These have fields behind those that we read, or none.
                    matches!(
                        message,
                        FromOpenttd::Other(_)
                            | FromOpenttd::Protocol { .. }
                            | FromOpenttd::Chat { .. }
                            | FromOpenttd::ClientUpdate { .. }
                            | FromOpenttd::ClientError(_)
                            | FromOpenttd::Welcome(_)
                    )
                };
                match message {
                    Err(OpenttdError::Truncated(kind)) => assert_eq!(kind, packet[2]),
                    Ok(Some(message)) => assert!(understood(&message), "{message:?}"),
                    other => panic!("{other:?}"),
                }
            }
        }
    }
}

#[test]
fn frames_that_cannot_be_are_errors() {
    for bytes in [&b"\0\0"[..], b"\x01\0", b"\x02\0", b"\xff\xff", b"\x00\x80"] {
        assert!(OpenttdCodec::default().decode(&mut BytesMut::from(bytes)).is_err(), "{bytes:?}");
    }
}

#[test]
fn what_we_say_is_what_a_server_was_seen_to_understand() {
    let join =
        ToOpenttd::Join { password: "adm1n".into(), name: "probe".into(), version: "1".into() };
    let clients = ToOpenttd::UpdateFrequency {
        kind: UpdateKind::ClientInfo,
        frequency: Frequency::Automatic,
    };
    let chat =
        ToOpenttd::UpdateFrequency { kind: UpdateKind::Chat, frequency: Frequency::Automatic };
    check(&join, &recorded(recording!("01-join-ok"), "> ")[0]);
    check(&clients, &recorded(recording!("11-player-join"), "> ")[1]);
    check(&chat, &recorded(recording!("11-player-join"), "> ")[3]);
    check(&ToOpenttd::Rcon("server_info".into()), &recorded(recording!("03-rcon"), "> ")[0]);
    check(&ToOpenttd::Ping(0x0102), b"\x07\0\x07\x02\x01\0\0");
    check(&ToOpenttd::PollClients, b"\x08\0\x03\x01\xff\xff\xff\xff");
    let chat =
        ToOpenttd::ExternalChat { source: "s".into(), speaker: "a\0nn".into(), text: "hi".into() };
    check(&chat, b"\x0e\0\x08s\0\x0c\0ann\0hi\0");
}

#[track_caller]
fn check(message: &ToOpenttd, expected: &[u8]) {
    let mut bytes = BytesMut::new();
    OpenttdCodec::default().encode(message.clone(), &mut bytes).unwrap();
    assert_eq!(&bytes[..], expected, "{message:?}");
}
