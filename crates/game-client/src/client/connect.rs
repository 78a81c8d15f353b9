//! From an address to a connection that was welcomed.

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, OnceLock, atomic::AtomicU32},
    time::Duration,
};

use connection_handler::transport::{
    Connection,
    keys::{KeyFingerprint, KnownKeys, Trust},
    secure::SecureConnector,
};
use protocol::{ALPN_GAME_CLIENT, FromGameClient, Goodbye, Hello, ToGameClient, Welcome};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    sync::{Semaphore, mpsc, oneshot, watch},
    time::{sleep, timeout},
};

use super::{Carried, Client, Events, MAX_REQUESTS, Shared, driver::Driver};
use crate::{
    ClientConfig, ConnectError, ConnectionLost,
    probe::probe,
    wire::{MessageReader, MessageWriter},
};

pub(super) async fn connect(
    config: &ClientConfig,
    carried: Option<Carried>,
) -> Result<Connected, (ConnectError, Option<Carried>)> {
    let limited = timeout(config.connect_timeout, async {
        let connector = SecureConnector::new(
            config.server.as_str(),
            ALPN_GAME_CLIENT,
            config.trust.clone(),
            None,
        )
        .remembering(config.quic_blocked.clone());
        let connected = tokio::select! {
            connected = connector.connect() => connected,
            error = nobody_there(&config.server) => Err(error),
        };
        match connected {
            Ok(connection) => greet(connection, config).await,
            Err(error) => Err(explain(config, error).await),
        }
    });
    match limited.await {
        Ok(Ok(greeted)) => Ok(start(greeted, config, carried)),
        Ok(Err(error)) => Err((error, carried)),
        Err(_) => Err((ConnectError::TimedOut { server: config.server.clone() }, carried)),
    }
}

/// A connection, what it says, and what it leaves.
type Connected = (Client, Events, oneshot::Receiver<Carried>);

/// A connection that was welcomed.
struct Greeted<R, W> {
    reader: MessageReader<R>,
    writer: MessageWriter<W>,
    welcome: Welcome,
    remote_addr: SocketAddr,
    transport: &'static str,
    keys: Option<(KnownKeys, KeyFingerprint)>,
}

/// Finds out that nobody listens, which over UDP looks the same as a lost packet. Never ends
/// otherwise.
async fn nobody_there(server: &str) -> io::Error {
    sleep(LOOK_AFTER).await;
    match TcpStream::connect(server).await {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            // If only TCP is blocked, the handshake may be about to succeed all the same.
            sleep(LOOK_AFTER).await;
            error
        }
        _ => std::future::pending().await,
    }
}

/// Why connecting failed, as far as it can be found out.
async fn explain(config: &ClientConfig, error: io::Error) -> ConnectError {
    let server = config.server.clone();
    match (error.kind(), &config.trust) {
        (io::ErrorKind::TimedOut, _) => ConnectError::TimedOut { server },
        (io::ErrorKind::InvalidData, Trust::Roots(_)) => {
            ConnectError::Untrusted { server, reason: error.to_string() }
        }
        (io::ErrorKind::InvalidData, Trust::Pins(pins)) => {
            wrong_key(server, pins.clone(), error).await
        }
        (io::ErrorKind::InvalidData, Trust::Known(known)) => {
            wrong_key(server, known.fingerprints(), error).await
        }
        _ => ConnectError::Unreachable { server, source: Arc::new(error) },
    }
}

async fn wrong_key(
    server: String,
    expected: Vec<KeyFingerprint>,
    error: io::Error,
) -> ConnectError {
    match probe(&server).await {
        Ok(seen) if !expected.contains(&seen) => ConnectError::WrongKey { server, expected, seen },
        _ => ConnectError::Unreachable { server, source: Arc::new(error) },
    }
}

