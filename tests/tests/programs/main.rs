//! Whole programs, started as people start them, through real sockets and with a real game.

mod abuse;
mod accounts;
mod arena;
mod belongings;
mod command_line;
mod goodbyes;
mod interop;
mod keys;
mod networks;
mod outages;
mod over_quic;
mod python;
mod raw;
mod story;
mod trust;
mod zombies;
