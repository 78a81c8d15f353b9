//! How a process knows its keeper.

use std::{
    env,
    net::{AddrParseError, SocketAddr},
};

use protocol::{ControllerToken, Text, TextError};

/// Where the keeper of this process listens, and what proves that this is the process.
#[derive(Clone, Debug)]
pub struct Environment {
    /// Where the keeper listens.
    pub address: SocketAddr,
    /// What proves who we are.
    pub token: ControllerToken,
}

/// Why a process does not know its keeper.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EnvironmentError {
    /// No keeper has started this process. A game that can also run alone does so.
    #[error("{ADDRESS} is not set: no Gatehouse launcher has started this process")]
    NoKeeper,
    /// There is an address, and no token.
    #[error("{TOKEN} is not set")]
    NoToken,
    /// The address is none.
    #[error("{ADDRESS}: {0}")]
    Address(#[source] AddrParseError),
    /// The token cannot be one.
    #[error("{TOKEN}: {0}")]
    Token(#[source] TextError),
}

impl Environment {
    /// What the environment of this process says: `GATEHOUSE_CONTROLLER` and `GATEHOUSE_TOKEN`.
    ///
    /// # Errors
    ///
    /// When one of them is missing or wrong.
    pub fn of_this_process() -> Result<Self, EnvironmentError> {
        Self::parse(env::var(ADDRESS).ok(), env::var(TOKEN).ok())
    }

    fn parse(address: Option<String>, token: Option<String>) -> Result<Self, EnvironmentError> {
        let address = address.ok_or(EnvironmentError::NoKeeper)?;
        let address = address.parse().map_err(EnvironmentError::Address)?;
        let token = Text::parse(token.ok_or(EnvironmentError::NoToken)?);
        Ok(Self { address, token: ControllerToken(token.map_err(EnvironmentError::Token)?) })
    }
}

const ADDRESS: &str = "GATEHOUSE_CONTROLLER";
const TOKEN: &str = "GATEHOUSE_TOKEN";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_or_wrong_is_named() {
        let parse = |address: Option<&str>, token: Option<&str>| {
            Environment::parse(address.map(Into::into), token.map(Into::into))
        };
        assert_eq!(parse(None, Some("x")).unwrap_err(), EnvironmentError::NoKeeper);
        assert_eq!(parse(Some("[::1]:1"), None).unwrap_err(), EnvironmentError::NoToken);
        let wrong = parse(Some("localhost"), Some("x")).unwrap_err();
        assert!(wrong.to_string().starts_with("GATEHOUSE_CONTROLLER: "), "{wrong}");
        let long = "x".repeat(65);
        let wrong = parse(Some("[::1]:1"), Some(&long)).unwrap_err();
        assert_eq!(wrong.to_string(), "GATEHOUSE_TOKEN: text of 65 bytes exceeds 64");
        let right = parse(Some("127.0.0.1:7"), Some("secret")).unwrap();
        assert_eq!(right.address, ([127, 0, 0, 1], 7).into());
        assert_eq!(format!("{:?}", right.token), "ControllerToken(…)");
    }
}
