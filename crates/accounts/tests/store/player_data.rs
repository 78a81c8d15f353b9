//! What games keep for players, and what players have achieved.

use std::time::Duration;

use accounts::*;

use crate::common::*;

fn data_key(text: &str) -> DataKey {
    DataKey::parse(text).unwrap()
}

fn at(seconds: u64) -> UnixMillis {
    NOW.saturating_add(Duration::from_secs(seconds))
}

/// Played from `started` to `ended`, in seconds.
fn played(id: u8, account: AccountId, started: u64, ended: u64) -> MatchReport<'static> {
    let game = Box::leak(Box::new(data_key("openttd")));
    let launcher = Box::leak(Box::new(launcher("hall")));
    let (started, ended) = (at(started), at(ended));
    MatchReport {
        id: MatchId([id; 16]),
        account,
        game,
        launcher,
        started,
        ended,
        won: false,
        xp: 10,
    }
}

async fn count(
    store: &Store,
    report: &MatchReport<'_>,
    now: u64,
) -> Result<Counted, ProgressError> {
    store.count_match(report, &ProgressRules::default(), at(now)).await
}

in_every_database! {
    async fn a_value_is_written_read_and_removed(database: &Database) {
        let store = database.open().await;
        let rosa = account(&store, "Rosa").await;
        let (game, key) = (data_key("openttd"), data_key("colour"));
        assert_eq!(store.data(rosa, &game, &key).await.unwrap(), None);
        let put = async |value: &[u8], expect| store.put_data(rosa, &game, &key, value, expect, NOW).await;
        let first = put(b"\0red", Expect::Nothing).await.unwrap();
        let stored = store.data(rosa, &game, &key).await.unwrap().unwrap();
        assert_eq!(stored, Stored { value: b"\0red".to_vec(), version: first });
        assert_eq!(store.data(rosa, &data_key("other"), &key).await.unwrap(), None);

        let second = put(b"blue", Expect::Version(first)).await.unwrap();
        let changed = put(b"green", Expect::Version(first)).await.unwrap_err();
        assert!(matches!(changed, DataError::Changed { version: Some(v) } if v == second), "{changed:?}");
        let changed = put(b"green", Expect::Nothing).await.unwrap_err();
        assert!(matches!(changed, DataError::Changed { .. }), "{changed:?}");
        put(b"green", Expect::Anything).await.unwrap();
        let [entry] = &store.data_entries(rosa, &game).await.unwrap()[..] else { panic!("one") };
        assert_eq!((entry.key.as_str(), entry.bytes, entry.updated), ("colour", 5, NOW));

        let stale = store.remove_data(rosa, &game, &key, Expect::Version(second)).await.unwrap_err();
        assert!(matches!(stale, DataError::Changed { .. }), "{stale:?}");
        assert!(store.remove_data(rosa, &game, &key, Expect::Anything).await.unwrap());
        assert!(!store.remove_data(rosa, &game, &key, Expect::Anything).await.unwrap());
        // A version of before does not fit what comes after.
        let again = put(b"red", Expect::Nothing).await.unwrap();
        assert!(again > second);
        let nobody = AccountId::from_u64(99);
        let error = store.put_data(nobody, &game, &key, b"", Expect::Anything, NOW).await.unwrap_err();
        assert!(matches!(error, DataError::UnknownAccount), "{error:?}");
    }

    async fn of_many_who_write_the_same_version_at_once_exactly_one_succeeds(database: &Database) {
        let (one, other) = (database.open().await, database.open().await);
        let rosa = account(&one, "Rosa").await;
        let (game, key) = (data_key("openttd"), data_key("colour"));
        let version = one.put_data(rosa, &game, &key, b"0", Expect::Nothing, NOW).await.unwrap();
        let tasks: Vec<_> = (0..20_u8)
            .map(|number| {
                let store = if number % 2 == 0 { one.clone() } else { other.clone() };
                let (game, key) = (game.clone(), key.clone());
                tokio::spawn(async move {
                    store.put_data(rosa, &game, &key, &[number], Expect::Version(version), NOW).await
                })
            })
            .collect();
        let mut written = 0;
        for task in tasks {
            match task.await.unwrap() {
                Ok(_) => written += 1,
                Err(DataError::Changed { .. }) => {}
                Err(error) => panic!("{error:?}"),
            }
        }
        assert_eq!(written, 1);
    }

    async fn a_player_cannot_fill_the_disk(database: &Database) {
        let store = database.open().await;
        let rosa = account(&store, "Rosa").await;
        let put = async |game: String, key: String, bytes: usize| {
            let (game, key) = (data_key(&game), data_key(&key));
            store.put_data(rosa, &game, &key, &vec![1; bytes], Expect::Anything, NOW).await
        };
        let error = put("a".into(), "a".into(), Store::MAX_VALUE_BYTES + 1).await.unwrap_err();
        assert!(matches!(error, DataError::TooLong), "{error:?}");
        for number in 0..Store::MAX_VALUES {
            put("game0".into(), format!("k{number}"), 1).await.unwrap();
        }
        let error = put("game0".into(), "more".into(), 1).await.unwrap_err();
        assert!(matches!(error, DataError::TooMany), "{error:?}");
        put("game0".into(), "k0".into(), Store::MAX_VALUE_BYTES).await.unwrap();
        for number in 1..Store::MAX_GAMES {
            put(format!("game{number}"), "k".into(), 1).await.unwrap();
        }
        let error = put("another".into(), "k".into(), 1).await.unwrap_err();
        assert!(matches!(error, DataError::TooMany), "{error:?}");
    }

    async fn a_match_counts_once(database: &Database) {
        let store = database.open().await;
        let rosa = account(&store, "Rosa").await;
        let first = MatchReport { won: true, xp: 500, ..played(1, rosa, 0, 60) };
        let sum = Progress { played: Duration::from_secs(60), matches: 1, wins: 1, xp: 500 };
        assert_eq!(count(&store, &first, 60).await.unwrap(), Counted::Now(sum));
        assert_eq!(count(&store, &first, 70).await.unwrap(), Counted::Before(sum));
        // The one before, reported late, and the one after with a clock a little ahead.
        count(&store, &played(2, rosa, 55, 120), 120).await.unwrap();
        let sum = Progress { played: Duration::from_secs(125), matches: 2, wins: 1, xp: 510 };
        assert_eq!(store.progress(rosa, &data_key("openttd")).await.unwrap(), sum);
        let other = store.progress(rosa, &data_key("other")).await.unwrap();
        assert_eq!(other, Progress::default());
    }

    async fn what_cannot_be_true_does_not_count(database: &Database) {
        let store = database.open().await;
        let rosa = account(&store, "Rosa").await;
        let day = 24 * 3600;
        let refused = async |report: MatchReport<'_>, now: u64| count(&store, &report, now).await.unwrap_err();
        for (started, ended, now) in [(60, 0, 100), (0, 29, 100), (0, day + 1, 2 * day), (0, 111, 100)] {
            let error = refused(played(1, rosa, started, ended), now).await;
            assert!(matches!(error, ProgressError::ImpossibleTime), "{started} {ended}: {error:?}");
        }
        let error = refused(played(1, rosa, 0, 60), 61 + 7 * day).await;
        assert!(matches!(error, ProgressError::TooOld), "{error:?}");
        for (won, xp, possible) in [(false, 100, true), (false, 101, false), (true, 5100, true), (true, 5101, false)] {
            let report = MatchReport { won, xp, ..played(1, rosa, 0, 60) };
            assert_eq!(ProgressRules::default().check(&report, at(60)).is_ok(), possible, "{won} {xp}");
        }
        let error = refused(played(1, AccountId::from_u64(99), 0, 60), 60).await;
        assert!(matches!(error, ProgressError::UnknownAccount), "{error:?}");
        assert_eq!(store.progress(rosa, &data_key("openttd")).await.unwrap().matches, 0);
    }

    /// Also not in another game, from another launcher, or in many little pieces.
    async fn nobody_is_in_two_matches_at_once(database: &Database) {
        let store = database.open().await;
        let (rosa, karl) = (account(&store, "Rosa").await, account(&store, "Karl").await);
        count(&store, &played(1, rosa, 0, 600), 600).await.unwrap();
        count(&store, &played(2, karl, 0, 600), 600).await.unwrap();
        let (game, hall) = (data_key("teeworlds"), launcher("another"));
        for (started, ended) in [(0, 600), (100, 130), (500, 900), (580, 620), (585, 615)] {
            let report = MatchReport { game: &game, launcher: &hall, ..played(3, rosa, started, ended) };
            let error = count(&store, &report, 1000).await.unwrap_err();
            assert!(matches!(error, ProgressError::ElsewhereThen), "{started} {ended}: {error:?}");
        }
        count(&store, &MatchReport { game: &game, ..played(3, rosa, 590, 700) }, 700).await.unwrap();
        let mut counted = 0;
        for number in 4..60 {
            counted += u32::from(count(&store, &played(number, rosa, 700, 730), 730).await.is_ok());
        }
        assert_eq!(counted, 1);
    }

    async fn matches_are_forgotten_when_nobody_can_report_them_again(database: &Database) {
        let store = database.open().await;
        let rosa = account(&store, "Rosa").await;
        count(&store, &played(1, rosa, 0, 60), 60).await.unwrap();
        let days = 24 * 3600;
        assert_eq!(store.sweep(&Retention::default(), at(60 + 8 * days)).await.unwrap().matches, 0);
        assert_eq!(store.sweep(&Retention::default(), at(61 + 8 * days)).await.unwrap().matches, 1);
        assert_eq!(store.progress(rosa, &data_key("openttd")).await.unwrap().matches, 1, "the sum stays");
    }
}
