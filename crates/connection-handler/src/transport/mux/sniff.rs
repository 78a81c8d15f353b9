//! Which protocol somebody speaks, from their first bytes.

/// Says which of `patterns` the first bytes of a connection belong to.
///
/// All patterns are looked at together, so their order means nothing, and at most
/// [`LONGEST_PATTERN`] bytes are. It answers as soon as the answer is certain, and asks for more
/// only where every protocol that is still possible has to send more: a client that has sent its
/// whole first message and waits is never waited for.
///
/// ```
/// use connection_handler::transport::mux::{Kind, Patterns, Sniff, sniff};
///
/// let patterns = Patterns { tls: true, http1: true, ..Patterns::NONE };
/// assert_eq!(sniff(b"GE", &patterns), Sniff::More);
/// assert_eq!(sniff(b"GET ", &patterns), Sniff::Is(Kind::Http1));
/// assert_eq!(sniff(b"GEM", &patterns), Sniff::Nothing);
/// ```
pub fn sniff(bytes: &[u8], patterns: &Patterns) -> Sniff {
    let plain = patterns.plain.map(|frames| frames.look(bytes));
    let looks = [
        (Sniff::Is(Kind::Plain), plain),
        (Sniff::Is(Kind::Tls), patterns.tls.then(|| look_for_tls(bytes))),
        (Sniff::Is(Kind::Http1), patterns.http1.then(|| look_for_any(METHODS, bytes))),
        (Sniff::Is(Kind::Http2), patterns.http2.then(|| look_for(HTTP2_PREFACE, bytes))),
        (Sniff::Proxy, patterns.proxy.then(|| look_for_any([PROXY_V1, PROXY_V2], bytes))),
    ];
    let mut more = false;
    for (answer, look) in looks {
        match look {
            Some(Look::Is) => return answer,
            Some(Look::MayBecome) => more = true,
            Some(Look::IsNot) | None => {}
        }
    }
    if more { Sniff::More } else { Sniff::Nothing }
}

/// What the first bytes of a connection say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sniff {
    /// They belong to this protocol.
    Is(Kind),
    /// They begin a PROXY header, see [`proxy::parse`](super::proxy::parse).
    Proxy,
    /// They may belong to several, or to none. Whatever it is, more bytes will come.
    More,
    /// They belong to no protocol that is looked for.
    Nothing,
}

/// A protocol that can be told by its first bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Chunks with a length before each, see [`framing`].
    Plain,
    /// TLS, any version: what is too old is refused in its handshake.
    Tls,
    /// HTTP/1.0 or HTTP/1.1, WebSocket included.
    Http1,
    /// HTTP/2 without TLS and without asking first ("prior knowledge").
    Http2,
}

impl Kind {
    /// Its name in logs and metrics.
    pub fn label(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Tls => "tls",
            Self::Http1 => "http1",
            Self::Http2 => "http2",
        }
    }
}

/// Which protocols are looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patterns {
    /// Our own frames without TLS, and how long the first one may be.
    pub plain: Option<PlainFrames>,
    /// TLS.
    pub tls: bool,
    /// HTTP/1.
    pub http1: bool,
    /// HTTP/2.
    pub http2: bool,
    /// PROXY headers, both versions.
    pub proxy: bool,
}

impl Patterns {
    /// Nothing: to start from.
    pub const NONE: Self =
        Self { plain: None, tls: false, http1: false, http2: false, proxy: false };
    /// Everything.
    pub const ALL: Self = Self {
        plain: Some(PlainFrames::LONGEST),
        tls: true,
        http1: true,
        http2: true,
        proxy: true,
    };
}

/// Frames whose first one is short enough to be told from everything else by its length.
///
/// The length is two bytes, least significant first. Everything else that is looked for has 3 or
/// more as its second byte, so that two bytes decide: even the shortest frame has three.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlainFrames {
    max_first: u16,
}

impl PlainFrames {
    /// The first frame has at most 767 bytes, the length before them not counted.
    pub const LONGEST: Self = Self { max_first: 0x2ff };

    /// The first frame has at most `max_first` bytes. None when that is more than 767, or 0.
    pub const fn new(max_first: u16) -> Option<Self> {
        if max_first == 0 || max_first > Self::LONGEST.max_first {
            return None;
        }
        Some(Self { max_first })
    }

    fn look(self, bytes: &[u8]) -> Look {
        let [low, rest @ ..] = bytes else { return Look::MayBecome };
        match rest {
            [] if (1..=self.max_first).any(|length| length.to_le_bytes()[0] == *low) => {
                Look::MayBecome
            }
            [high, ..] if (1..=self.max_first).contains(&u16::from_le_bytes([*low, *high])) => {
                Look::Is
            }
            _ => Look::IsNot,
        }
    }
}

/// Most bytes that [`sniff`] needs to decide.
pub const LONGEST_PATTERN: usize = HTTP2_PREFACE.len();

#[derive(Clone, Copy, PartialEq, Eq)]
enum Look {
    Is,
    MayBecome,
    IsNot,
}

/// Whether the bytes begin with `pattern`.
fn look_for(pattern: &[u8], bytes: &[u8]) -> Look {
    if bytes.starts_with(pattern) {
        Look::Is
    } else if pattern.starts_with(bytes) {
        Look::MayBecome
    } else {
        Look::IsNot
    }
}

/// The head of a record and the first byte of what is in it (RFC 8446, 4 and 5.1).
fn look_for_tls(bytes: &[u8]) -> Look {
    let fits = |(index, byte): (usize, &u8)| match index {
        0 => *byte == HANDSHAKE,
        1 => *byte == 3,
        2 => *byte <= 4,
        // The most significant byte of a length of at most 2^14.
        3 => *byte <= 0x40,
        4 => match bytes[3] {
            0 => *byte > 0,
            0x40 => *byte == 0,
            _ => true,
        },
        _ => *byte == CLIENT_HELLO,
    };
    let head = bytes.get(..TLS_HEAD).unwrap_or(bytes);
    match head.iter().enumerate().all(fits) {
        false => Look::IsNot,
        true if head.len() == TLS_HEAD => Look::Is,
        true => Look::MayBecome,
    }
}

/// Whether the bytes begin with one of `patterns`.
fn look_for_any<const N: usize>(patterns: [&[u8]; N], bytes: &[u8]) -> Look {
    let looks = patterns.map(|pattern| look_for(pattern, bytes));
    for answer in [Look::Is, Look::MayBecome] {
        if looks.contains(&answer) {
            return answer;
        }
    }
    Look::IsNot
}

const HANDSHAKE: u8 = 22;
const CLIENT_HELLO: u8 = 1;
const TLS_HEAD: usize = 6;
/// The methods of RFC 9110, 9.3, and RFC 5789, and the space that follows.
const METHODS: [&[u8]; 9] = [
    b"GET ",
    b"HEAD ",
    b"POST ",
    b"PUT ",
    b"DELETE ",
    b"CONNECT ",
    b"OPTIONS ",
    b"TRACE ",
    b"PATCH ",
];
/// RFC 9113, 3.4.
const HTTP2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const PROXY_V1: &[u8] = b"PROXY ";
pub(super) const PROXY_V2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
