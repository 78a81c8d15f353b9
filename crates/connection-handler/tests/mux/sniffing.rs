//! Any bytes in any pieces, without sockets.

use std::{
    collections::VecDeque,
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use connection_handler::{
    testing::Mutations,
    transport::mux::{
        Kind, LONGEST_PATTERN, Patterns, PlainFrames, Sniff, SniffError, Sniffed, Sniffer,
        SnifferConfig, proxy, sniff,
    },
};
use tokio::io::{AsyncRead, AsyncReadExt, ReadBuf};

use crate::flights::{choices, flights, is_among, proxy_headers};

/// Gives these pieces, one a read, and then nothing for ever.
#[derive(Debug)]
struct Pieces(VecDeque<Vec<u8>>);

impl AsyncRead for Pieces {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Some(mut piece) = self.0.pop_front() else { return Poll::Pending };
        let rest = piece.split_off(piece.len().min(buf.remaining()));
        buf.put_slice(&piece);
        if !rest.is_empty() {
            self.0.push_front(rest);
        }
        Poll::Ready(Ok(()))
    }
}

/// Cuts `bytes` at each of `cuts`.
fn pieces(bytes: &[u8], mut cuts: Vec<usize>) -> Pieces {
    cuts.sort_unstable();
    cuts.dedup();
    let ends = cuts.iter().copied().chain([bytes.len()]);
    let begins = [0].into_iter().chain(cuts.iter().copied());
    let pieces = begins.zip(ends).map(|(begin, end)| bytes[begin..end].to_vec());
    Pieces(pieces.filter(|piece| !piece.is_empty()).collect())
}

fn sniffer(trusts_everybody: bool) -> Sniffer {
    let everybody = ["0.0.0.0/0".parse().unwrap()];
    let proxies = if trusts_everybody { everybody.to_vec() } else { Vec::new() };
    Sniffer::new(SnifferConfig { patterns: Patterns::ALL, proxies, ..Default::default() })
}

async fn sniffed(sniffer: &Sniffer, pieces: Pieces) -> Result<Sniffed<Pieces>, SniffError> {
    let from = "198.51.100.9:99".parse().unwrap();
    sniffer.arrive(pieces, from).await?.sniff().await
}

/// It is `kind`, from the first byte of `bytes` on, without the time having come into it.
#[track_caller]
fn assert_whole(result: Result<Sniffed<Pieces>, SniffError>, kind: Kind, bytes: &[u8]) -> String {
    let sniffed = result.unwrap_or_else(|error| panic!("{error}: {:?}", bytes.escape_ascii()));
    assert_eq!(sniffed.kind, kind);
    let (mut all, rest) = {
        let (first, rest) = sniffed.stream.into_parts();
        (first.to_vec(), rest)
    };
    rest.0.into_iter().for_each(|piece| all.extend(piece));
    assert!(all == bytes, "{:?}", all.escape_ascii().to_string());
    sniffed.peer.remote_addr.to_string()
}

#[test]
fn no_prefix_is_misrouted_and_no_byte_waited_for_that_need_not_come() {
    for patterns in choices() {
        for (kind, flight) in flights() {
            let wanted = is_among(kind, &patterns);
            let answers: Vec<_> =
                (0..=flight.len()).map(|end| sniff(&flight[..end], &patterns)).collect();
            for answer in &answers {
                match answer {
                    Sniff::Is(found) => assert!(wanted && *found == kind),
                    Sniff::More => {}
                    Sniff::Proxy => panic!("no proxy header"),
                    Sniff::Nothing => assert!(!wanted),
                }
            }
            let end = if wanted { Sniff::Is(kind) } else { Sniff::Nothing };
            assert_eq!(answers[answers.len() - 1], end, "{kind:?}: all has come that will");
            let decided = answers.iter().position(|answer| *answer != Sniff::More).unwrap();
            assert!(decided <= LONGEST_PATTERN && answers[decided..].iter().all(|a| *a == end));
        }
    }
}

