//! One folder for each kind of connection, always the same four files.

pub(crate) mod codec;
mod exposure;
pub(crate) mod game_client;
pub(crate) mod launcher;
pub(crate) mod operator;
#[cfg(test)]
mod tests;
