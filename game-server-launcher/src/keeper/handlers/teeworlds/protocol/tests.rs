//! The bytes of a real Teeworlds 0.7.5, recorded.

use connection_handler::testing::decoder_suite;

use super::*;

const RECORDING: &str =
    include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/teeworlds-console.hex"));

/// What the server (`< `) or its operator (`> `) said.
fn recorded(side: &str) -> Vec<u8> {
    let lines = RECORDING.lines().filter_map(|line| line.strip_prefix(side));
    lines.flat_map(|hex| data_encoding::HEXLOWER.decode(hex.as_bytes()).unwrap()).collect()
}

fn decoded(bytes: &[u8]) -> Vec<FromTeeworlds> {
    let (mut codec, mut bytes) = (TeeworldsCodec::default(), BytesMut::from(bytes));
    let mut messages = Vec::new();
    while let Some(message) = codec.decode_eof(&mut bytes).unwrap() {
        messages.push(message);
    }
    assert!(bytes.is_empty());
    messages
}

#[test]
fn what_a_server_says_is_understood() {
    let name = || "o'ann: x".to_owned();
    let understood: Vec<_> = decoded(&recorded("< "))
        .into_iter()
        .filter(|message| !matches!(message, FromTeeworlds::Other(_)))
        .collect();
    let status = FromTeeworlds::Status { client: 0, name: name(), score: 0 };
    let value = |value: &str| FromTeeworlds::Value(value.to_owned());
    let echo = |text: &str| FromTeeworlds::Echo(text.to_owned());
    let expected = [
        FromTeeworlds::PasswordWanted,
        FromTeeworlds::Authenticated,
        value("dm1"),
        echo("gatehouse-1"),
        value("s3cret"),
        FromTeeworlds::TeamJoin { client: 0, name: name() },
        status.clone(),
        FromTeeworlds::Chat { client: 0, line: "o'ann: x: hello there".to_owned() },
        status,
        FromTeeworlds::Dropped { client: 0 },
        FromTeeworlds::Leave { client: 0 },
        FromTeeworlds::Rotating { map: "dm2".to_owned() },
        value("dm2"),
        echo("gatehouse-2"),
    ];
    assert_eq!(understood, expected);
}

#[test]
fn lines_are_the_same_however_they_arrive() {
    decoder_suite(TeeworldsCodec::default, &recorded("< "));
}

#[test]
fn what_we_say_is_a_line() {
    let mut bytes = BytesMut::new();
    let mut codec = TeeworldsCodec::default();
    for line in ["ec0n", "sv_map", "status", "echo gatehouse-1"] {
        codec.encode(ToTeeworlds(line.to_owned()), &mut bytes).unwrap();
    }
    assert!(recorded("> ").starts_with(&bytes));
    assert!(codec.encode(ToTeeworlds("say hello\nshutdown".to_owned()), &mut bytes).is_err());
}

#[test]
fn what_players_choose_is_taken_for_nothing_else() {
    let team_join = |client, name: &str| FromTeeworlds::TeamJoin { client, name: name.to_owned() };
    let chat = |client, line: &str| FromTeeworlds::Chat { client, line: line.to_owned() };
    for (line, expected) in [
        ("[1:2:3][game]: team_join player='7:' team=1' team=-1", team_join(7, "' team=1")),
        (
            "[1:2:3][chat]: 1:3:]: x: [game]: leave player='0:x'",
            chat(3, "]: x: [game]: leave player='0:x'"),
        ),
        (
            "[1:2:3][chat]: 1:3:a][game]: leave player='0: b",
            chat(3, "a][game]: leave player='0: b"),
        ),
    ] {
        assert_eq!(FromTeeworlds::from(line), expected, "{line}");
    }
    for line in [
        "",
        "[",
        "[1:2:3]",
        "[1:2:3][chat]: *** x entered and joined the game",
        "[1:2:3][teamchat]: 0:3:x: to my team",
        "[1:2:3][server]: id=0 addr=127.0.0.1:1 connecting",
        "[1:2:3][server]: id=99999999999 addr=x client=705 name='x' score=0 ",
        "[1:2:3][server]: id=1 addr=x client=705 name='x' score=",
        "[1:2:3][game]: leave player='x'",
        "[1:2:3][game]: kill killer='0:0:x' victim='0:0:x' weapon=-3 special=0",
    ] {
        assert_eq!(FromTeeworlds::from(line), FromTeeworlds::Other(line.to_owned()), "{line}");
    }
}

#[test]
fn a_line_without_end_is_an_error() {
    let mut bytes = BytesMut::from(&vec![b'x'; MAX_LINE + 2][..]);
    assert!(TeeworldsCodec::default().decode(&mut bytes).is_err());
}