#[test]
fn whatever_the_bytes_an_answer_stands_and_more_is_asked_for_only_where_it_may_help() {
    let corpus = || {
        let flights = flights().into_iter().map(|(_, flight)| flight);
        flights.chain(proxy_headers().into_iter().map(|(header, _)| header))
    };
    let known: Vec<_> = corpus().collect();
    for patterns in choices() {
        for bytes in Mutations::new(3, corpus()).take(2000) {
            let mut last = Sniff::More;
            for end in 0..=bytes.len().min(64) {
                let answer = sniff(&bytes[..end], &patterns);
                assert!(last == Sniff::More || answer == last, "{:?}", bytes.escape_ascii());
                last = answer;
                if answer == Sniff::More {
                    assert!(end < LONGEST_PATTERN);
                    // TLS is the only pattern with bytes that differ.
                    let may_be_tls = patterns.tls && bytes[..end].starts_with(&[22]);
                    let may_be_plain = patterns.plain.is_some() && end < 2;
                    let helps = |flight: &Vec<u8>| flight.starts_with(&bytes[..end]);
                    assert!(may_be_tls || may_be_plain || known.iter().any(helps));
                }
            }
        }
    }
}

#[test]
fn a_first_frame_longer_than_said_is_none() {
    assert_eq!((PlainFrames::new(0), PlainFrames::new(768)), (None, None));
    let patterns = Patterns { plain: PlainFrames::new(300), ..Patterns::ALL };
    for length in 0..=u16::MAX {
        let is = sniff(&length.to_le_bytes(), &patterns) == Sniff::Is(Kind::Plain);
        assert_eq!(is, (1..=300).contains(&length), "{length}");
    }
    let short = Patterns { plain: PlainFrames::new(3), ..Patterns::NONE };
    assert_eq!(sniff(b"\x04", &short), Sniff::Nothing);
}

