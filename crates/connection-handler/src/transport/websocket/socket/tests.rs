use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream},
    time::timeout,
};

use super::*;
use crate::transport::NOWHERE;

type Ours = Connection<WebSocketRead, WebSocketWrite>;

fn pair(config: WebSocketConfig) -> (Ours, DuplexStream) {
    pair_with(config, 64 * 1024)
}

fn pair_with(config: WebSocketConfig, pipe: usize) -> (Ours, DuplexStream) {
    let (ours, theirs) = tokio::io::duplex(pipe);
    (over(ours, Bytes::new(), NOWHERE, Format::Binary, &config), theirs)
}

/// A frame of a client, under a mask that changes nothing.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(payload.len()).ok().filter(|length| *length < 126);
    let head = [first, 0x80 | length.expect("short frames only"), 0, 0, 0, 0];
    [&head[..], payload].concat()
}

async fn heard(theirs: &mut DuplexStream, count: usize) -> Vec<u8> {
    let mut bytes = vec![0; count];
    theirs.read_exact(&mut bytes).await.unwrap();
    bytes
}

async fn read(ours: &mut Ours) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; 1000];
    let count = ours.read.read(&mut bytes).await?;
    bytes.truncate(count);
    Ok(bytes)
}

/// A message of a writer, as its queue frames it.
fn message(ours: &Ours, text: &[u8]) -> BytesMut {
    let mut bytes = BytesMut::new();
    Framing::default().append(text, &mut bytes);
    ours.carrier.as_ref().unwrap().frame(&mut bytes, 0).unwrap();
    bytes
}

#[tokio::test(start_paused = true)]
async fn pings_are_answered_between_messages() {
    const PINGS: u8 = 20;
    let (mut ours, mut theirs) = pair_with(WebSocketConfig::default(), 32);
    let long = message(&ours, &[b'x'; 100]);
    // The writer is in the middle of a message, since the pipe is short.
    let Connection { read, write, .. } = &mut ours;
    let theirs_first = async {
        let mut buf = [0; 10];
        let reading = timeout(Duration::from_millis(10), read.read(&mut buf));
        let pings = async {
            for number in 0..PINGS {
                theirs.write_all(&frame(0x89, &[number])).await.unwrap();
            }
        };
        let (nothing, ()) = tokio::join!(reading, pings);
        assert!(nothing.is_err(), "pings are nothing to read");
        let mut bytes = heard(&mut theirs, long.len()).await;
        bytes.extend(heard(&mut theirs, 3 * MAX_PONGS).await);
        bytes
    };
    let writing = async {
        write.write_all(&long).await.unwrap();
        write.flush().await.unwrap();
    };
    let ((), bytes) = tokio::join!(writing, theirs_first);
    assert_eq!(bytes[..long.len()], long[..]);
    let numbers = PINGS - u8::try_from(MAX_PONGS).unwrap()..PINGS;
    let pongs: Vec<_> = numbers.flat_map(|number| [0x8a, 1, number]).collect();
    assert_eq!(bytes[long.len()..], pongs, "the last ones, in their order");
}

#[tokio::test(start_paused = true)]
async fn who_is_silent_is_pinged_and_then_gone() {
    let (mut ours, mut theirs) = pair(WebSocketConfig::default());
    let begin = Instant::now();
    let silent = async {
        assert_eq!(heard(&mut theirs, 2).await, b"\x89\x00");
        assert_eq!(begin.elapsed().as_secs(), 20);
        // An answer buys as much time again.
        theirs.write_all(&frame(0x8a, b"")).await.unwrap();
        assert_eq!(heard(&mut theirs, 2).await, b"\x89\x00");
        assert_eq!(begin.elapsed().as_secs(), 60);
    };
    let (error, ()) = tokio::join!(read(&mut ours), silent);
    assert_eq!(error.unwrap_err().kind(), io::ErrorKind::TimedOut);
    assert_eq!(begin.elapsed().as_secs(), 80);
}

