//! Sessions: opened, continued, listed, closed.

use std::time::Duration;

use accounts::*;

use crate::common::*;

in_every_database! {
    async fn everything_is_there_after_the_file_is_opened_again(database: &Database) {
        let store = database.open().await;
        let id = store.create_account(&name("Rosa"), hash(1), NOW).await.unwrap();
        store.open_session(id, &session(&token(1), LATER), NOW).await.unwrap();
        store.invite_launcher(&launcher("hall-1"), &secret(1), LATER, &BY, NOW).await.unwrap();
        store.enroll_launcher(&secret(1), [9; 32], NOW).await.unwrap();
        store.invite_launcher(&launcher("hall-2"), &secret(2), LATER, &BY, NOW).await.unwrap();
        drop(store);

        let store = database.open().await;
        assert_eq!(store.account(&name("rosa")).await.unwrap().unwrap().id, id);
        let session = store.session(&token(1), NOW).await.unwrap().unwrap();
        assert_eq!((session.account, session.name, session.expires), (id, name("Rosa"), LATER));
        assert_eq!(launcher_with(&store, &[9; 32]).await, Some(launcher("hall-1")));
        assert_eq!(store.enroll_launcher(&secret(2), [8; 32], NOW).await.unwrap(), launcher("hall-2"));
    }

    async fn two_handles_on_one_file_see_each_others_writes(database: &Database) {
        let (one, other) = (database.open().await, database.open().await);
        let id = one.create_account(&name("Rosa"), hash(1), NOW).await.unwrap();
        assert_eq!(other.account(&name("rosa")).await.unwrap().unwrap().id, id);
        other.open_session(id, &session(&token(1), LATER), NOW).await.unwrap();
        assert!(one.session(&token(1), NOW).await.unwrap().is_some());
        other.close().await;
        one.create_account(&name("Karl"), hash(2), NOW).await.unwrap();
    }

    async fn a_session_is_found_until_it_expires_or_is_closed(database: &Database) {
        let store = database.open().await;
        let id = store.create_account(&name("Rosa"), hash(1), NOW).await.unwrap();
        store.open_session(id, &session(&token(1), LATER), NOW).await.unwrap();
        store.open_session(id, &session(&token(2), MUCH_LATER), NOW).await.unwrap();
        let just_before = accounts::UnixMillis::from_millis(LATER.as_millis() - 1);
        assert!(store.session(&token(1), just_before).await.unwrap().is_some());
        assert!(store.session(&token(1), LATER).await.unwrap().is_none(), "expired");
        assert!(store.session(&token(3), NOW).await.unwrap().is_none(), "never opened");

        assert!(store.close_session(&token(2)).await.unwrap());
        assert!(store.session(&token(2), NOW).await.unwrap().is_none(), "closed");
        assert!(!store.close_session(&token(2)).await.unwrap());
    }

    async fn a_session_that_is_extended_lasts_longer_and_is_the_newest(database: &Database) {
        let store = database.open().await;
        let id = store.create_account(&name("Rosa"), hash(1), NOW).await.unwrap();
        store.open_session(id, &session(&token(0), LATER), NOW).await.unwrap();
        let most = u8::try_from(MAX_SESSIONS_PER_ACCOUNT).unwrap();
        for number in 1..most {
            store.open_session(id, &session(&token(number), LATER), NOW).await.unwrap();
        }
        let a_moment_later = NOW.saturating_add(Duration::from_millis(1));
        let extended = store.extend_session(&session(&token(0), MUCH_LATER), a_moment_later).await.unwrap().unwrap();
        assert_eq!((extended.account, extended.name, extended.expires), (id, name("Rosa"), MUCH_LATER));
        store.open_session(id, &session(&token(most), LATER), NOW).await.unwrap();
        assert!(store.session(&token(1), NOW).await.unwrap().is_none(), "the oldest made room");
        assert!(store.session(&token(0), LATER).await.unwrap().is_some());
        assert!(store.extend_session(&session(&token(2), MUCH_LATER), LATER).await.unwrap().is_none(), "expired");
        assert!(store.extend_session(&session(&token(99), LATER), NOW).await.unwrap().is_none(), "never opened");
    }

    async fn a_closed_session_does_not_come_back_whoever_extends_it_meanwhile(database: &Database) {
        let store = database.open().await;
        let id = store.create_account(&name("Rosa"), hash(1), NOW).await.unwrap();
        let token = token(1);
        for extended_first in [true, false].repeat(10) {
            store.open_session(id, &session(&token, LATER), NOW).await.unwrap();
            let seen = session(&token, MUCH_LATER);
            let (extend, close) =
                (store.extend_session(&seen, NOW), store.close_session(&token));
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

    async fn expired_sessions_are_removed_and_no_others(database: &Database) {
        let store = database.open().await;
        let id = store.create_account(&name("Rosa"), hash(1), NOW).await.unwrap();
        for number in 0..10 {
            let expires = if number < 7 { LATER } else { MUCH_LATER };
            store.open_session(id, &session(&token(number), expires), NOW).await.unwrap();
        }
        assert_eq!(store.remove_expired_sessions(NOW).await.unwrap(), 0);
        assert_eq!(store.remove_expired_sessions(LATER).await.unwrap(), 7);
        assert_eq!(store.remove_expired_sessions(LATER).await.unwrap(), 0);
        assert!(store.session(&token(0), NOW).await.unwrap().is_none());
        assert!(store.session(&token(9), NOW).await.unwrap().is_some());
    }

    async fn the_oldest_session_makes_room_for_one_too_many(database: &Database) {
        let store = database.open().await;
        let id = store.create_account(&name("Rosa"), hash(1), NOW).await.unwrap();
        let other = store.create_account(&name("Karl"), hash(2), NOW).await.unwrap();
        store.open_session(other, &session(&token(200), LATER), NOW).await.unwrap();
        let most = u8::try_from(MAX_SESSIONS_PER_ACCOUNT).unwrap();
        for number in 0..=most {
            store.open_session(id, &session(&token(number), LATER), NOW).await.unwrap();
        }
        assert!(store.session(&token(0), NOW).await.unwrap().is_none(), "the oldest");
        for number in (1..=most).chain([200]) {
            assert!(store.session(&token(number), NOW).await.unwrap().is_some(), "{number}");
        }
    }

    async fn dropping_a_call_half_way_does_not_harm_the_next_ones(database: &Database) {
        let store = database.open().await;
        let id = store.create_account(&name("Rosa"), hash(1), NOW).await.unwrap();
        for number in 0..100_u64 {
            let limit = Duration::from_micros(number * 20);
            let new = token(u8::try_from(number).unwrap());
            let _ = tokio::time::timeout(limit, store.open_session(id, &session(&new, LATER), NOW)).await;
            let invitation = secret(u8::try_from(number).unwrap());
            store.invite_launcher(&launcher("Hall"), &invitation, LATER, &BY, NOW).await.unwrap();
            let enrolled = store.enroll_launcher(&invitation, [1; 32], NOW);
            let _ = tokio::time::timeout(limit, enrolled).await;
        }
        store.open_session(id, &session(&token(200), LATER), NOW).await.unwrap();
        assert!(store.session(&token(200), NOW).await.unwrap().is_some());
        drop(store);
        assert!(database.open().await.session(&token(200), NOW).await.unwrap().is_some());
    }

    async fn no_secret_shows_in_what_is_logged(database: &Database) {
        let store = database.open().await;
        let id = store.create_account(&name("Rosa"), hash(1), NOW).await.unwrap();
        store.open_session(id, &session(&token(1), LATER), NOW).await.unwrap();
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

    async fn a_session_needs_an_account(database: &Database) {
        let store = database.open().await;
        for id in [1, u64::MAX] {
            let account = accounts::AccountId::from_u64(id);
            let error = store.open_session(account, &session(&token(1), LATER), NOW).await.unwrap_err();
            assert!(matches!(error, StoreError::Other(_)), "{error:?}");
        }
        assert!(store.session(&token(1), NOW).await.unwrap().is_none());
    }

    async fn sessions_are_listed_and_revoked(database: &Database) {
        let store = database.open().await;
        let (rosa, karl) = (account(&store, "Rosa").await, account(&store, "Karl").await);
        let (one, two, three) = (token(1), token(2), token(3));
        let home = Some(Prefix::of("192.0.2.7".parse().unwrap()));
        let at_home = NewSession { prefix: home, client: "game 1.2", ..session(&one, LATER) };
        let first = store.open_session(rosa, &at_home, NOW).await.unwrap();
        let a_moment_later = NOW.saturating_add(Duration::from_millis(1));
        let second = store.open_session(rosa, &session(&two, LATER), a_moment_later).await.unwrap();
        store.open_session(karl, &session(&three, LATER), NOW).await.unwrap();

        let [newer, older] = &store.sessions(rosa, NOW).await.unwrap()[..] else { panic!("two") };
        assert_eq!((newer.number, older.number), (second, first));
        assert_eq!((older.created, older.seen, older.expires), (NOW, NOW, LATER));
        assert_eq!((older.prefix.as_deref(), older.client.as_str()), (Some("192.0.2.0/24"), "game 1.2"));
        assert!(store.sessions(rosa, LATER).await.unwrap().is_empty(), "expired");

        let away = Some(Prefix::of("2001:db8::1".parse().unwrap()));
        let soon = NOW.saturating_add(Duration::from_secs(5));
        let again =
            NewSession { prefix: away, client: "game 1.3", ..session(&one, MUCH_LATER) };
        let extended = store.extend_session(&again, soon).await.unwrap().unwrap();
        assert_eq!((extended.number, extended.role.as_str()), (first, "player"));
        let listed = &store.sessions(rosa, NOW).await.unwrap()[0];
        assert_eq!((listed.number, listed.created, listed.seen), (first, NOW, soon));
        assert_eq!(listed.prefix.as_deref(), Some("2001:db8::/56"));
        assert_eq!(listed.client.as_str(), "game 1.3");
        assert_eq!(store.account_by_id(rosa).await.unwrap().unwrap().seen, soon);

        assert!(!store.revoke_session(karl, first).await.unwrap(), "another's");
        assert!(store.revoke_session(rosa, first).await.unwrap());
        assert!(store.session(&one, NOW).await.unwrap().is_none());
        store.open_session(rosa, &session(&one, LATER), NOW).await.unwrap();
        assert_eq!(store.revoke_sessions(rosa, Some(&two)).await.unwrap(), 1);
        assert!(store.session(&two, NOW).await.unwrap().is_some());
        assert_eq!(store.revoke_sessions(rosa, None).await.unwrap(), 1);
        assert!(store.session(&three, NOW).await.unwrap().is_some(), "others stay");
    }
}
