//! Whose pages may connect (RFC 6454).

use std::{fmt, str::FromStr};

/// Where a page comes from, as browsers say: `https://play.example`, with a port if it is not the
/// usual one.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Origin(String);

/// Why something is no origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an origin is http:// or https:// and a host, perhaps a port, and nothing else")]
pub struct OriginError;

impl FromStr for Origin {
    type Err = OriginError;

    fn from_str(origin: &str) -> Result<Self, OriginError> {
        let (_, authority) = split(origin).ok_or(OriginError)?;
        let allowed = |c: char| c.is_ascii_alphanumeric() || "-._:[]".contains(c);
        match !authority.is_empty() && authority.chars().all(allowed) {
            true => Ok(Self(without_usual_port(origin).to_ascii_lowercase())),
            false => Err(OriginError),
        }
    }
}

impl Origin {
    /// Whether this is the `Origin` of a request.
    pub(super) fn is(&self, origin: &str) -> bool {
        without_usual_port(origin).eq_ignore_ascii_case(&self.0)
    }
}

/// Whether a page from `origin` is one of the `host` that it connects to.
///
/// Not whether both are encrypted: a proxy in front of us may have taken that off.
pub(super) fn is_of_host(origin: &str, host: &str) -> bool {
    let Some((scheme, _)) = split(origin) else { return false };
    let host = format!("{scheme}://{host}");
    without_usual_port(origin).eq_ignore_ascii_case(without_usual_port(&host))
}

fn split(origin: &str) -> Option<(&str, &str)> {
    let (scheme, authority) = origin.split_once("://")?;
    let known = ["http", "https"].iter().any(|known| scheme.eq_ignore_ascii_case(known));
    known.then_some((scheme, authority))
}

fn without_usual_port(origin: &str) -> &str {
    let usual = match split(origin) {
        Some((scheme, _)) if scheme.eq_ignore_ascii_case("http") => ":80",
        _ => ":443",
    };
    origin.strip_suffix(usual).unwrap_or(origin)
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_a_scheme_and_a_host() {
        for origin in ["https://play.example", "http://127.0.0.1:8000", "https://[::1]:9000"] {
            assert_eq!(origin.parse::<Origin>().unwrap().to_string(), origin);
        }
        for origin in ["play.example", "https://", "https://a/", "ftp://a", "null", "https://a b"] {
            assert_eq!(origin.parse::<Origin>(), Err(OriginError), "{origin}");
        }
    }

    #[test]
    fn origins_are_compared_whole() {
        let origin: Origin = "https://Play.example:443".parse().unwrap();
        assert!(origin.is("https://play.example"));
        assert!(origin.is("https://play.example:443"));
        for other in [
            "http://play.example",
            "https://play.example:444",
            "https://play.example.evil",
            "https://evil.play.example",
            "null",
            "",
        ] {
            assert!(!origin.is(other), "{other}");
        }
    }

    #[test]
    fn a_host_may_connect_to_itself() {
        for (origin, host) in [
            ("http://play.example:9000", "play.example:9000"),
            ("https://play.example", "PLAY.example"),
            ("https://play.example", "play.example:443"),
            ("http://[::1]:80", "[::1]"),
        ] {
            assert!(is_of_host(origin, host), "{origin} {host}");
        }
        for (origin, host) in [
            ("http://play.example:9000", "play.example"),
            ("http://play.example:9000", "play.example:9001"),
            ("https://play.example", "play.example:80"),
            ("null", "null"),
            ("", ""),
        ] {
            assert!(!is_of_host(origin, host), "{origin} {host}");
        }
    }
}
