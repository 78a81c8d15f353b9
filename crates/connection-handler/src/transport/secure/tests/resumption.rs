//! Who comes again.

use std::sync::atomic::{AtomicUsize, Ordering};

use rustls::server::StoresServerSessions;

use super::*;

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
    let addr = "127.0.0.1:0".parse().unwrap();
    let mut port = SecurePort::bind(addr, identity, Default::default()).await.unwrap();
    let resumed = Arc::<AtomicUsize>::default();
    port.sessions = Arc::new(Counting { inner: port.sessions.clone(), resumed: resumed.clone() });
    let listener = port.listener(ALPN);
    let handle = port.start();
    let server = Server { addr: handle.local_addr(), identity: identity.clone(), listener, handle };
    (server, resumed)
}

/// Connects and says hello both ways: a ticket comes with the answer.
async fn talk(server: &mut Server, connector: &SecureConnector) -> Established {
    let mut client = connect(connector, server.addr, "quic").await.unwrap();
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
