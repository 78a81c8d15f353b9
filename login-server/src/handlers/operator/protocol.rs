//! What an operator and we say to each other.

pub(super) use ::protocol::{FromOperator, ToOperator};

pub(super) use crate::handlers::codec::{Reader, Writer, reader_and_writer};
