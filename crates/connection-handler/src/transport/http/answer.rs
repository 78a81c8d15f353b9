//! What is answered to a request.

use std::{
    convert::Infallible,
    fmt,
    pin::Pin,
    sync::atomic::{AtomicU8, Ordering},
    task::{Context, Poll},
};

use hyper::{
    HeaderMap, Method, Request, Response, StatusCode,
    body::{Body, Bytes, Frame, Incoming, SizeHint},
    header::{CACHE_CONTROL, CONNECTION, CONTENT_TYPE, HOST, HeaderName, HeaderValue, ORIGIN},
};

use super::{HttpConfig, origin::is_of_host, server::Visitor};

/// What is there to be asked for.
pub(super) struct Site {
    pub(super) config: HttpConfig,
    pub(super) health: Health,
    /// What a healthy answer says beside its status: the rest of a JSON object.
    pub(super) about: String,
    pub(super) metrics: Option<Render>,
    #[cfg(feature = "websocket")]
    pub(super) doors: Vec<super::upgrade::Door>,
}

/// Makes the text of all metrics.
pub(super) type Render = Box<dyn Fn() -> String + Send + Sync>;

impl Site {
    /// Answers one request.
    pub(super) async fn answer(
        &self,
        visitor: &Visitor,
        mut request: Request<Incoming>,
    ) -> Response<Text> {
        let mut response = self.route(visitor, &mut request).await;
        if visitor.is_last_request(self.config.max_requests) {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }

    async fn route(&self, visitor: &Visitor, request: &mut Request<Incoming>) -> Response<Text> {
        let reads = matches!(*request.method(), Method::GET | Method::HEAD);
        match request.uri().path() {
            "/health" if reads => self.health(),
            "/metrics" if reads => self.metrics(visitor),
            #[cfg(feature = "websocket")]
            "/" | "/websocket" if !self.doors.is_empty() => self.upgrade(visitor, request).await,
            _ => not_found(),
        }
    }

    fn health(&self) -> Response<Text> {
        let (status, word) = match self.health.get() {
            Condition::Starting => (StatusCode::SERVICE_UNAVAILABLE, "starting"),
            Condition::Ready => (StatusCode::OK, "ready"),
            Condition::Draining => (StatusCode::SERVICE_UNAVAILABLE, "draining"),
        };
        let body = format!("{{\"status\":\"{word}\"{}}}\n", self.about);
        let mut response = text(status, body);
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }

    fn metrics(&self, visitor: &Visitor) -> Response<Text> {
        let ip = visitor.remote_addr.ip();
        let welcome = self.config.metrics_from.iter().any(|network| network.contains(&ip));
        let Some(render) = self.metrics.as_ref().filter(|_| welcome) else { return not_found() };
        let mut response = text(StatusCode::OK, render());
        let format = HeaderValue::from_static("text/plain; version=0.0.4");
        response.headers_mut().insert(CONTENT_TYPE, format);
        response
    }

    /// Whether what asks for a WebSocket is no page, or one that may.
    #[cfg_attr(not(feature = "websocket"), expect(dead_code, reason = "asked for WebSockets only"))]
    pub(super) fn is_of_known_origin(&self, headers: &HeaderMap) -> bool {
        let mut origins = headers.get_all(ORIGIN).iter();
        let Some(origin) = origins.next() else { return true };
        let Some(origin) = origin.to_str().ok().filter(|_| origins.next().is_none()) else {
            return false;
        };
        let host = header(headers, HOST);
        self.config.origins.iter().any(|known| known.is(origin))
            || host.is_some_and(|host| is_of_host(origin, host))
    }
}

/// The text of a header that must be there once.
pub(super) fn header(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(value)
}

/// How the program is.
#[derive(Debug, Default)]
pub(super) struct Health(AtomicU8);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Condition {
    Starting,
    Ready,
    Draining,
}

impl Health {
    pub(super) fn get(&self) -> Condition {
        match self.0.load(Ordering::Relaxed) {
            0 => Condition::Starting,
            1 => Condition::Ready,
            _ => Condition::Draining,
        }
    }

    /// It never gets younger.
    pub(super) fn becomes(&self, condition: Condition) {
        self.0.fetch_max(condition as u8, Ordering::Relaxed);
    }
}

pub(super) fn text(status: StatusCode, body: impl Into<Bytes>) -> Response<Text> {
    let mut response = Response::new(Text(Some(body.into())));
    *response.status_mut() = status;
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, plain);
    response
}

fn not_found() -> Response<Text> {
    text(StatusCode::NOT_FOUND, "not found\n")
}

/// A body that is there as a whole.
pub(super) struct Text(pub(super) Option<Bytes>);

impl Body for Text {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.take().map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.0.as_ref().map_or(0, |bytes| bytes.len() as u64))
    }
}

impl fmt::Debug for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Site").field("health", &self.health).finish_non_exhaustive()
    }
}
