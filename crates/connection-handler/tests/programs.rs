//! Other people's programs at a port of ours. Needs openssl, curl and haproxy:
//! `cargo xtask interop`.

mod interop {
    use std::{
        net::{SocketAddr, TcpListener},
        path::Path,
        process::{Output, Stdio},
        time::{Duration, Instant},
    };

    use connection_handler::transport::{
        Listener,
        keys::{Certificates, Identity},
        secure::{HttpListener, SecurePort, SecurePortConfig, SecurePortHandle},
    };
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpStream,
        process::Command,
        time::timeout,
    };

    const ALPN: &str = "test/1";

    /// A port that answers HTTP with the address of who asks, and echoes everything else.
    struct Server {
        addr: SocketAddr,
        dir: tempfile::TempDir,
        _handle: SecurePortHandle,
    }

    impl Server {
        async fn start(config: SecurePortConfig) -> Self {
            let dir = tempfile::tempdir().unwrap();
            let identity = Identity::load_or_create(dir.path(), "own").unwrap();
            Identity::load_or_create(dir.path(), "further").unwrap();
            let further = Identity::files(dir.path(), "further");
            let certificates = Certificates::load(&identity, None, vec![further]).unwrap();
            let addr = "127.0.0.1:0".parse().unwrap();
            let mut port = SecurePort::bind(addr, &identity, config).await.unwrap();
            port.set_certificates(certificates);
            let (http, mut listener) = (port.http(), port.listener(ALPN));
            let handle = port.start();
            tokio::spawn(answer(http));
            tokio::task::spawn_local(async move {
                while let Ok(handshake) = listener.accept().await {
                    let mut connection = handshake.await.unwrap();
                    tokio::task::spawn_local(async move {
                        let _ = tokio::io::copy(&mut connection.read, &mut connection.write).await;
                    });
                }
            });
            Self { addr: handle.local_addr(), dir, _handle: handle }
        }
    }

    async fn answer(mut http: HttpListener) {
        while let Some(mut connection) = http.accept().await {
            tokio::spawn(async move {
                let mut request = Vec::new();
                while !request.ends_with(b"\r\n\r\n") {
                    match connection.stream.read_u8().await {
                        Ok(byte) => request.push(byte),
                        Err(_) => return,
                    }
                }
                let body = format!("{} {}", connection.remote_addr.ip(), connection.tls);
                let answer = format!(
                    "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
                    body.len()
                );
                let _ = connection.stream.write_all(answer.as_bytes()).await;
                let _ = connection.stream.shutdown().await;
            });
        }
    }

    async fn run(program: &str, arguments: &[&str]) -> Output {
        let output =
            Command::new(program).args(arguments).stdin(Stdio::null()).kill_on_drop(true).output();
        let output = timeout(Duration::from_secs(60), output).await;
        output.expect("it ends").unwrap_or_else(|error| panic!("{program}: {error}"))
    }

    /// What it says, wherever it says it.
    fn said(output: &Output) -> String {
        let text = [output.stdout.as_slice(), &output.stderr].concat();
        String::from_utf8_lossy(&text).into_owned()
    }

    async fn local(work: impl Future<Output = ()>) {
        tokio::task::LocalSet::new().run_until(work).await;
    }

    #[tokio::test]
    #[ignore = "interop"]
    async fn openssl_is_served_by_name_and_told_what_is_wrong() {
        local(async {
            let server = Server::start(SecurePortConfig::default()).await;
            let addr = server.addr.to_string();
            let s_client = async |more: &[&str]| {
                let arguments =
                    [&["s_client", "-showcerts", "-connect", addr.as_str()], more].concat();
                said(&run("openssl", &arguments).await)
            };
            let pem = |name: &str| {
                let text = std::fs::read_to_string(server.dir.path().join(name)).unwrap();
                // The line ends are the file's own.
                text.lines().nth(2).unwrap().to_owned()
            };
            let (own, further) = (pem("own.cert.pem"), pem("further.cert.pem"));
            let text = s_client(&["-alpn", ALPN, "-servername", "gatehouse"]).await;
            assert!(text.contains("ALPN protocol: test/1") && text.contains("TLSv1.3"), "{text}");
            assert!(text.contains(&further), "{text}");
            for arguments in [&["-noservername"][..], &["-servername", "else.example"]] {
                let text = s_client(&[&["-alpn", ALPN], arguments].concat()).await;
                assert!(text.contains(&own), "{text}");
            }
            let text = s_client(&["-alpn", "nonsense/1"]).await;
            assert!(text.contains("alert number 120"), "{text}");
            let text = s_client(&["-tls1_2", "-alpn", ALPN]).await;
            assert!(text.contains("alert number 70"), "{text}");
            // A ClientHello in several records.
            let text = s_client(&[
                "-alpn",
                "http/1.1",
                "-split_send_frag",
                "512",
                "-max_send_frag",
                "512",
            ])
            .await;
            assert!(text.contains("ALPN protocol: http/1.1"), "{text}");
        })
        .await;
    }

    #[tokio::test]
    #[ignore = "interop"]
    async fn curl_speaks_http_1_over_and_without_tls_and_is_told_so() {
        local(async {
            let config = SecurePortConfig { plain_http: true, ..Default::default() };
            let server = Server::start(config).await;
            let (http, https) =
                (format!("http://{}/", server.addr), format!("https://{}/", server.addr));
            for (arguments, tls) in [
                (vec!["-sS", http.as_str()], false),
                (vec!["-sS", "--http2", &http], false),
                (vec!["-sSk", &https], true),
                (vec!["-sSk", "--http2", &https], true),
                (vec!["-sSk", "--no-alpn", &https], true),
            ] {
                let output = run("curl", &arguments).await;
                assert_eq!(said(&output), format!("127.0.0.1 {tls}"), "{arguments:?}");
            }
            let begin = Instant::now();
            let output = run("curl", &["-sSv", "--http2-prior-knowledge", &http]).await;
            assert!(!output.status.success());
            assert!(begin.elapsed() < Duration::from_secs(3), "it is told at once");
            println!("{}", said(&output));
        })
        .await;
    }

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
}
