//! Names nobody may register.

use unicode_security::confusable_detection::skeleton;

use crate::name::AccountName;

/// Which names nobody may register: by what they look like, so that no spelling gets round it.
///
/// Asked before an account is created for a player. An operator may create what it refuses.
#[derive(Clone, Debug)]
pub struct NameRules {
    /// Forms of whole names.
    reserved: Vec<Box<str>>,
    /// Forms of parts.
    banned: Vec<Box<str>>,
}

/// Why nobody may register a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameRefused {
    /// It would pass for somebody in charge, or for the program.
    #[error("this name is reserved")]
    Reserved,
    /// It contains a word the operator does not want in names.
    #[error("this name contains a word that may not stand in names")]
    Banned,
}

impl NameRules {
    /// These names are reserved beside [`NameRules::RESERVED`], with or without digits and signs
    /// around them, and these words may stand nowhere in a name.
    ///
    /// A word of one letter is ignored: it would ban most names.
    pub fn new(reserved: &[String], banned: &[String]) -> Self {
        let own = Self::RESERVED.iter().copied();
        let reserved = own.chain(reserved.iter().map(String::as_str)).filter_map(form_of_word);
        let banned = banned.iter().filter_map(|word| form_of_word(word));
        Self { reserved: reserved.collect(), banned: banned.collect() }
    }

    /// Names that are always reserved.
    pub const RESERVED: [&'static str; 16] = [
        "admin",
        "administrator",
        "everyone",
        "gatehouse",
        "guest",
        "mod",
        "moderator",
        "nobody",
        "official",
        "operator",
        "owner",
        "root",
        "server",
        "staff",
        "support",
        "system",
    ];

    /// Whether a player may register `name`.
    ///
    /// # Errors
    ///
    /// The rule that forbids it.
    pub fn check(&self, name: &AccountName) -> Result<(), NameRefused> {
        let form = form_of(name);
        // "admin", "Admin_1" and "_admin_" pass for each other.
        let bare = form_of_text(name.key().trim_matches(|c: char| !c.is_alphabetic()));
        if self.reserved.iter().any(|reserved| **reserved == *form || **reserved == *bare) {
            return Err(NameRefused::Reserved);
        }
        let letters: String = form.chars().filter(|c| c.is_alphanumeric()).collect();
        if self.banned.iter().any(|word| letters.contains(&**word)) {
            return Err(NameRefused::Banned);
        }
        Ok(())
    }
}

impl Default for NameRules {
    fn default() -> Self {
        Self::new(&[], &[])
    }
}

/// None for what can be no name, and so needs no rule.
fn form_of_word(word: &str) -> Option<Box<str>> {
    AccountName::parse(word).ok().map(|name| form_of(&name))
}

/// The same for all that could be meant by a spelling: case is ignored first, and then what looks
/// alike in either case. More is equal here than in [`AccountName::look`], which has to keep
/// `Ian` and `Lan` apart.
fn form_of(name: &AccountName) -> Box<str> {
    form_of_text(name.key())
}

fn form_of_text(key: &str) -> Box<str> {
    let form = skeleton(key).flat_map(char::to_lowercase);
    form.map(|character| if character == 'i' { 'l' } else { character }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reserved_and_banned_names_are_refused_in_every_spelling() {
        let rules = NameRules::new(&["Rosa".to_owned()], &["darn".to_owned(), "x".to_owned()]);
        let cases = [
            ("admin", Err(NameRefused::Reserved)),
            ("ADMIN", Err(NameRefused::Reserved)),
            ("Adm1n", Err(NameRefused::Reserved)),
            ("admlns", Ok(())),
            ("Admin_1", Err(NameRefused::Reserved)),
            ("m0derat0r", Err(NameRefused::Reserved)),
            ("rosa", Err(NameRefused::Reserved)),
            ("r0sa", Err(NameRefused::Reserved)),
            ("rosalind", Ok(())),
            ("Administrata", Ok(())),
            ("xXdarnXx", Err(NameRefused::Banned)),
            ("d.a.r.n", Err(NameRefused::Banned)),
            ("xenia", Ok(())),
        ];
        for (name, expected) in cases {
            assert_eq!(rules.check(&AccountName::parse(name).unwrap()), expected, "{name}");
        }
    }
}
