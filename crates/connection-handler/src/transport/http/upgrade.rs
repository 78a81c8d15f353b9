//! From a request to a WebSocket (RFC 6455, 4.2).

use std::time::Duration;

use data_encoding::BASE64;
use hyper::{
    HeaderMap, Method, Request, Response, StatusCode,
    body::Incoming,
    header::{
        ALLOW, CONNECTION, HeaderValue, RETRY_AFTER, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY,
        SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, UPGRADE,
    },
};
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use tokio::{
    sync::{mpsc, oneshot},
    time::timeout,
};

use super::{
    answer::{Condition, Site, Text, header, text},
    server::Visitor,
};
use crate::transport::websocket::{Arriving, Subprotocol};

/// Where those go who ask for one of some protocols.
pub(super) struct Door {
    protocols: Vec<Subprotocol>,
    arrived: mpsc::Sender<Arriving>,
}

impl Door {
    pub(super) fn new(protocols: Vec<Subprotocol>) -> (Self, mpsc::Receiver<Arriving>) {
        let (arrived, receiver) = mpsc::channel(MAX_WAITING);
        (Self { protocols, arrived }, receiver)
    }
}

impl Site {
    /// Answers who asks for a WebSocket, once somebody is there to take it.
    pub(super) async fn upgrade(
        &self,
        visitor: &Visitor,
        request: &mut Request<Incoming>,
    ) -> Response<Text> {
        let headers = request.headers();
        let accept = match accept(request.method(), headers) {
            Ok(accept) => accept,
            Err(refusal) => return refusal.answer(),
        };
        if !self.is_of_known_origin(headers) {
            tracing::debug!(remote_addr = %visitor.remote_addr, "page of an unknown origin");
            return text(StatusCode::FORBIDDEN, "not for pages of this origin\n");
        }
        let Some((door, protocol)) = self.door(headers) else { return self.no_protocol() };
        if self.health.get() == Condition::Draining {
            return unavailable();
        }
        let (welcome, welcomed) = oneshot::channel();
        let arriving = Arriving {
            remote_addr: visitor.remote_addr,
            format: protocol.format,
            welcome,
            upgrade: hyper::upgrade::on(request),
        };
        if door.arrived.try_send(arriving).is_err()
            || !matches!(timeout(PATIENCE, welcomed).await, Ok(Ok(())))
        {
            return unavailable();
        }
        let mut response = Response::new(Text(None));
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let headers = response.headers_mut();
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
        if !protocol.name.is_empty() {
            let name = HeaderValue::from_static(protocol.name);
            headers.insert(SEC_WEBSOCKET_PROTOCOL, name);
        }
        response
    }

    /// The first protocol that the client would like and somebody here speaks.
    fn door(&self, headers: &HeaderMap) -> Option<(&Door, Subprotocol)> {
        let asked = headers.get_all(SEC_WEBSOCKET_PROTOCOL);
        if asked.iter().next().is_none() {
            return self.door_for("");
        }
        let names = asked.iter().filter_map(|value| value.to_str().ok()).flat_map(tokens);
        names.filter(|name| !name.is_empty()).find_map(|name| self.door_for(name))
    }

    fn door_for(&self, name: &str) -> Option<(&Door, Subprotocol)> {
        self.doors.iter().find_map(|door| {
            let known = door.protocols.iter().find(|protocol| protocol.name == name)?;
            Some((door, *known))
        })
    }

    fn no_protocol(&self) -> Response<Text> {
        let names = self.doors.iter().flat_map(|door| &door.protocols).map(|known| known.name);
        let names = names.filter(|name| !name.is_empty()).collect::<Vec<_>>().join(", ");
        let body = format!("Sec-WebSocket-Protocol must be one of: {names}\n");
        text(StatusCode::BAD_REQUEST, body)
    }
}

/// Why a request is not one for a WebSocket.
#[derive(Debug, PartialEq, Eq)]
enum Refusal {
    Method,
    NoUpgrade,
    Version,
    Key,
}

