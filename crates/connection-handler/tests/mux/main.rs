//! One TCP port for several protocols.

mod flights;
mod port;
mod proxying;
mod sniffing;