#[tokio::test(start_paused = true)]
async fn a_message_in_parts_has_its_time() {
    let (mut ours, mut theirs) = pair(WebSocketConfig::default());
    let begin = Instant::now();
    theirs.write_all(&frame(0x02, b"x")).await.unwrap();
    let trickle = async {
        loop {
            tokio::time::sleep(Duration::from_secs(1)).await;
            theirs.write_all(&frame(0x00, b"x")).await.unwrap();
        }
    };
    let error = tokio::select! {
        read = read(&mut ours) => read.unwrap_err(),
        () = trickle => unreachable!(),
    };
    assert_eq!((error.kind(), begin.elapsed().as_secs()), (io::ErrorKind::TimedOut, 30));
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_pings_ends_the_connection() {
    let config = WebSocketConfig { max_empty_frames: 10, ..Default::default() };
    let (mut ours, mut theirs) = pair(config);
    theirs.write_all(&frame(0x89, b"").repeat(10)).await.unwrap();
    theirs.write_all(&frame(0x82, b"hi")).await.unwrap();
    assert_eq!(read(&mut ours).await.unwrap(), b"\x02\0hi");
    // Time makes up for it.
    let quiet = timeout(Duration::from_secs(21), read(&mut ours)).await;
    assert!(quiet.is_err());
    theirs.write_all(&frame(0x89, b"").repeat(11)).await.unwrap();
    let error = read(&mut ours).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    assert_eq!(error.to_string(), WebSocketError::Flood.to_string());
}

#[tokio::test(start_paused = true)]
async fn their_goodbye_is_answered_with_the_same_code() {
    let (mut ours, mut theirs) = pair(WebSocketConfig::default());
    theirs.write_all(&frame(0x88, b"\x0f\xa1bye")).await.unwrap();
    assert_eq!(read(&mut ours).await.unwrap(), b"");
    let last_words = message(&ours, b"hi");
    ours.write.write_all(&last_words).await.unwrap();
    ours.write.shutdown().await.unwrap();
    let mut rest = Vec::new();
    theirs.read_to_end(&mut rest).await.unwrap();
    assert_eq!(rest, b"\x82\x02hi\x88\x02\x0f\xa1");
}

#[tokio::test(start_paused = true)]
async fn our_goodbye_waits_for_their_answer_but_not_for_ever() {
    let begin = Instant::now();
    let (mut ours, mut theirs) = pair(WebSocketConfig::default());
    let Connection { read, write, .. } = &mut ours;
    let mut buf = [0; 10];
    let reads = async { read.read(&mut buf).await.unwrap() };
    let answers = async {
        assert_eq!(heard(&mut theirs, 4).await, b"\x88\x02\x03\xe8");
        tokio::time::sleep(Duration::from_secs(1)).await;
        theirs.write_all(&frame(0x88, b"\x03\xe8")).await.unwrap();
    };
    let (shut, end, ()) = tokio::join!(write.shutdown(), reads, answers);
    shut.unwrap();
    assert_eq!((end, begin.elapsed().as_secs()), (0, 1));

    let (mut ours, _theirs) = pair(WebSocketConfig::default());
    ours.write.shutdown().await.unwrap();
    assert_eq!(begin.elapsed().as_secs(), 3);
}

#[tokio::test(start_paused = true)]
async fn an_end_without_a_goodbye_is_a_failure() {
    for beginning in [&b""[..], b"\x82", &frame(0x82, b"half")[..8], &frame(0x02, b"part")] {
        let (mut ours, mut theirs) = pair(WebSocketConfig::default());
        theirs.write_all(beginning).await.unwrap();
        drop(theirs);
        let end = loop {
            match read(&mut ours).await {
                Ok(bytes) => assert!(!bytes.is_empty(), "{beginning:?}"),
                Err(error) => break error,
            }
        };
        assert_eq!(end.kind(), io::ErrorKind::UnexpectedEof, "{beginning:?}");
    }
    let (mut ours, mut theirs) = pair(WebSocketConfig::default());
    theirs.write_all(&frame(0x02, b"part")).await.unwrap();
    theirs.write_all(&frame(0x88, b"")).await.unwrap();
    assert_eq!(read(&mut ours).await.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
}

#[test]
fn the_rest_of_a_frame_is_known_wherever_a_write_ends() {
    let mut bytes = BytesMut::new();
    let mut ends = Vec::new();
    for size in [1, 200, 3] {
        let start = bytes.len();
        Framing::default().append(&vec![0; size], &mut bytes);
        Framing::default().frame(Format::Binary, &mut bytes, start).unwrap();
        ends.push(bytes.len());
    }
    let (mut at, mut rest) = (0, 0);
    while at < bytes.len() {
        rest = left(rest, &bytes[at..], 1);
        at += 1;
        let end = ends.iter().find(|end| **end >= at).unwrap();
        assert_eq!(rest, end - at, "after {at} bytes");
    }
    assert_eq!(left(0, &bytes, bytes.len()), 0);
    assert_eq!(left(0, &bytes, 10), ends[1] - 10);
}
