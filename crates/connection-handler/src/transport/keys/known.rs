//! The keys of a server that are known, and those that are to follow them.

use std::{
    fmt,
    str::FromStr,
    sync::{Arc, PoisonError, RwLock},
};

use super::{FingerprintError, KeyFingerprint};

/// The keys of a server that are known, more of which become known from itself: before it changes
/// its key, it announces the next one. Clones know the same, also what is learnt later.
///
/// As text the fingerprints with commas between them, and behind a key that has a successor `>` and
/// that: what is to be remembered while the program does not run.
///
/// ```
/// use connection_handler::transport::keys::{KeyFingerprint, KnownKeys};
///
/// let [now, next] = [1, 2].map(|byte| KeyFingerprint::from_bytes([byte; 32]));
/// let known: KnownKeys = now.to_string().parse()?;
/// // It is the one we know, and tells what its next key is.
/// assert!(known.announced(now, next));
/// assert!(known.contains(now) && known.contains(next));
/// assert_eq!(known.to_string(), format!("{now}>{next}"));
/// // Once it uses that, the other is worth nothing any more.
/// assert!(known.proven(next));
/// assert_eq!(known.to_string(), next.to_string());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct KnownKeys(Arc<RwLock<Vec<Known>>>);

/// A key, and the one that is to follow it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Known {
    key: KeyFingerprint,
    next: Option<KeyFingerprint>,
}

impl KnownKeys {
    /// These, and nothing of what is to follow them.
    pub fn new(keys: impl IntoIterator<Item = KeyFingerprint>) -> Self {
        let known = keys.into_iter().map(|key| Known { key, next: None });
        Self(Arc::new(RwLock::new(known.collect())))
    }

    /// Whether `key` is known, or is to follow one that is.
    pub fn contains(&self, key: KeyFingerprint) -> bool {
        self.fingerprints().contains(&key)
    }

    /// All of them, also those that are to follow.
    pub fn fingerprints(&self) -> Vec<KeyFingerprint> {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        known.iter().flat_map(|known| [Some(known.key), known.next]).flatten().collect()
    }

    /// A server that has proven to own `by` says that its key will be `next`. Whether that was not
    /// known before.
    ///
    /// Only one key follows another: what it has said before is forgotten. Of a key that is not
    /// known nothing is learnt.
    pub fn announced(&self, by: KeyFingerprint, next: KeyFingerprint) -> bool {
        self.change(|known| {
            if let Some(known) = known.iter_mut().find(|known| known.key == by) {
                known.next = Some(next).filter(|next| *next != by);
            }
        })
    }

    /// A server has proven to own `key`. The one that it has followed is forgotten; whether there
    /// was one.
    pub fn proven(&self, key: KeyFingerprint) -> bool {
        self.change(|known| {
            if let Some(known) = known.iter_mut().find(|known| known.next == Some(key)) {
                *known = Known { key, next: None };
            }
        })
    }

    fn change(&self, change: impl FnOnce(&mut Vec<Known>)) -> bool {
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let before = known.clone();
        change(&mut known);
        *known != before
    }
}

impl From<KeyFingerprint> for KnownKeys {
    fn from(key: KeyFingerprint) -> Self {
        Self::new([key])
    }
}

impl FromStr for KnownKeys {
    type Err = FingerprintError;

    fn from_str(text: &str) -> Result<Self, FingerprintError> {
        let known = text.split(',').map(|known| {
            let (key, next) = match known.split_once('>') {
                Some((key, next)) => (key, Some(next.trim().parse()?)),
                None => (known, None),
            };
            Ok(Known { key: key.trim().parse()?, next })
        });
        Ok(Self(Arc::new(RwLock::new(known.collect::<Result<_, _>>()?))))
    }
}

impl fmt::Display for KnownKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        for (place, Known { key, next }) in known.iter().enumerate() {
            let comma = if place == 0 { "" } else { "," };
            write!(f, "{comma}{key}")?;
            next.iter().try_for_each(|next| write!(f, ">{next}"))?;
        }
        Ok(())
    }
}

impl fmt::Debug for KnownKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KnownKeys({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> KeyFingerprint {
        KeyFingerprint::from_bytes([byte; 32])
    }

    #[test]
    fn only_a_known_key_says_which_follows_it() {
        let known = KnownKeys::new([key(1), key(2)]);
        assert!(!known.announced(key(9), key(3)), "anybody could");
        assert!(!known.announced(key(1), key(1)), "it stays");
        assert!(known.announced(key(1), key(3)));
        assert!(!known.announced(key(1), key(3)), "that is known");
        assert!(!known.announced(key(3), key(4)), "it does not follow yet");
        assert!(known.announced(key(1), key(5)), "it has thought again");
        assert_eq!(known.fingerprints(), [key(1), key(5), key(2)]);
    }

    #[test]
    fn a_key_is_forgotten_when_its_successor_is_in_use_and_no_other_is() {
        let known = KnownKeys::new([key(1), key(2)]);
        known.announced(key(1), key(3));
        assert!(!known.proven(key(1)) && !known.proven(key(2)));
        assert!(known.clone().proven(key(3)));
        assert_eq!(known.fingerprints(), [key(3), key(2)], "clones know the same");
    }

    #[test]
    fn what_is_known_is_read_as_it_is_written() {
        let known = KnownKeys::new([key(1), key(2)]);
        known.announced(key(2), key(3));
        let text = known.to_string();
        assert_eq!(text, format!("{},{}>{}", key(1), key(2), key(3)));
        assert_eq!(text.parse::<KnownKeys>().unwrap().to_string(), text);
        let spaced = text.replace(',', " , ").replace('>', " > ");
        assert_eq!(spaced.parse::<KnownKeys>().unwrap().to_string(), text);
        for wrong in ["", ",", ">", &format!("{}>", key(1)), &format!("{0}>{0}>{0}", key(1))] {
            assert!(wrong.parse::<KnownKeys>().is_err(), "{wrong}");
        }
    }
}
