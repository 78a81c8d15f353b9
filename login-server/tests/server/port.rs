//! The program's sockets and certificates, as a service manager and an operator see them.

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket},
    os::{fd::OwnedFd, unix::net::UnixDatagram},
    path::Path,
    process::Stdio,
};

use connection_handler::transport::{
    keys::{Identity, Trust},
    secure::SecureConnector,
};
use protocol::Goodbye;
use tokio::process::{Child, Command};

use crate::support::{PASSWORD, goodbye, greeted, ready, register, within};

/// The program with these sockets, from the third file descriptor on.
fn start(directory: &Path, tcp: &TcpListener, udp: Option<&UdpSocket>) -> Child {
    let tcp = Stdio::from(OwnedFd::from(tcp.try_clone().unwrap()));
    let (udp, fds) = match udp {
        Some(udp) => (Stdio::from(OwnedFd::from(udp.try_clone().unwrap())), "2"),
        None => (Stdio::null(), "1"),
    };
    let script = "exec 3<&0 4<&1 </dev/null >/dev/null; export LISTEN_PID=$$; exec \"$@\"";
    Command::new("sh")
        .args(["-c", script, "sh", env!("CARGO_BIN_EXE_login-server")])
        .arg("--data-dir")
        .arg(directory.join("data"))
        .arg("--ready-file")
        .arg(directory.join("ready.json"))
        .env("LISTEN_FDS", fds)
        .stdin(tcp)
        .stdout(udp)
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

async fn until_ready(directory: &Path, program: &mut Child) -> (SocketAddr, Trust) {
    ready(&directory.join("ready.json"), || program.try_wait().unwrap().is_some()).await
}

async fn signal(program: &Child, signal: &str) {
    let pid = program.id().unwrap().to_string();
    let kill = Command::new("kill").arg(format!("-{signal}")).arg(pid).status();
    assert!(within(kill).await.unwrap().success());
}

#[actix::test]
async fn inherited_sockets_are_served_and_outlive_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let (tcp, udp) = loop {
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        if let Ok(udp) = UdpSocket::bind(tcp.local_addr().unwrap()) {
            break (tcp, udp);
        }
    };
    let mut first = start(directory.path(), &tcp, Some(&udp));
    let (addr, trust) = until_ready(directory.path(), &mut first).await;
    assert_eq!(addr, tcp.local_addr().unwrap());
    let mut ann = greeted(addr, &trust).await;
    ann.send(register("ann", PASSWORD)).await;
    ann.logged_in().await;

    // Whoever connects while nobody serves waits for who comes next.
    signal(&first, "TERM").await;
    assert!(matches!(goodbye(&ann.rest().await), Goodbye::ComeBack { .. }));
    within(first.wait()).await.unwrap();
    std::fs::remove_file(directory.path().join("ready.json")).unwrap();
    let (bob, mut second) = tokio::join!(greeted(addr, &trust), async {
        // Not before somebody waits.
        within(tokio::net::TcpStream::connect(addr)).await.unwrap();
        let mut second = start(directory.path(), &tcp, Some(&udp));
        until_ready(directory.path(), &mut second).await;
        second
    });
    drop(bob);
    assert!(second.try_wait().unwrap().is_none());
}

#[actix::test]
async fn systemd_starts_it_with_the_first_connection() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    std::fs::create_dir(&data).unwrap();
    let identity = Identity::load_or_create(&data, "login-server").unwrap();
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = free.local_addr().unwrap();
    drop(free);
    let manager = Command::new("systemd-socket-activate")
        .args(["--listen", &addr.to_string(), env!("CARGO_BIN_EXE_login-server")])
        .arg("--data-dir")
        .arg(&data)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn();
    let _manager = manager.expect("Debian package systemd is missing");
    // It says nothing when it listens.
    let listens = async {
        while tokio::net::TcpStream::connect(addr).await.is_err() {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    };
    within(listens).await;
    drop(greeted(addr, &identity.fingerprint().into()).await);
}

#[actix::test]
async fn a_service_manager_hears_when_it_is_ready_and_when_it_stops() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("notify");
    let manager = UnixDatagram::bind(&path).unwrap();
    manager.set_nonblocking(true).unwrap();
    let manager = tokio::net::UnixDatagram::from_std(manager).unwrap();
    let program = Command::new(env!("CARGO_BIN_EXE_login-server"))
        .arg("--data-dir")
        .arg(directory.path().join("data"))
        .args(["--listen", "127.0.0.1:0"])
        .env("NOTIFY_SOCKET", &path)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    for expected in ["READY=1", "STOPPING=1"] {
        let mut heard = [0; 100];
        let length = within(manager.recv(&mut heard)).await.unwrap();
        assert_eq!(std::str::from_utf8(&heard[..length]).unwrap().trim(), expected);
        signal(&program, "TERM").await;
    }
}

#[actix::test]
async fn sighup_reads_certificates_again_and_ends_nothing() {
    let directory = tempfile::tempdir().unwrap();
    // Two certificates of which the second takes the place of the first.
    let [first, second] = ["first", "second"]
        .map(|stem| Identity::load_or_create(directory.path(), stem).unwrap().fingerprint());
    let config = directory.path().join("login-server.toml");
    let path = |name: &str| directory.path().join(name).display().to_string();
    let text = format!(
        "data_dir = \"{}\"\nlisten = \"127.0.0.1:0\"\nready_file = \"{}\"\n\
         [[tls.certificates]]\ncertificate = \"{}\"\nkey = \"{}\"\n",
        path("data"),
        path("ready.json"),
        path("first.cert.pem"),
        path("first.key.pem"),
    );
    std::fs::write(&config, text).unwrap();
    let mut program = Command::new(env!("CARGO_BIN_EXE_login-server"))
        .arg("--config")
        .arg(&config)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let (mut addr, own) = until_ready(directory.path(), &mut program).await;
    addr.set_ip(Ipv4Addr::LOCALHOST.into());
    let mut ann = greeted(addr, &own).await;
    // These certificates are for `gatehouse`. Clients with a pin ask for no name, and see another.
    within(asking_for_gatehouse(addr, first.into()).connect()).await.unwrap();
    for suffix in ["cert.pem", "key.pem"] {
        std::fs::rename(path(&format!("second.{suffix}")), path(&format!("first.{suffix}")))
            .unwrap();
    }
    signal(&program, "HUP").await;
    let shown = async {
        loop {
            let connector = asking_for_gatehouse(addr, second.into());
            if connector.connect().await.is_ok() {
                break;
            }
        }
    };
    within(shown).await;
    ann.send(register("ann", PASSWORD)).await;
    ann.logged_in().await;
}

fn asking_for_gatehouse(addr: SocketAddr, trust: Trust) -> SecureConnector {
    let connector = SecureConnector::new(addr, protocol::ALPN_GAME_CLIENT, trust, None);
    connector.with_server_name("gatehouse")
}
