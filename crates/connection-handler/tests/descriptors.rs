//! Without file descriptors nobody is accepted, and with them everybody who has waited. Alone in
//! its process, which has none left.

#[path = "echo/central.rs"]
#[allow(dead_code, reason = "shared with a test that needs more of it")]
mod central;
#[path = "echo/codec.rs"]
mod codec;
#[path = "echo/handler.rs"]
#[allow(dead_code, reason = "shared with a test that needs more of it")]
mod handler;
#[path = "echo/log.rs"]
mod log;
#[path = "echo/protocol.rs"]
#[allow(dead_code, reason = "shared with a test that needs more of it")]
mod protocol;

use std::{fs::File, iter, time::Duration};

use actix::Actor;
use connection_handler::{Activity, ConnectionConfig, IncomingConnectionHandler};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::{
    net::{TcpListener, TcpSocket},
    sync::mpsc,
    time::{sleep, timeout},
};

use crate::{
    central::{Event, Probe},
    handler::ClientHandler,
    log::Log,
};

const LIMIT: Duration = Duration::from_secs(10);
const CLIENTS: usize = 5;

#[actix::test]
async fn running_out_of_file_descriptors_is_survived_and_said_once() {
    let log = Log::default();
    let _guard = log.capture();
    let limit = Rlimit { current: Some(128), ..getrlimit(Resource::Nofile) };
    setrlimit(Resource::Nofile, limit).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let (sender, mut events) = mpsc::unbounded_channel();
    let config = ConnectionConfig::default();
    let handler =
        IncomingConnectionHandler::new(ClientHandler, listener, Probe(sender).start(), config);
    let mut status = handler.status();
    handler.start();

    let clients: Vec<_> = (0..CLIENTS).map(|_| TcpSocket::new_v4().unwrap()).collect();
    let mut files: Vec<_> = iter::from_fn(|| File::open("/dev/null").ok()).collect();
    let mut sockets = Vec::new();
    for client in clients {
        sockets.push(client.connect(addr).await.unwrap());
    }
    let failing = status.wait_for(|status| matches!(status.activity, Activity::Failing(_)));
    let failing = timeout(LIMIT, failing).await.expect("it fails").unwrap().activity.clone();
    let Activity::Failing(error) = failing else { unreachable!() };
    assert_eq!(error.raw_os_error(), Some(rustix::io::Errno::MFILE.raw_os_error()));

    // One gets in, and then it is as before. Still the same burst.
    files.pop();
    let mut peers = Vec::new();
    let mut connected = async || {
        let event = timeout(LIMIT, events.recv()).await.expect("somebody is accepted").unwrap();
        let Event::Connected(peer) = event else { panic!("expected a peer") };
        peers.push(peer);
    };
    connected().await;
    sleep(Duration::from_millis(250)).await;
    assert!(matches!(status.borrow().activity, Activity::Failing(_)));

    drop(files);
    for _ in 1..CLIENTS {
        connected().await;
    }
    assert!(matches!(status.borrow().activity, Activity::Running));
    let failed = log.lines("cannot accept connections");
    assert_eq!(failed.len(), 1, "{failed:?}");
    assert_eq!(log.lines("accepting connections again").len(), 1);
}
