//! A client of our own over QUIC, which sees what QUIC itself does.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use protocol::{FromGameClient, Hello, ToGameClient};
use quinn::{Endpoint, crypto::rustls::QuicClientConfig};
use tokio::time::timeout;

use crate::raw::{config, frame};

/// A game client over a bare QUIC connection.
pub(crate) struct OverQuic {
    pub(crate) connection: quinn::Connection,
    pub(crate) write: quinn::SendStream,
    read: quinn::RecvStream,
}

impl OverQuic {
    /// Up to the welcome.
    pub(crate) async fn greeted(server: SocketAddr) -> Result<Self> {
        let endpoint = Endpoint::client((Ipv4Addr::LOCALHOST, 0).into())?;
        let crypto = Arc::new(QuicClientConfig::try_from(config()?)?);
        let connecting =
            endpoint.connect_with(quinn::ClientConfig::new(crypto), server, "gatehouse")?;
        let connection = timeout(PATIENCE, connecting).await??;
        let (mut write, read) = connection.open_bi().await?;
        write.write_all(&frame(&FromGameClient::Hello(Hello::from_us("test")))?).await?;
        let mut client = Self { connection, write, read };
        match client.receive().await? {
            Some(ToGameClient::Welcome(_)) => Ok(client),
            other => bail!("expected a welcome, received {other:?}"),
        }
    }

    /// The next message, or none at the end of the stream.
    pub(crate) async fn receive(&mut self) -> Result<Option<ToGameClient>> {
        let receive = async {
            let mut length = [0; 2];
            match self.read.read_exact(&mut length).await {
                Err(quinn::ReadExactError::FinishedEarly(0)) => return Ok(None),
                other => other?,
            }
            let mut message = vec![0; usize::from(u16::from_le_bytes(length))];
            self.read.read_exact(&mut message).await?;
            anyhow::Ok(Some(message))
        };
        let message = timeout(PATIENCE, receive).await.context("no message came")??;
        Ok(message.map(|message| protocol::decode(&message)).transpose()?)
    }
}

const PATIENCE: Duration = Duration::from_secs(15);
