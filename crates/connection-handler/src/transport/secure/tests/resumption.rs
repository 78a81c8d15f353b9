//! Who comes again.

use std::sync::atomic::{AtomicUsize, Ordering};

use rustls::server::StoresServerSessions;
use tokio::{net::UdpSocket, task::JoinSet};

use super::*;
use crate::transport::keys::Certificates;

/// Counts the sessions that are resumed.
#[derive(Debug)]
struct Counting {
    inner: Arc<dyn StoresServerSessions>,
    resumed: Arc<AtomicUsize>,
}

impl StoresServerSessions for Counting {
    fn put(&self, key: Vec<u8>, value: Vec<u8>) -> bool {
        self.inner.put(key, value)
    }

    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.inner.get(key)
    }

    fn take(&self, key: &[u8]) -> Option<Vec<u8>> {
        let taken = self.inner.take(key);
        self.resumed.fetch_add(taken.is_some().into(), Ordering::Relaxed);
        taken
    }

    fn can_cache(&self) -> bool {
        true
    }
}

/// A port that counts the sessions it resumes.
async fn counting(identity: &Identity) -> (Server, Arc<AtomicUsize>) {
    counting_with(identity, Default::default(), Certificates::new(identity)).await
}

async fn counting_with(
    identity: &Identity,
    config: SecurePortConfig,
    certificates: Certificates,
) -> (Server, Arc<AtomicUsize>) {
    let addr = "127.0.0.1:0".parse().unwrap();
    let mut port = SecurePort::bind(addr, identity, config).await.unwrap();
    port.set_certificates(certificates);
    let resumed = Arc::<AtomicUsize>::default();
    port.sessions = Arc::new(Counting { inner: port.sessions.clone(), resumed: resumed.clone() });
    let listener = port.listener(ALPN);
    let handle = port.start();
    let server = Server { addr: handle.local_addr(), identity: identity.clone(), listener, handle };
    (server, resumed)
}

/// Connects and says hello both ways: a ticket comes with the answer.
async fn talk(server: &mut Server, connector: &SecureConnector) -> Established {
    talk_at(server.addr, server, connector).await
}

async fn talk_at(
    addr: SocketAddr,
    server: &mut Server,
    connector: &SecureConnector,
) -> Established {
    let mut client = connect(connector, addr, "quic").await.unwrap();
    let mut peer = server.accept().await;
    hello(&mut peer).await;
    peer.write.write_all(b"hello").await.unwrap();
    hello(&mut client).await;
    assert_eq!(client.identity, Some(server.identity.fingerprint()), "the server is known");
    peer
}

#[tokio::test]
async fn who_comes_again_resumes_its_session_and_is_who_it_was() {
    let (mut server, resumed) = counting(&Identity::ephemeral().unwrap()).await;
    let identity = Identity::ephemeral().unwrap();
    let trust = Trust::from(server.identity.fingerprint());
    let launcher = SecureConnector::new(server.addr, ALPN, trust.clone(), Some(identity.clone()));
    for times in 0..4 {
        let peer = talk(&mut server, &launcher).await;
        assert_eq!(peer.identity, Some(identity.fingerprint()));
        assert_eq!(resumed.load(Ordering::Relaxed), times);
    }
    // Somebody else does not become the launcher, nor the launcher somebody else.
    let stranger = SecureConnector::new(server.addr, ALPN, trust, None);
    for _ in 0..2 {
        assert_eq!(talk(&mut server, &stranger).await.identity, None);
    }
    assert_eq!(resumed.load(Ordering::Relaxed), 4);
}

#[tokio::test]
async fn a_ticket_of_a_server_that_was_started_again_is_no_obstacle() {
    let identity = Identity::ephemeral().unwrap();
    let (mut first, _) = counting(&identity).await;
    let connector = first.connector();
    talk(&mut first, &connector).await;
    drop(first);
    let (mut second, resumed) = counting(&identity).await;
    talk(&mut second, &connector).await;
    assert_eq!(resumed.load(Ordering::Relaxed), 0);
}

/// Stands between clients and a server, one client at a time, and counts the proofs of address that
/// the server asks for.
struct Witness {
    addr: SocketAddr,
    retries: Arc<AtomicUsize>,
    _forwarding: JoinSet<()>,
}

impl Witness {
    async fn of(server: &Server) -> Self {
        let bind = async || Arc::new(UdpSocket::bind("127.0.0.1:0").await.unwrap());
        let (front, back) = (bind().await, bind().await);
        back.connect(server.addr).await.unwrap();
        let (addr, retries) = (front.local_addr().unwrap(), Arc::<AtomicUsize>::default());
        let client = Arc::new(Mutex::new(None));
        let mut forwarding = JoinSet::new();
        let (to, from, known) = (back.clone(), front.clone(), client.clone());
        forwarding.spawn(async move {
            let mut packet = [0; 2000];
            while let Ok((length, addr)) = from.recv_from(&mut packet).await {
                *known.lock().unwrap() = Some(addr);
                let _ = to.send(&packet[..length]).await;
            }
        });
        let count = retries.clone();
        forwarding.spawn(async move {
            let mut packet = [0; 2000];
            while let Ok(length) = back.recv(&mut packet).await {
                // RFC 9000, 17.2.5.
                count.fetch_add((packet[0] & 0xf0 == 0xf0).into(), Ordering::Relaxed);
                let addr = *client.lock().unwrap();
                if let Some(addr) = addr {
                    let _ = front.send_to(&packet[..length], addr).await;
                }
            }
        });
        Self { addr, retries, _forwarding: forwarding }
    }

    fn retries(&self) -> usize {
        self.retries.load(Ordering::Relaxed)
    }
}

#[tokio::test]
async fn tokens_and_sessions_outlive_certificates_and_tokens_the_process() {
    let dir = tempfile::tempdir().unwrap();
    let identity = Identity::ephemeral().unwrap();
    let further = Identity::files(dir.path(), "further");
    certificates::write(&further, &["play.example"]);
    let certificates = Certificates::load(&identity, None, vec![further.clone()]).unwrap();
    // Everybody has to prove their address.
    let config = SecurePortConfig { retry_above: 0, ..Default::default() };
    let (mut server, resumed) =
        counting_with(&identity, config.clone(), certificates.clone()).await;
    let (connector, witness) = (server.connector(), Witness::of(&server).await);
    talk_at(witness.addr, &mut server, &connector).await;
    // One for each packet until the client has heard it, which may be late.
    let asked = witness.retries();
    assert!(asked >= 1, "a stranger");
    assert_eq!(resumed.load(Ordering::Relaxed), 0, "a stranger");
    talk_at(witness.addr, &mut server, &connector).await;
    assert_eq!((witness.retries(), resumed.load(Ordering::Relaxed)), (asked, 1), "with a token");
    certificates::write(&further, &["other.example"]);
    certificates.reload().unwrap();
    talk_at(witness.addr, &mut server, &connector).await;
    assert_eq!((witness.retries(), resumed.load(Ordering::Relaxed)), (asked, 2), "after that, too");
    let stranger = server.connector();
    talk_at(witness.addr, &mut server, &stranger).await;
    assert!(witness.retries() > asked, "a stranger is still one");

    drop(server);
    let (mut server, _) = counting_with(&identity, config, certificates).await;
    let witness = Witness::of(&server).await;
    talk_at(witness.addr, &mut server, &connector).await;
    assert_eq!(witness.retries(), 0, "known to another process by what the first has given");
}
