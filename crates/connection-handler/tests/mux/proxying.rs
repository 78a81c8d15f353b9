//! PROXY headers that are wrong, and what another implementation makes of them.

use std::net::{IpAddr, SocketAddr};

use connection_handler::{
    testing::Mutations,
    transport::mux::proxy::{self, ProxyError},
};
use ppp::{HeaderResult, v1, v2};

use crate::flights::proxy_headers;

#[test]
fn a_wrong_header_is_refused_as_soon_as_it_is_wrong() {
    let cases: [(&[u8], ProxyError); 23] = [
        (b"PROXX", ProxyError::Malformed),
        (b"PROXY  ", ProxyError::Malformed),
        (b"PROXY TCP5", ProxyError::Malformed),
        (b"PROXY TCP4 192.0.2.x", ProxyError::Malformed),
        (b"PROXY TCP4 192.0.2.01 ", ProxyError::Malformed),
        (b"PROXY TCP4 192.0.2.1 2001::1", ProxyError::Malformed),
        (b"PROXY TCP4 192.0.2.1 192.0.2.2 05", ProxyError::Malformed),
        (b"PROXY TCP4 192.0.2.1 192.0.2.2 +5", ProxyError::Malformed),
        (b"PROXY TCP4 192.0.2.1 192.0.2.2 5 65536", ProxyError::Malformed),
        (b"PROXY TCP4 192.0.2.1 192.0.2.2 5 9000 ", ProxyError::Malformed),
        (b"PROXY TCP4 192.0.2.1 192.0.2.2 5 9000\n", ProxyError::Malformed),
        (b"PROXY TCP4 192.0.2.1 192.0.2.2 5\r\n", ProxyError::Malformed),
        (b"PROXY TCP4\r\n", ProxyError::Malformed),
        (b"PROXY\r\n", ProxyError::Malformed),
        (b"PROXY UNKNOWNS", ProxyError::Malformed),
        (b"\r\n\r\n\0\r\nQUIX", ProxyError::Malformed),
        (b"\r\n\r\n\0\r\nQUIT\n\x11", ProxyError::Unsupported),
        (b"\r\n\r\n\0\r\nQUIT\n\x22", ProxyError::Unsupported),
        (b"\r\n\r\n\0\r\nQUIT\n\x21\x12", ProxyError::Unsupported),
        (b"\r\n\r\n\0\r\nQUIT\n\x21\x11\xff\xff", ProxyError::TooLong),
        (b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x01x", ProxyError::Malformed),
        (b"\r\n\r\n\0\r\nQUIT\n\x21\0\0\x03\x04\0\x01", ProxyError::Malformed),
        (b"\r\n\r\n\0\r\nQUIT\n\x21\0\0\x07\x03\0\x04\0\0\0\0", ProxyError::Checksum),
    ];
    for (bytes, error) in cases {
        let shown = bytes.escape_ascii().to_string();
        assert_eq!(proxy::parse(bytes, 1024), Err(error), "{shown}");
    }
    let long = [b"PROXY UNKNOWN".as_slice(), &[b' '; 94]].concat();
    assert_eq!(proxy::parse(&long, 1024), Err(ProxyError::TooLong));
    assert_eq!(proxy::parse(&long[..106], 1024), Ok(None));
}

fn socket_addr(ip: impl Into<IpAddr>, port: u16) -> SocketAddr {
    SocketAddr::new(ip.into(), port)
}

#[test]
fn whatever_is_taken_another_implementation_takes_too() {
    let corpus = || proxy_headers().into_iter().map(|(header, _)| header);
    let mut taken = 0;
    for bytes in Mutations::new(5, corpus()).take(50_000).chain(corpus()) {
        let Ok(Some(header)) = proxy::parse(&bytes, 1024) else { continue };
        taken += 1;
        let shown = bytes.escape_ascii().to_string();
        let source = match HeaderResult::parse(&bytes) {
            HeaderResult::V1(Ok(line)) => {
                assert_eq!(line.header.len(), header.length, "{shown}");
                match line.addresses {
                    v1::Addresses::Tcp4(ends) => {
                        Some(socket_addr(ends.source_address, ends.source_port))
                    }
                    v1::Addresses::Tcp6(ends) => {
                        Some(socket_addr(ends.source_address, ends.source_port))
                    }
                    v1::Addresses::Unknown => None,
                }
            }
            HeaderResult::V2(Ok(other)) => {
                assert_eq!(other.len(), header.length, "{shown}");
                match (other.command, other.addresses) {
                    (v2::Command::Local, _) => None,
                    (_, v2::Addresses::IPv4(ends)) => {
                        Some(socket_addr(ends.source_address, ends.source_port))
                    }
                    (_, v2::Addresses::IPv6(ends)) => {
                        Some(socket_addr(ends.source_address, ends.source_port))
                    }
                    (_, v2::Addresses::Unix(_) | v2::Addresses::Unspecified) => None,
                }
            }
            // It wants text and families it knows even where they are to be ignored.
            _ if header.source.is_none() => None,
            other => panic!("{shown}: {other:?}"),
        };
        assert_eq!(header.source, source, "{shown}");
    }
    assert!(taken > 100, "{taken}");
}
