//! Which login server is meant, and whom to trust to be it.

use std::{
    io::{self, Write},
    path::Path,
    sync::Arc,
};

use connection_handler::transport::keys::{KnownKeys, Trust};
use game_client::{ClientConfig, ConnectError, QueuePosition, QuicBlocked};

use crate::{
    args::Global,
    failure::Failure,
    output::Output,
    profile::{Profile, Remembered, StoredSession},
    prompt,
};

/// The login server that is meant, and what is known of it.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) profile: Profile,
    /// `HOST:PORT`.
    pub(crate) server: String,
    /// As the person said it, now or at the last login, with what was learnt since.
    trust: Option<String>,
    /// The keys that are trusted, if it is keys: more may become known.
    known: Option<KnownKeys>,
    pub(crate) remembered: Option<Remembered>,
    /// What is known of the way there, and what is learnt.
    quic_blocked: QuicBlocked,
    queue_position: QueuePosition,
    /// Somebody tells the person where a login stands.
    tells_position: bool,
    json: bool,
}

impl Place {
    pub(crate) fn new(global: Global) -> Result<Self, Failure> {
        let profile = Profile::open(global.profile)?;
        let server = match global.server {
            Some(server) => with_port(&server)?,
            None => profile.last_server()?.ok_or_else(|| {
                let message = "which login server? Give --server HOST:PORT; it is remembered";
                Failure::usage("no_server", message)
            })?,
        };
        let remembered = profile.remembered(&server)?;
        let trust = match global.trust {
            Some(trust) => Some(absolute(trust)?),
            None => remembered.as_ref().map(|remembered| remembered.trust.clone()),
        };
        let quic_blocked = QuicBlocked::known_until(profile.quic_blocked(&server));
        Ok(Self {
            profile,
            server,
            trust,
            known: None,
            remembered,
            quic_blocked,
            queue_position: QueuePosition::default(),
            tells_position: false,
            json: global.json,
        })
    }

    /// How to connect, with what a person says about the server's key if nothing is known.
    pub(crate) async fn config(&mut self) -> Result<ClientConfig, Failure> {
        let trust = match &self.trust {
            Some(trust) => trust.clone(),
            None => self.ask_for_trust().await?,
        };
        let parsed = parse_trust(&trust)?;
        self.trust = Some(trust);
        if !std::mem::replace(&mut self.tells_position, true) {
            tokio::spawn(tell_position(self.queue_position.clone(), Output::new(self.json)));
        }
        self.known = match &parsed {
            Trust::Known(known) => Some(known.clone()),
            Trust::Pins(_) | Trust::Roots(_) => None,
        };
        let quic_blocked = self.quic_blocked.clone();
        let queue_position = self.queue_position.clone();
        let config = ClientConfig::new(&self.server, parsed);
        Ok(ClientConfig { quic_blocked, queue_position, ..config })
    }

    /// Whether what was said of the server's key, if anything, can be meant.
    pub(crate) fn check_trust(&self) -> Result<(), Failure> {
        self.trust.as_deref().map_or(Ok(()), |trust| parse_trust(trust).map(drop))
    }

    /// Remembers which way worked, for the next command.
    pub(crate) fn remember_way(&self) {
        let until = self.quic_blocked.until();
        if until != self.profile.quic_blocked(&self.server) {
            self.profile.set_quic_blocked(&self.server, until);
        }
    }

    /// Remembers the keys that the login server has announced, where it is remembered at all.
    pub(crate) fn remember_keys(&mut self) -> Result<(), Failure> {
        let Some(known) = &self.known else { return Ok(()) };
        let known = known.to_string();
        match &mut self.remembered {
            Some(remembered) if remembered.trust != known => {
                remembered.trust.clone_from(&known);
                self.trust = Some(known);
                self.profile.remember(remembered)
            }
            _ => Ok(()),
        }
    }

    /// The stored session.
    pub(crate) fn session(&self) -> Result<StoredSession, Failure> {
        let session = self.remembered.as_ref().and_then(|remembered| remembered.session.clone());
        session.ok_or_else(|| {
            let message = format!("not logged in to {}", self.server);
            Failure::failed("not_logged_in", message).hint("use `gatehouse login NAME`")
        })
    }

    /// Remembers a session, or that there is none any more.
    pub(crate) fn store(&mut self, session: Option<StoredSession>) -> Result<(), Failure> {
        let known = self.known.as_ref().map(ToString::to_string);
        let trust = known.or_else(|| self.trust.clone()).unwrap_or_default();
        let remembered = Remembered { server: self.server.clone(), trust, session };
        self.profile.remember(&remembered)?;
        if remembered.session.is_some() {
            self.profile.set_last_server(&self.server)?;
        }
        self.remembered = Some(remembered);
        Ok(())
    }

