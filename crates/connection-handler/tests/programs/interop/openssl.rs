//! OpenSSL's client.

use connection_handler::transport::secure::SecurePortConfig;

use super::{ALPN, Server, local, run, said};

#[tokio::test]
#[ignore = "interop"]
async fn openssl_is_served_by_name_and_told_what_is_wrong() {
    local(async {
        let server = Server::start(SecurePortConfig::default()).await;
        let addr = server.addr.to_string();
        let s_client = async |more: &[&str]| {
            let arguments = [&["s_client", "-showcerts", "-connect", addr.as_str()], more].concat();
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
        let text =
            s_client(&["-alpn", "http/1.1", "-split_send_frag", "512", "-max_send_frag", "512"])
                .await;
        assert!(text.contains("ALPN protocol: http/1.1"), "{text}");
    })
    .await;
}
