//! Accounts: names are unique, passwords change.

use accounts::*;

use crate::common::*;

in_every_database! {
    async fn an_account_is_found_in_any_case_and_shown_as_written(database: &Database) {
        let store = database.open().await;
        let id = store.create_account(&name("Rosa_L"), hash(1), NOW).await.unwrap();
        for spelling in ["Rosa_L", "rosa_l", "ROSA_L"] {
            let account = store.account(&name(spelling)).await.unwrap().unwrap();
            assert_eq!((account.id, account.name.as_str()), (id, "Rosa_L"));
            assert_eq!(account.password_hash.unwrap().as_str(), hash(1).as_str());
        }
        assert!(store.account(&name("rosa-l")).await.unwrap().is_none());
    }

    async fn a_name_that_differs_only_in_case_is_taken(database: &Database) {
        let store = database.open().await;
        store.create_account(&name("Rosa"), hash(1), NOW).await.unwrap();
        let error = store.create_account(&name("rOSA"), hash(2), NOW).await.unwrap_err();
        assert!(matches!(error, CreateAccountError::NameTaken), "{error:?}");
        let account = store.account(&name("rosa")).await.unwrap().unwrap();
        assert_eq!(account.password_hash.unwrap().as_str(), hash(1).as_str(), "the first one stays as it is");
    }

    async fn of_many_who_want_one_name_at_once_exactly_one_gets_it(database: &Database) {
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
        assert_eq!((account.id, account.password_hash.unwrap().as_str()), (id, hash(number).as_str()));
    }

    async fn a_closed_store_refuses_and_so_do_its_clones(database: &Database) {
        let store = database.open().await;
        let clone = store.clone();
        store.close().await;
        let error = clone.account(&name("Rosa")).await.unwrap_err();
        assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
        let error = clone.create_account(&name("Rosa"), hash(1), NOW).await.unwrap_err();
        assert!(matches!(error, CreateAccountError::Store(StoreError::Unavailable(_))), "{error:?}");
    }

    async fn a_name_that_looks_like_another_is_taken_and_finds_nobody(database: &Database) {
        let store = database.open().await;
        store.create_account(&name("Bob"), hash(1), NOW).await.unwrap();
        let error = store.create_account(&name("B0b"), hash(2), NOW).await.unwrap_err();
        assert!(matches!(error, CreateAccountError::NameTaken), "{error:?}");
        assert!(store.account(&name("B0b")).await.unwrap().is_none());
        store.create_account(&name("Rob"), hash(2), NOW).await.unwrap();
        store.create_account(&name("\u{416}\u{430}\u{43d}"), hash(2), NOW).await.unwrap();
        let error = store.create_account(&name("\u{436}\u{430}\u{43d}"), hash(2), NOW).await.unwrap_err();
        assert!(matches!(error, CreateAccountError::NameTaken), "{error:?}");
    }

    async fn an_account_is_renamed_unless_the_name_is_taken(database: &Database) {
        let store = database.open().await;
        let rosa = account(&store, "Rosa").await;
        account(&store, "Karl").await;
        for taken in ["karl", "KarI"] {
            let error = store.rename_account(rosa, &name(taken), &BY, NOW).await.unwrap_err();
            assert!(matches!(error, CreateAccountError::NameTaken), "{error:?}");
        }
        assert!(store.rename_account(rosa, &name("ROSA"), &BY, NOW).await.unwrap(), "only in case");
        assert!(store.rename_account(rosa, &name("Rosalind"), &BY, NOW).await.unwrap());
        assert_eq!(store.account(&name("rosalind")).await.unwrap().unwrap().id, rosa);
        account(&store, "Rosa").await;
        let nobody = AccountId::from_u64(99);
        assert!(!store.rename_account(nobody, &name("nobody1"), &BY, NOW).await.unwrap());
    }

    async fn a_new_password_closes_every_session_but_one(database: &Database) {
        let store = database.open().await;
        let rosa = account(&store, "Rosa").await;
        for number in 1..=3 {
            store.open_session(rosa, &session(&token(number), LATER), NOW).await.unwrap();
        }
        assert!(store.set_password(rosa, hash(2), Some(&token(2)), &BY, NOW).await.unwrap());
        let found = store.account_by_id(rosa).await.unwrap().unwrap();
        assert_eq!(found.password_hash.unwrap().as_str(), hash(2).as_str());
        assert!(store.session(&token(1), NOW).await.unwrap().is_none());
        assert!(store.session(&token(2), NOW).await.unwrap().is_some());
        store.set_password(rosa, hash(3), None, &BY, NOW).await.unwrap();
        assert!(store.session(&token(2), NOW).await.unwrap().is_none());
        let nobody = AccountId::from_u64(99);
        assert!(!store.set_password(nobody, hash(2), None, &BY, NOW).await.unwrap());
    }

    async fn a_stronger_hash_replaces_only_the_one_it_was_made_for(database: &Database) {
        let store = database.open().await;
        let rosa = account(&store, "Rosa").await;
        assert!(store.replace_password_hash(rosa, &hash(1), &hash(2)).await.unwrap());
        assert!(!store.replace_password_hash(rosa, &hash(1), &hash(3)).await.unwrap());
        let found = store.account_by_id(rosa).await.unwrap().unwrap();
        assert_eq!(found.password_hash.unwrap().as_str(), hash(2).as_str());
    }

    async fn accounts_are_listed_page_by_page(database: &Database) {
        let store = database.open().await;
        for text in ["one1", "two2", "three3"] {
            account(&store, text).await;
        }
        let first = store.accounts(None, 2).await.unwrap();
        let rest = store.accounts(Some(first[1].id), 2).await.unwrap();
        let names: Vec<_> = first.iter().chain(&rest).map(|account| account.name.as_str()).collect();
        assert_eq!(names, ["one1", "two2", "three3"]);
        assert_eq!((first[0].created, first[0].role.as_str()), (NOW, "player"));
    }

    async fn a_guest_is_kept_claimed_and_forgotten(database: &Database) {
        let store = database.open().await;
        let guest = AccountName::parse_guest("~Rosa").unwrap();
        let rosa = store.keep_guest(&guest, &session(&token(1), UnixMillis::MAX), NOW).await.unwrap();
        let other = AccountName::generate_guest().unwrap();
        let other = store.keep_guest(&other, &session(&token(2), UnixMillis::MAX), NOW).await.unwrap();
        let found = store.account(&guest).await.unwrap().unwrap();
        assert!(found.name.is_guest() && found.password_hash.is_none());
        let error = store.keep_guest(&guest, &session(&token(3), LATER), NOW).await.unwrap_err();
        assert!(matches!(error, CreateAccountError::NameTaken), "{error:?}");
        let error = store.keep_guest(&name("Rosa"), &session(&token(3), LATER), NOW).await.unwrap_err();
        assert!(matches!(error, CreateAccountError::NameTaken), "{error:?}");
        assert!(!store.set_password(rosa, hash(1), None, &BY, NOW).await.unwrap(), "claim it");

        account(&store, "Karl").await;
        let error = store.claim_guest(rosa, &name("karl"), hash(1), NOW).await.unwrap_err();
        assert!(matches!(error, CreateAccountError::NameTaken), "{error:?}");
        assert!(store.claim_guest(rosa, &name("Rosa"), hash(1), NOW).await.unwrap());
        assert!(!store.claim_guest(rosa, &name("Rosa2"), hash(1), NOW).await.unwrap(), "once");
        let session = store.session(&token(1), NOW).await.unwrap().unwrap();
        assert_eq!((session.account, session.name.as_str()), (rosa, "Rosa"));

        let keep = Retention { guests: std::time::Duration::from_secs(60), ..Default::default() };
        assert_eq!(store.sweep(&keep, LATER).await.unwrap().guests, 0);
        assert_eq!(store.sweep(&keep, MUCH_LATER).await.unwrap().guests, 1);
        assert!(store.account_by_id(other).await.unwrap().is_none());
        assert!(store.session(&token(2), NOW).await.unwrap().is_none());
        assert!(store.account_by_id(rosa).await.unwrap().is_some(), "no guest any more");
    }
}
