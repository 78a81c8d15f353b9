//! PASETO v4.public: a payload, a footer, and an Ed25519 signature over both.
//!
//! <https://github.com/paseto-standard/paseto-spec>, version 4. Written here because it is little
//! more than one call of the Ed25519 that is in the tree already; the standard's own vectors are
//! among the tests.

use data_encoding::BASE64URL_NOPAD;
use ring::signature::{ED25519, Ed25519KeyPair, UnparsedPublicKey};

/// What every token begins with.
const HEADER: &str = "v4.public.";

/// Bytes of a signature, at the end of the body.
const SIGNATURE_BYTES: usize = 64;

/// A token whose signature was not checked yet.
#[derive(Debug)]
pub(crate) struct Unverified {
    payload: Vec<u8>,
    signature: [u8; SIGNATURE_BYTES],
    /// Says which key; nothing in it can be trusted before the signature is checked.
    pub(crate) footer: Vec<u8>,
}

/// Makes a token. `implicit` is signed and not sent: both sides know it.
pub(crate) fn sign(key: &Ed25519KeyPair, payload: &[u8], footer: &[u8], implicit: &[u8]) -> String {
    let signature = key.sign(&pre_auth(&[HEADER.as_bytes(), payload, footer, implicit]));
    let body = BASE64URL_NOPAD.encode(&[payload, signature.as_ref()].concat());
    if footer.is_empty() {
        format!("{HEADER}{body}")
    } else {
        format!("{HEADER}{body}.{}", BASE64URL_NOPAD.encode(footer))
    }
}

impl Unverified {
    /// Takes a token apart; none when it is not one of this version and purpose.
    pub(crate) fn parse(token: &str) -> Option<Self> {
        let mut parts = token.strip_prefix(HEADER)?.split('.');
        let (body, footer) = (parts.next()?, parts.next());
        if parts.next().is_some() || footer.is_some_and(str::is_empty) {
            return None;
        }
        let mut payload = BASE64URL_NOPAD.decode(body.as_bytes()).ok()?;
        let begin = payload.len().checked_sub(SIGNATURE_BYTES)?;
        let signature = payload.split_off(begin).try_into().ok()?;
        let footer = BASE64URL_NOPAD.decode(footer.unwrap_or("").as_bytes()).ok()?;
        Some(Self { payload, signature, footer })
    }

    /// What was signed with the private half of this key.
    pub(crate) fn verify(&self, key: &[u8; 32], implicit: &[u8]) -> Option<&[u8]> {
        let signed = pre_auth(&[HEADER.as_bytes(), &self.payload, &self.footer, implicit]);
        UnparsedPublicKey::new(&ED25519, key).verify(&signed, &self.signature).ok()?;
        Some(&self.payload)
    }
}

