//! The store against real files: what it keeps, what it refuses.

mod common;

use std::collections::HashSet;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use accounts::{
    CreateAccountError, EnrollError, HashParameters, HashQueue, HashQueueConfig,
    MAX_SESSIONS_PER_ACCOUNT, OpenError, Origin, Password, Revoked, SessionToken, SqliteStore,
    Store, StoreError,
};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{Connection, SqliteConnection};

use common::{Database, LATER, MUCH_LATER, NOW, hash, key, launcher, name, secret, token};

#[tokio::test]
async fn an_account_is_found_in_any_case_and_shown_as_written() {
    let database = Database::new();
    let store = database.open().await;
    let id = store.create_account(&name("Rosa_L"), hash(1), NOW).await.unwrap();
    for spelling in ["Rosa_L", "rosa_l", "ROSA_L"] {
        let account = store.account(&name(spelling)).await.unwrap().unwrap();
        assert_eq!((account.id, account.name.as_str()), (id, "Rosa_L"));
        assert_eq!(account.password_hash.as_str(), hash(1).as_str());
    }
    assert!(store.account(&name("rosa-l")).await.unwrap().is_none());
}

#[tokio::test]
async fn a_name_that_differs_only_in_case_is_taken() {
    let database = Database::new();
    let store = database.open().await;
    store.create_account(&name("Rosa"), hash(1), NOW).await.unwrap();
    let error = store.create_account(&name("rOSA"), hash(2), NOW).await.unwrap_err();
    assert!(matches!(error, CreateAccountError::NameTaken), "{error:?}");
    let account = store.account(&name("rosa")).await.unwrap().unwrap();
    assert_eq!(account.password_hash.as_str(), hash(1).as_str(), "the first one stays as it is");
}

#[tokio::test]
async fn of_many_who_want_one_name_at_once_exactly_one_gets_it() {
    let database = Database::new();
    let (one, other) = (database.open().await, database.open().await);
    let tasks: Vec<_> = (0..40)
        .map(|number| {
            let store = if number % 2 == 0 { one.clone() } else { other.clone() };
            tokio::spawn(async move {
                store.create_account(&name("Rosa"), hash(number), NOW).await.map(|id| (id, number))
            })
        })
        .collect();
    let mut winners = Vec::new();
    for task in tasks {
        match task.await.unwrap() {
            Ok(winner) => winners.push(winner),
            Err(CreateAccountError::NameTaken) => {}
            Err(error) => panic!("{error:?}"),
        }
    }
    let [(id, number)] = winners[..] else { panic!("{winners:?}") };
    let account = one.account(&name("rosa")).await.unwrap().unwrap();
    assert_eq!((account.id, account.password_hash.as_str()), (id, hash(number).as_str()));
}

#[tokio::test]
async fn everything_is_there_after_the_file_is_opened_again() {
    let database = Database::new();
    let store = database.open().await;
    let id = store.create_account(&name("Rosa"), hash(1), NOW).await.unwrap();
    store.open_session(id, &token(1), LATER, NOW).await.unwrap();
    store.invite_launcher(&launcher("hall-1"), &secret(1), LATER, NOW).await.unwrap();
    store.enroll_launcher(&secret(1), [9; 32], NOW).await.unwrap();
    store.invite_launcher(&launcher("hall-2"), &secret(2), LATER, NOW).await.unwrap();
    drop(store);

    let store = database.open().await;
    assert_eq!(store.account(&name("rosa")).await.unwrap().unwrap().id, id);
    let session = store.session(&token(1), NOW).await.unwrap().unwrap();
    assert_eq!((session.account, session.name, session.expires), (id, name("Rosa"), LATER));
    assert_eq!(store.launcher(&[9; 32]).await.unwrap(), Some(launcher("hall-1")));
    assert_eq!(store.enroll_launcher(&secret(2), [8; 32], NOW).await.unwrap(), launcher("hall-2"));
}

#[tokio::test]
async fn two_handles_on_one_file_see_each_others_writes() {
    let database = Database::new();
    let (one, other) = (database.open().await, database.open().await);
    let id = one.create_account(&name("Rosa"), hash(1), NOW).await.unwrap();
    assert_eq!(other.account(&name("rosa")).await.unwrap().unwrap().id, id);
    other.open_session(id, &token(1), LATER, NOW).await.unwrap();
    assert!(one.session(&token(1), NOW).await.unwrap().is_some());
    other.close().await;
    one.create_account(&name("Karl"), hash(2), NOW).await.unwrap();
}

