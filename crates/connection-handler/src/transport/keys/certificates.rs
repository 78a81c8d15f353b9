//! Which certificate a server shows to whom.

use std::{
    collections::HashMap,
    fmt, fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock},
};

use rustls::{
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use webpki::EndEntityCert;

use super::{Identity, KeyError};

/// A certificate and its key, in PEM files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFiles {
    /// The certificate, and those that lead to its root.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// The certificates of a server: its own, and further ones for the names they are made for.
///
/// Who asks for a name (SNI) that a further certificate has is shown that one; everybody else the
/// server's own, by whose key it is pinned. A wildcard stands for one label.
///
/// Clones share what they show, so that [`reload`](Self::reload) changes it for TLS and QUIC at
/// once. A handshake sees either the old ones or the new ones. What was issued before stays valid:
/// connections, session tickets, address tokens.
#[derive(Clone)]
pub struct Certificates(Arc<Shared>);

struct Shared {
    files: Mutex<Files>,
    shown: RwLock<Arc<Shown>>,
    /// What the files looked like when they were read last, whether they could be used or not.
    seen: Mutex<Vec<Option<Stamp>>>,
}

struct Files {
    own: Option<(CertificateFiles, Identity)>,
    further: Vec<CertificateFiles>,
}

impl Certificates {
    /// Only the certificate of `identity`, which never changes.
    pub fn new(identity: &Identity) -> Self {
        let files = Files { own: None, further: Vec::new() };
        let shown = Shown { own: identity.certified_key(), by_name: HashMap::new() };
        Self::with(files, shown, Vec::new())
    }

    /// Reads the certificates in `further`, beside that of `identity`. Where several have the same
    /// name, the first is shown.
    ///
    /// If `own` says where `identity` came from, its certificate can be renewed, too. Its key
    /// cannot, or only by [`set_own`](Self::set_own): it is what others pin.
    ///
    /// # Errors
    ///
    /// When one cannot be read or used, or has no name.
    pub fn load(
        identity: &Identity,
        own: Option<CertificateFiles>,
        further: Vec<CertificateFiles>,
    ) -> Result<Self, KeyError> {
        let files = Files { own: own.map(|own| (own, identity.clone())), further };
        let seen = files.stamps();
        let shown = files.read(identity.certified_key())?;
        Ok(Self::with(files, shown, seen))
    }

    fn with(files: Files, shown: Shown, seen: Vec<Option<Stamp>>) -> Self {
        Self(Arc::new(Shared {
            files: Mutex::new(files),
            shown: RwLock::new(Arc::new(shown)),
            seen: Mutex::new(seen),
        }))
    }

    /// Reads all files again and shows what is in them from now on.
    ///
    /// # Errors
    ///
    /// When one cannot be read or used. Then nothing changes.
    pub fn reload(&self) -> Result<(), KeyError> {
        let files = self.files();
        *self.0.seen.lock().unwrap_or_else(PoisonError::into_inner) = files.stamps();
        let shown = files.read(self.shown().own.clone())?;
        self.show(shown);
        Ok(())
    }

    /// Shows the certificate of `identity` as its own from now on. If there are files for that, they
    /// have to be the ones of `identity` already.
    ///
    /// Who has not been told of its key, and pins the former one, does not get in any more.
    pub fn set_own(&self, identity: &Identity) {
        let mut files = self.files();
        if let Some((_, own)) = &mut files.own {
            *own = identity.clone();
        }
        let by_name = self.shown().by_name.clone();
        self.show(Shown { own: identity.certified_key(), by_name });
    }

    fn show(&self, shown: Shown) {
        *self.0.shown.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(shown);
    }

    fn files(&self) -> MutexGuard<'_, Files> {
        self.0.files.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// [Reloads](Self::reload) if a file has changed, or in any case if `demanded`. Logs what comes
    /// of it: files that cannot be used are no more than a line in the log, one for each change.
    ///
    /// To be called every few seconds.
    ///
    /// # Cancel safety
    ///
    /// When it is dropped, the work may still be done.
    pub async fn refresh(&self, demanded: bool) {
        let this = self.clone();
        let work = move || match demanded || this.have_changed() {
            true => Some(this.reload()),
            false => None,
        };
        // Files are small, and may be far away.
        match tokio::task::spawn_blocking(work).await {
            Ok(Some(Ok(()))) => tracing::info!("certificates reloaded"),
            Ok(Some(Err(error))) => {
                tracing::error!(%error, "certificates not reloaded: the old ones stay in use");
            }
            Ok(None) => {}
            Err(error) => tracing::error!(%error, "certificates not reloaded"),
        }
    }

    /// Whether any file is not what it was when it was read last.
    fn have_changed(&self) -> bool {
        let stamps = self.files().stamps();
        stamps != *self.0.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn shown(&self) -> Arc<Shown> {
        self.0.shown.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.shown().for_name(hello.server_name()))
    }
}

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.shown();
        f.debug_struct("Certificates").field("names", &shown.by_name.keys()).finish_non_exhaustive()
    }
}

/// What is shown at some time.
struct Shown {
    own: Arc<CertifiedKey>,
    /// By name in lower case, as it stands in the certificate: perhaps with `*.` in front.
    by_name: HashMap<String, Arc<CertifiedKey>>,
}

impl Shown {
    fn for_name(&self, name: Option<&str>) -> Arc<CertifiedKey> {
        let find = |name: &str| {
            let name = name.to_ascii_lowercase();
            let exact = self.by_name.get(&name);
            exact.or_else(|| self.by_name.get(&format!("*.{}", name.split_once('.')?.1)))
        };
        name.and_then(find).unwrap_or(&self.own).clone()
    }
}

impl Files {
    /// What they hold; `own` is what there is to show if that has no files.
    fn read(&self, own: Arc<CertifiedKey>) -> Result<Shown, KeyError> {
        let own = match &self.own {
            None => own,
            Some((files, identity)) => {
                let renewed = Identity::load(&files.certificate, &files.key)?;
                if renewed.fingerprint() != identity.fingerprint() {
                    return Err(KeyError::OtherKey(files.key.clone()));
                }
                renewed.certified_key()
            }
        };
        let mut by_name = HashMap::new();
        for CertificateFiles { certificate, key } in &self.further {
            let key = Identity::load(certificate, key)?.certified_key();
            let names = names(&key).map_err(|error| KeyError::tls(certificate, error))?;
            if names.is_empty() {
                return Err(KeyError::NoName(certificate.clone()));
            }
            for name in names {
                by_name.entry(name).or_insert_with(|| key.clone());
            }
        }
        Ok(Shown { own, by_name })
    }

    fn stamps(&self) -> Vec<Option<Stamp>> {
        let own = self.own.iter().map(|(files, _)| files);
        own.chain(&self.further)
            .flat_map(|files| [&files.certificate, &files.key])
            .map(|path| Stamp::of(path).ok())
            .collect()
    }
}

/// What tells one content of a file from another, without reading it. Of a link, its target.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    changed: (i64, i64),
}

impl Stamp {
    fn of(path: &Path) -> io::Result<Self> {
        let metadata = fs::metadata(path)?;
        Ok(Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        })
    }
}

fn names(key: &CertifiedKey) -> Result<Vec<String>, rustls::Error> {
    let unusable = |_| rustls::CertificateError::BadEncoding;
    let certificate = EndEntityCert::try_from(key.end_entity_cert()?).map_err(unusable)?;
    Ok(certificate.valid_dns_names().map(str::to_ascii_lowercase).collect())
}
