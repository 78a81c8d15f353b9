//! Whom we believe to be who they say they are.

use std::{path::Path, sync::Arc};

use rustls::{
    RootCertStore,
    pki_types::{
        CertificateDer,
        pem::{self, PemObject},
    },
};

use super::{KeyError, KeyFingerprint, KnownKeys};

/// Which servers we talk to.
#[derive(Clone, Debug)]
pub enum Trust {
    /// Those with one of these keys, whatever their certificate says. None of them: nobody.
    Pins(Vec<KeyFingerprint>),
    /// Likewise, where more keys may become known while the program runs. What is learnt through a
    /// clone holds from the next connection on.
    Known(KnownKeys),
    /// Those with a certificate for their name from one of these authorities.
    Roots(Arc<RootCertStore>),
}

impl Trust {
    /// Trusts the authorities whose certificates are in a PEM file.
    ///
    /// # Errors
    ///
    /// When the file cannot be read, holds no certificate, or one that is no authority's.
    pub fn from_pem_file(path: impl AsRef<Path>) -> Result<Self, KeyError> {
        let path = path.as_ref();
        let mut roots = RootCertStore::empty();
        let certificates =
            CertificateDer::pem_file_iter(path).map_err(|error| KeyError::pem(path, error))?;
        for certificate in certificates {
            let certificate = certificate.map_err(|error| KeyError::pem(path, error))?;
            roots.add(certificate).map_err(|error| KeyError::tls(path, error))?;
        }
        match roots.is_empty() {
            true => Err(KeyError::pem(path, pem::Error::NoItemsFound)),
            false => Ok(Self::Roots(Arc::new(roots))),
        }
    }
}

impl From<KeyFingerprint> for Trust {
    fn from(pin: KeyFingerprint) -> Self {
        Self::Pins(vec![pin])
    }
}

impl From<KnownKeys> for Trust {
    fn from(known: KnownKeys) -> Self {
        Self::Known(known)
    }
}