    async fn ask_for_trust(&self) -> Result<String, Failure> {
        if self.json || !prompt::can_ask() {
            let message = "nothing says whom to trust: give --trust with the pin (sha256:…) that \
                           the login server prints when it starts, and that stands as \
                           spki_fingerprint in its ready file; or with a PEM file of authorities";
            return Err(Failure::usage("no_trust", message));
        }
        let server = &self.server;
        let key = game_client::probe(server).await.map_err(|error| match error.kind() {
            io::ErrorKind::TimedOut => ConnectError::TimedOut { server: server.clone() },
            _ => ConnectError::Unreachable { server: server.clone(), source: Arc::new(error) },
        })?;
        // When nobody can read it, nobody can agree to it either.
        let _ = writeln!(
            io::stderr(),
            "{server} is not known here yet. Its key has the pin\n  {key}\n\
             Compare it with what the login server printed when it started."
        );
        match prompt::confirm("Are they the same, and is it to be trusted from now on? [y/N] ")
            .await?
        {
            true => Ok(key.to_string()),
            false => Err(Failure::failed("not_trusted", "not trusted; nothing was sent")),
        }
    }
}

/// Says where a login stands, as often as that changes.
async fn tell_position(position: QueuePosition, output: Output) {
    let mut changes = position.subscribe();
    while changes.changed().await.is_ok() {
        let position = *changes.borrow_and_update();
        position.into_iter().for_each(|position| output.queued(position));
    }
}

/// What `--trust` means.
fn parse_trust(text: &str) -> Result<Trust, Failure> {
    let wrong =
        |message: String| Failure::usage("invalid_trust", format!("--trust {text}: {message}"));
    if !text.starts_with("sha256:") {
        return Trust::from_pem_file(text).map_err(|error| {
            wrong(format!("neither a pin (sha256:…) nor a file of certificates: {error}"))
        });
    }
    let known = text.parse::<KnownKeys>().map_err(|error| wrong(error.to_string()))?;
    Ok(Trust::Known(known))
}

/// A file is remembered as what it is, wherever the next command is started.
fn absolute(trust: String) -> Result<String, Failure> {
    if trust.starts_with("sha256:") {
        return Ok(trust);
    }
    let path = std::path::absolute(Path::new(&trust))
        .map_err(|error| Failure::usage("invalid_trust", format!("--trust {trust}: {error}")))?;
    path.into_os_string()
        .into_string()
        .map_err(|_| Failure::usage("invalid_trust", format!("--trust {trust}: not UTF-8")))
}

/// `HOST:PORT` of what may be only a host.
fn with_port(server: &str) -> Result<String, Failure> {
    let bare_ipv6 = server.parse::<std::net::Ipv6Addr>().is_ok();
    let (host, port) = match server.rsplit_once(':') {
        _ if bare_ipv6 => return Ok(format!("[{server}]:{DEFAULT_PORT}")),
        Some((host, port)) if !server.ends_with(']') => (host, port.parse::<u16>().ok()),
        _ => (server, Some(DEFAULT_PORT)),
    };
    match port {
        Some(port) if port > 0 && !host.is_empty() && !host.contains(char::is_whitespace) => {
            Ok(format!("{host}:{port}"))
        }
        _ => Err(Failure::usage("invalid_server", format!("--server {server}: not HOST:PORT"))),
    }
}

const DEFAULT_PORT: u16 = 9000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_may_be_left_out() {
        for (said, meant) in [
            ("play.example", "play.example:9000"),
            ("play.example:1", "play.example:1"),
            ("127.0.0.1:3", "127.0.0.1:3"),
            ("::1", "[::1]:9000"),
            ("[::1]", "[::1]:9000"),
            ("[::1]:5", "[::1]:5"),
        ] {
            assert_eq!(with_port(said).as_deref(), Ok(meant));
        }
        for wrong in ["", ":9000", "host:", "host:0", "host:99999", "a b:1"] {
            assert!(with_port(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn trust_is_pins_or_a_file() {
        let pin = format!("sha256:{}", "ab".repeat(32));
        let keys = |text: &str| match parse_trust(text) {
            Ok(Trust::Known(known)) => known.fingerprints().len(),
            other => panic!("{other:?}"),
        };
        assert_eq!(keys(&pin), 1);
        assert_eq!(keys(&format!("{pin}, {pin}")), 2);
        assert_eq!(keys(&format!("{pin}>{pin}")), 2, "one that follows another");
        for wrong in ["sha256:", "sha256:ab", "/nonexistent.pem"] {
            assert!(parse_trust(wrong).is_err(), "{wrong}");
        }
    }
}
