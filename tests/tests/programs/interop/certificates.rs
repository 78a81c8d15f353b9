//! Certificates that change under the eyes of OpenSSL and aioquic.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Result, ensure};
use tests::{LoginServer, Process, Signal, Stdio, World, until};

use super::{LIMIT, openssl::s_client_saying, python};

/// A login server with a certificate for `play.example`, and two to choose from.
struct Place {
    world: World,
    server: LoginServer,
    choice: [PathBuf; 2],
    shown: usize,
}

impl Place {
    fn open() -> Result<Self> {
        let world = World::new()?;
        let choice = ["first", "second"].map(|name| world.scope.path().join(name));
        for stem in &choice {
            let mut openssl = Command::new("openssl");
            openssl.args(["req", "-x509", "-newkey", "ec", "-nodes", "-days", "2"]);
            openssl.args(["-pkeyopt", "ec_paramgen_curve:prime256v1", "-subj", "/CN=a game"]);
            openssl.args(["-addext", "subjectAltName=DNS:play.example"]);
            openssl.arg("-keyout").arg(stem.with_extension("key"));
            openssl.arg("-out").arg(stem.with_extension("crt"));
            Process::run(&world.scope, "openssl", openssl, LIMIT)?;
        }
        let used = world.scope.path().join("used");
        install(&choice[0], &used)?;
        let (certificate, key) = (used.with_extension("crt"), used.with_extension("key"));
        let config = format!(
            "[[tls.certificates]]\ncertificate = {certificate:?}\nkey = {key:?}\n\
             [limits]\nmax_connections_per_ip = 1000\n"
        );
        let server = world.login_server_configured(&config)?;
        Ok(Self { world, server, choice, shown: 0 })
    }

    /// Shows the other certificate from now on.
    fn renew(&mut self) -> Result<()> {
        self.shown = 1 - self.shown;
        let process = &self.server.process;
        let reloads = || process.log_text().matches("certificates reloaded").count();
        let before = reloads();
        install(&self.choice[self.shown], &self.world.scope.path().join("used"))?;
        process.signal(Signal::HUP);
        until("the other certificate", LIMIT, || reloads() > before)
    }

    /// What OpenSSL says, trusting only the certificate that is to be shown.
    fn visit(&self, arguments: &[&str]) -> Result<String> {
        let trusted = self.choice[self.shown].with_extension("crt").display().to_string();
        let how = ["-servername", "play.example", "-alpn", "http/1.1", "-CAfile", &trusted];
        let how = [&how[..], &["-verify_return_error", "-ign_eof"], arguments].concat();
        let address = self.server.address.to_string();
        let said = s_client_saying(&self.world, &address, &how, REQUEST)?;
        ensure!(said.contains("\"status\":\"ready\""), "{said}");
        Ok(said)
    }
}

/// As others do it: whole or not at all.
fn install(from: &Path, to: &Path) -> Result<()> {
    for extension in ["key", "crt"] {
        let new = to.with_extension("new");
        fs::copy(from.with_extension(extension), &new)?;
        fs::rename(new, to.with_extension(extension))?;
    }
    Ok(())
}

#[test]
#[ignore = "interop"]
fn openssl_never_fails_and_resumes_while_certificates_change() -> Result<()> {
    let mut place = Place::open()?;
    let session = place.world.scope.path().join("session").display().to_string();
    place.visit(&["-sess_out", &session])?;
    for _ in 0..5 {
        place.renew()?;
        let said = place.visit(&["-sess_in", &session, "-sess_out", &session])?;
        ensure!(said.contains("Reused, TLSv1.3"), "{said}");
        let said = place.visit(&[])?;
        ensure!(said.contains("New, TLSv1.3") && said.contains("Verification: OK"), "{said}");
    }
    Ok(())
}

#[test]
#[ignore = "interop"]
fn aioquic_comes_back_with_token_and_ticket_after_certificates_have_changed() -> Result<()> {
    let mut place = Place::open()?;
    let mut client = python(&place.world.scope, &place.server, "aioquic_client.py")?;
    client.arg("--come-back");
    let mut client = Process::start(&place.world.scope, "aioquic", client, Stdio::Events)?;
    for _ in 0..3 {
        client.events.kind("was_there", LIMIT).map_err(|error| client.explain(error))?;
        place.renew()?;
        client.say("certificates have changed")?;
    }
    client.close_input();
    let ended = client.wait(LIMIT)?;
    println!("{}", client.log_text());
    ensure!(ended.success(), "{}", client.report());
    Ok(())
}

const REQUEST: &str = "GET /health HTTP/1.1\r\nhost: play.example\r\nconnection: close\r\n\r\n";
