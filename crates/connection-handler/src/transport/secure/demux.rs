//! A UDP socket that answers pings, and shows QUIC only what may be QUIC.

mod buckets;
mod counts;

use std::{
    io::{self, IoSliceMut},
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use quinn::{
    AsyncUdpSocket, UdpPoller,
    udp::{RecvMeta, Transmit},
};

pub use self::counts::DatagramCounts;
use self::{buckets::Buckets, counts::Tally};
use crate::{
    Rate,
    transport::datagram::{DatagramKind, Ping},
};

/// What becomes of datagrams that are not QUIC, for all sockets of a port together.
#[derive(Debug)]
pub(super) struct Demux {
    pings: Option<Buckets>,
    tally: Tally,
}

impl Demux {
    /// Answers so many pings of one network, if any.
    pub(super) fn new(pings: Option<Rate>) -> Self {
        Self { pings: pings.map(Buckets::new), tally: Tally::default() }
    }

    pub(super) fn counts(&self) -> DatagramCounts {
        self.tally.counts()
    }

    /// Tells metrics and the log of it, for ever.
    pub(super) async fn summarise(&self) {
        self.tally.summarise().await;
    }
}

/// Takes what is not QUIC out of what was received.
///
/// Nothing of it is kept, and nobody is waited for: a ping is answered at once or not at all, and
/// everything else is counted and forgotten. So QUIC pays for it with the time of a look at each
/// datagram, and of one system call for each ping within the limits.
#[derive(Debug)]
pub(super) struct DemuxSocket {
    inner: Arc<dyn AsyncUdpSocket>,
    demux: Arc<Demux>,
}

impl DemuxSocket {
    pub(super) fn new(inner: Arc<dyn AsyncUdpSocket>, demux: Arc<Demux>) -> Self {
        Self { inner, demux }
    }

    fn divert(&self, kind: DatagramKind, datagram: &[u8], from: SocketAddr, to: Option<IpAddr>) {
        let what = match (kind, Ping::from_request(datagram)) {
            (_, Some(ping)) => self.answer(ping, from, to),
            (DatagramKind::GameQuery, _) => Tally::GAME_QUERY,
            (DatagramKind::Unknown, _) => Tally::UNKNOWN,
            _ => Tally::OTHER_PROTOCOL,
        };
        self.demux.tally.count(what);
    }

    fn answer(&self, ping: Ping, from: SocketAddr, to: Option<IpAddr>) -> usize {
        if !self.demux.pings.as_ref().is_some_and(|buckets| buckets.take(from.ip())) {
            return Tally::PING_OVER_LIMIT;
        }
        let reply = Transmit {
            destination: from,
            ecn: None,
            contents: &ping.reply(),
            segment_size: None,
            src_ip: to,
        };
        match self.inner.try_send(&reply) {
            Ok(()) => Tally::PING_ANSWERED,
            Err(_) => Tally::PING_NOT_SENT,
        }
    }
}

impl AsyncUdpSocket for DemuxSocket {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        self.inner.clone().create_io_poller()
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        self.inner.try_send(transmit)
    }

    fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        let received = ready!(self.inner.poll_recv(cx, bufs, meta))?;
        for (buffer, meta) in bufs.iter_mut().zip(meta).take(received) {
            let Some(bytes) = buffer.get_mut(..meta.len) else { continue };
            let (from, to) = (meta.addr, meta.dst_ip);
            // Who has nothing left is skipped.
            meta.len = keep_quic(bytes, meta.stride, |kind, datagram| {
                self.divert(kind, datagram, from, to);
            });
        }
        Poll::Ready(Ok(received))
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.inner.local_addr()
    }

    fn max_transmit_segments(&self) -> usize {
        self.inner.max_transmit_segments()
    }

    fn max_receive_segments(&self) -> usize {
        self.inner.max_receive_segments()
    }

    fn may_fragment(&self) -> bool {
        self.inner.may_fragment()
    }
}

/// Hands everything but QUIC to `divert`, moves what is left together, and returns its length.
///
/// The kernel puts datagrams of one sender together, all of them `stride` long but the last, which
/// may be shorter. It stays so: none changes its place among the others.
fn keep_quic(
    bytes: &mut [u8],
    stride: usize,
    mut divert: impl FnMut(DatagramKind, &[u8]),
) -> usize {
    let (mut kept, mut next) = (0, 0);
    while next < bytes.len() {
        let datagram = next..bytes.len().min(next + stride.max(1));
        next = datagram.end;
        match DatagramKind::of(&bytes[datagram.clone()]) {
            DatagramKind::Quic => {
                let length = datagram.len();
                if kept != datagram.start {
                    bytes.copy_within(datagram, kept);
                }
                kept += length;
            }
            kind => divert(kind, &bytes[datagram]),
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Datagrams of one kind, and of several.
    fn datagram(first: u8, length: usize) -> Vec<u8> {
        let mut bytes = vec![first; length];
        bytes[1..].fill(length as u8);
        bytes
    }

    #[test]
    fn what_is_left_are_the_datagrams_of_quic_in_their_order() {
        const QUIC: [u8; 2] = [0x41, 0xC1];
        for choice in 0_u32..4_u32.pow(5) {
            for last in [30, 40] {
                let firsts: Vec<_> = (0..5)
                    .map(|place| {
                        [QUIC[0], QUIC[1], 0x07, 0x80][(choice >> (2 * place)) as usize & 3]
                    })
                    .collect();
                let all: Vec<_> = (0..)
                    .zip(&firsts)
                    .map(|(place, first)| datagram(*first, if place == 4 { last } else { 40 }))
                    .collect();
                let mut bytes = all.concat();
                let mut diverted = Vec::new();
                let kept = keep_quic(&mut bytes, 40, |_, bytes| diverted.push(bytes.to_vec()));
                let (quic, others): (Vec<_>, Vec<_>) =
                    all.into_iter().partition(|bytes| QUIC.contains(&bytes[0]));
                assert_eq!(bytes[..kept], quic.concat());
                assert_eq!(diverted, others);
            }
        }
    }

    #[test]
    fn a_stride_of_nothing_ends_all_the_same() {
        let mut bytes = datagram(0x41, 100);
        assert_eq!(keep_quic(&mut bytes, 0, |_, _| ()), 0);
        assert_eq!(keep_quic(&mut [], 0, |_, _| unreachable!("there is nothing")), 0);
    }
}
