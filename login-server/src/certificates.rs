//! The certificates that are shown, and their renewal.

use std::{io, path::Path, time::Duration};

use anyhow::Context as _;
use connection_handler::transport::keys::{CertificateFiles, Certificates, Identity};
use tokio::signal::unix::{SignalKind, signal};

use crate::{Config, config::CertificateConfig, keys};

/// The own certificate from `dir`, and those that `config` names.
pub(crate) fn load(
    config: &Config,
    dir: &Path,
    identity: &Identity,
) -> anyhow::Result<Certificates> {
    let further = config.tls.certificates.iter().map(|CertificateConfig { certificate, key }| {
        CertificateFiles { certificate: certificate.clone(), key: key.clone() }
    });
    let own = keys::files(dir);
    Certificates::load(identity, Some(own), further.collect()).context("cannot use a certificate")
}

/// Reads them again when they change, and at SIGHUP, for ever.
///
/// # Errors
///
/// When the signal cannot be listened for.
pub(crate) fn keep_fresh(certificates: Certificates) -> io::Result<impl Future<Output = ()>> {
    let mut hangup = signal(SignalKind::hangup())?;
    Ok(async move {
        loop {
            let demanded = tokio::select! {
                asked = hangup.recv() => asked.is_some(),
                () = tokio::time::sleep(PERIOD) => false,
            };
            certificates.refresh(demanded).await;
        }
    })
}

/// How often is looked whether a file has changed: who renews certificates can wait that long.
const PERIOD: Duration = Duration::from_secs(5);
