//! TCP, accepted: told apart by the first bytes, then through TLS where it is that.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use rustls::{ServerConfig, server::Acceptor};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::mpsc,
    task::JoinSet,
    time::sleep,
};
use tokio_rustls::{LazyConfigAcceptor, server::TlsStream};

use super::{Doors, Places, Waiting, hand_over};
use crate::{
    outage::Outage,
    transport::{
        mux::{Kind, Patterns, Rewind, Sniffed, Sniffer, SnifferConfig, refuse_http2},
        secure::{
            SecurePortConfig,
            http::{HttpConnection, HttpStream, Stream},
            listener::Established,
            streams::{canonical, over_plain, over_tls},
            tally::Refusal,
        },
    },
};

/// What becomes of TCP connections.
pub(in crate::transport::secure) struct TcpRoutes {
    sniffer: Sniffer,
    /// For what is inside of TLS and has not said so before.
    within_tls: Sniffer,
    /// Asks for the key of the other side.
    tls: Arc<ServerConfig>,
    http: Option<HttpRoute>,
    /// Where frames without TLS go.
    plain: Option<mpsc::Sender<Established>>,
}

/// What becomes of HTTP.
struct HttpRoute {
    /// Asks for no key: a browser would ask its user.
    tls: Arc<ServerConfig>,
    arrived: mpsc::Sender<HttpConnection>,
}

impl TcpRoutes {
    pub(in crate::transport::secure) fn new(
        config: &SecurePortConfig,
        tls: (Arc<ServerConfig>, Arc<ServerConfig>),
        http: Option<mpsc::Sender<HttpConnection>>,
        plain: Option<mpsc::Sender<Established>>,
    ) -> Self {
        let plain_http = http.is_some() && config.plain_http;
        let patterns = Patterns {
            plain: plain.is_some().then_some(crate::transport::mux::PlainFrames::LONGEST),
            tls: true,
            http1: plain_http,
            http2: plain_http,
            proxy: true,
        };
        let timeout = config.sniff_timeout;
        let outside = SnifferConfig {
            patterns,
            proxies: config.proxies.clone(),
            timeout,
            ..Default::default()
        };
        let within_tls = SnifferConfig {
            patterns: Patterns { http1: true, http2: true, ..Patterns::NONE },
            timeout,
            ..Default::default()
        };
        let (tls, http_tls) = tls;
        Self {
            sniffer: Sniffer::new(outside),
            within_tls: Sniffer::new(within_tls),
            tls,
            http: http.map(|arrived| HttpRoute { tls: http_tls, arrived }),
            plain,
        }
    }
}

impl Doors {
    /// Accepts over TCP for ever.
    pub(in crate::transport::secure) async fn accept_tcp(
        self: Arc<Self>,
        tcp: TcpListener,
        routes: Arc<TcpRoutes>,
    ) {
        let (mut handshakes, mut outage) = (JoinSet::new(), Outage::default());
        loop {
            let accepted = tokio::select! {
                accepted = tcp.accept() => accepted,
                Some(_) = handshakes.join_next() => continue,
            };
            match accepted {
                Ok((stream, addr)) => {
                    if outage.worked() {
                        tracing::info!("accepting TCP connections again");
                    }
                    let addr = canonical(addr);
                    match self.place_at(&self.tls_handshakes, addr, &routes.sniffer) {
                        Ok(place) => {
                            let (doors, routes) = (self.clone(), routes.clone());
                            handshakes.spawn(async move {
                                let work = doors.tcp(stream, addr, place, &routes);
                                doors.limited("tcp", addr, work).await;
                            });
                        }
                        Err(refusal) => self.tally.refused(addr, "tcp", &refusal),
                    }
                }
                Err(error) => {
                    if outage.failed() {
                        tracing::warn!(%error, "cannot accept TCP connections, trying again");
                    }
                    sleep(PAUSE).await;
                }
            }
        }
    }

