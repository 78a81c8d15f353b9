//! What somebody gains who has stolen the database: nothing that logs anybody in.

use std::fs;

use accounts::*;
use data_encoding::{BASE64, BASE64URL_NOPAD, HEXLOWER};
use serde_json::Value as Json;

use crate::common::*;
use crate::copies::fill;

fn cheap() -> HashQueue {
    let parameters = HashParameters { memory_kib: 8, iterations: 1, parallelism: 1 };
    HashQueue::new(HashQueueConfig { parameters, ..Default::default() }).unwrap()
}

/// Every value of every column of every table, as text and as bytes, whole and in the parts a
/// password's hash has.
fn loot(copy: &str) -> Vec<Vec<u8>> {
    let mut loot: Vec<Vec<u8>> = Vec::new();
    for line in copy.lines() {
        let line: Json = serde_json::from_str(line).unwrap();
        let Some(cells) = line.get("row").and_then(Json::as_array) else { continue };
        for cell in cells {
            let text = match cell {
                Json::String(text) => text.clone(),
                Json::Null => continue,
                other => other.to_string(),
            };
            for part in std::iter::once(&*text).chain(text.split('$')) {
                loot.push(part.as_bytes().to_vec());
                loot.extend(BASE64.decode(part.as_bytes()));
                loot.extend(data_encoding::BASE64_NOPAD.decode(part.as_bytes()));
                loot.extend(HEXLOWER.decode(part.as_bytes()));
            }
        }
    }
    loot.sort();
    loot.dedup();
    loot
}

/// The ways somebody could say these bytes.
fn spellings(bytes: &[u8]) -> Vec<String> {
    let mut spellings =
        vec![HEXLOWER.encode(bytes), BASE64.encode(bytes), BASE64URL_NOPAD.encode(bytes)];
    spellings.extend(String::from_utf8(bytes.to_vec()));
    spellings
}

in_every_database! {
    async fn with_every_value_of_a_stolen_database_as_input_nobody_logs_in(database: &Database) {
        let store = database.open().await;
        fill(&store).await;
        let (queue, key) = (cheap(), SecretKey::from_bytes(&[3; 32]));
        let origin = Origin::new([192, 0, 2, 1].into(), 1);
        let password = || Password::new("correct horse battery".to_owned()).unwrap();
        let real = queue.hash(origin, password()).await.unwrap();
        let mallory = store.create_account(&name("Mallory"), real.clone(), NOW).await.unwrap();
        let (token, secret) = (SessionToken::generate().unwrap(), EnrollmentSecret::generate().unwrap());
        let token_hash = key.hash_token(&token);
        store.open_session(mallory, &session(&token_hash, MUCH_LATER), NOW).await.unwrap();
        let invited = key.hash_enrollment(&secret);
        store.invite_launcher(&launcher("new"), &invited, MUCH_LATER, &BY, NOW).await.unwrap();

        // The ways in are open: with the right thing in hand.
        assert!(queue.verify(origin, password(), Some(real.clone())).await.unwrap().is_right());
        assert!(store.session(&token_hash, NOW).await.unwrap().is_some());

        let copy = database.directory.path().join("stolen");
        store.backup(&copy, &[], &BY, NOW).await.unwrap();
        let loot = loot(&fs::read_to_string(&copy).unwrap());
        let has = |wanted: &[u8]| loot.iter().any(|bytes| bytes == wanted);
        assert!(has(real.as_str().as_bytes()) && has(b"Mallory"), "the thief has everything");
        let hashes = loot.iter().filter(|bytes| bytes.len() == 32).count();
        assert!(hashes >= 5, "{hashes} of {}", loot.len());

        for bytes in &loot {
            for text in spellings(bytes) {
                if let Ok(guess) = Password::new(text.clone()) {
                    let verified = queue.verify(origin, guess, Some(real.clone())).await.unwrap();
                    assert!(!verified.is_right(), "as a password: {text}");
                }
                if let Ok(guess) = SessionToken::parse(&text) {
                    let found = store.session(&key.hash_token(&guess), NOW).await.unwrap();
                    assert!(found.is_none(), "as a token: {text}");
                }
                if let Ok(guess) = EnrollmentSecret::parse(&text) {
                    let guess = key.hash_enrollment(&guess);
                    let enrolled = store.enroll_launcher(&guess, [77; 32], NOW).await;
                    assert!(matches!(enrolled, Err(EnrollError::UnknownOrUsed)), "{enrolled:?}");
                }
            }
            if let Ok(bytes) = <[u8; 32]>::try_from(bytes.as_slice()) {
                let as_token = key.hash_token(&SessionToken::from_bytes(bytes));
                assert!(store.session(&as_token, NOW).await.unwrap().is_none());
                let as_secret = key.hash_enrollment(&EnrollmentSecret::from_bytes(bytes));
                let enrolled = store.enroll_launcher(&as_secret, [77; 32], NOW).await;
                assert!(matches!(enrolled, Err(EnrollError::UnknownOrUsed)), "{enrolled:?}");
            }
        }
        assert_eq!(store.launchers().await.unwrap().len(), 1);
    }
}
