//! Where players sign in, meet and choose where to play.

pub mod lobby;
