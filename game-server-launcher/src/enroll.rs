//! `game-server-launcher enroll`: becomes one of a login server's launchers.

use std::{path::Path, time::Duration};

use anyhow::{Context as _, bail};
use connection_handler::{
    DisconnectReason, MessageLimit,
    transport::{
        Connection,
        keys::{KeyFingerprint, KnownKeys},
        secure::farewells,
    },
};
use futures_util::{SinkExt as _, StreamExt as _};
use protocol::{Enrollment, FromLauncher, Hello, MAX_BEFORE_LOGIN, Text, ToLauncher};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::timeout,
};
use tokio_util::codec::{FramedRead, FramedWrite};

use crate::{
    codec,
    login::{self, LoginServerAddress},
    run::DataDir,
    server::PROGRAM,
};

/// Shows the login server the secret in `enrollment`, once, with the key of this launcher, and
/// keeps its address and pin. The name the operator gave this launcher is returned.
///
/// # Errors
///
/// When a launcher runs on `data_dir`, the login server cannot be reached, is not the one that the
/// string says, or does not take the secret.
pub async fn enroll(data_dir: &Path, enrollment: &Enrollment) -> anyhow::Result<String> {
    let data_dir = DataDir::lock(data_dir)?;
    let identity = login::identity(data_dir.path())?;
    let mut server = LoginServerAddress {
        address: enrollment.address.clone(),
        pin: KeyFingerprint::from_bytes(enrollment.pin).to_string(),
        name: String::new(),
    };
    let known = server.keys()?;
    let connection = server.connector(&known, identity).connect().await;
    let connection = connection.with_context(|| format!("cannot reach {}", server.address))?;
    let name = timeout(ENROLLED_WITHIN, introduce(connection, enrollment, &known)).await;
    farewells().await;
    server.name = name.context("the login server does not answer")??.to_string();
    server.pin = known.to_string();
    server.store(data_dir.path())?;
    Ok(server.name)
}

async fn introduce<R, W>(
    connection: Connection<R, W>,
    enrollment: &Enrollment,
    known: &KnownKeys,
) -> anyhow::Result<Text<64>>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let limit = MessageLimit::new(MAX_BEFORE_LOGIN);
    let mut read = FramedRead::new(connection.read, codec::reader::<ToLauncher>(limit));
    let mut write = FramedWrite::new(connection.write, codec::writer::<FromLauncher>());
    write.send(FromLauncher::Hello(Hello::from_us(PROGRAM))).await?;
    loop {
        let message = read.next().await.unwrap_or(Err(DisconnectReason::RemoteClose));
        match message? {
            ToLauncher::Welcome(_) => {
                let secret = enrollment.secret.clone();
                write.send(FromLauncher::Enroll { secret }).await?;
            }
            ToLauncher::Enrolled { name } => return Ok(name),
            ToLauncher::Goodbye(goodbye) => bail!("the login server says: {goodbye}"),
            ToLauncher::NextKey { pin } => {
                let by = connection.identity.context("it has no key")?;
                known.announced(by, KeyFingerprint::from_bytes(pin.0));
            }
            ToLauncher::Ping { nonce } => write.send(FromLauncher::Pong { nonce }).await?,
            ToLauncher::Pong { .. }
            | ToLauncher::Admit { .. }
            | ToLauncher::Dismiss { .. }
            | ToLauncher::Say { .. }
            | ToLauncher::Kick { .. }
            | ToLauncher::TicketKeys { .. }
            | ToLauncher::Refused(_)
            | ToLauncher::Counted { .. } => {}
        }
    }
}

const ENROLLED_WITHIN: Duration = Duration::from_secs(15);
