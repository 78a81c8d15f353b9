//! Several protocols on one TCP port.

mod http2;
pub mod proxy;
mod rewind;
mod sniff;
mod sniffer;

pub use self::{
    http2::refuse_http2,
    rewind::Rewind,
    sniff::{Kind, LONGEST_PATTERN, Patterns, PlainFrames, Sniff, sniff},
    sniffer::{Arrival, FirstBytes, PeerInfo, SniffError, Sniffed, Sniffer, SnifferConfig},
};
