//! Everything about somebody, everything about everybody: taken along, put back, forgotten.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use accounts::*;

use crate::common::*;

/// A database with something in every table; returns somebody who is everywhere.
pub(crate) async fn fill(store: &Store) -> AccountId {
    let (rosa, karl) = (account(store, "Rosa").await, account(store, "Karl").await);
    let token = token(1);
    let from = Some(Prefix::of("192.0.2.7".parse().unwrap()));
    let opened = NewSession { prefix: from, client: "game 1.2", ..session(&token, MUCH_LATER) };
    store.open_session(rosa, &opened, NOW).await.unwrap();
    store.invite_launcher(&launcher("hall"), &secret(1), LATER, &BY, NOW).await.unwrap();
    store.enroll_launcher(&secret(1), [9; 32], NOW).await.unwrap();
    store.invite_launcher(&launcher("other"), &secret(2), LATER, &BY, NOW).await.unwrap();
    for target in
        [SanctionTarget::Account(rosa), SanctionTarget::Addresses("192.0.2.0/24".parse().unwrap())]
    {
        let mute = NewSanction {
            kind: SanctionKind::Mute,
            target,
            reason: "was rude",
            expires: Some(LATER),
        };
        store.impose(&mute, &BY, NOW).await.unwrap().unwrap();
    }
    for (reporter, about) in [(rosa, karl), (karl, rosa)] {
        let report = NewReport { reporter, about, place: "lobby", said: "was rude" };
        store.file_report(&report, NOW).await.unwrap();
    }
    let (game, key) = (DataKey::parse("openttd").unwrap(), DataKey::parse("colour").unwrap());
    store.put_data(rosa, &game, &key, b"\0red", Expect::Nothing, NOW).await.unwrap();
    let (id, launcher) = (MatchId([7; 16]), launcher("hall"));
    let (started, ended) = (NOW, NOW.saturating_add(Duration::from_secs(60)));
    let played = MatchReport {
        id,
        account: rosa,
        game: &game,
        launcher: &launcher,
        started,
        ended,
        won: true,
        xp: 10,
    };
    store.count_match(&played, &ProgressRules::default(), ended).await.unwrap();
    let address = Some("192.0.2.7".parse().unwrap());
    store
        .audit(&Audited { address, ..Audited::of(AuditAction::Kicked, &BY).on(rosa) }, NOW)
        .await
        .unwrap();
    rosa
}

fn secrets() -> Vec<SecretFile> {
    vec![SecretFile { name: "session.key".into(), bytes: vec![0, 1, 255].into() }]
}

async fn names(store: &Store) -> Vec<String> {
    store
        .accounts(None, 100)
        .await
        .unwrap()
        .iter()
        .map(|account| account.name.to_string())
        .collect()
}

