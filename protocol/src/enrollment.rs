//! The one string a launcher needs to become part of a login server.

use std::{fmt, str::FromStr};

use data_encoding::{BASE64URL_NOPAD, HEXLOWER_PERMISSIVE};

use crate::EnrollmentSecret;

/// Where the login server is, how to know it, and a secret that works once.
///
/// As text `gatehouse-enroll:HOST:PORT/PIN/SECRET`, with the pin in hexadecimal and the secret in
/// base64url. It is as secret as a password until it was used.
#[derive(Clone, PartialEq, Eq)]
pub struct Enrollment {
    /// `HOST:PORT` as the launcher reaches it.
    pub address: String,
    /// SHA-256 of the SubjectPublicKeyInfo of the login server's certificate.
    pub pin: [u8; 32],
    /// What the launcher shows, once.
    pub secret: EnrollmentSecret,
}

/// Why a string is no [`Enrollment`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an enrolment string: {0}; copy all of what `login-server launcher enroll` printed")]
pub struct EnrollmentError(&'static str);

impl fmt::Display for Enrollment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { address, pin, secret } = self;
        let pin = HEXLOWER_PERMISSIVE.encode(pin);
        write!(f, "{PREFIX}{address}/{pin}/{}", BASE64URL_NOPAD.encode(&secret.0))
    }
}

impl fmt::Debug for Enrollment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Enrollment").field("address", &self.address).finish_non_exhaustive()
    }
}

impl FromStr for Enrollment {
    type Err = EnrollmentError;

    fn from_str(text: &str) -> Result<Self, EnrollmentError> {
        let rest = text.trim().strip_prefix(PREFIX).ok_or(EnrollmentError("wrong beginning"))?;
        let mut parts = rest.split('/');
        let (Some(address), Some(pin), Some(secret), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(EnrollmentError("not three parts"));
        };
        let port = address.rsplit_once(':').filter(|(host, _)| !host.is_empty());
        if port.is_none_or(|(_, port)| port.parse::<u16>().is_err()) {
            return Err(EnrollmentError("no HOST:PORT"));
        }
        let pin = HEXLOWER_PERMISSIVE.decode(pin.as_bytes()).ok().and_then(|p| p.try_into().ok());
        let secret = EnrollmentSecret::try_from(secret.to_owned());
        Ok(Self {
            address: address.to_owned(),
            pin: pin.ok_or(EnrollmentError("the pin is damaged"))?,
            secret: secret.map_err(|_| EnrollmentError("the secret is damaged"))?,
        })
    }
}

const PREFIX: &str = "gatehouse-enroll:";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_can_be_read() {
        for address in ["play.example:9000", "127.0.0.1:1", "[2001:db8::1]:9000"] {
            let secret = EnrollmentSecret([7; 32]);
            let enrollment = Enrollment { address: address.into(), pin: [0xab; 32], secret };
            assert_eq!(enrollment.to_string().parse(), Ok(enrollment));
        }
    }

    #[test]
    fn a_damaged_string_says_what_is_wrong() {
        let good = Enrollment {
            address: "host:9000".into(),
            pin: [1; 32],
            secret: EnrollmentSecret([2; 32]),
        }
        .to_string();
        for bad in [
            "",
            "gatehouse-enroll:",
            &good[1..],
            &good[..good.len() - 1],
            &good.replace("host:9000", "host"),
            &good.replace("host:9000", ":9000"),
            &good.replace("host:9000", "host:99999"),
            &good.replace("0101", "01zz"),
            &format!("{good}/more"),
        ] {
            assert!(bad.parse::<Enrollment>().is_err(), "{bad}");
        }
    }
}
