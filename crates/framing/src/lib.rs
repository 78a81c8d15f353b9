//! Where a message begins and ends.
