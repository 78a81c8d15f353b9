//! Other people's programs at a port of ours.

mod interop;