#[test]
fn many_may_open_a_new_file_at_once() {
    for _ in 0..50 {
        let database = Database::new();
        let together = Barrier::new(6);
        let open_and_write = |number: u32| {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            together.wait();
            runtime.block_on(async {
                let store = database.open().await;
                store.create_account(&name(&format!("n{number}")), hash(number), NOW).await.unwrap()
            })
        };
        let ids: HashSet<_> = thread::scope(|scope| {
            let threads: Vec<_> =
                (0..6).map(|number| scope.spawn(move || open_and_write(number))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(ids.len(), 6);
    }
}

#[tokio::test]
async fn a_session_is_found_until_it_expires_or_is_closed() {
    let database = Database::new();
    let store = database.open().await;
    let id = store.create_account(&name("Rosa"), hash(1), NOW).await.unwrap();
    store.open_session(id, &token(1), LATER, NOW).await.unwrap();
    store.open_session(id, &token(2), MUCH_LATER, NOW).await.unwrap();
    let just_before = accounts::UnixMillis::from_millis(LATER.as_millis() - 1);
    assert!(store.session(&token(1), just_before).await.unwrap().is_some());
    assert!(store.session(&token(1), LATER).await.unwrap().is_none(), "expired");
    assert!(store.session(&token(3), NOW).await.unwrap().is_none(), "never opened");

    assert!(store.close_session(&token(2)).await.unwrap());
    assert!(store.session(&token(2), NOW).await.unwrap().is_none(), "closed");
    assert!(!store.close_session(&token(2)).await.unwrap());
}

#[tokio::test]
async fn a_session_that_is_extended_lasts_longer_and_is_the_newest() {
    let database = Database::new();
    let store = database.open().await;
    let id = store.create_account(&name("Rosa"), hash(1), NOW).await.unwrap();
    store.open_session(id, &token(0), LATER, NOW).await.unwrap();
    let most = u8::try_from(MAX_SESSIONS_PER_ACCOUNT).unwrap();
    for number in 1..most {
        store.open_session(id, &token(number), LATER, NOW).await.unwrap();
    }
    let session = store.extend_session(&token(0), MUCH_LATER, NOW).await.unwrap().unwrap();
    assert_eq!((session.account, session.name, session.expires), (id, name("Rosa"), MUCH_LATER));
    store.open_session(id, &token(most), LATER, NOW).await.unwrap();
    assert!(store.session(&token(1), NOW).await.unwrap().is_none(), "the oldest made room");
    assert!(store.session(&token(0), LATER).await.unwrap().is_some());
    assert!(store.extend_session(&token(2), MUCH_LATER, LATER).await.unwrap().is_none(), "expired");
    assert!(store.extend_session(&token(99), LATER, NOW).await.unwrap().is_none(), "never opened");
}

#[tokio::test]
async fn a_closed_session_does_not_come_back_whoever_extends_it_meanwhile() {
    let database = Database::new();
    let store = database.open().await;
    let id = store.create_account(&name("Rosa"), hash(1), NOW).await.unwrap();
    let token = token(1);
    for extended_first in [true, false].repeat(10) {
        store.open_session(id, &token, LATER, NOW).await.unwrap();
        let (extend, close) =
            (store.extend_session(&token, MUCH_LATER, NOW), store.close_session(&token));
        let (extended, closed) = if extended_first {
            tokio::join!(extend, close)
        } else {
            let (closed, extended) = tokio::join!(close, extend);
            (extended, closed)
        };
        assert!(closed.unwrap());
        extended.unwrap();
        assert!(store.session(&token, NOW).await.unwrap().is_none());
    }
}

#[tokio::test]
async fn expired_sessions_are_removed_and_no_others() {
    let database = Database::new();
    let store = database.open().await;
    let id = store.create_account(&name("Rosa"), hash(1), NOW).await.unwrap();
    for number in 0..10 {
        let expires = if number < 7 { LATER } else { MUCH_LATER };
        store.open_session(id, &token(number), expires, NOW).await.unwrap();
    }
    assert_eq!(store.remove_expired_sessions(NOW).await.unwrap(), 0);
    assert_eq!(store.remove_expired_sessions(LATER).await.unwrap(), 7);
    assert_eq!(store.remove_expired_sessions(LATER).await.unwrap(), 0);
    assert!(store.session(&token(0), NOW).await.unwrap().is_none());
    assert!(store.session(&token(9), NOW).await.unwrap().is_some());
}

#[tokio::test]
async fn the_oldest_session_makes_room_for_one_too_many() {
    let database = Database::new();
    let store = database.open().await;
    let id = store.create_account(&name("Rosa"), hash(1), NOW).await.unwrap();
    let other = store.create_account(&name("Karl"), hash(2), NOW).await.unwrap();
    store.open_session(other, &token(200), LATER, NOW).await.unwrap();
    let most = u8::try_from(MAX_SESSIONS_PER_ACCOUNT).unwrap();
    for number in 0..=most {
        store.open_session(id, &token(number), LATER, NOW).await.unwrap();
    }
    assert!(store.session(&token(0), NOW).await.unwrap().is_none(), "the oldest");
    for number in (1..=most).chain([200]) {
        assert!(store.session(&token(number), NOW).await.unwrap().is_some(), "{number}");
    }
}

#[tokio::test]
async fn a_session_needs_an_account() {
    let database = Database::new();
    let store = database.open().await;
    for id in [1, u64::MAX] {
        let account = accounts::AccountId::from_u64(id);
        let error = store.open_session(account, &token(1), LATER, NOW).await.unwrap_err();
        assert!(matches!(error, StoreError::Other(_)), "{error:?}");
    }
    assert!(store.session(&token(1), NOW).await.unwrap().is_none());
}

#[tokio::test]
async fn an_invitation_enrolls_one_launcher_once() {
    let database = Database::new();
    let store = database.open().await;
    store.invite_launcher(&launcher("Hall"), &secret(1), LATER, NOW).await.unwrap();
    assert!(store.launchers().await.unwrap().is_empty(), "invited is not enrolled");
    assert_eq!(store.enroll_launcher(&secret(1), [9; 32], NOW).await.unwrap(), launcher("Hall"));
    let error = store.enroll_launcher(&secret(1), [8; 32], NOW).await.unwrap_err();
    assert!(matches!(error, EnrollError::UnknownOrUsed), "{error:?}");
    let error = store.enroll_launcher(&secret(2), [8; 32], NOW).await.unwrap_err();
    assert!(matches!(error, EnrollError::UnknownOrUsed), "{error:?}");

    let [record] = &store.launchers().await.unwrap()[..] else { panic!("one launcher") };
    assert_eq!((record.name.as_str(), record.key, record.enrolled), ("Hall", [9; 32], NOW));
    assert_eq!(store.launcher(&[8; 32]).await.unwrap(), None);
}

#[tokio::test]
async fn of_many_who_prove_one_secret_at_once_exactly_one_is_enrolled() {
    let database = Database::new();
    let (one, other) = (database.open().await, database.open().await);
    one.invite_launcher(&launcher("Hall"), &secret(1), LATER, NOW).await.unwrap();
    let tasks: Vec<_> = (0..20_u8)
        .map(|number| {
            let store = if number % 2 == 0 { one.clone() } else { other.clone() };
            tokio::spawn(async move { store.enroll_launcher(&secret(1), [number; 32], NOW).await })
        })
        .collect();
    let mut enrolled = 0;
    for task in tasks {
        match task.await.unwrap() {
            Ok(_) => enrolled += 1,
            Err(EnrollError::UnknownOrUsed) => {}
            Err(error) => panic!("{error:?}"),
        }
    }
    assert_eq!((enrolled, one.launchers().await.unwrap().len()), (1, 1));
}

#[tokio::test]
async fn an_invitation_ends() {
    let database = Database::new();
    let store = database.open().await;
    store.invite_launcher(&launcher("Hall"), &secret(1), LATER, NOW).await.unwrap();
    let error = store.enroll_launcher(&secret(1), [9; 32], LATER).await.unwrap_err();
    assert!(matches!(error, EnrollError::Expired), "{error:?}");
    assert!(store.launchers().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_new_invitation_replaces_the_open_one_of_its_name() {
    let database = Database::new();
    let store = database.open().await;
    store.invite_launcher(&launcher("Hall"), &secret(1), LATER, NOW).await.unwrap();
    store.invite_launcher(&launcher("HALL"), &secret(2), LATER, NOW).await.unwrap();
    store.invite_launcher(&launcher("other"), &secret(3), LATER, NOW).await.unwrap();
    let error = store.enroll_launcher(&secret(1), [9; 32], NOW).await.unwrap_err();
    assert!(matches!(error, EnrollError::UnknownOrUsed), "{error:?}");
    assert_eq!(store.enroll_launcher(&secret(2), [9; 32], NOW).await.unwrap().as_str(), "HALL");
    assert!(store.enroll_launcher(&secret(3), [8; 32], NOW).await.is_ok());
}

#[tokio::test]
async fn an_enrolled_launcher_keeps_its_key_until_the_new_secret_is_used() {
    let database = Database::new();
    let store = database.open().await;
    store.invite_launcher(&launcher("Hall"), &secret(1), LATER, NOW).await.unwrap();
    store.enroll_launcher(&secret(1), [9; 32], NOW).await.unwrap();
    store.invite_launcher(&launcher("Hall"), &secret(2), MUCH_LATER, NOW).await.unwrap();
    assert_eq!(store.launcher(&[9; 32]).await.unwrap(), Some(launcher("Hall")));
    store.enroll_launcher(&secret(2), [8; 32], LATER).await.unwrap();
    assert_eq!(store.launcher(&[9; 32]).await.unwrap(), None, "the old key");
    assert_eq!(store.launcher(&[8; 32]).await.unwrap(), Some(launcher("Hall")));
    assert_eq!(store.launchers().await.unwrap().len(), 1);
}

#[tokio::test]
async fn the_key_of_another_launcher_is_refused_and_the_invitation_stays_open() {
    let database = Database::new();
    let store = database.open().await;
    for (text, number) in [("one", 1), ("two", 2)] {
        store.invite_launcher(&launcher(text), &secret(number), LATER, NOW).await.unwrap();
    }
    store.enroll_launcher(&secret(1), [9; 32], NOW).await.unwrap();
    let error = store.enroll_launcher(&secret(2), [9; 32], NOW).await.unwrap_err();
    assert!(matches!(error, EnrollError::KeyInUse), "{error:?}");
    assert_eq!(store.launcher(&[9; 32]).await.unwrap(), Some(launcher("one")));
    assert_eq!(store.enroll_launcher(&secret(2), [8; 32], NOW).await.unwrap(), launcher("two"));
}

#[tokio::test]
async fn a_revoked_launcher_has_neither_key_nor_invitation() {
    let database = Database::new();
    let store = database.open().await;
    store.invite_launcher(&launcher("Hall"), &secret(1), LATER, NOW).await.unwrap();
    store.enroll_launcher(&secret(1), [9; 32], NOW).await.unwrap();
    store.invite_launcher(&launcher("Hall"), &secret(2), LATER, NOW).await.unwrap();
    store.invite_launcher(&launcher("other"), &secret(3), LATER, NOW).await.unwrap();

    assert_eq!(store.revoke_launcher(&launcher("hall")).await.unwrap(), Revoked::Launcher([9; 32]));
    assert_eq!(store.launcher(&[9; 32]).await.unwrap(), None);
    assert!(store.enroll_launcher(&secret(2), [7; 32], NOW).await.is_err());
    assert_eq!(store.revoke_launcher(&launcher("hall")).await.unwrap(), Revoked::Nothing);
    assert!(store.enroll_launcher(&secret(3), [9; 32], NOW).await.is_ok(), "others stay");
}

#[tokio::test]
async fn launchers_are_listed_by_name() {
    let database = Database::new();
    let store = database.open().await;
    for (text, number) in [("b", 1), ("C", 2), ("a", 3)] {
        store.invite_launcher(&launcher(text), &secret(number), LATER, NOW).await.unwrap();
        store.enroll_launcher(&secret(number), [number; 32], NOW).await.unwrap();
    }
    let names: Vec<_> =
        store.launchers().await.unwrap().iter().map(|record| record.name.to_string()).collect();
    assert_eq!(names, ["a", "b", "C"]);
}

#[tokio::test]
async fn any_store_can_be_used_from_a_task_of_its_own() {
    async fn count_launchers<S: Store>(store: S) -> usize {
        tokio::spawn(async move { store.launchers().await.unwrap().len() }).await.unwrap()
    }

    let database = Database::new();
    let store = database.open().await;
    store.invite_launcher(&launcher("Hall"), &secret(1), LATER, NOW).await.unwrap();
    store.enroll_launcher(&secret(1), [9; 32], NOW).await.unwrap();
    assert_eq!(count_launchers(store).await, 1);
}

#[tokio::test]
async fn a_closed_store_refuses_and_so_do_its_clones() {
    let database = Database::new();
    let store = database.open().await;
    let clone = store.clone();
    store.close().await;
    let error = clone.account(&name("Rosa")).await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
    let error = clone.create_account(&name("Rosa"), hash(1), NOW).await.unwrap_err();
    assert!(matches!(error, CreateAccountError::Store(StoreError::Unavailable(_))), "{error:?}");
}

#[tokio::test]
async fn a_writer_that_never_ends_holds_up_writing_for_a_limited_time_and_no_reading() {
    let database = Database::new();
    let store = database.open().await;
    store.create_account(&name("Rosa"), hash(1), NOW).await.unwrap();
    let mut other = connect(&database.path).await;
    sqlx::query("BEGIN IMMEDIATE").execute(&mut other).await.unwrap();

    let limit = Duration::from_secs(30);
    let karl = name("Karl");
    let write = tokio::time::timeout(limit, store.create_account(&karl, hash(2), NOW));
    let error = write.await.expect("it gives up").unwrap_err();
    assert!(matches!(error, CreateAccountError::Store(StoreError::Unavailable(_))), "{error:?}");
    assert!(store.account(&name("rosa")).await.unwrap().is_some(), "reading works");

    sqlx::query("ROLLBACK").execute(&mut other).await.unwrap();
    store.create_account(&karl, hash(2), NOW).await.unwrap();
}

#[tokio::test]
async fn dropping_a_call_half_way_does_not_harm_the_next_ones() {
    let database = Database::new();
    let store = database.open().await;
    let id = store.create_account(&name("Rosa"), hash(1), NOW).await.unwrap();
    for number in 0..100_u64 {
        let limit = Duration::from_micros(number * 20);
        let session = token(u8::try_from(number).unwrap());
        let _ = tokio::time::timeout(limit, store.open_session(id, &session, LATER, NOW)).await;
        let invitation = secret(u8::try_from(number).unwrap());
        store.invite_launcher(&launcher("Hall"), &invitation, LATER, NOW).await.unwrap();
        let enrolled = store.enroll_launcher(&invitation, [1; 32], NOW);
        let _ = tokio::time::timeout(limit, enrolled).await;
    }
    store.open_session(id, &token(200), LATER, NOW).await.unwrap();
    assert!(store.session(&token(200), NOW).await.unwrap().is_some());
    drop(store);
    assert!(database.open().await.session(&token(200), NOW).await.unwrap().is_some());
}

#[tokio::test]
async fn a_database_of_a_newer_program_is_refused_and_left_alone() {
    let database = Database::new();
    let store = database.open().await;
    store.create_account(&name("Rosa"), hash(1), NOW).await.unwrap();
    store.close().await;
    execute(
        &database.path,
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
         VALUES (999, 'from the future', TRUE, x'00', 0)",
    )
    .await;
    let before = fs::read(&database.path).unwrap();
    let error = SqliteStore::open(&database.path).await.unwrap_err();
    assert!(matches!(error, OpenError::TooNew { found: 999, known: 3 }), "{error:?}");
    assert_eq!(error.to_string(), "the database has version 999, this program knows 3 at most");
    assert_eq!(fs::read(&database.path).unwrap(), before);
}

#[tokio::test]
async fn a_database_with_other_migrations_is_refused() {
    let database = Database::new();
    database.open().await.close().await;
    execute(&database.path, "UPDATE _sqlx_migrations SET checksum = x'00' WHERE version = 2").await;
    let error = SqliteStore::open(&database.path).await.unwrap_err();
    assert!(matches!(error, OpenError::Foreign { version: 2 }), "{error:?}");
}

#[tokio::test]
async fn what_is_no_database_is_refused_and_left_alone() {
    let database = Database::new();
    let content = b"once upon a time, there was a file of another program ".repeat(100);
    fs::write(&database.path, &content).unwrap();
    let error = SqliteStore::open(&database.path).await.unwrap_err();
    assert!(matches!(error, OpenError::Store(StoreError::Corrupt(_))), "{error:?}");
    assert_eq!(fs::read(&database.path).unwrap(), content);
}

#[tokio::test]
async fn a_directory_that_is_missing_is_named_in_the_error() {
    let database = Database::new();
    let path = database.directory.path().join("missing/accounts.db");
    let error = SqliteStore::open(&path).await.unwrap_err();
    assert!(matches!(error, OpenError::File { .. }), "{error:?}");
    assert!(error.to_string().contains("missing/accounts.db"), "{error}");
}

#[tokio::test]
async fn no_file_of_the_database_can_be_read_by_others() {
    let database = Database::new();
    let store = database.open().await;
    store.create_account(&name("Rosa"), hash(1), NOW).await.unwrap();
    let files: Vec<_> =
        fs::read_dir(database.directory.path()).unwrap().map(Result::unwrap).collect();
    assert_eq!(files.len(), 3, "database, log and index: {files:?}");
    for file in files {
        let mode = file.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{:?}", file.path());
    }
}

#[tokio::test]
async fn a_database_others_could_read_is_closed_to_them() {
    let database = Database::new();
    database.open().await.close().await;
    fs::set_permissions(&database.path, Permissions::from_mode(0o664)).unwrap();
    let _store = database.open().await;
    assert_eq!(fs::metadata(&database.path).unwrap().permissions().mode() & 0o777, 0o600);
}

#[tokio::test]
async fn no_file_of_the_database_contains_a_secret() {
    let database = Database::new();
    let store = database.open().await;
    let cheap = HashParameters { memory_kib: 8, iterations: 1, parallelism: 1 };
    let queue =
        HashQueue::new(HashQueueConfig { parameters: cheap, ..Default::default() }).unwrap();
    let text = "correct horse battery staple";
    let origin = Origin::new([192, 0, 2, 1].into(), 1);
    let password_hash = queue.hash(origin, Password::new(text.to_owned()).unwrap()).await.unwrap();
    let id = store.create_account(&name("Rosa"), password_hash, NOW).await.unwrap();
    let session = SessionToken::generate().unwrap();
    store.open_session(id, &key().hash_token(&session), LATER, NOW).await.unwrap();
    let invitation = accounts::EnrollmentSecret::generate().unwrap();
    let invited = key().hash_enrollment(&invitation);
    store.invite_launcher(&launcher("Hall"), &invited, LATER, NOW).await.unwrap();

    let content = everything_in(database.directory.path());
    assert!(contains(&content, b"Rosa"), "this looks in the right place");
    assert!(contains(&content, b"$argon2id$"));
    assert!(!contains(&content, text.as_bytes()), "the password");
    assert!(!contains(&content, session.as_bytes()), "the token");
    assert!(!contains(&content, session.to_text().as_bytes()), "the token as text");
    assert!(!contains(&content, invitation.as_bytes()), "the enrolment secret");
    assert!(!contains(&content, invitation.to_text().as_bytes()), "the enrolment secret as text");
    assert!(!contains(&content, &[3; 32]), "the key");
}

#[tokio::test]
async fn no_secret_shows_in_what_is_logged() {
    let database = Database::new();
    let store = database.open().await;
    let id = store.create_account(&name("Rosa"), hash(1), NOW).await.unwrap();
    store.open_session(id, &token(1), LATER, NOW).await.unwrap();
    let shown = format!(
        "{store:?} {:?} {:?} {:?}",
        store.account(&name("Rosa")).await,
        store.session(&token(1), NOW).await,
        token(1),
    );
    assert!(shown.contains("Rosa"));
    assert!(!shown.contains("argon2"), "{shown}");
    assert!(shown.contains("PasswordHash(..)") && shown.contains("KeyedHash(..)"), "{shown}");
}

/// Another program with the file open.
async fn connect(path: &Path) -> SqliteConnection {
    SqliteConnection::connect_with(&SqliteConnectOptions::new().filename(path)).await.unwrap()
}

/// Does to the file what no method does.
async fn execute(path: &Path, sql: &'static str) {
    let mut connection = connect(path).await;
    sqlx::query(sql).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

fn everything_in(directory: &Path) -> Vec<u8> {
    let read = |entry: std::io::Result<fs::DirEntry>| fs::read(entry.unwrap().path()).unwrap();
    fs::read_dir(directory).unwrap().flat_map(read).collect()
}

fn contains(content: &[u8], wanted: &[u8]) -> bool {
    content.windows(wanted.len()).any(|window| window == wanted)
}
