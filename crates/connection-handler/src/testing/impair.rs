//! Bad networks, the same in every run.

use std::{
    io,
    num::NonZeroU32,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use fastrand::Rng;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep_until},
};

use crate::transport::{Connection, Connector, Handshake, Listener};

/// What is wrong with a network. By default nothing.
///
/// Each holds for both directions, and for each by itself.
#[derive(Clone, Debug, Default)]
pub struct Impairments {
    /// Where chance begins. Each connection has its own from there on, in the order in which they
    /// are made.
    pub seed: u64,
    /// Bytes move in pieces of a random size, of so many bytes at most.
    pub max_piece: Option<usize>,
    /// Each piece takes a random time, up to this.
    pub max_delay: Duration,
    /// After so many bytes the connection is reset.
    pub cut_after: Option<usize>,
    /// After so many bytes nothing moves any more, and nobody is told.
    pub stall_after: Option<usize>,
    /// On average one byte in so many arrives as another.
    pub corrupt_one_in: Option<NonZeroU32>,
}

/// A [`Listener`] or a [`Connector`] whose connections are impaired.
#[derive(Debug)]
pub struct Impaired<T> {
    inner: T,
    impairments: Impairments,
    seeds: Rng,
}

impl<T> Impaired<T> {
    /// Connections of `inner`, with `impairments`.
    pub fn new(inner: T, impairments: Impairments) -> Self {
        let seeds = Rng::with_seed(impairments.seed);
        Self { inner, impairments, seeds }
    }

    pub(super) fn direction(&mut self) -> Direction {
        let rng = self.seeds.fork();
        Direction { impairments: self.impairments.clone(), rng, moved: 0, pause: Pause::Due }
    }
}

impl<L: Listener> Listener for Impaired<L> {
    type Read = ImpairedRead<L::Read>;
    type Write = ImpairedWrite<L::Write>;

    async fn accept(&mut self) -> io::Result<Handshake<Self::Read, Self::Write>> {
        let handshake = self.inner.accept().await?;
        let directions = (self.direction(), self.direction());
        let remote_addr = handshake.remote_addr;
        Ok(Handshake::new(remote_addr, async { Ok(impair(handshake.await?, directions)) }))
    }
}

impl<C: Connector> Connector for Impaired<C> {
    type Read = ImpairedRead<C::Read>;
    type Write = ImpairedWrite<C::Write>;

    async fn connect(&mut self) -> io::Result<Connection<Self::Read, Self::Write>> {
        let connection = self.inner.connect().await?;
        Ok(impair(connection, (self.direction(), self.direction())))
    }
}

fn impair<R, W>(
    connection: Connection<R, W>,
    (incoming, outgoing): (Direction, Direction),
) -> Connection<ImpairedRead<R>, ImpairedWrite<W>> {
    let Connection { remote_addr, transport, identity, carrier, read, write } = connection;
    let read = ImpairedRead::new(read, incoming);
    let write = ImpairedWrite { inner: write, direction: outgoing };
    Connection { remote_addr, transport, identity, carrier, read, write }
}

/// The reading half of an [`Impaired`] connection.
#[derive(Debug)]
pub struct ImpairedRead<R> {
    inner: R,
    direction: Direction,
}

impl<R> ImpairedRead<R> {
    pub(super) fn new(inner: R, direction: Direction) -> Self {
        Self { inner, direction }
    }
}

impl<R: AsyncRead + Unpin> AsyncRead for ImpairedRead<R> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Self { inner, direction } = self.get_mut();
        let most = ready!(direction.poll_piece(cx, buf.remaining()))?;
        let mut piece = vec![0; most];
        let mut piece = ReadBuf::new(&mut piece);
        ready!(Pin::new(inner).poll_read(cx, &mut piece))?;
        direction.corrupt(piece.filled_mut());
        direction.moved(piece.filled().len());
        buf.put_slice(piece.filled());
        Poll::Ready(Ok(()))
    }
}

/// The writing half of an [`Impaired`] connection.
#[derive(Debug)]
pub struct ImpairedWrite<W> {
    inner: W,
    direction: Direction,
}

impl<W: AsyncWrite + Unpin> AsyncWrite for ImpairedWrite<W> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let Self { inner, direction } = self.get_mut();
        let most = ready!(direction.poll_piece(cx, bytes.len()))?;
        let mut piece = bytes[..most].to_vec();
        direction.corrupt(&mut piece);
        let written = ready!(Pin::new(inner).poll_write(cx, &piece))?;
        direction.moved(written);
        Poll::Ready(Ok(written))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { inner, direction } = self.get_mut();
        ready!(direction.poll_passable())?;
        Pin::new(inner).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { inner, direction } = self.get_mut();
        ready!(direction.poll_passable())?;
        Pin::new(inner).poll_shutdown(cx)
    }
}

/// One direction of one connection.
#[derive(Debug)]
pub(super) struct Direction {
    impairments: Impairments,
    rng: Rng,
    moved: usize,
    pause: Pause,
}

/// Where the next piece is.
#[derive(Debug)]
enum Pause {
    /// It has yet to take its time.
    Due,
    /// It is on its way.
    Until(Pin<Box<Sleep>>),
    /// It is there.
    Over,
}

impl Direction {
    /// How many of `wanted` bytes may move now.
    fn poll_piece(&mut self, cx: &mut Context<'_>, wanted: usize) -> Poll<io::Result<usize>> {
        ready!(self.poll_passable())?;
        ready!(self.poll_pause(cx));
        let Impairments { max_piece, cut_after, stall_after, .. } = self.impairments;
        let left = |limit: Option<usize>| limit.map_or(usize::MAX, |limit| limit - self.moved);
        let most = wanted.min(left(cut_after)).min(left(stall_after));
        Poll::Ready(Ok(match max_piece {
            Some(max) if most > 1 => self.rng.usize(1..=most.min(max.max(1))),
            _ => most,
        }))
    }

    fn poll_passable(&self) -> Poll<io::Result<()>> {
        let Impairments { cut_after, stall_after, .. } = self.impairments;
        if cut_after.is_some_and(|limit| self.moved >= limit) {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        match stall_after.is_some_and(|limit| self.moved >= limit) {
            // Nobody will ever wake it: that is what this is about.
            true => Poll::Pending,
            false => Poll::Ready(Ok(())),
        }
    }

    fn poll_pause(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            match &mut self.pause {
                Pause::Over => return Poll::Ready(()),
                Pause::Due if self.impairments.max_delay.is_zero() => self.pause = Pause::Over,
                Pause::Due => {
                    let delay = self.impairments.max_delay.mul_f64(self.rng.f64());
                    self.pause = Pause::Until(Box::pin(sleep_until(Instant::now() + delay)));
                }
                Pause::Until(sleep) => {
                    ready!(sleep.as_mut().poll(cx));
                    self.pause = Pause::Over;
                }
            }
        }
    }

    fn moved(&mut self, bytes: usize) {
        self.moved = self.moved.saturating_add(bytes);
        self.pause = Pause::Due;
    }

    fn corrupt(&mut self, bytes: &mut [u8]) {
        let Some(one_in) = self.impairments.corrupt_one_in else { return };
        for byte in bytes {
            if self.rng.u32(0..one_in.get()) == 0 {
                *byte ^= self.rng.u8(1..);
            }
        }
    }
}
