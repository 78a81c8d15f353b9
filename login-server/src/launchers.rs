//! Who may be a launcher: what an operator decides, with or without a running server.

use std::{net::SocketAddr, time::Duration};

use accounts::{
    Author, EnrollmentSecret, LauncherLimits, LauncherName, NameError, RandomError, Revoked,
    SecretKey, Store, StoreError,
};
use protocol::{Enrollment, Text, UnixMillis};

use crate::{keys::Keys, lobby::LauncherKey, store::now};

/// Invites launchers, lists them, and withdraws their enrolment.
#[derive(Clone, Debug)]
pub(crate) struct Launchers {
    pub(crate) store: Store,
    pub(crate) secret_key: SecretKey,
    /// `HOST:PORT` where launchers find us, if that is known.
    pub(crate) address: Option<String>,
    /// How they know us.
    pub(crate) keys: Keys,
}

/// What a launcher needs to enrol, once.
#[derive(Debug)]
pub(crate) struct Invitation {
    pub(crate) enrollment: Enrollment,
    pub(crate) expires: UnixMillis,
}

/// An enrolled launcher.
#[derive(Debug)]
pub(crate) struct KnownLauncher {
    pub(crate) name: Text<64>,
    pub(crate) key: LauncherKey,
    pub(crate) enrolled: UnixMillis,
    pub(crate) limits: LauncherLimits,
}

/// Why an operator's wish was not done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LauncherError {
    #[error(transparent)]
    Name(#[from] NameError),
    #[error("{0:?} is not HOST:PORT")]
    Address(String),
    #[error("the port is not known before the server runs: give --address HOST:PORT")]
    NoAddress,
    #[error("there is no launcher with this name, and no invitation")]
    Unknown,
    #[error(transparent)]
    Random(#[from] RandomError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Launchers {
    /// Invites a launcher. Works once, for a day.
    pub(crate) async fn invite(
        &self,
        name: &str,
        address: Option<&str>,
    ) -> Result<Invitation, LauncherError> {
        let name = LauncherName::parse(name)?;
        let address = address.or(self.address.as_deref()).ok_or(LauncherError::NoAddress)?;
        let secret = EnrollmentSecret::generate()?;
        let enrollment = Enrollment {
            address: address.to_owned(),
            pin: *self.keys.ours().fingerprint().as_bytes(),
            secret: protocol::EnrollmentSecret(*secret.as_bytes()),
        };
        // What we print has to be what a launcher can read.
        if enrollment.to_string().parse() != Ok(enrollment.clone()) {
            return Err(LauncherError::Address(address.to_owned()));
        }
        let (hash, now) = (self.secret_key.hash_enrollment(&secret), now());
        let expires = now.saturating_add(INVITATION_LIFETIME);
        self.store.invite_launcher(&name, &hash, expires, &Author::Console, now).await?;
        Ok(Invitation { enrollment, expires: UnixMillis(expires.as_millis()) })
    }

    /// Every enrolled launcher, by name.
    pub(crate) async fn list(&self) -> Result<Vec<KnownLauncher>, LauncherError> {
        let launchers = self.store.launchers().await?.into_iter().map(|launcher| KnownLauncher {
            name: Text::lossy(launcher.name.as_str()),
            key: LauncherKey(launcher.key),
            enrolled: UnixMillis(launcher.enrolled.as_millis()),
            limits: launcher.limits,
        });
        Ok(launchers.collect())
    }

    /// Withdraws an enrolment. Returns the key that is no longer one of a launcher; none when
    /// there was only an invitation.
    pub(crate) async fn revoke(&self, name: &str) -> Result<Option<LauncherKey>, LauncherError> {
        let name = LauncherName::parse(name)?;
        match self.store.revoke_launcher(&name, &Author::Console, now()).await? {
            Revoked::Nothing => Err(LauncherError::Unknown),
            Revoked::Invitation => Ok(None),
            Revoked::Launcher(key) => Ok(Some(LauncherKey(key))),
        }
    }
}

/// Where launchers find a server that listens at `addr`, when nobody says otherwise: who listens
/// everywhere is found on the same machine.
pub(crate) fn default_address(mut addr: SocketAddr) -> Option<String> {
    if addr.ip().is_unspecified() {
        addr.set_ip(std::net::Ipv4Addr::LOCALHOST.into());
    }
    (addr.port() != 0).then(|| addr.to_string())
}

/// How long an invitation can be used.
const INVITATION_LIFETIME: Duration = Duration::from_secs(24 * 3600);
