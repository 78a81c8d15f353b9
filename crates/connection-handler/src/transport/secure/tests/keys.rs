//! Keys in files.

use std::{fs, os::unix::fs::PermissionsExt};

use crate::transport::keys::{Identity, KeyError, Trust};

#[test]
fn a_key_is_made_once_and_is_for_its_owner_only() {
    let dir = tempfile::tempdir().unwrap();
    let made = Identity::load_or_create(dir.path(), "server").unwrap();
    let loaded = Identity::load_or_create(dir.path(), "server").unwrap();
    assert_eq!(made.fingerprint(), loaded.fingerprint());
    let other = Identity::load_or_create(dir.path(), "other").unwrap();
    assert_ne!(made.fingerprint(), other.fingerprint());
    let mode = fs::metadata(dir.path().join("server.key.pem")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 4, "nothing is left behind");
}

#[test]
fn a_new_certificate_for_the_same_key_has_the_same_fingerprint() {
    let dir = tempfile::tempdir().unwrap();
    let before = Identity::load_or_create(dir.path(), "server").unwrap();
    fs::remove_file(dir.path().join("server.cert.pem")).unwrap();
    let after = Identity::load_or_create(dir.path(), "server").unwrap();
    assert_eq!(before.fingerprint(), after.fingerprint());
}

#[test]
fn a_certificate_without_its_key_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    Identity::load_or_create(dir.path(), "server").unwrap();
    let key = dir.path().join("server.key.pem");
    fs::remove_file(&key).unwrap();
    let error = Identity::load_or_create(dir.path(), "server").unwrap_err();
    assert!(matches!(error, KeyError::NoKey(path) if path == key));
    assert!(!key.exists(), "it is not made anew behind our back");

    Identity::load_or_create(dir.path(), "other").unwrap();
    fs::rename(dir.path().join("other.key.pem"), key).unwrap();
    let error = Identity::load_or_create(dir.path(), "server").unwrap_err();
    assert!(matches!(error, KeyError::Unusable { .. }), "{error}");
}

#[test]
fn files_with_something_else_in_them_are_errors() {
    let dir = tempfile::tempdir().unwrap();
    Identity::load_or_create(dir.path(), "server").unwrap();
    let (certificate, key) =
        (dir.path().join("server.cert.pem"), dir.path().join("server.key.pem"));
    assert!(matches!(Trust::from_pem_file(&key), Err(KeyError::Pem { .. })));
    assert!(matches!(Trust::from_pem_file(dir.path().join("none")), Err(KeyError::Pem { .. })));
    fs::write(&certificate, "").unwrap();
    let error = Identity::load_or_create(dir.path(), "server").unwrap_err();
    assert!(error.to_string().contains("server.cert.pem"), "{error}");
}
