//! The key that makes stored hashes worthless to a thief of the database.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use ring::hmac;
use zeroize::Zeroizing;

use crate::private_file;
use crate::token::{EnrollmentSecret, SessionToken, random};

/// A secret of the server, kept in a file beside the database, never inside it.
///
/// What a store keeps of a token is an HMAC-SHA256 under this key: a thief of the database can
/// neither use the hashes nor test guesses. Who loses the key file logs everybody out and
/// invalidates open invitations; accounts and enrolled launchers stay.
#[derive(Clone)]
pub struct SecretKey(hmac::Key);

impl SecretKey {
    /// Reads the key at `path`, or creates one there (32 random bytes, mode 0600).
    ///
    /// A new key is on disk, its directory entry too, before this returns; an existing file is
    /// never overwritten, but loses the rights others have to it. Blocks on the disk.
    ///
    /// # Errors
    ///
    /// When the file can be neither read nor created, or is no key.
    pub fn load_or_create(path: &Path) -> Result<Self, SecretKeyError> {
        let file_error = |source| SecretKeyError::File { path: path.to_owned(), source };
        match Self::load(path) {
            Err(SecretKeyError::File { source, .. })
                if source.kind() == io::ErrorKind::NotFound =>
            {
                let bytes = Zeroizing::new(
                    random::<KEY_BYTES>().map_err(io::Error::other).map_err(file_error)?,
                );
                private_file::create(path, bytes.as_slice()).map_err(file_error)?;
                // Another process may have been faster: what counts is what the file says.
                Self::load(path)
            }
            result => result,
        }
    }

    /// The key with these bytes.
    pub fn from_bytes(bytes: &[u8; 32]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, bytes))
    }

    /// What a store keeps of a session token.
    pub fn hash_token(&self, token: &SessionToken) -> KeyedHash {
        self.hash(b"gatehouse session token", token.as_bytes())
    }

    /// What a store keeps of an enrolment secret.
    pub fn hash_enrollment(&self, secret: &EnrollmentSecret) -> KeyedHash {
        self.hash(b"gatehouse enrollment secret", secret.as_bytes())
    }

    /// What is kept of another secret that was handed out, such as a code to join a server. A
    /// purpose for each kind of secret keeps their hashes apart.
    ///
    /// The secret has to be random: what can be guessed can be guessed by whoever has the key.
    pub fn hash_secret(&self, purpose: &str, secret: &[u8]) -> KeyedHash {
        // Told apart from the purposes above by how it begins.
        self.hash_bytes(&[b"other:", purpose.as_bytes()].concat(), secret)
    }

    fn load(path: &Path) -> Result<Self, SecretKeyError> {
        let file_error = |source| SecretKeyError::File { path: path.to_owned(), source };
        let mut bytes = Zeroizing::new(Vec::with_capacity(KEY_BYTES + 1));
        let file = File::open(path).map_err(file_error)?;
        file.take(KEY_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(file_error)?;
        let bytes: &[u8; KEY_BYTES] = bytes
            .as_slice()
            .try_into()
            .map_err(|_| SecretKeyError::NotAKey { path: path.to_owned() })?;
        if private_file::restrict(path).map_err(file_error)? {
            tracing::warn!(path = %path.display(), "others could read the key of session tokens");
        }
        Ok(Self::from_bytes(bytes))
    }

    /// `purpose` keeps hashes for different uses apart, whatever the bytes are.
    fn hash(&self, purpose: &[u8], secret: &[u8; 32]) -> KeyedHash {
        self.hash_bytes(purpose, secret)
    }

    fn hash_bytes(&self, purpose: &[u8], secret: &[u8]) -> KeyedHash {
        let mut context = hmac::Context::with_key(&self.0);
        context.update(purpose);
        context.update(&[0]);
        context.update(secret);
        let mut hash = [0; 32];
        hash.copy_from_slice(context.sign().as_ref());
        KeyedHash(hash)
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey(..)")
    }
}

/// The HMAC of a secret under the server's [`SecretKey`]: what is stored and looked up.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyedHash([u8; 32]);

impl KeyedHash {
    pub(crate) fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for KeyedHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyedHash(..)")
    }
}

/// Why there is no [`SecretKey`].
#[derive(Debug, thiserror::Error)]
pub enum SecretKeyError {
    /// The file can be neither read nor created.
    #[error("key file {path}", path = path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// The file is not exactly 32 bytes long. It is left alone.
    #[error("{path} is no key: it has not exactly 32 bytes", path = path.display())]
    NotAKey {
        /// The file.
        path: PathBuf,
    },
}

const KEY_BYTES: usize = 32;

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn a_key_is_created_once_and_found_again() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("token.key");
        let token = SessionToken::generate().unwrap();
        let first = SecretKey::load_or_create(&path).unwrap();
        let again = SecretKey::load_or_create(&path).unwrap();
        assert_eq!(first.hash_token(&token), again.hash_token(&token));
        assert_eq!((fs::metadata(&path).unwrap().len(), mode(&path)), (32, 0o600));
    }

    #[test]
    fn a_key_others_could_read_is_closed_to_them() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("token.key");
        SecretKey::load_or_create(&path).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        SecretKey::load_or_create(&path).unwrap();
        assert_eq!(mode(&path), 0o600);
    }

    #[test]
    fn a_file_that_is_no_key_is_refused_and_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("token.key");
        for content in [vec![], vec![1; 31], vec![1; 33], vec![1; 4096]] {
            fs::write(&path, &content).unwrap();
            let error = SecretKey::load_or_create(&path).unwrap_err();
            assert!(matches!(error, SecretKeyError::NotAKey { .. }), "{error:?}");
            assert_eq!(fs::read(&path).unwrap(), content);
        }
    }

    #[test]
    fn processes_that_create_the_key_at_once_end_up_with_one() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("token.key");
        let token = SessionToken::from_bytes([1; 32]);
        let hashes: Vec<_> = std::thread::scope(|scope| {
            let hash = || SecretKey::load_or_create(&path).unwrap().hash_token(&token);
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(hash)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(hashes.iter().all(|hash| *hash == hashes[0]));
    }

    #[test]
    fn a_hash_depends_on_key_purpose_and_secret() {
        let (key, other_key) = (SecretKey::from_bytes(&[1; 32]), SecretKey::from_bytes(&[2; 32]));
        let (token, other) = (SessionToken::from_bytes([7; 32]), SessionToken::from_bytes([8; 32]));
        let hash = key.hash_token(&token);
        assert_eq!(hash, key.hash_token(&token));
        assert_ne!(hash, other_key.hash_token(&token));
        assert_ne!(hash, key.hash_token(&other));
        assert_ne!(hash, key.hash_enrollment(&EnrollmentSecret::from_bytes([7; 32])));
        assert_ne!(hash.as_bytes(), token.as_bytes());
        let (code, same) = (key.hash_secret("code", &[7; 32]), key.hash_secret("code", &[7; 32]));
        assert_eq!(code, same);
        assert_ne!(code, hash);
        assert_ne!(code, key.hash_secret("other", &[7; 32]));
        assert_ne!(code, other_key.hash_secret("code", &[7; 32]));
        assert_ne!(hash, key.hash_secret("gatehouse session token", &[7; 32]));
    }

    #[test]
    fn nothing_of_a_key_or_hash_is_shown() {
        let key = SecretKey::from_bytes(&[1; 32]);
        let hash = key.hash_token(&SessionToken::from_bytes([7; 32]));
        assert_eq!(format!("{key:?} {hash:?}"), "SecretKey(..) KeyedHash(..)");
    }
}
