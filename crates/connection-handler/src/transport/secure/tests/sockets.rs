//! Several sockets, and sockets that die.

use std::{
    io::IoSliceMut,
    pin::Pin,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    task::{Context, Poll},
};

use actix::Actor;
use quinn::{
    AsyncUdpSocket, UdpPoller,
    udp::{RecvMeta, Transmit},
};
use tokio_util::codec::LinesCodec;

use super::*;
use crate::{
    Activity, ConnectionConfig, DisconnectReason, IncomingConnectionHandler, PlainHandler,
    testing::probe,
    transport::secure::{EndpointSet, bind::udp},
};

#[tokio::test]
async fn several_addresses_lead_to_the_same_listener() {
    let identity = Identity::ephemeral().unwrap();
    let ipv4 = "127.0.0.1:0".parse().unwrap();
    let mut port = SecurePort::bind(ipv4, &identity, Default::default()).await.unwrap();
    let ipv4 = port.local_addr();
    let ipv6 = SocketAddr::new("::1".parse().unwrap(), ipv4.port());
    for _ in 0..2 {
        assert_eq!(port.add_address(ipv6).unwrap(), ipv6);
        assert_eq!(port.add_address(ipv4).unwrap(), ipv4);
    }
    assert_eq!(port.local_addrs().collect::<Vec<_>>(), [ipv4, ipv6]);
    let mut listener = port.listener(ALPN);
    let mut handle = port.start();
    let connector = |addr| SecureConnector::new(addr, ALPN, identity.fingerprint().into(), None);
    for addr in [ipv4, ipv6] {
        for way in ["quic", "tls"] {
            let _client = connect(&connector(addr), addr, way).await.unwrap();
            let mut peer = soon(accept(&mut listener)).await;
            assert_eq!(peer.remote_addr.ip(), addr.ip());
            hello(&mut peer).await;
        }
    }

    let mut client = connect(&connector(ipv6), ipv6, "quic").await.unwrap();
    let mut peer = soon(accept(&mut listener)).await;
    hello(&mut peer).await;
    assert!(handle.remove_address(ipv6) && !handle.remove_address(ipv6));
    for way in ["quic", "tls"] {
        let connector_there = connector(ipv6);
        let again = timeout(Duration::from_millis(300), connect(&connector_there, ipv6, way));
        assert!(!matches!(again.await, Ok(Ok(_))), "{way}");
        let _client = connect(&connector(ipv4), ipv4, way).await.unwrap();
        hello(&mut soon(accept(&mut listener)).await).await;
    }
    peer.write.write_all(b"hello").await.unwrap();
    hello(&mut client).await;
}

/// A real socket that dies when it is told to.
#[derive(Debug)]
struct Mortal {
    inner: Arc<dyn AsyncUdpSocket>,
    dies: Arc<AtomicBool>,
}

impl AsyncUdpSocket for Mortal {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        self.inner.clone().create_io_poller()
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        match self.dies.load(Ordering::Relaxed) {
            true => Err(io::ErrorKind::NotConnected.into()),
            false => self.inner.try_send(transmit),
        }
    }

    fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        let received = self.inner.poll_recv(cx, bufs, meta);
        match received.is_ready() && self.dies.load(Ordering::Relaxed) {
            true => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
            false => received,
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.inner.local_addr()
    }
}

crate::peer! {
    /// Says lines.
    struct Talker: String => String;
}

#[derive(Debug)]
struct Lines(LinesCodec);

impl Default for Lines {
    fn default() -> Self {
        Self(LinesCodec::new())
    }
}

impl tokio_util::codec::Decoder for Lines {
    type Item = String;
    type Error = DisconnectReason;

    fn decode(&mut self, src: &mut bytes::BytesMut) -> Result<Option<String>, DisconnectReason> {
        self.0.decode(src).map_err(DisconnectReason::invalid)
    }
}

impl tokio_util::codec::Encoder<String> for Lines {
    type Error = DisconnectReason;

    fn encode(&mut self, line: String, dst: &mut bytes::BytesMut) -> Result<(), DisconnectReason> {
        self.0.encode(line, dst).map_err(DisconnectReason::invalid)
    }
}

#[actix::test]
async fn a_socket_that_dies_is_made_anew_and_the_handler_says_so() {
    let identity = Identity::ephemeral().unwrap();
    let (dies, made) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
    let make = {
        let (dies, made) = (dies.clone(), made.clone());
        move |addr, families, room| {
            // As long as it is dead nobody gets a new one.
            if dies.load(Ordering::Relaxed) {
                return Err(io::ErrorKind::NetworkDown.into());
            }
            // Somebody else may have the port for a while.
            let (inner, dies) = (udp(addr, families, room)?, dies.clone());
            made.fetch_add(1, Ordering::Relaxed);
            Ok(Arc::new(Mortal { inner, dies }) as Arc<dyn AsyncUdpSocket>)
        }
    };
    let addr = "127.0.0.1:0".parse().unwrap();
    let set = EndpointSet::new(&identity).with_sockets(Arc::new(make));
    let mut port = SecurePort::bind_with(addr, &identity, Default::default(), set).unwrap();
    let (inbox, mut central) = probe::<Talker>();
    let handler = PlainHandler::<Talker, Lines, Lines>::new();
    let config = ConnectionConfig::default();
    let handler = IncomingConnectionHandler::new(handler, port.listener(ALPN), inbox, config);
    let mut status = handler.status();
    let _handler = handler.start();
    let handle = port.start();

    let addr = handle.local_addr();
    let connector = SecureConnector::new(addr, ALPN, identity.fingerprint().into(), None);
    let mut client = soon(connector.quic(addr)).await.unwrap();
    client.write.write_all(b"before\n").await.unwrap();
    let _peer = central.connected().await;
    assert_eq!(central.message().await, "before");

    dies.store(true, Ordering::Relaxed);
    client.write.write_all(b"while it is dead\n").await.unwrap();
    let failing = |status: &crate::HandlerStatus| match &status.activity {
        Activity::Failing(error) => error.to_string().starts_with(&format!("udp {addr}: ")),
        _ => false,
    };
    soon(status.wait_for(failing)).await.unwrap();
    dies.store(false, Ordering::Relaxed);
    let running = |status: &crate::HandlerStatus| matches!(status.activity, Activity::Running);
    soon(status.wait_for(running)).await.unwrap();
    assert_eq!(made.load(Ordering::Relaxed), 2);

    // The connection has lost nothing, and new ones come.
    assert_eq!(central.message().await, "while it is dead");
    let mut other = soon(connector.quic(addr)).await.unwrap();
    other.write.write_all(b"new\n").await.unwrap();
    let _other = central.connected().await;
    assert_eq!(central.message().await, "new");
}
