//! What people write: reasons, reports, names of programs.

use std::fmt;

/// A line of text that may be shown anywhere: at most [`Note::MAX_CHARACTERS`] characters, none of
/// them one that controls a terminal or turns the direction of writing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Note(Box<str>);

impl Note {
    /// Most characters.
    pub const MAX_CHARACTERS: usize = 500;

    /// Makes a note of any text: what may not stand in it becomes a space, what is too long is cut.
    pub fn new(text: &str) -> Self {
        let shown = text.chars().map(|c| if may_be_shown(c) { c } else { ' ' });
        Self(shown.take(Self::MAX_CHARACTERS).collect::<String>().trim().into())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn may_be_shown(character: char) -> bool {
    let turns = matches!(character,
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    !character.is_control() && !turns && !matches!(character, '\u{2028}' | '\u{2029}')
}

impl From<&str> for Note {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_can_be_shown_and_has_an_end() {
        assert_eq!(Note::new(" a\u{1b}[2J\nb\u{202e}c ").as_str(), "a [2J b c");
        assert_eq!(Note::new(&"x".repeat(1000)).as_str().len(), 500);
    }
}
