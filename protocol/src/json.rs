//! Messages ⇄ JSON, for who finds that easier than bytes: browsers.

use crate::{DecodeError, MAX_AFTER_LOGIN};

/// Appends `message` to `bytes`, as JSON.
pub fn encode_json<M: serde::Serialize>(message: &M, bytes: &mut impl bytes::BufMut) {
    serde_json::to_writer(bytes::BufMut::writer(&mut *bytes), message)
        .expect("memory takes every byte, and every message has a form in JSON");
}

/// Reads the one message that `bytes` are in JSON. White space may stand around it.
///
/// # Errors
///
/// As [`decode`](crate::decode).
pub fn decode_json<M: serde::de::DeserializeOwned>(bytes: &[u8]) -> Result<M, DecodeError> {
    if bytes.len() > MAX_AFTER_LOGIN {
        return Err(DecodeError::TooLong(bytes.len()));
    }
    serde_json::from_slice(bytes).map_err(|error| match error.is_eof() {
        true => DecodeError::Incomplete,
        false => DecodeError::Invalid(error.to_string()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::FromGameClient;

    #[test]
    fn what_is_no_message_is_an_error_and_half_of_one_is_incomplete() {
        let whole = br#" {"Ping":{"nonce":"18446744073709551615"}} "#;
        let ping = FromGameClient::Ping { nonce: u64::MAX };
        assert_eq!(decode_json::<FromGameClient>(whole).unwrap(), ping);
        for length in 0..whole.len() - 2 {
            let half = decode_json::<FromGameClient>(&whole[..length]);
            assert!(matches!(half, Err(DecodeError::Incomplete)), "{length}: {half:?}");
        }
        for wrong in [
            &br#"{"Ping":{"nonce":8}}"#[..], // a number of 64 bits that is none in JavaScript
            br#"{"Ping":{"nonce":"-1"}}"#,
            br#"{"Ping":{}}"#,
            br#"{"Ping":{"nonce":"1"}} x"#,
            br#""Pang""#,
            br#"{"LogIn":{"request":1,"name":"a\nb","password":"correct horse"}}"#,
            b"[[[[[[[[",
            b"\xff",
        ] {
            let wrong = decode_json::<FromGameClient>(wrong);
            assert!(matches!(wrong, Err(DecodeError::Invalid(_) | DecodeError::Incomplete)));
        }
        let deep = "[".repeat(100_000);
        assert!(decode_json::<FromGameClient>(deep.as_bytes()).is_err());
        let long = " ".repeat(MAX_AFTER_LOGIN + 1);
        let long = decode_json::<FromGameClient>(long.as_bytes());
        assert!(matches!(long, Err(DecodeError::TooLong(_))));
    }
}
