//! haproxy, which says who is behind it.

use std::{
    net::{SocketAddr, TcpListener},
    path::Path,
    process::Stdio,
    time::{Duration, Instant},
};

use connection_handler::transport::secure::SecurePortConfig;
use tokio::{net::TcpStream, process::Command};

use super::{Server, local, run, said};

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn haproxy(dir: &Path, server: SocketAddr, ports: [u16; 3]) -> tokio::process::Child {
    let options = [
        "send-proxy",
        "send-proxy-v2 check check-send-proxy inter 200ms",
        "send-proxy-v2 proxy-v2-options crc32c,unique-id",
    ];
    let mut text =
        "defaults\n mode tcp\n timeout connect 5s\n timeout client 20s\n timeout server 20s\n"
            .to_owned();
    for (port, options) in ports.iter().zip(options) {
        text.push_str(&format!(
            "listen l{port}\n bind 127.0.0.1:{port}\n unique-id-format %ci:%cp\n server s {server} source 127.0.0.2 {options}\n"
        ));
    }
    let path = dir.join("haproxy.cfg");
    std::fs::write(&path, text).unwrap();
    Command::new("haproxy")
        .arg("-db")
        .arg("-f")
        .arg(path)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .expect("haproxy")
}

#[tokio::test]
#[ignore = "interop"]
async fn haproxy_says_who_is_behind_it() {
    local(async {
        let proxies = vec!["127.0.0.2/32".parse().unwrap()];
        let config = SecurePortConfig { plain_http: true, proxies, ..Default::default() };
        let server = Server::start(config).await;
        let ports = [free_port(), free_port(), free_port()];
        let _haproxy = haproxy(server.dir.path(), server.addr, ports);
        for port in ports {
            let begin = Instant::now();
            while TcpStream::connect(("127.0.0.1", port)).await.is_err() {
                assert!(begin.elapsed() < Duration::from_secs(20), "haproxy listens");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            for (scheme, tls) in [("http", false), ("https", true)] {
                let url = format!("{scheme}://127.0.0.1:{port}/");
                let output = run("curl", &["-sSk", "--interface", "127.0.0.3", &url]).await;
                assert_eq!(said(&output), format!("127.0.0.3 {tls}"), "{port}");
            }
        }
    })
    .await;
}
