//! Our certificate and our key.

use std::{
    fmt, fs,
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256};
use ring::hmac;
use rustls::{
    pki_types::{
        CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer,
        pem::{self, PemObject},
    },
    sign::CertifiedKey,
};

use super::{CertificateFiles, KeyFingerprint};
use crate::transport::secure::verify::{fingerprint, provider};

/// Our certificate and our key, by which others recognise us.
#[derive(Clone)]
pub struct Identity {
    key: Arc<CertifiedKey>,
    fingerprint: KeyFingerprint,
    secrets: hmac::Key,
}

impl Identity {
    /// Reads `<file_stem>.cert.pem` and `<file_stem>.key.pem` from `dir`, or makes them.
    ///
    /// A new certificate is signed with its own key, for the names `localhost` and `gatehouse`. The
    /// key file is for its owner only. Files appear with all they contain, and existing ones are
    /// never written: a missing certificate is made anew for the key that is there.
    ///
    /// # Errors
    ///
    /// When a file can be neither read nor written, or is not what its name says; when the
    /// certificate is there without its key, or belongs to another one.
    pub fn load_or_create(dir: &Path, file_stem: &str) -> Result<Self, KeyError> {
        let CertificateFiles { certificate: certificate_file, key: key_file } =
            Self::files(dir, file_stem);
        let exists = |path: &Path| path.try_exists().map_err(|error| KeyError::io(path, error));
        match (exists(&certificate_file)?, exists(&key_file)?) {
            (true, true) => {}
            (true, false) => return Err(KeyError::NoKey(key_file)),
            // The key first: who is interrupted in between only has to sign again.
            (false, has_key) => {
                if !has_key {
                    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
                    write_new(&key_file, &key.serialize_pem(), 0o600)?;
                }
                let text = fs::read_to_string(&key_file)
                    .map_err(|error| KeyError::io(&key_file, error))?;
                let certificate = self_signed(&KeyPair::from_pem(&text)?)?;
                write_new(&certificate_file, &certificate.pem(), 0o644)?;
            }
        }
        Self::load(&certificate_file, &key_file)
    }

    /// The files that [`load_or_create`](Self::load_or_create) reads or makes.
    pub fn files(dir: &Path, file_stem: &str) -> CertificateFiles {
        CertificateFiles {
            certificate: dir.join(format!("{file_stem}.cert.pem")),
            key: dir.join(format!("{file_stem}.key.pem")),
        }
    }

    /// Reads a certificate, with those that lead to its root, and its key from PEM files.
    ///
    /// # Errors
    ///
    /// When a file cannot be read or holds something else, or the two do not belong together.
    pub fn load(certificate_file: &Path, key_file: &Path) -> Result<Self, KeyError> {
        let chain = CertificateDer::pem_file_iter(certificate_file)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(|error| KeyError::pem(certificate_file, error))?;
        if chain.is_empty() {
            return Err(KeyError::pem(certificate_file, pem::Error::NoItemsFound));
        }
        let key = PrivateKeyDer::from_pem_file(key_file)
            .map_err(|error| KeyError::pem(key_file, error))?;
        Self::from_der(chain, key).map_err(|error| KeyError::tls(certificate_file, error))
    }

    /// Makes an identity that lasts as long as the process.
    ///
    /// # Errors
    ///
    /// When the system has no randomness.
    pub fn ephemeral() -> Result<Self, KeyError> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let chain = vec![self_signed(&key)?.der().clone()];
        let key = PrivatePkcs8KeyDer::from(key.serialize_der());
        Self::from_der(chain, key.into()).map_err(|error| KeyError::tls(Path::new(""), error))
    }

    fn from_der(
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
    ) -> Result<Self, rustls::Error> {
        let secrets = hmac::Key::new(hmac::HMAC_SHA256, key.secret_der());
        let key = CertifiedKey::from_der(chain, key, provider())?;
        let fingerprint = fingerprint(key.end_entity_cert()?)?;
        Ok(Self { key: Arc::new(key), fingerprint, secrets })
    }

    /// What others may pin us by.
    pub fn fingerprint(&self) -> KeyFingerprint {
        self.fingerprint
    }

    /// The certificate of one, with the key of another.
    #[cfg(test)]
    pub(crate) fn stolen(owner: &Self, thief: &Self) -> Self {
        let key = CertifiedKey::new(owner.key.cert.clone(), thief.key.key.clone());
        Self { key: Arc::new(key), ..owner.clone() }
    }

    /// A secret for `purpose`: the same for as long as the private key is, and no help to find it.
    pub(crate) fn secret_for(&self, purpose: &str) -> [u8; 32] {
        let tag = hmac::sign(&self.secrets, purpose.as_bytes());
        tag.as_ref().try_into().expect("SHA-256 has 32 bytes")
    }

    pub(crate) fn certified_key(&self) -> Arc<CertifiedKey> {
        self.key.clone()
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Identity").field(&self.fingerprint).finish()
    }
}

/// Why there is no key, or no certificate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// A file cannot be read or written.
    #[error("{}: {error}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        error: io::Error,
    },
    /// A file is not the PEM file it should be.
    #[error("{}: {error}", path.display())]
    Pem {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        error: pem::Error,
    },
    /// A certificate or its key cannot be used.
    #[error("{}: {error}", path.display())]
    Unusable {
        /// The file of the certificate.
        path: PathBuf,
        /// Why.
        #[source]
        error: rustls::Error,
    },
    /// There is a certificate, but not the key it was made for.
    #[error("{}: the key of the certificate beside it is missing", _0.display())]
    NoKey(PathBuf),
    /// A certificate was renewed for another key than the one that others know us by.
    #[error("{}: not the key this server has started with", _0.display())]
    OtherKey(PathBuf),
    /// A certificate is for no host, so that nobody would ever be shown it.
    #[error("{}: the certificate has no name of a host", _0.display())]
    NoName(PathBuf),
    /// A key or certificate cannot be made.
    #[error("cannot make a key: {0}")]
    Create(#[from] rcgen::Error),
}

impl KeyError {
    fn io(path: &Path, error: io::Error) -> Self {
        Self::Io { path: path.into(), error }
    }

    pub(super) fn pem(path: &Path, error: pem::Error) -> Self {
        Self::Pem { path: path.into(), error }
    }

    pub(super) fn tls(path: &Path, error: rustls::Error) -> Self {
        Self::Unusable { path: path.into(), error }
    }
}

fn self_signed(key: &KeyPair) -> Result<rcgen::Certificate, rcgen::Error> {
    CertificateParams::new(NAMES.map(String::from))?.self_signed(key)
}

/// Writes a file that is either not there or whole.
fn write_new(path: &Path, text: &str, mode: u32) -> Result<(), KeyError> {
    let unfinished = path.with_extension(format!("tmp-{}", std::process::id()));
    let write = || {
        let mut file =
            fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(&unfinished)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        // Unlike `rename`, this fails when somebody else has been faster.
        fs::hard_link(&unfinished, path)?;
        match path.parent().filter(|dir| !dir.as_os_str().is_empty()) {
            Some(dir) => fs::File::open(dir)?.sync_all(),
            None => Ok(()),
        }
    };
    // Left behind by a process of the same number, if at all.
    let _ = fs::remove_file(&unfinished);
    let written = write();
    let _ = fs::remove_file(&unfinished);
    written.map_err(|error| KeyError::io(path, error))
}

const NAMES: [&str; 2] = ["localhost", "gatehouse"];
