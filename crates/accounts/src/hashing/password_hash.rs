//! What is stored of a password, and what it costs to make.

use std::fmt;

use argon2::password_hash::{PasswordHasher, PasswordVerifier, SaltString};
use argon2::{Algorithm, Argon2, Params, Version};

use crate::password::Password;
use crate::token::{RandomError, random};

/// What is stored of a password: argon2id with its salt and cost, as a PHC string.
#[derive(Clone)]
pub struct PasswordHash {
    text: Box<str>,
    parameters: HashParameters,
}

impl PasswordHash {
    /// Reads what [`PasswordHash::as_str`] gave.
    ///
    /// # Errors
    ///
    /// When it is no argon2id hash in the PHC format, or one whose cost is beyond what
    /// [`HashParameters::check`] allows.
    pub fn parse(text: &str) -> Result<Self, PasswordHashError> {
        let phc = argon2::PasswordHash::new(text).map_err(|_| PasswordHashError)?;
        let version = phc.version == Some(Version::V0x13.into());
        if phc.algorithm != Algorithm::Argon2id.ident()
            || !version
            || phc.salt.is_none()
            || phc.hash.is_none()
        {
            return Err(PasswordHashError);
        }
        let params = Params::try_from(&phc).map_err(|_| PasswordHashError)?;
        let parameters = HashParameters {
            memory_kib: params.m_cost(),
            iterations: params.t_cost(),
            parallelism: params.p_cost(),
        };
        parameters.check().map_err(|_| PasswordHashError)?;
        Ok(Self { text: text.into(), parameters })
    }

    /// As a PHC string, to be stored.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What it cost to make, and costs to check.
    pub fn parameters(&self) -> HashParameters {
        self.parameters
    }

    /// Hashes `password` with a new salt. Takes tens of milliseconds.
    pub(super) fn make(password: &Password, parameters: HashParameters) -> Result<Self, MakeError> {
        let salt = SaltString::encode_b64(&random::<SALT_BYTES>()?)?;
        let hash = parameters.argon2()?.hash_password(password.as_bytes(), &salt)?;
        Ok(Self { text: hash.to_string().into(), parameters })
    }

    /// Whether this is the hash of `password`, compared in constant time. Takes as long as making.
    pub(super) fn verify(&self, password: &Password) -> Result<bool, MakeError> {
        let phc = argon2::PasswordHash::new(&self.text)?;
        match Argon2::default().verify_password(password.as_bytes(), &phc) {
            Ok(()) => Ok(true),
            Err(argon2::password_hash::Error::Password) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(..)")
    }
}

/// What one hash costs. The default is what OWASP recommends for argon2id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HashParameters {
    /// Memory each hash fills, in KiB; at least 8 for each lane, at most 1 GiB. 19 MiB.
    pub memory_kib: u32,
    /// How often it goes over that memory; at most 64. 2.
    pub iterations: u32,
    /// Lanes of the calculation; all of them run on one thread here, at most 16. 1.
    pub parallelism: u32,
}

impl Default for HashParameters {
    fn default() -> Self {
        Self { memory_kib: 19 * 1024, iterations: 2, parallelism: 1 }
    }
}

impl HashParameters {
    /// Checks that hashing with these parameters is possible and ends.
    ///
    /// # Errors
    ///
    /// When one of them is out of its bounds.
    pub fn check(&self) -> Result<(), HashParametersError> {
        let in_bounds = (1..=16).contains(&self.parallelism)
            && (1..=64).contains(&self.iterations)
            && (8 * self.parallelism..=1024 * 1024).contains(&self.memory_kib);
        if in_bounds { Ok(()) } else { Err(HashParametersError(*self)) }
    }

    /// Whether any of them is less than the other's.
    pub(super) fn are_weaker_than(&self, other: &Self) -> bool {
        self.memory_kib < other.memory_kib
            || self.iterations < other.iterations
            || self.parallelism < other.parallelism
    }

    fn argon2(self) -> Result<Argon2<'static>, argon2::password_hash::Error> {
        let params = Params::new(self.memory_kib, self.iterations, self.parallelism, None)?;
        Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
    }
}

