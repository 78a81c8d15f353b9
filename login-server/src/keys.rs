//! The key by which players and launchers know us, and the one that is to follow it.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use accounts::UnixMillis;
use actix::Addr;
use anyhow::Context as _;
use connection_handler::transport::keys::{CertificateFiles, Certificates, Identity};
use protocol::KeyPin;
use tokio::task::spawn_blocking;

use crate::{
    server::{LoginServer, NextKey},
    store::now,
};

/// Our key, and the next one if it is decided. Clones share them.
///
/// A next key lies beside ours, with the time from which on it is ours. Until then it is told to
/// everybody who connects, and to who is connected. Then it takes the place of the other, in steps
/// each of which can be the last that a process does: whoever starts next goes on.
#[derive(Clone, Debug)]
pub(crate) struct Keys(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    dir: PathBuf,
    ours: Identity,
    next: Option<Next>,
}

/// The key that is to follow.
#[derive(Clone, Debug)]
pub(crate) struct Next {
    pub(crate) identity: Identity,
    /// When it does.
    pub(crate) from: UnixMillis,
}

impl Next {
    pub(crate) fn pin(&self) -> KeyPin {
        KeyPin(*self.identity.fingerprint().as_bytes())
    }
}

impl Keys {
    /// Reads them, or makes ours. A next one whose time has come is ours.
    pub(crate) fn open(dir: &Path) -> anyhow::Result<Self> {
        let next = match read_time(dir)? {
            Some(from) if from <= now() => {
                replace(dir).context("cannot change the key")?;
                None
            }
            Some(from) => {
                let identity = Identity::load_or_create(dir, NEXT).context("the next key")?;
                Some(Next { identity, from })
            }
            None => None,
        };
        let ours = Identity::load_or_create(dir, OURS).context("no certificate and key")?;
        Ok(Self(Arc::new(Mutex::new(State { dir: dir.to_owned(), ours, next }))))
    }

    /// The one of now.
    pub(crate) fn ours(&self) -> Identity {
        self.state().ours.clone()
    }

    pub(crate) fn next(&self) -> Option<Next> {
        self.state().next.clone()
    }

    /// Decides that there is another key from `from` on: a new one, unless that was decided before.
    /// Touches files.
    pub(crate) fn rotate(&self, from: UnixMillis) -> anyhow::Result<Next> {
        let mut state = self.state();
        let identity = Identity::load_or_create(&state.dir, NEXT).context("the next key")?;
        write_time(&state.dir, from).context("cannot decide it")?;
        let next = Next { identity, from };
        state.next = Some(next.clone());
        Ok(next)
    }

    /// The next key, if it is ours from now on. Touches files only then.
    fn turn(&self) -> anyhow::Result<Option<Identity>> {
        let mut state = self.state();
        if state.next.as_ref().is_none_or(|next| next.from > now()) {
            return Ok(None);
        }
        replace(&state.dir).context("cannot change the key")?;
        state.ours = Identity::load_or_create(&state.dir, OURS)?;
        state.next = None;
        Ok(Some(state.ours.clone()))
    }

