//! A network for streams that cuts them into pieces, delays, stalls and resets them.

use std::{io, net::SocketAddr};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::AbortHandle,
};

use super::ANY_PORT;
use crate::testing::{
    Impairments,
    impair::{Direction, Impaired, ImpairedRead},
};

/// Passes connections on to a target for those who connect to it instead. Dropping it resets them.
#[derive(Debug)]
pub struct TcpRelay {
    addr: SocketAddr,
    network: watch::Sender<Network>,
    task: AbortHandle,
}

/// What becomes of all connections.
#[derive(Clone, Copy, Debug, Default)]
struct Network {
    /// Connections that are older than the last cut are reset.
    cuts: u64,
    is_stalled: bool,
}

impl TcpRelay {
    /// A relay to `target`, on a free port of this host. Each direction of each connection has
    /// `impairments` of its own, as with [`Impaired`]; delays are those of pieces, one after the
    /// other.
    ///
    /// # Errors
    ///
    /// When there is none.
    ///
    /// # Panics
    ///
    /// Outside of a Tokio runtime, which does the work.
    pub async fn start(target: SocketAddr, impairments: Impairments) -> io::Result<Self> {
        Self::bind(ANY_PORT, target, impairments).await
    }

    /// A relay to `target`, at `addr`.
    ///
    /// # Errors
    ///
    /// When the address is taken.
    ///
    /// # Panics
    ///
    /// As [`start`](Self::start).
    pub async fn bind(
        addr: SocketAddr,
        target: SocketAddr,
        impairments: Impairments,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind(addr).await?;
        let addr = listener.local_addr()?;
        let network = watch::Sender::new(Network::default());
        let work = accept(listener, target, impairments, network.subscribe());
        let task = tokio::spawn(work).abort_handle();
        Ok(Self { addr, network, task })
    }

    /// Where to connect to instead of the target.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Resets all connections that there are. New ones may be made.
    pub fn cut(&self) {
        self.network.send_modify(|network| network.cuts += 1);
    }

    /// From now on nothing moves and nobody is told, or no longer. New connections are accepted.
    pub fn set_stalled(&self, is_stalled: bool) {
        self.network.send_modify(|network| network.is_stalled = is_stalled);
    }
}

impl Drop for TcpRelay {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(
    listener: TcpListener,
    target: SocketAddr,
    impairments: Impairments,
    network: watch::Receiver<Network>,
) {
    let mut directions = Impaired::new((), impairments);
    loop {
        // What fails is the connection of somebody who is gone already.
        let Ok((here, _)) = listener.accept().await else { continue };
        let directions = (directions.direction(), directions.direction());
        let mut network = network.clone();
        tokio::spawn(async move {
            let Ok(there) = TcpStream::connect(target).await else { return reset(&here) };
            let _ = (here.set_nodelay(true), there.set_nodelay(true));
            let (mut here, mut there) = (here, there);
            if relay((&mut here, &mut there), directions, &mut network).await.is_err() {
                reset(&here);
                reset(&there);
            }
        });
    }
}

/// Until both directions are over, or one fails.
async fn relay(
    (here, there): (&mut TcpStream, &mut TcpStream),
    directions: (Direction, Direction),
    network: &mut watch::Receiver<Network>,
) -> io::Result<()> {
    let ((from_here, to_here), (from_there, to_there)) = (here.split(), there.split());
    let mut cut = network.clone();
    let cuts = cut.borrow_and_update().cuts;
    let forth = pump(ImpairedRead::new(from_here, directions.0), to_there, network.clone());
    let back = pump(ImpairedRead::new(from_there, directions.1), to_here, network.clone());
    tokio::select! {
        done = async { tokio::try_join!(forth, back) } => done.map(drop),
        // The relay is gone, or was told to cut.
        _ = cut.wait_for(|network| network.cuts > cuts) => Err(io::ErrorKind::ConnectionReset.into()),
    }
}

/// Piece by piece, so that pieces stay pieces.
async fn pump<R: AsyncRead + Unpin>(
    mut from: ImpairedRead<R>,
    mut to: impl AsyncWrite + Unpin,
    mut network: watch::Receiver<Network>,
) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER];
    loop {
        let length = from.read(&mut buffer).await?;
        let gone = network.wait_for(|network| !network.is_stalled).await.is_err();
        match length {
            _ if gone => return Err(io::ErrorKind::ConnectionReset.into()),
            0 => return to.shutdown().await,
            _ => to.write_all(&buffer[..length]).await?,
        }
    }
}

fn reset(stream: &TcpStream) {
    // When it is gone already there is nothing to reset.
    let _ = stream.set_zero_linger();
}

const BUFFER: usize = 16 * 1024;
