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
}
