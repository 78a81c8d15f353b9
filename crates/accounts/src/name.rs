//! Names of accounts and launchers: kept as written, unique without case.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::RangeInclusive;

/// The name of an account: 2 to 20 of `A-Z a-z 0-9 _ - .`, beginning with a letter or a digit.
///
/// Shown as its owner wrote it; two names that differ only in case are the same name: equality,
/// hash and the store go by [`AccountName::key`].
///
/// ```
/// use accounts::AccountName;
///
/// let name = AccountName::parse("Rosa_L")?;
/// assert_eq!(name.as_str(), "Rosa_L");
/// assert_eq!(name, AccountName::parse("ROSA_l")?);
/// # Ok::<(), accounts::NameError>(())
/// ```
#[derive(Clone, Debug)]
pub struct AccountName(Name);

impl AccountName {
    /// How many characters a name has.
    pub const LENGTH: RangeInclusive<usize> = 2..=20;

    /// Checks a name somebody asks for.
    ///
    /// # Errors
    ///
    /// The first rule the text breaks. Nothing is trimmed or corrected.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        Name::parse(text, Self::LENGTH).map(Self)
    }

    /// The name as its owner wrote it.
    pub fn as_str(&self) -> &str {
        &self.0.written
    }

    /// What makes the name unique: the same for all spellings that count as this name.
    pub fn key(&self) -> &str {
        &self.0.key
    }
}

/// The name an operator gave a launcher: 1 to 40 characters, otherwise as [`AccountName`].
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
    /// A character that may not stand in a name.
    #[error("{0:?} may not stand in a name: letters a to z, digits, '_', '-' and '.' may")]
    Character(char),
    /// The first character is neither a letter nor a digit.
    #[error("a name begins with a letter or a digit")]
    Beginning,
}

#[derive(Clone, Debug)]
struct Name {
    written: Box<str>,
    key: Box<str>,
}

impl Name {
    fn parse(text: &str, length: RangeInclusive<usize>) -> Result<Self, NameError> {
        // A text from the network may be long: no more of it is looked at than a name can have.
        if !length.contains(&text.chars().take(length.end() + 1).count()) {
            return Err(NameError::Length { min: *length.start(), max: *length.end() });
        }
        if let Some(character) = text.chars().find(|c| !may_stand(*c)) {
            return Err(NameError::Character(character));
        }
        if !text.starts_with(|c: char| c.is_ascii_alphanumeric()) {
            return Err(NameError::Beginning);
        }
        Ok(Self { written: text.into(), key: text.to_ascii_lowercase().into() })
    }
}

fn may_stand(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '_' | '-' | '.')
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
            ("\u{43e}livia", Err(NameError::Character('\u{43e}'))),
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
