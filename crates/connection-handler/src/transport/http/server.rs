//! Accepting HTTP connections, and letting them go.

use std::{
    convert::Infallible,
    fmt, io,
    net::SocketAddr,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use hyper::{Request, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::time::{sleep, timeout};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    HttpArrival, HttpConfig, HttpSource,
    answer::{Condition, Health, Site},
};
use crate::{
    admission::{Admission, Admitted},
    outage::Outage,
};

/// What is there to be asked for over HTTP, before anybody asks.
#[derive(Debug)]
pub struct HttpServer {
    site: Site,
}

impl HttpServer {
    /// A server that knows only how it is.
    pub fn new(config: HttpConfig) -> Self {
        let site = Site {
            config,
            health: Health::default(),
            about: String::new(),
            metrics: None,
            #[cfg(feature = "websocket")]
            doors: Vec::new(),
        };
        Self { site }
    }

    /// `json`, an object, is added to what `/health` says.
    ///
    /// ```
    /// # use connection_handler::transport::http::{HttpConfig, HttpServer};
    /// let server = HttpServer::new(HttpConfig::default()).about("{\"version\":\"1.0\"}");
    /// ```
    #[must_use]
    pub fn about(mut self, json: &str) -> Self {
        let inside = json.trim().strip_prefix('{').and_then(|json| json.strip_suffix('}'));
        if let Some(inside) = inside.map(str::trim).filter(|inside| !inside.is_empty()) {
            self.site.about = format!(",{inside}");
        }
        self
    }

    /// `render` makes what `/metrics` says, in the text format of Prometheus. It must not block.
    #[must_use]
    pub fn metrics(mut self, render: impl Fn() -> String + Send + Sync + 'static) -> Self {
        self.site.metrics = Some(Box::new(render));
        self
    }

    /// Where WebSockets come from that ask for one of `protocols`, in the order the client prefers.
    ///
    /// Who asks for none of these, nor for those of another listener, is refused.
    #[cfg(feature = "websocket")]
    pub fn websocket(
        &mut self,
        config: crate::transport::websocket::WebSocketConfig,
        protocols: impl IntoIterator<Item = crate::transport::websocket::Subprotocol>,
    ) -> crate::transport::websocket::WebSocketListener {
        let (door, arrived) = super::upgrade::Door::new(protocols.into_iter().collect());
        self.site.doors.push(door);
        crate::transport::websocket::WebSocketListener { config, arrived }
    }

    /// Begins to answer, once there is somebody to [serve](HttpServerHandle::serve).
    pub fn start(self) -> HttpServerHandle {
        let Self { site } = self;
        let HttpConfig { max_connections, max_connections_per_ip, .. } = site.config;
        let shared = Shared {
            admission: Admission::new(max_connections, max_connections_per_ip),
            site,
            draining: CancellationToken::new(),
            closing: CancellationToken::new(),
            tasks: TaskTracker::new(),
        };
        HttpServerHandle { shared: Arc::new(shared) }
    }
}

/// Keeps an [`HttpServer`] answering for as long as it exists.
///
/// WebSockets that are established live on without it.
#[must_use = "dropping it ends all connections that are no WebSockets"]
pub struct HttpServerHandle {
    shared: Arc<Shared>,
}

struct Shared {
    site: Site,
    admission: Admission,
    draining: CancellationToken,
    closing: CancellationToken,
    tasks: TaskTracker,
}

impl HttpServerHandle {
    /// Answers whoever comes from `source`, from now on.
    ///
    /// # Panics
    ///
    /// Outside of a Tokio runtime.
    pub fn serve(&self, source: impl HttpSource) {
        self.shared.tasks.spawn(self.shared.clone().accept(source));
    }

    /// `/health` says from now on that all is well.
    pub fn ready(&self) {
        self.shared.site.health.becomes(Condition::Ready);
    }

    /// `/health` says from now on that we are going away, no more WebSockets are opened, and
    /// connections end that have nothing to do. New ones are answered, once each.
    pub fn drain(&self) {
        self.shared.site.health.becomes(Condition::Draining);
        self.shared.draining.cancel();
    }

    /// Takes no more connections, and ends those that are no WebSockets: after the answer to the
    /// request that is being answered, within a second.
    pub async fn close(self) {
        self.drain();
        self.shared.closing.cancel();
        self.shared.tasks.close();
        self.shared.tasks.wait().await;
    }
}

impl Drop for HttpServerHandle {
    fn drop(&mut self) {
        self.drain();
        self.shared.closing.cancel();
    }
}

impl fmt::Debug for HttpServerHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpServerHandle").field("site", &self.shared.site).finish_non_exhaustive()
    }
}