    async fn tcp(
        &self,
        stream: TcpStream,
        from: SocketAddr,
        place: Waiting,
        routes: &TcpRoutes,
    ) -> Result<(), Refusal> {
        stream.set_nodelay(true)?;
        let arrival = routes.sniffer.arrive(stream, from).await?;
        let places = place.admit(arrival.peer().remote_addr.ip())?;
        let Sniffed { kind, stream, peer } = arrival.sniff().await?;
        let addr = peer.remote_addr;
        match kind {
            Kind::Plain => {
                let listener = routes.plain.as_ref().ok_or(Refusal::UnknownProtocol)?;
                let Places { connection, _handshake } = places;
                hand_over(listener, over_plain(stream, addr, connection)).await
            }
            Kind::Tls => self.tls(stream, addr, places, routes).await,
            Kind::Http1 => {
                let stream = Stream::Plain(stream);
                hand_over_http(routes.http.as_ref(), stream, addr, places).await
            }
            Kind::Http2 => Ok(refuse_http2(stream).await?),
        }
    }

    async fn tls(
        &self,
        stream: Rewind<TcpStream>,
        addr: SocketAddr,
        places: Places,
        routes: &TcpRoutes,
    ) -> Result<(), Refusal> {
        let start = LazyConfigAcceptor::new(Acceptor::default(), stream).await?;
        let ours = start
            .client_hello()
            .alpn()
            .is_some_and(|mut offered| offered.any(|alpn| self.listeners.contains_key(alpn)));
        let config = match &routes.http {
            Some(http) if !ours => &http.tls,
            _ => &routes.tls,
        };
        let stream = start.into_stream(config.clone()).await?;
        let protocol = stream.get_ref().1.alpn_protocol().map(<[u8]>::to_vec);
        match (protocol, &routes.http) {
            (None, Some(http)) => within_tls(stream, addr, places, routes, http).await,
            (Some(protocol), Some(http)) if protocol == HTTP_1_1 => {
                let stream = Stream::Tls(Box::new(Rewind::new(Default::default(), stream)));
                hand_over_http(Some(http), stream, addr, places).await
            }
            (protocol, _) => {
                let listener = self.listener(protocol)?;
                let Places { connection, _handshake } = places;
                hand_over(listener, over_tls(stream.into(), addr, Some(connection))?).await
            }
        }
    }
}

/// Finds out what somebody speaks who has named no application protocol.
async fn within_tls(
    stream: TlsStream<Rewind<TcpStream>>,
    addr: SocketAddr,
    places: Places,
    routes: &TcpRoutes,
    http: &HttpRoute,
) -> Result<(), Refusal> {
    let sniffed = routes.within_tls.arrive(stream, addr).await?.sniff().await?;
    match sniffed.kind {
        Kind::Http1 => {
            let stream = Stream::Tls(Box::new(sniffed.stream));
            hand_over_http(Some(http), stream, addr, places).await
        }
        Kind::Http2 => Ok(refuse_http2(sniffed.stream).await?),
        Kind::Plain | Kind::Tls => Err(Refusal::NoProtocol),
    }
}

async fn hand_over_http(
    http: Option<&HttpRoute>,
    stream: Stream,
    remote_addr: SocketAddr,
    Places { connection, _handshake }: Places,
) -> Result<(), Refusal> {
    let tls = matches!(stream, Stream::Tls(_));
    let stream = HttpStream { stream, _admitted: connection };
    let connection = HttpConnection { stream, remote_addr, tls };
    let http = http.ok_or(Refusal::UnknownProtocol)?;
    http.arrived.send(connection).await.map_err(|_| Refusal::NobodyListens)
}

/// The application protocol of HTTP/1.1 (RFC 7301, 6).
pub(in crate::transport::secure) const HTTP_1_1: &[u8] = b"http/1.1";
/// After a failed accept. Out of file descriptors, most likely: at once would be in vain.
const PAUSE: Duration = Duration::from_millis(100);
