//! Names of accounts and launchers: kept as written, unique without case, told apart by sight.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::RangeInclusive;

use unicode_normalization::UnicodeNormalization;
use unicode_security::confusable_detection::skeleton;
use unicode_security::{GeneralSecurityProfile, MixedScript};

use crate::token::{RandomError, random};

/// The name of an account: 2 to 20 letters and digits of one script, and `_`, `-`, `.` between them.
///
/// Shown as its owner wrote it. Two names that differ only in case, or in other spellings of the
/// same characters, are the same name: equality, hash and the store go by [`AccountName::key`].
/// Two names that only look the same ([`AccountName::look`]) are different ones, of which the store
/// lets nobody have the second.
///
/// What may stand in a name, and what counts as one script, says Unicode's UTS #39: the characters
/// it recommends for identifiers; Japanese, which mixes three scripts, is one.
///
/// ```
/// use accounts::AccountName;
///
/// let name = AccountName::parse("Rosa_L")?;
/// assert_eq!(name.as_str(), "Rosa_L");
/// assert_eq!(name, AccountName::parse("ROSA_l")?);
/// assert_eq!(name.look(), AccountName::parse("R0sa_L")?.look());
/// assert!(AccountName::parse("\u{420}osa").is_err(), "the first letter is Cyrillic");
/// # Ok::<(), accounts::NameError>(())
/// ```
#[derive(Clone, Debug)]
pub struct AccountName {
    name: Name,
    look: Box<str>,
}

impl AccountName {
    /// How many characters a name has.
    pub const LENGTH: RangeInclusive<usize> = 2..=20;

    /// Most bytes of a name in UTF-8, so that it fits wherever names are sent. Only names in rare
    /// characters of four bytes come near.
    pub const MAX_BYTES: usize = 60;

    /// What every guest's name begins with, and no account's.
    pub const GUEST_PREFIX: char = '~';

    /// Checks a name somebody asks for.
    ///
    /// # Errors
    ///
    /// The first rule the text breaks. Nothing is trimmed or corrected.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        Self::with_prefix("", text)
    }

    /// The name of a guest: [`AccountName::GUEST_PREFIX`] before what could be an account's name.
    ///
    /// # Errors
    ///
    /// The first rule the text breaks, [`NameError::Beginning`] when it has not the prefix.
    pub fn parse_guest(text: &str) -> Result<Self, NameError> {
        let rest = text.strip_prefix(Self::GUEST_PREFIX).ok_or(NameError::Beginning)?;
        Self::with_prefix("~", rest)
    }

    /// A new name for a guest: `~guest-` and six random characters.
    ///
    /// # Errors
    ///
    /// When the operating system has no random numbers.
    pub fn generate_guest() -> Result<Self, RandomError> {
        const LETTERS: &[u8; 32] = b"abcdefghjkmnpqrstuvwxyz23456789x";
        let bytes = random::<6>()?;
        let letters: String =
            bytes.iter().map(|b| char::from(LETTERS[usize::from(b % 32)])).collect();
        let name = Self::parse_guest(&format!("~guest-{letters}"));
        Ok(name.expect("letters and digits with a dash are a name"))
    }

    /// Whether this is a guest's.
    pub fn is_guest(&self) -> bool {
        self.as_str().starts_with(Self::GUEST_PREFIX)
    }

    /// The name as its owner wrote it.
    pub fn as_str(&self) -> &str {
        &self.name.written
    }

    /// What makes the name unique: the same for all spellings that count as this name.
    pub fn key(&self) -> &str {
        &self.name.key
    }

    /// What the name looks like, by the skeleton of UTS #39: the same for all that look alike.
    pub fn look(&self) -> &str {
        &self.look
    }

    pub(crate) fn parse_stored(text: &str) -> Result<Self, NameError> {
        if text.starts_with(Self::GUEST_PREFIX) {
            Self::parse_guest(text)
        } else {
            Self::parse(text)
        }
    }

    fn with_prefix(prefix: &str, text: &str) -> Result<Self, NameError> {
        // A text from the network may be long: no more of it is looked at than a name can have.
        check_length(text, Self::LENGTH)?;
        if let Some(character) = text.chars().find(|c| !may_stand(*c)) {
            return Err(NameError::Character(character));
        }
        if text.len() > Self::MAX_BYTES {
            return Err(NameError::Bytes { max: Self::MAX_BYTES });
        }
        if !text.nfc().eq(text.chars()) {
            return Err(NameError::Spelling);
        }
        if !text.starts_with(char::is_alphanumeric) {
            return Err(NameError::Beginning);
        }
        if !text.is_single_script() {
            return Err(NameError::Scripts);
        }
        let key: String = prefix.chars().chain(text.nfkc()).flat_map(fold).collect();
        let look: String = skeleton(text).flat_map(fold).collect();
        let written = format!("{prefix}{text}").into();
        let look = format!("{prefix}{look}").into();
        Ok(Self { name: Name { written, key: key.into() }, look })
    }
}

