//! Launchers: invited, enrolled, limited, revoked.

use accounts::*;

use crate::common::*;

in_every_database! {
    async fn an_invitation_enrolls_one_launcher_once(database: &Database) {
        let store = database.open().await;
        store.invite_launcher(&launcher("Hall"), &secret(1), LATER, &BY, NOW).await.unwrap();
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

    async fn of_many_who_prove_one_secret_at_once_exactly_one_is_enrolled(database: &Database) {
        let (one, other) = (database.open().await, database.open().await);
        one.invite_launcher(&launcher("Hall"), &secret(1), LATER, &BY, NOW).await.unwrap();
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

    async fn an_invitation_ends(database: &Database) {
        let store = database.open().await;
        store.invite_launcher(&launcher("Hall"), &secret(1), LATER, &BY, NOW).await.unwrap();
        let error = store.enroll_launcher(&secret(1), [9; 32], LATER).await.unwrap_err();
        assert!(matches!(error, EnrollError::Expired), "{error:?}");
        assert!(store.launchers().await.unwrap().is_empty());
    }

    async fn a_new_invitation_replaces_the_open_one_of_its_name(database: &Database) {
        let store = database.open().await;
        store.invite_launcher(&launcher("Hall"), &secret(1), LATER, &BY, NOW).await.unwrap();
        store.invite_launcher(&launcher("HALL"), &secret(2), LATER, &BY, NOW).await.unwrap();
        store.invite_launcher(&launcher("other"), &secret(3), LATER, &BY, NOW).await.unwrap();
        let error = store.enroll_launcher(&secret(1), [9; 32], NOW).await.unwrap_err();
        assert!(matches!(error, EnrollError::UnknownOrUsed), "{error:?}");
        assert_eq!(store.enroll_launcher(&secret(2), [9; 32], NOW).await.unwrap().as_str(), "HALL");
        assert!(store.enroll_launcher(&secret(3), [8; 32], NOW).await.is_ok());
    }

    async fn an_enrolled_launcher_keeps_its_key_until_the_new_secret_is_used(database: &Database) {
        let store = database.open().await;
        store.invite_launcher(&launcher("Hall"), &secret(1), LATER, &BY, NOW).await.unwrap();
        store.enroll_launcher(&secret(1), [9; 32], NOW).await.unwrap();
        store.invite_launcher(&launcher("Hall"), &secret(2), MUCH_LATER, &BY, NOW).await.unwrap();
        assert_eq!(launcher_with(&store, &[9; 32]).await, Some(launcher("Hall")));
        store.enroll_launcher(&secret(2), [8; 32], LATER).await.unwrap();
        assert_eq!(store.launcher(&[9; 32]).await.unwrap(), None, "the old key");
        assert_eq!(launcher_with(&store, &[8; 32]).await, Some(launcher("Hall")));
        assert_eq!(store.launchers().await.unwrap().len(), 1);
    }

    async fn the_key_of_another_launcher_is_refused_and_the_invitation_stays_open(database: &Database) {
        let store = database.open().await;
        for (text, number) in [("one", 1), ("two", 2)] {
            store.invite_launcher(&launcher(text), &secret(number), LATER, &BY, NOW).await.unwrap();
        }
        store.enroll_launcher(&secret(1), [9; 32], NOW).await.unwrap();
        let error = store.enroll_launcher(&secret(2), [9; 32], NOW).await.unwrap_err();
        assert!(matches!(error, EnrollError::KeyInUse), "{error:?}");
        assert_eq!(launcher_with(&store, &[9; 32]).await, Some(launcher("one")));
        assert_eq!(store.enroll_launcher(&secret(2), [8; 32], NOW).await.unwrap(), launcher("two"));
    }

    async fn a_revoked_launcher_has_neither_key_nor_invitation(database: &Database) {
        let store = database.open().await;
        store.invite_launcher(&launcher("Hall"), &secret(1), LATER, &BY, NOW).await.unwrap();
        store.enroll_launcher(&secret(1), [9; 32], NOW).await.unwrap();
        store.invite_launcher(&launcher("Hall"), &secret(2), LATER, &BY, NOW).await.unwrap();
        store.invite_launcher(&launcher("other"), &secret(3), LATER, &BY, NOW).await.unwrap();

        assert_eq!(store.revoke_launcher(&launcher("hall"), &BY, NOW).await.unwrap(), Revoked::Launcher([9; 32]));
        assert_eq!(store.launcher(&[9; 32]).await.unwrap(), None);
        assert!(store.enroll_launcher(&secret(2), [7; 32], NOW).await.is_err());
        assert_eq!(store.revoke_launcher(&launcher("hall"), &BY, NOW).await.unwrap(), Revoked::Nothing);
        assert!(store.enroll_launcher(&secret(3), [9; 32], NOW).await.is_ok(), "others stay");
    }

    async fn launchers_are_listed_by_name(database: &Database) {
        let store = database.open().await;
        for (text, number) in [("b", 1), ("C", 2), ("a", 3)] {
            store.invite_launcher(&launcher(text), &secret(number), LATER, &BY, NOW).await.unwrap();
            store.enroll_launcher(&secret(number), [number; 32], NOW).await.unwrap();
        }
        let names: Vec<_> =
            store.launchers().await.unwrap().iter().map(|record| record.name.to_string()).collect();
        assert_eq!(names, ["a", "b", "C"]);
    }

    async fn a_launcher_is_renamed_and_limited(database: &Database) {
        let store = database.open().await;
        for (text, number) in [("one", 1), ("two", 2)] {
            store.invite_launcher(&launcher(text), &secret(number), LATER, &BY, NOW).await.unwrap();
            store.enroll_launcher(&secret(number), [number; 32], NOW).await.unwrap();
        }
        store.invite_launcher(&launcher("three"), &secret(3), LATER, &BY, NOW).await.unwrap();
        let limits = LauncherLimits { max_servers: Some(3), counts_progress: true };
        assert!(store.limit_launcher(&launcher("ONE"), limits, &BY, NOW).await.unwrap());
        assert!(!store.limit_launcher(&launcher("three"), limits, &BY, NOW).await.unwrap());
        for taken in ["Two", "three"] {
            let renamed = store.rename_launcher(&launcher("one"), &launcher(taken), &BY, NOW).await;
            assert!(matches!(renamed, Err(RenameLauncherError::NameTaken)), "{renamed:?}");
        }
        store.rename_launcher(&launcher("one"), &launcher("ONE"), &BY, NOW).await.unwrap();
        store.rename_launcher(&launcher("one"), &launcher("four"), &BY, NOW).await.unwrap();
        let renamed = store.rename_launcher(&launcher("one"), &launcher("five"), &BY, NOW).await;
        assert!(matches!(renamed, Err(RenameLauncherError::Unknown)), "{renamed:?}");
        let record = store.launcher(&[1; 32]).await.unwrap().unwrap();
        assert_eq!((record.name, record.limits), (launcher("four"), limits));

        // With a new key, the limits stay.
        store.invite_launcher(&launcher("four"), &secret(4), LATER, &BY, NOW).await.unwrap();
        store.enroll_launcher(&secret(4), [4; 32], NOW).await.unwrap();
        assert_eq!(store.launcher(&[4; 32]).await.unwrap().unwrap().limits, limits);
        assert_eq!(store.launcher(&[2; 32]).await.unwrap().unwrap().limits, LauncherLimits::default());
    }
}
