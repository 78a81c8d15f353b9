//! Keys that sign tickets, and their public halves.

use std::fmt;
use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;
use ring::digest::{SHA256, digest};
use ring::rand::{SecureRandom, SystemRandom};
use ring::signature::{Ed25519KeyPair, KeyPair};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::paseto;
use crate::ticket::{IMPLICIT, Ticket};

/// Most public keys a verifier takes: the next, the current, and some that were withdrawn lately.
pub const MAX_VERIFYING_KEYS: usize = 8;

/// The system has no random numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the system gives no random numbers")]
pub struct RandomError;

/// A text that holds no keys. Repeats nothing of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("these are no keys for tickets")]
pub struct KeysError;

/// Which key signed a ticket: derived from the public key.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyId([u8; 16]);

impl KeyId {
    /// As 22 characters of base64url.
    pub fn to_text(self) -> String {
        BASE64URL_NOPAD.encode(&self.0)
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        let bytes = BASE64URL_NOPAD.decode(text.as_bytes()).ok()?;
        bytes.try_into().ok().map(Self)
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({})", self.to_text())
    }
}

/// A public key: 32 bytes of Ed25519, no secret.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct VerifyingKey([u8; 32]);

impl VerifyingKey {
    /// The key with these bytes.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// What tickets call it.
    pub fn id(&self) -> KeyId {
        let hash = digest(&SHA256, &[b"gatehouse ticket key\0", &self.0[..]].concat());
        let mut id = [0; 16];
        id.copy_from_slice(&hash.as_ref()[..16]);
        KeyId(id)
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerifyingKey({})", BASE64URL_NOPAD.encode(&self.0))
    }
}

/// The public keys somebody believes: at most [`MAX_VERIFYING_KEYS`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VerifyingKeys(Vec<VerifyingKey>);

impl VerifyingKeys {
    /// These keys; of too many, the first ones.
    pub fn new(keys: impl IntoIterator<Item = VerifyingKey>) -> Self {
        Self(keys.into_iter().take(MAX_VERIFYING_KEYS).collect())
    }

    /// The keys.
    pub fn iter(&self) -> impl Iterator<Item = VerifyingKey> + '_ {
        self.0.iter().copied()
    }

    pub(crate) fn find(&self, id: KeyId) -> Option<VerifyingKey> {
        self.iter().find(|key| key.id() == id)
    }
}

/// The keys of a login server. Never shown; kept in a private file as [`SigningKeys::to_text`].
pub struct SigningKeys {
    next: SigningKey,
    current: SigningKey,
    /// Keys that sign no more, and until when what they signed may be believed, in milliseconds
    /// since 1970.
    retired: Vec<(VerifyingKey, u64)>,
}

struct SigningKey {
    seed: Zeroizing<[u8; 32]>,
    pair: Ed25519KeyPair,
    public: VerifyingKey,
}

impl SigningKeys {
    /// New keys.
    ///
    /// # Errors
    ///
    /// When the operating system has no random numbers.
    pub fn generate() -> Result<Self, RandomError> {
        let (next, current) = (SigningKey::generate()?, SigningKey::generate()?);
        Ok(Self { next, current, retired: Vec::new() })
    }

    /// The key that was announced signs from now on, and another one is announced. What was signed
    /// until now stays valid until it expires.
    ///
    /// Who was given the [public keys](SigningKeys::public) before needs no new ones yet.
    ///
    /// # Errors
    ///
    /// When the operating system has no random numbers; then nothing has changed.
    pub fn rotate(&mut self, now_ms: u64) -> Result<(), RandomError> {
        let announced = SigningKey::generate()?;
        let current = std::mem::replace(&mut self.next, announced);
        let retired = std::mem::replace(&mut self.current, current);
        let until = now_ms.saturating_add(millis(Ticket::LONGEST));
        self.retired.retain(|(_, until)| *until > now_ms);
        self.retired.insert(0, (retired.public, until));
        self.retired.truncate(MAX_VERIFYING_KEYS - 2);
        Ok(())
    }

    /// Changes both keys, and believes none of the old ones: for keys that were stolen. Every
    /// verifier needs the new [public keys](SigningKeys::public) before the next ticket.
    ///
    /// # Errors
    ///
    /// When the operating system has no random numbers; then nothing has changed.
    pub fn replace(&mut self) -> Result<(), RandomError> {
        *self = Self::generate()?;
        Ok(())
    }

    /// Signs a ticket.
    pub fn sign(&self, ticket: &Ticket) -> String {
        let footer = ticket.footer(self.current.public.id());
        paseto::sign(&self.current.pair, &ticket.payload(), &footer, IMPLICIT)
    }

    /// What verifiers need: the current key, the announced one, and those that were retired lately.
    pub fn public(&self, now_ms: u64) -> VerifyingKeys {
        let retired = self.retired.iter().filter(|(_, until)| *until > now_ms);
        let own = [self.current.public, self.next.public];
        VerifyingKeys::new(own.into_iter().chain(retired.map(|(key, _)| *key)))
    }