#[tokio::test(start_paused = true)]
async fn every_chunking_leads_to_the_same_listener_with_all_bytes() {
    let sniffer = sniffer(false);
    let mut random = fastrand::Rng::with_seed(1);
    for (kind, flight) in flights() {
        for cut in 0..=flight.len().min(40) {
            assert_whole(sniffed(&sniffer, pieces(&flight, vec![cut])).await, kind, &flight);
        }
        let single = (1..flight.len()).collect();
        assert_whole(sniffed(&sniffer, pieces(&flight, single)).await, kind, &flight);
        for _ in 0..50 {
            let cuts = (0..5).map(|_| random.usize(..flight.len().min(30))).collect();
            assert_whole(sniffed(&sniffer, pieces(&flight, cuts)).await, kind, &flight);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn every_chunking_of_a_proxy_header_leads_to_who_is_behind_it() {
    let sniffer = sniffer(true);
    let mut random = fastrand::Rng::with_seed(2);
    for (header, source) in proxy_headers() {
        for (kind, flight) in flights() {
            let bytes = [header.as_slice(), &flight].concat();
            let single: Vec<_> = (1..bytes.len().min(300)).collect();
            let mut chunkings = vec![vec![], vec![header.len()], single];
            chunkings.extend(
                (0..5).map(|_| (0..6).map(|_| random.usize(..bytes.len())).collect::<Vec<_>>()),
            );
            for cuts in chunkings {
                let result = sniffed(&sniffer, pieces(&bytes, cuts)).await;
                let addr = assert_whole(result, kind, &flight);
                assert_eq!(addr, source.unwrap_or("198.51.100.9:99"));
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_proxy_header_is_taken_once_and_only_from_a_proxy() {
    for (header, _) in proxy_headers() {
        for cut in [1, 5, header.len()] {
            let result = sniffed(&sniffer(false), pieces(&header, vec![cut])).await;
            assert!(matches!(result, Err(SniffError::ProxyUntrusted)), "{result:?}");
            for (second, _) in proxy_headers() {
                let bytes = [header.as_slice(), &second].concat();
                let result = sniffed(&sniffer(true), pieces(&bytes, vec![cut])).await;
                assert!(matches!(result, Err(SniffError::ProxyNested)), "{result:?}");
            }
        }
    }
    for (_, flight) in flights() {
        let result = sniffed(&sniffer(true), pieces(&flight, vec![1])).await;
        assert!(matches!(result, Err(SniffError::ProxyMissing)), "{result:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_does_not_say_enough_is_done_with_at_the_deadline() {
    let begin = tokio::time::Instant::now();
    let limit = SnifferConfig::default().timeout;
    let beginnings =
        [(false, b"".as_slice()), (false, b"GE"), (true, b""), (true, b"PROXY TCP4 1")];
    for (index, (proxy, bytes)) in beginnings.into_iter().enumerate() {
        let result = sniffed(&sniffer(proxy), pieces(bytes, vec![])).await;
        assert!(matches!(result, Err(SniffError::TimedOut)), "{result:?}");
        let waited = begin.elapsed() - limit * u32::try_from(index).unwrap();
        assert!(waited >= limit && waited < limit + Duration::from_millis(50), "{waited:?}");
    }
}

/// Gives bytes without end, as many as are asked for.
#[derive(Debug)]
struct Endless<'a> {
    begin: &'a [u8],
    taken: &'a mut usize,
}

impl AsyncRead for Endless<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        while buf.remaining() > 0 {
            let byte = self.begin.get(*self.taken).copied().unwrap_or(b'1');
            buf.put_slice(&[byte]);
            *self.taken += 1;
        }
        Poll::Ready(Ok(()))
    }
}

#[tokio::test(start_paused = true)]
async fn no_more_is_held_than_the_limit_says() {
    let v2 = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\xff\xff".as_slice();
    for begin in [b"PROXY UNKNOWN ".as_slice(), b"PROXY TCP4 ", v2, b"PRI", b"\x16\x03", b""] {
        for max_proxy_header in [0, 1, 16, 200, 1024] {
            let proxies = vec!["0.0.0.0/0".parse().unwrap()];
            for proxies in [proxies, Vec::new()] {
                let sniffer = Sniffer::new(SnifferConfig {
                    patterns: Patterns::ALL,
                    proxies,
                    max_proxy_header,
                    ..Default::default()
                });
                let mut taken = 0;
                let endless = Endless { begin, taken: &mut taken };
                let from = "198.51.100.9:99".parse().unwrap();
                if let Ok(arrival) = sniffer.arrive(endless, from).await {
                    arrival.sniff().await.unwrap_err();
                }
                assert!(taken <= max_proxy_header.max(LONGEST_PATTERN), "{taken}");
            }
        }
    }
}

#[test]
fn a_header_is_complete_with_its_last_byte_and_not_before() {
    for (header, source) in proxy_headers() {
        for end in 0..header.len() {
            let parsed = proxy::parse(&header[..end], 1024);
            assert_eq!(parsed, Ok(None), "{:?}", header[..end].escape_ascii().to_string());
        }
        let bytes = [header.as_slice(), b"GET / HTTP/1.1\r\n"].concat();
        let parsed = proxy::parse(&bytes, 1024).unwrap().unwrap();
        assert_eq!(parsed.length, header.len());
        let canonical = |addr: std::net::SocketAddr| (addr.ip().to_canonical(), addr.port());
        let source = source.map(|source| canonical(source.parse().unwrap()));
        assert_eq!(parsed.source.map(canonical), source);
        assert!(proxy::parse(&bytes, header.len() - 1).is_err(), "longer than it may be");
    }
}

#[tokio::test]
async fn what_was_read_is_read_again_however_small_the_buffer() {
    use connection_handler::transport::mux::Rewind;

    let mut stream = Rewind::new("hel".into(), b"lo".as_slice());
    let mut heard = Vec::new();
    let mut buffer = [0; 2];
    while let Ok(length @ 1..) = stream.read(&mut buffer).await {
        heard.extend_from_slice(&buffer[..length]);
    }
    assert_eq!(heard, b"hello");
}
