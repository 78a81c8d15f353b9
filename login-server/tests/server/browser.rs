//! A player in a browser: the page of BROWSER.md, in Chromium.

use std::{
    fs,
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use login_server::{
    Config,
    config::{ConfigLimits, ConfigWeb},
};
use protocol::{Channel, FromGameClient, RequestId, Said, Speaker, Text, ToGameClient};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    time::{Instant, sleep, timeout},
};

use crate::support::Server;

#[actix::test]
async fn a_player_logs_in_and_chats_in_a_browser() {
    let page = serve_page().await;
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start_with(Config {
        data_dir: directory.path().join("data"),
        listen: vec!["127.0.0.1:0".parse().unwrap()],
        ready_file: Some(directory.path().join("ready.json")),
        limits: ConfigLimits { registrations_per_hour: 100, ..Default::default() },
        web: ConfigWeb {
            origins: vec![format!("http://{page}").parse().unwrap()],
            ..Default::default()
        },
        ..Default::default()
    })
    .await;
    let (mut bob, _) = server.registered("bob").await;

    let browser = Browser::start(directory.path(), &server.spki()).await;
    let url = format!("http://{page}/?server=wss://{}", server.addr);
    browser.open(&url).await;
    browser.run(&format!("{FILL} document.getElementById('new').checked = true; {LOG_IN}")).await;
    browser.shows("— hello, ada").await;

    bob.send(FromGameClient::Chat {
        request: RequestId(9),
        channel: Channel::Lobby,
        text: Text::parse("is there <b>anybody</b>?").unwrap(),
    })
    .await;
    browser.shows("bob: is there <b>anybody</b>?").await;
    browser.run("document.getElementById('text').value = 'ada is, with 水'; document.getElementById('chat').requestSubmit();").await;
    browser.shows("ada: ada is, with 水").await;
    loop {
        if let ToGameClient::Said(Said { speaker: Speaker::Account(name), text, .. }) =
            bob.receive().await
            && &*name == "ada"
        {
            break assert_eq!(&*text, "ada is, with 水");
        }
    }

    // The same again, for somebody who is known by now; the first connection gives way.
    browser.open(&url).await;
    browser
        .run(&format!("document.getElementById('password').value = 'wrong wrong'; {LOG_IN}"))
        .await;
    browser.run(&format!("{FILL} {LOG_IN}")).await;
    browser.shows("— hello, ada").await;

    server.stop().await;
    browser.shows("— goodbye: ").await;
    browser.shows("— the end: 1001 ").await;
}

#[actix::test]
async fn a_page_of_somebody_else_gets_nowhere() {
    let page = serve_page().await;
    let server = Server::start().await;
    let directory = tempfile::tempdir().unwrap();
    let browser = Browser::start(directory.path(), &server.spki()).await;
    browser.open(&format!("http://{page}/?server=wss://{}", server.addr)).await;
    browser.run(&format!("{FILL} {LOG_IN}")).await;
    browser.shows("— the end: 1006 ").await;
    server.stop().await;
}

/// Serves the page that is in BROWSER.md, to whoever asks for anything.
async fn serve_page() -> SocketAddr {
    let document = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/BROWSER.md")).unwrap();
    let (_, page) = document.split_once("```html\n").unwrap();
    let (page, _) = page.split_once("```\n").unwrap();
    let answer = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n{page}",
        page.len()
    );
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    actix::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let answer = answer.clone();
            actix::spawn(async move {
                let mut request = [0; 4096];
                if stream.read(&mut request).await.is_ok_and(|length| length > 0) {
                    let _ = stream.write_all(answer.as_bytes()).await;
                    let _ = stream.shutdown().await;
                    while stream.read(&mut request).await.is_ok_and(|length| length > 0) {}
                }
            });
        }
    });
    addr
}

/// Chromium, driven by its own driver (W3C WebDriver: JSON over HTTP).
struct Browser {
    driver: Child,
    addr: SocketAddr,
    session: String,
}

