//! tlslite-ng, from PyPI: TLS in pieces that no other client would make.

use std::path::Path;

use connection_handler::transport::secure::SecurePortConfig;

use super::{ALPN, Server, local, run, said};

#[tokio::test]
#[ignore = "interop"]
async fn tlslite_is_served_in_records_and_pieces_of_any_size_and_told_what_is_wrong() {
    local(async {
        let python = python().await;
        let server = Server::start(SecurePortConfig::default()).await;
        let client =
            concat!(env!("CARGO_MANIFEST_DIR"), "/tests/programs/interop/tlslite_client.py");
        let port = server.addr.port().to_string();
        let output = run(&python, &["-B", client, &port, ALPN]).await;
        println!("{}", said(&output));
        assert!(output.status.success());
    })
    .await;
}

/// A Python that has it.
async fn python() -> String {
    let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join("tlslite-ng-0.8.2");
    let (venv, python) =
        (place.display().to_string(), place.join("bin/python").display().to_string());
    if !place.join("complete").exists() {
        let made = run("python3", &["-m", "venv", "--clear", &venv]).await;
        assert!(made.status.success(), "{}", said(&made));
        let install = ["-m", "pip", "install", "--quiet", "tlslite-ng==0.8.2"];
        let installed = run(&python, &install).await;
        assert!(installed.status.success(), "{}", said(&installed));
        std::fs::write(place.join("complete"), "").unwrap();
    }
    python
}
