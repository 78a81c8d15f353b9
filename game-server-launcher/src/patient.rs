//! Waiting for a listener that is about to come up.

use std::{io, time::Duration};

use connection_handler::transport::{Connection, Connector};

/// Connects as soon as there is somebody to connect to.
///
/// For processes that were just started: nobody there is no failure yet. How long it goes on is
/// up to [`handshake_timeout`](connection_handler::ConnectionConfig::handshake_timeout).
#[derive(Debug)]
pub(crate) struct Patient<C>(pub(crate) C);

impl<C: Connector> Connector for Patient<C> {
    type Read = C::Read;
    type Write = C::Write;

    async fn connect(&mut self) -> io::Result<Connection<C::Read, C::Write>> {
        loop {
            match self.0.connect().await {
                Err(error) if is_nobody(&error) => tokio::time::sleep(AGAIN_AFTER).await,
                result => return result,
            }
        }
    }
}

fn is_nobody(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound)
}

const AGAIN_AFTER: Duration = Duration::from_millis(25);