/// Parameters nobody should hash with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "password hashes with {} KiB, {} iterations and {} lanes are out of bounds",
    .0.memory_kib, .0.iterations, .0.parallelism
)]
pub struct HashParametersError(HashParameters);

/// A text that is no password hash of ours. Repeats nothing of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an argon2id hash")]
pub struct PasswordHashError;

/// Why a hash could not be calculated: a bug, or a system without random numbers.
#[derive(Debug, thiserror::Error)]
pub(super) enum MakeError {
    #[error(transparent)]
    Random(#[from] RandomError),
    #[error("argon2: {0}")]
    Argon2(argon2::password_hash::Error),
}

impl From<argon2::password_hash::Error> for MakeError {
    fn from(error: argon2::password_hash::Error) -> Self {
        Self::Argon2(error)
    }
}

const SALT_BYTES: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    const CHEAP: HashParameters = HashParameters { memory_kib: 8, iterations: 1, parallelism: 1 };

    fn password(text: &str) -> Password {
        Password::new(text.to_owned()).unwrap()
    }

    #[test]
    fn a_hash_is_right_for_its_password_only() {
        let made = PasswordHash::make(&password("correct horse"), CHEAP).unwrap();
        let hash = PasswordHash::parse(made.as_str()).unwrap();
        assert!(hash.verify(&password("correct horse")).unwrap());
        assert!(!hash.verify(&password("correct horsf")).unwrap());
        assert!(!hash.verify(&password("correct horse ")).unwrap());
    }

    #[test]
    fn equal_passwords_have_different_hashes() {
        let one = PasswordHash::make(&password("correct horse"), CHEAP).unwrap();
        let other = PasswordHash::make(&password("correct horse"), CHEAP).unwrap();
        assert_ne!(one.as_str(), other.as_str());
    }

    #[test]
    fn a_hash_says_what_it_cost_and_nothing_else() {
        let parameters = HashParameters { memory_kib: 64, iterations: 3, parallelism: 2 };
        let hash = PasswordHash::make(&password("correct horse"), parameters).unwrap();
        assert!(hash.as_str().starts_with("$argon2id$v=19$m=64,t=3,p=2$"), "{}", hash.as_str());
        assert_eq!(PasswordHash::parse(hash.as_str()).unwrap().parameters(), parameters);
        assert_eq!(format!("{hash:?}"), "PasswordHash(..)");
    }

    #[test]
    fn a_hash_another_program_made_is_understood() {
        // The reference implementation on "password": argon2 somesalt -id -t 2 -m 16 -p 1 -e.
        let text = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$\
                    CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
        let hash = PasswordHash::parse(text).unwrap();
        assert!(hash.verify(&password("password")).unwrap());
        assert!(!hash.verify(&password("passwore")).unwrap());
    }

    #[test]
    fn what_is_no_hash_of_ours_or_never_ends_is_refused() {
        let tail = "c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
        let cases = [
            String::new(),
            "hunter2".to_owned(),
            format!("$argon2i$v=19$m=65536,t=2,p=1${tail}"),
            format!("$argon2id$v=16$m=65536,t=2,p=1${tail}"),
            format!("$argon2id$m=65536,t=2,p=1${tail}"),
            "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ".to_owned(),
            format!("$argon2id$v=19$m=4294967295,t=2,p=1${tail}"),
            format!("$argon2id$v=19$m=65536,t=4294967295,p=1${tail}"),
            format!("$argon2id$v=19$m=65536,t=2,p=8192${tail}"),
            format!("$argon2id$v=19$m=7,t=2,p=1${tail}"),
        ];
        for text in cases {
            assert_eq!(PasswordHash::parse(&text).unwrap_err(), PasswordHashError, "{text:?}");
        }
    }

    #[test]
    fn parameters_have_bounds() {
        assert_eq!(HashParameters::default().check(), Ok(()));
        for (memory_kib, iterations, parallelism) in [
            (0, 1, 1),
            (7, 1, 1),
            (15, 1, 2),
            (8, 0, 1),
            (8, 65, 1),
            (8, 1, 0),
            (u32::MAX, 1, 1),
            (8, 1, u32::MAX),
        ] {
            let parameters = HashParameters { memory_kib, iterations, parallelism };
            assert_eq!(parameters.check(), Err(HashParametersError(parameters)));
        }
    }
}