/// One character without its case. By upper case first, which brings variants together.
fn fold(character: char) -> impl Iterator<Item = char> {
    character.to_uppercase().flat_map(char::to_lowercase)
}

/// The name an operator gave a launcher: 1 to 40 of `A-Z a-z 0-9 _ - .`, beginning with a letter or
/// a digit; unique without case.
#[derive(Clone, Debug)]
pub struct LauncherName(Name);

impl LauncherName {
    /// How many characters a name has.
    pub const LENGTH: RangeInclusive<usize> = 1..=40;

    /// Checks the name of a launcher.
    ///
    /// # Errors
    ///
    /// The first rule the text breaks.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        Name::parse(text, Self::LENGTH).map(Self)
    }

    /// The name as the operator wrote it.
    pub fn as_str(&self) -> &str {
        &self.0.written
    }

    /// What makes the name unique.
    pub fn key(&self) -> &str {
        &self.0.key
    }
}

/// Why a text is no name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Too few or too many characters.
    #[error("a name has {min} to {max} characters")]
    Length {
        /// Fewest characters.
        min: usize,
        /// Most characters.
        max: usize,
    },
    /// Too many bytes.
    #[error("a name has at most {max} bytes in UTF-8")]
    Bytes {
        /// Most bytes.
        max: usize,
    },
    /// A character that may not stand in a name.
    #[error("{0:?} may not stand in a name: letters, digits, '_', '-' and '.' may")]
    Character(char),
    /// The first character is neither a letter nor a digit.
    #[error("a name begins with a letter or a digit")]
    Beginning,
    /// Letters of more than one script.
    #[error("a name is written in one script")]
    Scripts,
    /// A character and its accent apart, or the like (not in Unicode's form NFC).
    #[error("a name is written with composed characters")]
    Spelling,
}

#[derive(Clone, Debug)]
struct Name {
    written: Box<str>,
    key: Box<str>,
}

impl Name {
    fn parse(text: &str, length: RangeInclusive<usize>) -> Result<Self, NameError> {
        check_length(text, length)?;
        if let Some(character) = text.chars().find(|c| !c.is_ascii() || !may_stand(*c)) {
            return Err(NameError::Character(character));
        }
        if !text.starts_with(|c: char| c.is_ascii_alphanumeric()) {
            return Err(NameError::Beginning);
        }
        Ok(Self { written: text.into(), key: text.to_ascii_lowercase().into() })
    }
}

/// A text from the network may be long: no more of it is looked at than a name can have.
fn check_length(text: &str, length: RangeInclusive<usize>) -> Result<(), NameError> {
    if length.contains(&text.chars().take(length.end() + 1).count()) {
        return Ok(());
    }
    Err(NameError::Length { min: *length.start(), max: *length.end() })
}

fn may_stand(character: char) -> bool {
    matches!(character, '_' | '-' | '.')
        || (character.identifier_allowed() && (character.is_alphanumeric() || is_mark(character)))
}

/// Vowel signs and the like, without which some scripts cannot be written.
fn is_mark(character: char) -> bool {
    unicode_normalization::char::is_combining_mark(character)
}