in_every_database! {
    async fn an_export_has_everything_about_a_player_and_no_secret(database: &Database) {
        let store = database.open().await;
        let rosa = fill(&store).await;
        let export = store.export_account(rosa, &BY, NOW).await.unwrap().unwrap();
        for part in ["sessions", "sanctions", "reports_by", "reports_about", "audit", "data", "progress", "matches"] {
            assert!(!export[part].as_array().unwrap().is_empty(), "{part}: {export}");
        }
        assert_eq!(export["account"]["name"], "Rosa");
        assert_eq!(export["data"][0]["value"], "AHJlZA==");
        assert_eq!(export["progress"][0]["played_ms"], 60_000);
        let text = export.to_string();
        assert!(!text.contains("argon2") && !text.contains("hash") && !text.contains("Karl"), "{text}");
        assert!(store.export_account(AccountId::from_u64(99), &BY, NOW).await.unwrap().is_none());
    }

    async fn nothing_of_somebody_erased_is_left(database: &Database) {
        let store = database.open().await;
        let rosa = fill(&store).await;
        assert!(store.erase_account(rosa, &BY, NOW).await.unwrap());
        assert!(!store.erase_account(rosa, &BY, NOW).await.unwrap());
        assert_eq!(names(&store).await, ["Karl"]);
        assert!(store.session(&token(1), NOW).await.unwrap().is_none());
        let reports = store.open_reports(None, 10).await.unwrap();
        assert_eq!((reports.len(), reports[0].reporter), (1, None), "what they reported, without them");
        let about = AuditFilter { subject: Some(rosa), ..Default::default() };
        assert!(store.audit_entries(about, 10).await.unwrap().len() >= 2, "the log stays");
        let copy = database.directory.path().join("backup");
        store.backup(&copy, &[], &BY, NOW).await.unwrap();
        let everything = fs::read_to_string(copy).unwrap();
        assert!(everything.contains("Karl") && !everything.to_lowercase().contains("rosa"), "{everything}");
        assert!(account(&store, "Rosa").await > rosa, "no number comes back");
    }

    async fn a_backup_is_put_back_over_whatever_there_is(database: &Database) {
        let store = database.open().await;
        let rosa = fill(&store).await;
        let copy = database.directory.path().join("backup");
        let made = store.backup(&copy, &secrets(), &BY, NOW).await.unwrap();
        assert_eq!(fs::metadata(&copy).unwrap().permissions().mode() & 0o777, 0o600);
        let again = store.backup(&copy, &[], &BY, NOW).await.unwrap_err();
        assert!(matches!(again, BackupError::File { .. }), "{again:?}");

        // Others go on with the same database.
        let other = database.open().await;
        other.erase_account(rosa, &BY, NOW).await.unwrap();
        let late = account(&other, "Latecomer").await;
        let (summary, files) = Store::check_backup(&copy).await.unwrap();
        assert_eq!((summary.clone(), files[0].bytes.as_slice()), (made.clone(), &[0, 1, 255][..]));
        assert_eq!(store.restore(&copy, &BY, LATER).await.unwrap(), made);

        assert_eq!(names(&other).await, ["Rosa", "Karl"]);
        assert_eq!(other.session(&token(1), NOW).await.unwrap().unwrap().account, rosa);
        assert_eq!(launcher_with(&other, &[9; 32]).await, Some(launcher("hall")));
        let entries = other.audit_entries(AuditFilter::default(), 100).await.unwrap();
        assert_eq!(entries[0].action, "backup-restored");
        assert!(account(&other, "Newcomer").await > late, "no number comes back");
        let export = other.export_account(rosa, &BY, NOW).await.unwrap().unwrap();
        assert_eq!(export["data"][0]["value"], "AHJlZA==");

        // And the copy of the copy is the copy.
        store.restore(&copy, &BY, LATER).await.unwrap();
        let second = database.directory.path().join("second");
        store.backup(&second, &secrets(), &BY, NOW).await.unwrap();
        let rows = |path| {
            let text = fs::read_to_string(path).unwrap();
            let kept = text.lines().filter(|l| l.starts_with("{\"row\"") && !l.contains("backup-"));
            kept.map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(rows(&second), rows(&copy));
    }

    async fn what_is_no_whole_backup_changes_nothing(database: &Database) {
        let store = database.open().await;
        fill(&store).await;
        let copy = database.directory.path().join("backup");
        store.backup(&copy, &[], &BY, NOW).await.unwrap();
        let text = fs::read_to_string(&copy).unwrap();
        let lines: Vec<_> = text.lines().collect();
        let without = |line: usize| {
            let kept = lines.iter().enumerate().filter(|(number, _)| *number != line);
            kept.map(|(_, text)| format!("{text}\n")).collect::<String>()
        };
        let cases = [
            String::new(),
            "hello\n".into(),
            text[..text.len() / 2].to_owned(),
            without(lines.len() - 1),
            without(5),
            without(0),
            text.replace("Karl", "Carl"),
            format!("{text}{}\n", lines[3]),
        ];
        account(&store, "Newcomer").await;
        for (number, case) in cases.iter().enumerate() {
            fs::write(&copy, case).unwrap();
            let error = store.restore(&copy, &BY, NOW).await.unwrap_err();
            assert!(matches!(error, RestoreError::Damaged { .. }), "{number}: {error:?}");
        }
        fs::write(&copy, text.replace("\"version\":10", "\"version\":11")).unwrap();
        let error = store.restore(&copy, &BY, NOW).await.unwrap_err();
        assert!(matches!(error, RestoreError::TooNew { found: 11, known: 10 }), "{error:?}");
        assert_eq!(names(&store).await, ["Rosa", "Karl", "Newcomer"]);
    }

    async fn a_backup_of_an_older_version_is_brought_up_while_it_is_restored(database: &Database) {
        let store = database.open().await;
        let rosa = fill(&store).await;
        let copy = database.directory.path().join("backup");
        store.backup(&copy, &secrets(), &BY, NOW).await.unwrap();
        for (version, older) in [(3, &OF_VERSION_3[..]), (5, &OF_VERSION_5[..])] {
            fs::write(&copy, as_written_by(version, older, &fs::read_to_string(&copy).unwrap())).unwrap();
            let (summary, files) = Store::check_backup(&copy).await.unwrap();
            assert_eq!((summary.version, files.len()), (version, 1));
            store.restore(&copy, &BY, LATER).await.unwrap();

            assert_eq!(names(&store).await, ["Rosa", "Karl"]);
            let account = store.account_by_id(rosa).await.unwrap().unwrap();
            assert_eq!((account.role.as_str(), account.seen), ("player", account.created));
            let roles = store.roles().await.unwrap();
            let player = roles.iter().find(|role| role.name.as_str() == "player").unwrap();
            assert!(player.permissions.contains(Permission::Join), "they may play as before");
            assert_eq!(roles.len(), 4);
            let sessions = store.sessions(rosa, NOW).await.unwrap();
            assert_eq!((sessions.len(), sessions[0].seen), (1, NOW));
            assert_eq!(store.session(&token(1), NOW).await.unwrap().unwrap().account, rosa);
            let known = store.launcher(&[9; 32]).await.unwrap().unwrap();
            assert_eq!((known.name, known.limits), (launcher("hall"), LauncherLimits::default()));
            // The look of names is known: nobody gets one that looks alike.
            let alike = store.create_account(&name("R0sa"), hash(1), LATER).await;
            assert!(matches!(alike, Err(CreateAccountError::NameTaken)), "{alike:?}");
            fs::remove_file(&copy).unwrap();
            store.backup(&copy, &secrets(), &BY, NOW).await.unwrap();
        }
    }

    async fn a_backup_is_made_while_others_write(database: &Database) {
        let store = database.open().await;
        let writer = {
            let store = database.open().await;
            tokio::spawn(async move {
                for number in 0..200 {
                    let id = account(&store, &format!("n{number}")).await;
                    let kick = Audited::of(AuditAction::Kicked, &BY);
                    store.audit(&kick.on(id), NOW).await.unwrap();
                }
            })
        };
        let mut copies = 0;
        while !writer.is_finished() {
            let copy = database.directory.path().join(format!("backup-{copies}"));
            store.backup(&copy, &[], &BY, NOW).await.unwrap();
            // One moment: nobody was kicked who was not there yet.
            store_of(&copy).await;
            copies += 1;
        }
        writer.await.unwrap();
        assert!(copies > 0);
    }
}

/// What a program wrote that knew these tables and columns.
fn as_written_by(version: u64, known: &[(&str, &[&str])], text: &str) -> String {
    use serde_json::{Value, json};
    let (mut written, mut rows, mut places) = (String::new(), 0, None);
    for line in text.lines() {
        let mut line: Value = serde_json::from_str(line).unwrap();
        if line.get("gatehouse_backup").is_some() {
            line["gatehouse_backup"]["version"] = version.into();
        } else if let Some(table) = line.get("table") {
            let columns = known.iter().find(|(name, _)| table["name"] == *name);
            let there = table["columns"].as_array().unwrap();
            let place = |column: &&str| there.iter().position(|there| there == column).unwrap();
            places = columns.map(|(_, columns)| columns.iter().map(place).collect::<Vec<_>>());
            let Some((_, columns)) = columns else { continue };
            line["table"]["columns"] = json!(columns);
        } else if let Some(row) = line.get("row") {
            let Some(places) = &places else { continue };
            let row: Vec<_> = places.iter().map(|place| row[*place].clone()).collect();
            line["row"] = row.into();
            rows += 1;
        } else if let Some(sequence) = line.get("sequence") {
            if !known.iter().any(|(name, _)| sequence["table"] == *name) {
                continue;
            }
        } else if line.get("end").is_some() {
            let digest = ring::digest::digest(&ring::digest::SHA256, written.as_bytes());
            let sha256 = data_encoding::HEXLOWER.encode(digest.as_ref());
            line = json!({"end": {"rows": rows, "sha256": sha256}});
        }
        written = written + &line.to_string() + "\n";
    }
    written
}

const OF_VERSION_3: [(&str, &[&str]); 4] = [
    ("accounts", &["id", "name", "name_key", "password_hash", "created_ms"]),
    ("sessions", &["id", "token_hash", "account_id", "created_ms", "expires_ms"]),
    ("launchers", &["name_key", "name", "key", "enrolled_ms"]),
    ("launcher_invitations", &["name_key", "name", "secret_hash", "created_ms", "expires_ms"]),
];

const OF_VERSION_5: [(&str, &[&str]); 4] = [
    ("accounts", &["id", "name", "name_key", "look", "password_hash", "created_ms"]),
    (
        "sessions",
        &[
            "id",
            "token_hash",
            "account_id",
            "created_ms",
            "expires_ms",
            "seen_ms",
            "prefix",
            "client",
        ],
    ),
    OF_VERSION_3[2],
    OF_VERSION_3[3],
];

/// Restores a backup into a file of its own, and checks that it is of one moment.
async fn store_of(copy: &std::path::Path) {
    let database = Database::new();
    let store = database.open().await;
    store.restore(copy, &BY, NOW).await.unwrap();
    let accounts = store.accounts(None, 500).await.unwrap();
    let entries = store.audit_entries(AuditFilter::default(), 500).await.unwrap();
    for entry in entries.iter().filter(|entry| entry.action == "kicked") {
        let subject = entry.subject.unwrap();
        assert!(accounts.iter().any(|account| account.id == subject), "{entry:?}");
    }
}
