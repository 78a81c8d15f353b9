//! What clients begin with.

use connection_handler::transport::mux::{Kind, Patterns, PlainFrames};

/// What a client may send before it waits for an answer, whole.
pub(crate) fn flights() -> Vec<(Kind, Vec<u8>)> {
    let mut flights = vec![
        (Kind::Plain, b"\x01\0x".to_vec()),
        (Kind::Plain, frame(0x16)),
        (Kind::Plain, frame(767)),
        (Kind::Plain, frame(u16::from(b'P'))),
        (Kind::Plain, frame(0x20d)),
        (Kind::Http2, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec()),
        (Kind::Http2, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0".to_vec()),
    ];
    for method in ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"] {
        flights.push((Kind::Http1, format!("{method} / HTTP/1.1\r\n\r\n").into_bytes()));
        flights.push((Kind::Http1, format!("{method} * HTTP/1.0\r\n\r\n").into_bytes()));
    }
    for version in 0..=4 {
        for length in [1u16, 4, 0x200, 0x300, 0x4000] {
            let mut record = vec![22, 3, version];
            record.extend(length.to_be_bytes());
            record.push(1);
            record.resize(5 + usize::from(length).min(600), 7);
            flights.push((Kind::Tls, record));
        }
    }
    flights
}

fn frame(length: u16) -> Vec<u8> {
    let mut frame = length.to_le_bytes().to_vec();
    frame.resize(2 + usize::from(length), b'\n');
    frame
}

/// Headers a proxy may send, and the address they name.
pub(crate) fn proxy_headers() -> Vec<(Vec<u8>, Option<&'static str>)> {
    let v2 = |command: u8, family: u8, body: &[u8]| {
        let length = u16::try_from(body.len()).unwrap().to_be_bytes();
        [b"\r\n\r\n\0\r\nQUIT\n".as_slice(), &[command, family], &length, body].concat()
    };
    let v4 = [192, 0, 2, 1, 203, 0, 113, 7, 0, 5, 35, 40];
    let mut v6 = [0; 36];
    v6[..2].copy_from_slice(&[0x20, 1]);
    v6[33] = 5;
    let tlv = [v4.as_slice(), b"\x05\0\x03id!", b"\x04\0\0"].concat();
    let mut summed =
        v2(0x21, 0x11, &[v4.as_slice(), b"\x03\0\x04\0\0\0\0", b"\x04\0\x01!"].concat());
    let sum = crc32c(&summed).to_be_bytes();
    summed[31..35].copy_from_slice(&sum);
    vec![
        (b"PROXY TCP4 192.0.2.1 203.0.113.7 5 9000\r\n".to_vec(), Some("192.0.2.1:5")),
        (
            b"PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n".to_vec(),
            Some("255.255.255.255:65535"),
        ),
        (b"PROXY TCP6 2001::1 2001:db8::7 0 9000\r\n".to_vec(), Some("[2001::1]:0")),
        (b"PROXY TCP6 ::ffff:192.0.2.1 ::1 5 1\r\n".to_vec(), Some("192.0.2.1:5")),
        (b"PROXY UNKNOWN\r\n".to_vec(), None),
        (b"PROXY UNKNOWN ffff::1 whatever \xff\r\n".to_vec(), None),
        (v2(0x20, 0, b""), None),
        (v2(0x20, 0xff, b"to be skipped"), None),
        (v2(0x21, 0, b"\x04\0\0"), None),
        (v2(0x21, 0x11, &v4), Some("192.0.2.1:5")),
        (v2(0x21, 0x11, &tlv), Some("192.0.2.1:5")),
        (v2(0x21, 0x21, &v6), Some("[2001::]:5")),
        (v2(0x21, 0x31, &[b'/'; 216]), None),
        (summed, Some("192.0.2.1:5")),
    ]
}

/// By the book, and not as the crate does it.
fn crc32c(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        for bit in 0..8 {
            let carry = (crc ^ u32::from(byte >> bit)) & 1;
            crc = (crc >> 1) ^ (0x82f6_3b78 * carry);
        }
    }
    !crc
}

/// Every choice of what is looked for.
pub(crate) fn choices() -> impl Iterator<Item = Patterns> {
    (0..32u8).map(|bits| Patterns {
        plain: (bits & 1 != 0).then_some(PlainFrames::LONGEST),
        tls: bits & 2 != 0,
        http1: bits & 4 != 0,
        http2: bits & 8 != 0,
        proxy: bits & 16 != 0,
    })
}

pub(crate) fn is_among(kind: Kind, patterns: &Patterns) -> bool {
    match kind {
        Kind::Plain => patterns.plain.is_some(),
        Kind::Tls => patterns.tls,
        Kind::Http1 => patterns.http1,
        Kind::Http2 => patterns.http2,
    }
}