/// Pre-authentication encoding: how many pieces, and each after its length, so that no two lists
/// become the same bytes.
fn pre_auth(pieces: &[&[u8]]) -> Vec<u8> {
    // The uppermost bit of a length stays clear, says the standard; no length here comes near.
    let mut bytes = (pieces.len() as u64).to_le_bytes().to_vec();
    for piece in pieces {
        bytes.extend_from_slice(&(piece.len() as u64).to_le_bytes());
        bytes.extend_from_slice(piece);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use data_encoding::HEXLOWER;

    use super::*;

    const SEED: &str = "b4cbfb43df4ce210727d953e4a713307fa19bb7d9f85041438d9e11b942a3774";
    const PUBLIC: &str = "1eb9dbbbbc047c03fd70604e0071f0987e16b28b757225c11f00415d0e20b1a2";
    const PAYLOAD: &str =
        r#"{"data":"this is a signed message","exp":"2022-01-01T00:00:00+00:00"}"#;
    const FOOTER: &str = r#"{"kid":"zVhMiPBP9fRf2snEcT7gFTioeA9COcNy9DfgL1W60haN"}"#;

    /// The vectors 4-S-1 to 4-S-3 of <https://github.com/paseto-standard/test-vectors>: footer,
    /// implicit assertion, token.
    const VECTORS: [(&str, &str, &str); 3] = [
        (
            "",
            "",
            "v4.public.eyJkYXRhIjoidGhpcyBpcyBhIHNpZ25lZCBtZXNzYWdlIiwiZXhwIjoiMjAyMi0wMS0wMVQwMDowMDowMCswMDowMCJ9bg_XBBzds8lTZShVlwwKSgeKpLT3yukTw6JUz3W4h_ExsQV-P0V54zemZDcAxFaSeef1QlXEFtkqxT1ciiQEDA",
        ),
        (
            FOOTER,
            "",
            "v4.public.eyJkYXRhIjoidGhpcyBpcyBhIHNpZ25lZCBtZXNzYWdlIiwiZXhwIjoiMjAyMi0wMS0wMVQwMDowMDowMCswMDowMCJ9v3Jt8mx_TdM2ceTGoqwrh4yDFn0XsHvvV_D0DtwQxVrJEBMl0F2caAdgnpKlt4p7xBnx1HcO-SPo8FPp214HDw.eyJraWQiOiJ6VmhNaVBCUDlmUmYyc25FY1Q3Z0ZUaW9lQTlDT2NOeTlEZmdMMVc2MGhhTiJ9",
        ),
        (
            FOOTER,
            r#"{"test-vector":"4-S-3"}"#,
            "v4.public.eyJkYXRhIjoidGhpcyBpcyBhIHNpZ25lZCBtZXNzYWdlIiwiZXhwIjoiMjAyMi0wMS0wMVQwMDowMDowMCswMDowMCJ9NPWciuD3d0o5eXJXG5pJy-DiVEoyPYWs1YSTwWHNJq6DZD3je5gf-0M4JR9ipdUSJbIovzmBECeaWmaqcaP0DQ.eyJraWQiOiJ6VmhNaVBCUDlmUmYyc25FY1Q3Z0ZUaW9lQTlDT2NOeTlEZmdMMVc2MGhhTiJ9",
        ),
    ];

    fn public() -> [u8; 32] {
        HEXLOWER.decode(PUBLIC.as_bytes()).unwrap().try_into().unwrap()
    }

    #[test]
    fn the_vectors_of_the_standard_are_signed_and_verified() {
        let seed = HEXLOWER.decode(SEED.as_bytes()).unwrap();
        let key = Ed25519KeyPair::from_seed_and_public_key(&seed, &public()).unwrap();
        for (footer, implicit, token) in VECTORS {
            let signed = sign(&key, PAYLOAD.as_bytes(), footer.as_bytes(), implicit.as_bytes());
            assert_eq!(signed, token);
            let parsed = Unverified::parse(token).unwrap();
            assert_eq!(parsed.footer, footer.as_bytes());
            assert_eq!(parsed.verify(&public(), implicit.as_bytes()), Some(PAYLOAD.as_bytes()));
            assert_eq!(parsed.verify(&public(), b"something else"), None);
        }
    }

    #[test]
    fn what_is_no_token_of_this_kind_is_refused() {
        let (_, _, token) = VECTORS[1];
        let local = token.replace("v4.public.", "v4.local.");
        let older = token.replace("v4.public.", "v2.public.");
        let cases = [
            "",
            "v4.public.",
            "v4.public",
            "v4.public.AAAA",
            "v4.public..",
            &local,
            &older,
            &format!("{token}."),
            &format!("{token}.AA"),
            &format!("{token}="),
            &format!(" {token}"),
        ];
        for case in cases {
            assert!(Unverified::parse(case).is_none(), "{case}");
        }
        let (_, _, without_footer) = VECTORS[0];
        assert!(Unverified::parse(&format!("{without_footer}.")).is_none());
    }

    #[test]
    fn lists_of_pieces_are_told_apart() {
        assert_eq!(pre_auth(&[]), [0; 8]);
        assert_eq!(pre_auth(&[b""]), [1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        assert_ne!(pre_auth(&[b"a", b"bc"]), pre_auth(&[b"ab", b"c"]));
    }
}