impl Browser {
    /// One that trusts the server with the key `spki`, and nobody else.
    async fn start(directory: &Path, spki: &str) -> Self {
        let profile = directory.join("profile");
        let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
        let log = fs::File::create(directory.join("chromedriver.log")).unwrap();
        let driver = Command::new("chromedriver")
            .arg(format!("--port={port}"))
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .expect("chromedriver is not there: cargo xtask test installs it");
        let addr = SocketAddr::from(([127, 0, 0, 1], port));
        let mut browser = Self { driver, addr, session: String::new() };
        timeout(LIMIT, async {
            // It has no way to say that it is there.
            while TcpStream::connect(addr).await.is_err() {
                sleep(Duration::from_millis(50)).await;
            }
        })
        .await
        .expect("chromedriver does not start");
        let profile = format!("--user-data-dir={}", profile.display());
        let spki = format!("--ignore-certificate-errors-spki-list={spki}");
        let capabilities = json!({ "capabilities": { "alwaysMatch": { "goog:chromeOptions": {
            "args": [
                "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
                "--disable-background-networking", "--disable-component-update", "--disable-sync",
                "--disable-dev-shm-usage", spki, profile,
            ]
        } } } });
        let session = browser.ask("POST", "/session", &capabilities).await;
        browser.session = session["sessionId"].as_str().expect("a session").to_owned();
        browser
    }

    async fn open(&self, url: &str) {
        self.ask("POST", &format!("/session/{}/url", self.session), &json!({ "url": url })).await;
    }

    /// Runs `script` in the page.
    async fn run(&self, script: &str) -> Value {
        let path = format!("/session/{}/execute/sync", self.session);
        self.ask("POST", &path, &json!({ "script": script, "args": [] })).await
    }

    /// Waits until a line of the page begins with `line`.
    #[track_caller]
    fn shows(&self, line: &str) -> impl Future<Output = ()> {
        let caller = std::panic::Location::caller();
        async move {
            let begin = Instant::now();
            loop {
                let lines = self.run("return document.getElementById('lines').textContent").await;
                let lines = lines.as_str().unwrap_or_default();
                if lines.lines().any(|shown| shown.starts_with(line)) {
                    return;
                }
                assert!(begin.elapsed() < LIMIT, "{caller}: no {line:?} in {lines:?}");
                // What a page shows is no event for who is outside of it.
                sleep(Duration::from_millis(50)).await;
            }
        }
    }

    async fn ask(&self, method: &str, path: &str, body: &Value) -> Value {
        let answer = timeout(LIMIT, request(self.addr, method, path, body)).await;
        let mut answer = answer.expect("chromedriver does not answer").unwrap();
        let value = answer["value"].take();
        assert!(value.get("error").is_none(), "{path}: {value:#}");
        value
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // It ends the browser with it, if it is asked to.
        let body = "DELETE /session/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        let request = body.replacen("/session/", &format!("/session/{}", self.session), 1);
        if let Ok(mut stream) = std::net::TcpStream::connect(self.addr) {
            use std::io::{Read, Write};
            let _ = stream.set_read_timeout(Some(Duration::from_secs(10)));
            let _ = stream.write_all(request.as_bytes());
            let _ = stream.read(&mut [0; 1024]);
        }
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

async fn request(
    addr: SocketAddr,
    method: &str,
    path: &str,
    body: &Value,
) -> std::io::Result<Value> {
    let body = body.to_string();
    let mut stream = BufReader::new(TcpStream::connect(addr).await?);
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost:{}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n",
        addr.port(),
        body.len()
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(body.as_bytes()).await?;
    let mut length = 0;
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await?;
        match line.trim_end().split_once(':') {
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                length = value.trim().parse().map_err(std::io::Error::other)?;
            }
            Some(_) => {}
            None if line.trim_end().is_empty() => break,
            None => {}
        }
    }
    let mut answer = vec![0; length];
    stream.read_exact(&mut answer).await?;
    serde_json::from_slice(&answer).map_err(Into::into)
}

const FILL: &str = "document.getElementById('name').value = 'ada'; \
                    document.getElementById('password').value = 'correct horse battery';";
const LOG_IN: &str = "document.getElementById('login').requestSubmit();";
/// A browser takes its time, on a machine that is busy.
const LIMIT: Duration = Duration::from_secs(60);
