//! curl, over HTTP and HTTPS.

use std::time::{Duration, Instant};

use connection_handler::transport::secure::SecurePortConfig;

use super::{Server, local, run, said};

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
