//! Whole programs, started as people start them, through real sockets and with a real game.

mod abuse;
mod accounts;
mod command_line;
mod outages;
mod python;
mod raw;
mod story;
mod trust;
