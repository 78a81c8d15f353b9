//! What is fuzzed: the bytes of one message. `cargo xtask soak --only fuzz:from_game_client`
//! runs one. `tests/robustness.rs` does the same without libFuzzer.

use std::fmt::Debug;

use protocol::{Wire, decode, encode};

/// Bytes are refused, or are a message that says the same when it is said again.
pub fn message<M: Wire + Debug + PartialEq>(bytes: &[u8]) {
    let Ok(message) = decode::<M>(bytes) else { return };
    let mut again = Vec::new();
    encode(&message, &mut again);
    assert!(again.len() <= bytes.len(), "{message:?} has become longer: {again:?} of {bytes:?}");
    match decode::<M>(&again) {
        Ok(read) => assert_eq!(read, message),
        Err(error) => panic!("{message:?} is said, and not understood: {error}"),
    }
}
