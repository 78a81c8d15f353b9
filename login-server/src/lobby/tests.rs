//! What the lobby answers, by tables.
