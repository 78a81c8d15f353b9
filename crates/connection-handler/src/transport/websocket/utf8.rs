//! Whether text is text, as it arrives.

use std::str;

/// Checks text that arrives in pieces, which may end inside of a character.
#[derive(Debug, Default)]
pub(super) struct Utf8 {
    /// The beginning of a character.
    begun: [u8; 4],
    length: usize,
}

impl Utf8 {
    /// Whether the text may go on like this.
    pub(super) fn goes_on(&mut self, mut bytes: &[u8]) -> bool {
        while self.length > 0 {
            let Some((&next, rest)) = bytes.split_first() else { return true };
            bytes = rest;
            self.begun[self.length] = next;
            self.length += 1;
            match str::from_utf8(&self.begun[..self.length]) {
                Ok(_) => self.length = 0,
                Err(error) if error.error_len().is_some() => return false,
                Err(_) => {}
            }
        }
        let Err(error) = str::from_utf8(bytes) else { return true };
        let begun = &bytes[error.valid_up_to()..];
        if error.error_len().is_some() {
            return false;
        }
        self.begun[..begun.len()].copy_from_slice(begun);
        self.length = begun.len();
        true
    }

    /// Whether the text may end here. The next one begins.
    pub(super) fn ends(&mut self) -> bool {
        std::mem::take(&mut self.length) == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_text(pieces: &[&[u8]]) -> bool {
        let mut utf8 = Utf8::default();
        pieces.iter().all(|piece| utf8.goes_on(piece)) && utf8.ends()
    }

    #[test]
    fn text_is_text_however_it_is_cut() {
        let text = "aß水𐍈\u{10ffff}z".as_bytes();
        for first in 0..=text.len() {
            for second in first..=text.len() {
                let pieces = [&text[..first], &text[first..second], &text[second..]];
                assert!(is_text(&pieces), "{first}, {second}");
            }
        }
    }

    #[test]
    fn what_is_no_text_is_none_however_it_is_cut() {
        for bytes in [
            &b"a\xff"[..],
            b"\xc0\xaf",         // longer than needed
            b"\xed\xa0\x80",     // half a surrogate pair
            b"\xf4\x90\x80\x80", // beyond the last character
            b"\xe6\xb0",         // cut off
            b"\x80",
            b"\xe6\xb0a",
        ] {
            for cut in 0..=bytes.len() {
                assert!(!is_text(&[&bytes[..cut], &bytes[cut..]]), "{bytes:?} at {cut}");
            }
        }
    }

    #[test]
    fn it_is_known_at_the_first_wrong_byte() {
        let mut utf8 = Utf8::default();
        assert!(utf8.goes_on(b"\xed"));
        assert!(!utf8.goes_on(b"\xa0"));
    }
}