/// Who asks, over one connection.
pub(super) struct Visitor {
    pub(super) remote_addr: SocketAddr,
    requests: AtomicUsize,
}

impl Visitor {
    /// Counts a request. Whether there may be no more.
    pub(super) fn is_last_request(&self, max: usize) -> bool {
        self.requests.fetch_add(1, Ordering::Relaxed) + 1 >= max
    }
}

impl Shared {
    async fn accept(self: Arc<Self>, mut source: impl HttpSource) {
        let mut outage = Outage::default();
        loop {
            let accepted = tokio::select! {
                biased;
                () = self.closing.cancelled() => return,
                accepted = source.accept() => accepted,
            };
            match accepted {
                Ok(HttpArrival { stream, remote_addr }) => {
                    if outage.worked() {
                        tracing::info!("accepting HTTP connections again");
                    }
                    match self.admission.try_admit(remote_addr.ip()) {
                        Ok(place) => {
                            let work = self.clone().serve_one(stream, remote_addr, place);
                            self.tasks.spawn(work);
                        }
                        Err(_) => tracing::debug!(%remote_addr, "too many HTTP connections"),
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::NotConnected => return,
                Err(error) => {
                    if outage.failed() {
                        tracing::warn!(%error, "cannot accept HTTP connections, trying again");
                    }
                    tokio::select! {
                        () = self.closing.cancelled() => return,
                        () = sleep(PAUSE) => {}
                    }
                }
            }
        }
    }

    /// Answers all requests of one connection. Its place is free again when it has become a
    /// WebSocket: those are counted by whom they belong to.
    async fn serve_one<S>(self: Arc<Self>, stream: S, remote_addr: SocketAddr, _place: Admitted)
    where
        S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin + 'static,
    {
        let visitor = Arc::new(Visitor { remote_addr, requests: AtomicUsize::new(0) });
        let shared = self.clone();
        let service = service_fn(move |request: Request<Incoming>| {
            let (shared, visitor) = (shared.clone(), visitor.clone());
            async move { Ok::<_, Infallible>(shared.site.answer(&visitor, request).await) }
        });
        let config = &self.site.config;
        // Who asks while we drain gets an answer, and no more.
        let late = self.draining.is_cancelled();
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(config.header_timeout)
            .max_buf_size(config.max_header_bytes.max(SMALLEST_BUFFER))
            .max_headers(MAX_HEADERS)
            .keep_alive(!late)
            .serve_connection(TokioIo::new(stream), service)
            .with_upgrades();
        let mut connection = pin!(connection);
        let served = async {
            tokio::select! {
                served = connection.as_mut() => return served,
                () = self.draining.cancelled(), if !late => {}
                () = self.closing.cancelled() => {}
            }
            connection.as_mut().graceful_shutdown();
            timeout(GRACE, connection).await.unwrap_or(Ok(()))
        };
        match timeout(config.max_lifetime, served).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(%remote_addr, %error, "HTTP connection failed"),
            Err(_) => tracing::debug!(%remote_addr, "HTTP connection lasted too long"),
        }
    }
}

/// For the answer to a request that has come before the end.
const GRACE: Duration = Duration::from_secs(1);
/// After a failed accept. Out of file descriptors, most likely: at once would be in vain.
const PAUSE: Duration = Duration::from_millis(100);
/// The least that the HTTP library works with.
const SMALLEST_BUFFER: usize = 8192;
/// More in one request are answered with 431.
const MAX_HEADERS: usize = 64;