    /// What reads tickets of players who were let in before: also the last keys of all, retired
    /// for however long.
    pub fn remembered(&self) -> VerifyingKeys {
        self.public(0)
    }

    /// As text (JSON, with the secret halves), to be kept in a private file.
    pub fn to_text(&self) -> Zeroizing<String> {
        let encode = |bytes: &[u8; 32]| BASE64URL_NOPAD.encode(bytes);
        let retired = self.retired.iter().map(|(key, until)| (encode(&key.0), *until)).collect();
        let kept = Kept {
            next: Zeroizing::new(encode(&self.next.seed)),
            current: Zeroizing::new(encode(&self.current.seed)),
            retired,
        };
        Zeroizing::new(serde_json::to_string(&kept).expect("texts and numbers are JSON"))
    }

    /// Reads what [`SigningKeys::to_text`] wrote.
    ///
    /// # Errors
    ///
    /// When it is anything else.
    pub fn from_text(text: &str) -> Result<Self, KeysError> {
        let kept: Kept = serde_json::from_str(text).map_err(|_| KeysError)?;
        let retired =
            kept.retired.iter().map(|(key, until)| Ok((VerifyingKey(decode(key)?), *until)));
        Ok(Self {
            next: SigningKey::from_seed(decode(&kept.next)?.into())?,
            current: SigningKey::from_seed(decode(&kept.current)?.into())?,
            retired: retired.collect::<Result<_, KeysError>>()?,
        })
    }
}

impl fmt::Debug for SigningKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKeys")
            .field("current", &self.current.public.id())
            .finish_non_exhaustive()
    }
}

impl SigningKey {
    fn generate() -> Result<Self, RandomError> {
        let mut seed = Zeroizing::new([0; 32]);
        SystemRandom::new().fill(seed.as_mut_slice()).map_err(|_| RandomError)?;
        Self::from_seed(seed).map_err(|_| RandomError)
    }

    fn from_seed(seed: Zeroizing<[u8; 32]>) -> Result<Self, KeysError> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed.as_slice()).map_err(|_| KeysError)?;
        let public = pair.public_key().as_ref().try_into().map_err(|_| KeysError)?;
        Ok(Self { seed, pair, public: VerifyingKey(public) })
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    #[serde(with = "wiped")]
    next: Zeroizing<String>,
    #[serde(with = "wiped")]
    current: Zeroizing<String>,
    retired: Vec<(String, u64)>,
}

/// A text that is wiped, for serde.
mod wiped {
    use serde::{Deserialize, Deserializer, Serializer};
    use zeroize::Zeroizing;

    pub(super) fn serialize<S: Serializer>(
        text: &Zeroizing<String>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(text)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Zeroizing<String>, D::Error> {
        String::deserialize(deserializer).map(Zeroizing::new)
    }
}

fn decode(text: &str) -> Result<[u8; 32], KeysError> {
    let bytes = BASE64URL_NOPAD.decode(text.as_bytes()).map(Zeroizing::new);
    bytes.map_err(|_| KeysError)?.as_slice().try_into().map_err(|_| KeysError)
}

pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_survive_the_way_through_text() {
        let mut keys = SigningKeys::generate().unwrap();
        keys.rotate(1000).unwrap();
        let again = SigningKeys::from_text(&keys.to_text()).unwrap();
        assert_eq!(again.public(1001), keys.public(1001));
        assert_eq!(again.to_text(), keys.to_text());
        for text in ["", "{}", "null", r#"{"next":"","current":"","retired":[]}"#] {
            assert_eq!(SigningKeys::from_text(text).unwrap_err(), KeysError);
        }
    }

    #[test]
    fn the_announced_key_is_the_next_and_the_last_is_believed_for_a_while() {
        let mut keys = SigningKeys::generate().unwrap();
        let before = keys.public(0);
        keys.rotate(1000).unwrap();
        let after = keys.public(1001);
        assert_eq!(after.iter().next(), before.iter().nth(1));
        assert!(before.iter().all(|key| after.find(key.id()) == Some(key)));
        let later = keys.public(1000 + millis(Ticket::LONGEST));
        assert_eq!(later.iter().count(), 2);
        for now in 0..100 {
            keys.rotate(now).unwrap();
            assert!(keys.public(now).iter().count() <= MAX_VERIFYING_KEYS);
        }
    }

    #[test]
    fn nothing_of_a_secret_key_is_shown() {
        let keys = SigningKeys::generate().unwrap();
        let shown = format!("{keys:?}");
        assert!(!shown.contains(&BASE64URL_NOPAD.encode(&*keys.current.seed)), "{shown}");
        assert!(shown.contains(&keys.current.public.id().to_text()));
    }
}
