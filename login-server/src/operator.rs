//! The operator's side: asks the running server, or does it on the data where none runs.

use std::time::Duration;

use accounts::{HashQueue, HashQueueConfig};
use anyhow::{Context, bail};
use connection_handler::{
    MessageLimit,
    transport::{Connector, Format, unix::UnixConnector},
};
use futures_util::{SinkExt, StreamExt};
use protocol::{FromOperator, Hello, RequestId, Text, ToOperator};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::timeout,
};
use tokio_util::codec::{FramedRead, FramedWrite};

use crate::{
    Config,
    admin::{self, Admin},
    data_dir::{DataDir, DataDirError, control_socket},
    handlers::{
        codec::{Codec, Reader, Writer},
        operator::launcher_info,
    },
    launchers::{Launchers, default_address},
    run::Foundation,
};

/// What `message` is answered, by the server that runs in the data directory or, where none does,
/// by us. Its request is number [`REQUEST`].
///
/// # Errors
///
/// When there is no answer, or it is a refusal.
pub(crate) async fn ask(config: &Config, message: FromOperator) -> anyhow::Result<Vec<ToOperator>> {
    let mut attempts = ATTEMPTS;
    loop {
        match DataDir::lock(&config.data_dir) {
            Ok(dir) => return answer_ourselves(config, &dir, message).await,
            Err(error @ DataDirError::Io { .. }) => return Err(error.into()),
            Err(error @ DataDirError::InUse { .. }) => {
                let path = control_socket(&config.data_dir);
                match (UnixConnector { path }).connect().await {
                    Ok(connection) => {
                        let answered = ask_server(connection.read, connection.write, message);
                        return timeout(PATIENCE, answered)
                            .await
                            .context("the login server does not answer")?;
                    }
                    // It starts or stops just now, or another command line is at it.
                    Err(_) if attempts > 0 => attempts -= 1,
                    Err(no_socket) => return Err(no_socket).context(error),
                }
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn ask_server(
    read: impl AsyncRead + Unpin,
    write: impl AsyncWrite + Unpin,
    message: FromOperator,
) -> anyhow::Result<Vec<ToOperator>> {
    let limit = MessageLimit::new(protocol::MAX_AFTER_LOGIN);
    let reader = Reader::<ToOperator>::new(Codec::new(Format::Binary), limit);
    let writer = Writer::<FromOperator>::new(Codec::new(Format::Binary));
    let (mut read, mut write) = (FramedRead::new(read, reader), FramedWrite::new(write, writer));
    write.send(FromOperator::Hello(Hello::from_us(PROGRAM))).await?;
    write.send(message).await?;
    let mut answers = Vec::new();
    loop {
        let answer = read.next().await.context("the login server hung up")??;
        match answer {
            ToOperator::Welcome(_) => {}
            ToOperator::Goodbye(goodbye) => return Err(goodbye.into()),
            ToOperator::Refused { why, .. } => bail!("{why}"),
            ToOperator::Done { .. } => return Ok(answers),
            ToOperator::Invitation { .. }
            | ToOperator::Status { .. }
            | ToOperator::Capture { .. } => {
                answers.push(answer);
                return Ok(answers);
            }
            ToOperator::Launcher { .. }
            | ToOperator::Server { .. }
            | ToOperator::Metrics { .. }
            | ToOperator::Record { .. } => answers.push(answer),
        }
    }
}

async fn answer_ourselves(
    config: &Config,
    dir: &DataDir,
    message: FromOperator,
) -> anyhow::Result<Vec<ToOperator>> {
    let Foundation { keys, secret_key, store, .. } = Foundation::open(config, dir.path()).await?;
    let launchers = Launchers {
        store: store.clone(),
        secret_key,
        address: config.public_address.clone().or_else(|| default_address(*config.listen.first()?)),
        keys: keys.clone(),
    };
    let answers = match message {
        FromOperator::Hello(_) => Vec::new(),
        FromOperator::InviteLauncher { request, name, address } => {
            let invitation = launchers.invite(&name, address.as_deref()).await?;
            let enrollment = Text::lossy(&invitation.enrollment.to_string());
            vec![ToOperator::Invitation { request, enrollment, expires: invitation.expires }]
        }
        FromOperator::ListLaunchers { request } => {
            let launchers = launchers.list().await?.into_iter();
            let infos = launchers.map(|launcher| launcher_info(launcher, None));
            infos.map(|launcher| ToOperator::Launcher { request, launcher }).collect()
        }
        FromOperator::RevokeLauncher { name, .. } => {
            launchers.revoke(&name).await?;
            Vec::new()
        }
        FromOperator::Perform { request, task } => {
            let hashes = HashQueue::new(HashQueueConfig::default())?;
            let data_dir = dir.path().to_owned();
            let admin = Admin { store: store.clone(), hashes, keys, data_dir };
            let records = admin.perform(task).await?.records.into_iter();
            records.map(|record| ToOperator::Record { request, record }).collect()
        }
        FromOperator::ListServers { .. }
        | FromOperator::Kick { .. }
        | FromOperator::Status { .. }
        | FromOperator::Metrics { .. }
        | FromOperator::StartCapture { .. }
        | FromOperator::StopCapture { .. } => {
            bail!("no login server runs in {}", config.data_dir.display())
        }
    };
    store.close().await;
    Ok(answers)
}

/// Puts a backup in the place of everything in the data directory, where no server may run. Says
/// how many rows there are.
///
/// # Errors
///
/// When a server runs there, or the file is no backup; nothing has changed then.
pub(crate) async fn restore(config: &Config, file: &std::path::Path) -> anyhow::Result<u64> {
    let dir = DataDir::lock(&config.data_dir)?;
    let Foundation { store, .. } = Foundation::open(config, dir.path()).await?;
    let restored = admin::restore(&store, dir.path(), file).await;
    store.close().await;
    restored
}

/// The request of a command line that makes one.
pub(crate) const REQUEST: RequestId = RequestId(1);

/// What we call ourselves.
pub(crate) const PROGRAM: &str = concat!("login-server/", env!("CARGO_PKG_VERSION"));

/// Longest a server may take for its whole answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// How often, and after what pause, a data directory in use without a server is looked at again.
const ATTEMPTS: u32 = 30;
const PAUSE: Duration = Duration::from_millis(100);
