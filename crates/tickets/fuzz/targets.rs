//! What is fuzzed: each function is a whole target, whoever makes the bytes.
//!
//! * `cargo +nightly fuzz run check` (in the folder of the crate) has libFuzzer make them,
//! * `tests/fuzz.rs` has some thousand made in every run of the tests, on a stable compiler.

use std::sync::LazyLock;

use tickets::{JoinCode, ServerName, SigningKeys, Ticket, VerifyingKeys};

/// Keys and a ticket of them, the same in every run: what was found stays found.
static KNOWN: LazyLock<(SigningKeys, VerifyingKeys)> = LazyLock::new(|| {
    let seed = "A".repeat(43);
    let text = format!(r#"{{"next":"{seed}","current":"{seed}","retired":[]}}"#);
    let keys = SigningKeys::from_text(&text).expect("these are keys");
    let public = keys.public(0);
    (keys, public)
});

/// A ticket that is good, to begin with.
#[allow(dead_code)]
pub(crate) fn good() -> String {
    let lifetime = Ticket::LONGEST;
    let ticket = Ticket::new(17, "Rosa", server(), 0, lifetime).expect("this can be a ticket");
    KNOWN.0.sign(&ticket)
}

/// Whatever is said: no panic, and nobody is admitted who was not signed for.
pub(crate) fn check(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(ticket) = Ticket::check(text, &server(), &KNOWN.1, 0) {
        // Ed25519 signs the same with the same signature: it is what we signed.
        assert_eq!(KNOWN.0.sign(&ticket), text);
    }
    let _ = JoinCode::parse(text);
    let _ = ServerName::parse(text);
    let _ = SigningKeys::from_text(text);
}

fn server() -> ServerName {
    ServerName::parse("home/7").expect("this is a name")
}
