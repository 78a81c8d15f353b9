//! Randomness for what must not be guessed.

use protocol::{JoinSecret, Text};
use ring::rand::{SecureRandom as _, SystemRandom};

/// Letters and digits that nobody can guess. For a password of a game.
pub(crate) fn alphanumeric(length: usize) -> String {
    let mut text = String::with_capacity(length);
    while text.len() < length {
        let bytes: [u8; 32] = random_bytes();
        // Only where the alphabet fits in evenly is every character equally likely.
        let even = bytes.iter().filter(|byte| usize::from(**byte) < ALPHABET.len() * 4);
        let characters = even.map(|byte| char::from(ALPHABET[usize::from(*byte) % ALPHABET.len()]));
        text.extend(characters.take(length - text.len()));
    }
    text
}

/// What a player shows the game.
pub(crate) fn join_secret() -> JoinSecret {
    JoinSecret(Text::lossy(&alphanumeric(JOIN_SECRET_LENGTH)))
}

/// A number for names of things that must differ from those of other processes.
pub(crate) fn random_u64() -> u64 {
    u64::from_le_bytes(random_bytes())
}

fn random_bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    SystemRandom::new().fill(&mut bytes).expect("the operating system has randomness");
    bytes
}

const ALPHABET: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

const JOIN_SECRET_LENGTH: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_have_their_length_and_differ() {
        let (one, other) = (alphanumeric(100), alphanumeric(100));
        assert_eq!(one.len(), 100);
        assert!(one.bytes().all(|byte| byte.is_ascii_alphanumeric()));
        assert_ne!(one, other);
    }
}
