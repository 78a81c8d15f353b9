//! The connections of a port that speak one application protocol.

use std::io;

use tokio::sync::{mpsc, watch};

use super::{SecureRead, SecureWrite};
use crate::transport::{Connection, Handshake, Health, Listener};

/// Where connections of one application protocol come from. See
/// [`SecurePort::listener`](super::SecurePort::listener).
///
/// Their handshake is done. When nobody accepts them they wait, a few of them and not for long;
/// then they are closed.
#[derive(Debug)]
pub struct SecureListener {
    pub(super) established: mpsc::Receiver<Established>,
    /// How the sockets of the port are.
    pub(super) health: watch::Receiver<Health>,
}

pub(super) type Established = Connection<SecureRead, SecureWrite>;

impl Listener for SecureListener {
    type Read = SecureRead;
    type Write = SecureWrite;

    async fn accept(&mut self) -> io::Result<Handshake<SecureRead, SecureWrite>> {
        let connection = self.established.recv().await.ok_or(io::ErrorKind::NotConnected)?;
        Ok(Handshake::new(connection.remote_addr, async move { Ok(connection) }))
    }
    fn health(&self) -> Option<watch::Receiver<Health>> {
        Some(self.health.clone())
    }
}