impl Refusal {
    fn answer(self) -> Response<Text> {
        let (status, why) = match self {
            Self::Method => (StatusCode::METHOD_NOT_ALLOWED, "only GET\n"),
            Self::NoUpgrade => (StatusCode::UPGRADE_REQUIRED, "this is for WebSockets\n"),
            Self::Version => (StatusCode::UPGRADE_REQUIRED, "only version 13 of WebSocket\n"),
            Self::Key => (StatusCode::BAD_REQUEST, "no Sec-WebSocket-Key\n"),
        };
        let mut response = text(status, why);
        let headers = response.headers_mut();
        match self {
            Self::Method => _ = headers.insert(ALLOW, HeaderValue::from_static("GET")),
            Self::NoUpgrade | Self::Version => {
                headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
                headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
                headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
            }
            Self::Key => {}
        }
        response
    }
}

/// What a request for a WebSocket is accepted with.
fn accept(method: &Method, headers: &HeaderMap) -> Result<HeaderValue, Refusal> {
    let has = |name, token: &str| {
        let values = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
        values.flat_map(tokens).any(|found| found.eq_ignore_ascii_case(token))
    };
    if !has(UPGRADE, "websocket") || !has(CONNECTION, "upgrade") {
        return Err(Refusal::NoUpgrade);
    }
    if method != Method::GET {
        return Err(Refusal::Method);
    }
    if header(headers, SEC_WEBSOCKET_VERSION) != Some("13") {
        return Err(Refusal::Version);
    }
    let key = header(headers, SEC_WEBSOCKET_KEY).ok_or(Refusal::Key)?;
    let decoded = BASE64.decode(key.as_bytes());
    if !decoded.is_ok_and(|bytes| bytes.len() == KEY_LENGTH) {
        return Err(Refusal::Key);
    }
    let answer = digest(&SHA1_FOR_LEGACY_USE_ONLY, format!("{key}{GUID}").as_bytes());
    let answer = BASE64.encode(answer.as_ref());
    Ok(HeaderValue::from_str(&answer).expect("base64 is text"))
}

/// The members of a list in a header.
fn tokens(value: &str) -> impl Iterator<Item = &str> {
    value.split(',').map(str::trim)
}

fn unavailable() -> Response<Text> {
    let mut response = text(StatusCode::SERVICE_UNAVAILABLE, "not now\n");
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("5"));
    response
}

const GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
const KEY_LENGTH: usize = 16;
/// Requests that wait for a handler which is at its limit. More are answered with 503.
const MAX_WAITING: usize = 64;
/// Longest such wait.
const PATIENCE: Duration = Duration::from_secs(3);

#[cfg(test)]
mod tests {
    use hyper::header::HeaderName;

    use super::*;

    fn headers(list: &[(&'static str, &'static str)]) -> HeaderMap {
        let pairs = list.iter();
        let pair = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        let mut headers = HeaderMap::new();
        pairs.map(pair).for_each(|(name, value)| _ = headers.append(name, value));
        headers
    }

    const GOOD: [(&str, &str); 4] = [
        ("upgrade", "WebSocket"),
        ("connection", "keep-alive, Upgrade"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];

    #[test]
    fn the_example_of_the_standard_is_accepted() {
        let accepted = accept(&Method::GET, &headers(&GOOD));
        assert_eq!(accepted.unwrap(), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn what_is_missing_is_said() {
        for (missing, refusal) in [
            (0, Refusal::NoUpgrade),
            (1, Refusal::NoUpgrade),
            (2, Refusal::Version),
            (3, Refusal::Key),
        ] {
            let mut list = GOOD.to_vec();
            list.remove(missing);
            assert_eq!(accept(&Method::GET, &headers(&list)), Err(refusal));
        }
        assert_eq!(accept(&Method::POST, &headers(&GOOD)), Err(Refusal::Method));
        let mut list = GOOD;
        list[3].1 = "c2hvcnQ=";
        assert_eq!(accept(&Method::GET, &headers(&list)), Err(Refusal::Key));
        let twice = [&GOOD[..], &GOOD[3..]].concat();
        assert_eq!(accept(&Method::GET, &headers(&twice)), Err(Refusal::Key));
    }
}
