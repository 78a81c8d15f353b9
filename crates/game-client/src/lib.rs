//! The player side of Gatehouse: a library and the gatehouse command.