macro_rules! compare_by_key {
    ($($name:ty),*) => {$(
        impl PartialEq for $name {
            fn eq(&self, other: &Self) -> bool {
                self.key() == other.key()
            }
        }

        impl Eq for $name {}

        impl Hash for $name {
            fn hash<H: Hasher>(&self, state: &mut H) {
                self.key().hash(state);
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }
    )*};
}

compare_by_key!(AccountName, LauncherName);

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn names_are_refused_for_the_first_rule_they_break() {
        let length = NameError::Length { min: 2, max: 20 };
        let cases = [
            ("", Err(length.clone())),
            ("a", Err(length.clone())),
            ("ab", Ok(())),
            ("a234567890123456789z", Ok(())),
            ("a234567890123456789zz", Err(length)),
            ("a.b-c_d", Ok(())),
            ("0wn", Ok(())),
            (".ab", Err(NameError::Beginning)),
            ("_ab", Err(NameError::Beginning)),
            ("a b", Err(NameError::Character(' '))),
            (" ab", Err(NameError::Character(' '))),
            ("a\0", Err(NameError::Character('\0'))),
            ("ab\u{202e}", Err(NameError::Character('\u{202e}'))),
            ("\u{43e}livia", Err(NameError::Scripts)),
            ("\u{43e}\u{43b}\u{435}\u{433}", Ok(())),
            ("\u{6771}\u{4eac}\u{3068}\u{30ab}", Ok(())),
            ("J\u{fc}rgen7", Ok(())),
            ("Ju\u{308}rgen", Err(NameError::Spelling)),
            ("ab\u{200d}", Err(NameError::Character('\u{200d}'))),
            ("ab\u{1f600}", Err(NameError::Character('\u{1f600}'))),
            ("ab\u{ff21}", Err(NameError::Character('\u{ff21}'))),
            ("~ab", Err(NameError::Character('~'))),
        ];
        for (text, expected) in cases {
            assert_eq!(AccountName::parse(text).map(|_| ()), expected, "{text:?}");
        }
    }

    #[test]
    fn a_name_is_equal_without_case_and_shown_with_it() {
        let (first, second) =
            (AccountName::parse("Rosa").unwrap(), AccountName::parse("rOSA").unwrap());
        assert_eq!(first, second);
        assert_eq!(HashSet::from([first.clone(), second]).len(), 1);
        assert_eq!(first.to_string(), "Rosa");
        assert_eq!(format!("[{first:>6}]"), "[  Rosa]");
    }

    #[test]
    fn names_that_look_alike_have_one_look_and_others_have_not() {
        let look = |text| AccountName::parse(text).unwrap().look().to_owned();
        for (one, other) in
            [("Bob", "B0b"), ("Ivan", "lvan"), ("modern", "modem"), ("paypal1", "paypaI1")]
        {
            assert_eq!(look(one), look(other), "{one} {other}");
        }
        for (one, other) in [("Bob", "Rob"), ("ivan", "lvan"), ("Jurgen", "J\u{fc}rgen")] {
            assert_ne!(look(one), look(other), "{one} {other}");
        }
        let (cyrillic, latin) = ("\u{441}\u{43e}\u{440}", "cop");
        assert_eq!(look(cyrillic), look(latin));
        assert_ne!(AccountName::parse(cyrillic).unwrap(), AccountName::parse(latin).unwrap());
    }

    #[test]
    fn the_longest_names_have_so_many_bytes_at_most() {
        let longest = AccountName::parse(&"\u{6771}".repeat(20)).unwrap();
        assert_eq!(longest.as_str().len(), AccountName::MAX_BYTES);
        for character in '\u{10000}'..'\u{34000}' {
            assert!(AccountName::parse(&character.to_string().repeat(16)).is_err());
        }
    }

    #[test]
    fn case_is_ignored_in_every_script() {
        for (one, other) in [
            ("\u{416}\u{430}\u{43d}", "\u{436}\u{410}\u{41d}"),
            ("J\u{dc}rgen", "j\u{fc}RGEN"),
            ("\u{3a3}\u{39f}\u{3a3}", "\u{3c3}\u{3bf}\u{3c2}"),
        ] {
            assert_eq!(AccountName::parse(one).unwrap(), AccountName::parse(other).unwrap());
        }
    }

    #[test]
    fn no_account_can_have_the_name_of_a_guest() {
        let guest = AccountName::parse_guest("~Rosa").unwrap();
        assert!(guest.is_guest() && AccountName::generate_guest().unwrap().is_guest());
        assert_eq!(AccountName::parse("~Rosa").unwrap_err(), NameError::Character('~'));
        assert_eq!(AccountName::parse_guest("Rosa").unwrap_err(), NameError::Beginning);
        assert_ne!(guest, AccountName::parse("Rosa").unwrap());
        assert_ne!(guest.look(), AccountName::parse("Rosa").unwrap().look());
    }

    #[test]
    fn a_launcher_may_have_a_short_or_a_long_name() {
        assert!(LauncherName::parse("a").is_ok());
        assert!(LauncherName::parse(&"a".repeat(40)).is_ok());
        assert!(LauncherName::parse(&"a".repeat(41)).is_err());
    }

    #[test]
    fn an_error_shows_control_characters_escaped() {
        let error = AccountName::parse("a\u{1b}[2J").unwrap_err();
        assert!(error.to_string().starts_with(r"'\u{1b}'"), "{error}");
    }
}
