//! Whole programs, through real sockets.