/// Says hello, and waits for the welcome.
async fn greet<R, W>(
    connection: Connection<R, W>,
    config: &ClientConfig,
) -> Result<Greeted<R, W>, ConnectError>
where
    R: AsyncRead + Send + Unpin + 'static,
    W: AsyncWrite + Send + Unpin + 'static,
{
    let Connection { remote_addr, transport, identity, read, write, .. } = connection;
    let keys = match &config.trust {
        Trust::Known(known) => identity.map(|by| (known.clone(), by)),
        Trust::Pins(_) | Trust::Roots(_) => None,
    };
    if let Some((known, by)) = &keys
        && known.proven(*by)
    {
        tracing::debug!("the login server uses the key that it has announced");
    }
    let (mut reader, mut writer) = (MessageReader::new(read), MessageWriter::new(write));
    let welcome = match hello(&mut reader, &mut writer, config).await {
        Ok(welcome) => welcome,
        Err(ConnectionLost::Goodbye(
            goodbye @ (Goodbye::YouAreTooOld { .. } | Goodbye::IAmTooOld { .. }),
        )) => return Err(ConnectError::Version { server: config.server.clone(), goodbye }),
        Err(source) => return Err(ConnectError::Lost { server: config.server.clone(), source }),
    };
    tracing::debug!(%remote_addr, transport, boot = %welcome.boot, "connected");
    reader.welcomed();
    Ok(Greeted { reader, writer, welcome, remote_addr, transport, keys })
}

async fn hello<R: AsyncRead + Unpin, W: AsyncWrite + Unpin>(
    reader: &mut MessageReader<R>,
    writer: &mut MessageWriter<W>,
    config: &ClientConfig,
) -> Result<Welcome, ConnectionLost> {
    let hello = Hello::from_us(&config.program);
    let understood = hello.lowest..=hello.highest;
    writer.queue(&FromGameClient::Hello(hello));
    writer.transmit().await?;
    match reader.next().await? {
        ToGameClient::Welcome(welcome) if understood.contains(&welcome.version) => Ok(welcome),
        ToGameClient::Welcome(welcome) => {
            let what = format!("it wants to speak version {}", welcome.version);
            Err(ConnectionLost::Invalid(what.into()))
        }
        ToGameClient::Goodbye(goodbye) => Err(ConnectionLost::Goodbye(goodbye)),
        _ => Err(ConnectionLost::Invalid("it does not begin with a welcome".into())),
    }
}

fn start<R, W>(greeted: Greeted<R, W>, config: &ClientConfig, carried: Option<Carried>) -> Connected
where
    R: AsyncRead + Send + Unpin + 'static,
    W: AsyncWrite + Send + Unpin + 'static,
{
    let Greeted { reader, writer, welcome, remote_addr, transport, keys } = greeted;
    let (commands, commands_rx) = mpsc::channel(MAX_COMMANDS);
    let (events, events_rx) = mpsc::channel(config.max_events.max(1));
    let shared = Arc::new(Shared {
        welcome,
        remote_addr,
        transport,
        request_timeout: config.request_timeout,
        next_request: carried.as_ref().map_or_else(
            || Arc::new(AtomicU32::new(fastrand::u32(..))),
            |carried| carried.next_request.clone(),
        ),
        slots: Semaphore::new(MAX_REQUESTS),
        joined: watch::Sender::new(None),
        queued: watch::Sender::new(None),
        lost: OnceLock::new(),
    });
    let halves = (reader, writer);
    let mut driver = Driver::new(halves, commands_rx, events, shared.clone(), keys, config);
    if let Some(carried) = carried {
        driver.carry(carried);
    }
    let (leave, left) = oneshot::channel();
    tokio::spawn(driver.run(leave));
    (Client { commands, shared: shared.clone() }, Events { events: events_rx, shared }, left)
}

/// Commands that wait for the driver; who has a further one waits too.
const MAX_COMMANDS: usize = 16;

/// How long a handshake may take before we look whether anybody is there at all.
const LOOK_AFTER: Duration = Duration::from_millis(1200);
