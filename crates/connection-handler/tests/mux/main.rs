//! One TCP port for several protocols.

mod flights;
mod interop;
mod port;
mod proxying;
mod sniffing;
