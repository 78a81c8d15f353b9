//! The store against real databases: what it keeps, what it refuses.

mod accounts_kept;
mod common;
mod copies;
mod launchers;
mod moderation;
mod player_data;
mod postgres;
mod sessions;
mod sqlite;
mod thief;