    /// Shows the next key when it is time, and tells the central actor, for ever.
    pub(crate) async fn keep_turning(self, certificates: Certificates, server: Addr<LoginServer>) {
        loop {
            tokio::time::sleep(PERIOD).await;
            let (this, certificates) = (self.clone(), certificates.clone());
            let work = move || {
                let turned = this.turn()?;
                if let Some(identity) = &turned {
                    certificates.set_own(identity);
                }
                anyhow::Ok(turned)
            };
            match spawn_blocking(work).await {
                Ok(Ok(Some(identity))) => {
                    let pin = identity.fingerprint();
                    tracing::warn!(%pin, "another key: who has not heard of it needs its pin");
                    server.do_send(NextKey(None));
                }
                Ok(Ok(None)) => {}
                Ok(Err(error)) => {
                    let error = format!("{error:#}");
                    tracing::error!(error, "the key has not changed, trying again");
                }
                Err(error) => tracing::error!(%error, "the key has not changed"),
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Puts the next key in the place of ours. Done twice, or begun and not ended, it is done once.
fn replace(dir: &Path) -> io::Result<()> {
    let [ours, next] = [OURS, NEXT].map(|stem| Identity::files(dir, stem));
    if next.key.try_exists()? {
        // A certificate is made anew for a key that has none, and fits no other.
        remove(&ours.certificate)?;
        fs::rename(&next.key, &ours.key)?;
    }
    if next.certificate.try_exists()? {
        fs::rename(&next.certificate, &ours.certificate)?;
    }
    File::open(dir)?.sync_all()?;
    remove(&dir.join(TIME))?;
    File::open(dir)?.sync_all()
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// From when on the next key is ours, if there is one.
fn read_time(dir: &Path) -> anyhow::Result<Option<UnixMillis>> {
    let path = dir.join(TIME);
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).with_context(|| path.display().to_string()),
    };
    let millis = text.trim().parse().with_context(|| path.display().to_string())?;
    Ok(Some(UnixMillis::from_millis(millis)))
}

fn write_time(dir: &Path, from: UnixMillis) -> io::Result<()> {
    let new = dir.join(format!("{TIME}.new"));
    fs::write(&new, format!("{}\n", from.as_millis()))?;
    File::open(&new)?.sync_all()?;
    fs::rename(&new, dir.join(TIME))?;
    File::open(dir)?.sync_all()
}

/// The files of our certificate and key.
pub(crate) fn files(dir: &Path) -> CertificateFiles {
    Identity::files(dir, OURS)
}

/// The files of our certificate and key, up to their extensions.
const OURS: &str = "login-server";
/// Likewise, of those that follow.
const NEXT: &str = "login-server-next";
/// From when on they do, in milliseconds since 1970.
const TIME: &str = "login-server-next.from";

/// How often is looked whether it is time.
const PERIOD: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    const LATER: Duration = Duration::from_secs(3600);

    #[test]
    fn a_next_key_stays_the_same_until_it_is_ours() {
        let dir = tempfile::tempdir().unwrap();
        let keys = Keys::open(dir.path()).unwrap();
        let before = keys.ours().fingerprint();
        let next = keys.rotate(now().saturating_add(LATER)).unwrap().identity.fingerprint();
        assert_ne!(next, before);
        assert!(keys.turn().unwrap().is_none(), "not yet");
        let again = Keys::open(dir.path()).unwrap();
        assert_eq!(again.ours().fingerprint(), before);
        assert_eq!(again.next().unwrap().identity.fingerprint(), next);
        assert_eq!(again.rotate(now()).unwrap().identity.fingerprint(), next, "only sooner");
        assert_eq!(again.turn().unwrap().unwrap().fingerprint(), next);
        assert!(again.next().is_none() && again.turn().unwrap().is_none());
        let keys = Keys::open(dir.path()).unwrap();
        assert_eq!(keys.ours().fingerprint(), next);
        assert!(keys.next().is_none());
        assert_ne!(keys.rotate(now()).unwrap().identity.fingerprint(), next, "one more");
    }

    #[test]
    fn a_change_that_was_cut_short_is_ended() {
        for steps in 0..4 {
            let dir = tempfile::tempdir().unwrap();
            let keys = Keys::open(dir.path()).unwrap();
            let next = keys.rotate(now()).unwrap().identity.fingerprint();
            let [ours, new] = [OURS, NEXT].map(|stem| Identity::files(dir.path(), stem));
            if steps > 0 {
                fs::remove_file(&ours.certificate).unwrap();
            }
            if steps > 1 {
                fs::rename(&new.key, &ours.key).unwrap();
            }
            if steps > 2 {
                fs::rename(&new.certificate, &ours.certificate).unwrap();
            }
            let keys = Keys::open(dir.path()).unwrap();
            assert_eq!(keys.ours().fingerprint(), next, "after {steps} steps");
            assert!(keys.next().is_none());
        }
    }
}
