//! Everything about a player, in parts that fit into messages.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use accounts::{AccountId, Author, Store};
use bytes::Bytes;
use protocol::{Blob, ExportPart, MAX_EXPORT_PART, Refusal, RequestId};

use super::{busy, now, unavailable};

/// Exports that are being fetched.
///
/// A handle: cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Exports(Arc<Mutex<HashMap<AccountId, Export>>>);

#[derive(Clone, Debug)]
struct Export {
    bytes: Bytes,
    /// When it was made.
    made: Instant,
    /// When a part of it was last asked for.
    used: Instant,
}

/// A part, and how much there is in all.
#[derive(Debug)]
pub(super) struct Part {
    total: u64,
    part: Bytes,
}

impl Exports {
    /// What follows `offset`. At 0 the export is made anew.
    pub(super) async fn part(
        &self,
        store: &Store,
        account: AccountId,
        offset: u64,
    ) -> Result<Part, Refusal> {
        if offset > 0 {
            let mut exports = self.lock();
            exports.retain(|_, export| export.used.elapsed() < FETCH_WITHIN);
            let export = exports.get_mut(&account).ok_or(Refusal::Unavailable)?;
            export.used = Instant::now();
            return Ok(Part::of_export(&export.bytes, offset));
        }
        self.may_be_made(account)?;
        let json = store.export_account(account, &Author::Account(account), now()).await;
        let json = json.map_err(unavailable)?.ok_or(Refusal::SessionEnded)?;
        // It may have megabytes, and this thread serves everybody.
        let text = tokio::task::spawn_blocking(move || serde_json::to_vec(&json)).await;
        let Ok(Ok(text)) = text else { return Err(Refusal::Unavailable) };
        let bytes = Bytes::from(text);
        let part = Part::of_export(&bytes, 0);
        self.keep(account, bytes)?;
        Ok(part)
    }

    pub(super) fn forget(&self, account: AccountId) {
        self.lock().remove(&account);
    }

    /// Reading everything is expensive.
    fn may_be_made(&self, account: AccountId) -> Result<(), Refusal> {
        let exports = self.lock();
        let made = exports.get(&account).map(|export| export.made.elapsed());
        match made.and_then(|ago| PAUSE.checked_sub(ago)) {
            Some(left) if !left.is_zero() => Err(busy(left)),
            _ => Ok(()),
        }
    }

    fn keep(&self, account: AccountId, bytes: Bytes) -> Result<(), Refusal> {
        let now = Instant::now();
        let mut exports = self.lock();
        exports.retain(|_, export| export.used.elapsed() < FETCH_WITHIN);
        exports.remove(&account);
        let others: usize = exports.values().map(|export| export.bytes.len()).sum();
        if exports.len() >= MAX_EXPORTS || others.saturating_add(bytes.len()) > MAX_BYTES {
            return Err(busy(FETCH_WITHIN));
        }
        exports.insert(account, Export { bytes, made: now, used: now });
        Ok(())
    }

    /// Whoever panicked left whole exports.
    fn lock(&self) -> MutexGuard<'_, HashMap<AccountId, Export>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Part {
    fn of_export(bytes: &Bytes, offset: u64) -> Self {
        let begin = usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
        let end = begin.saturating_add(MAX_EXPORT_PART).min(bytes.len());
        Self { total: bytes.len() as u64, part: bytes.slice(begin..end) }
    }

    pub(super) fn of(self, request: RequestId) -> ExportPart {
        let part = Blob::try_from(self.part.to_vec()).expect("it was cut to that length");
        ExportPart { request, total: self.total, part }
    }
}

/// Longest between two parts of an export. Then it is forgotten.
const FETCH_WITHIN: Duration = Duration::from_secs(60);

/// Between two exports of one account.
const PAUSE: Duration = Duration::from_secs(10);

/// Exports that are kept, and the bytes of all of them: three of the longest. Further ones are
/// refused as `Busy`.
const MAX_EXPORTS: usize = 1000;
const MAX_BYTES: usize = 96 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_of_an_export_are_the_export() {
        let whole: Vec<u8> = (0..MAX_EXPORT_PART * 2 + 5).map(|n| n as u8).collect();
        let bytes = Bytes::from(whole.clone());
        let mut together = Vec::new();
        while together.len() < whole.len() {
            let part = Part::of_export(&bytes, together.len() as u64).of(RequestId(1));
            assert_eq!(part.total, whole.len() as u64);
            assert!(!part.part.is_empty());
            together.extend_from_slice(&part.part);
        }
        assert_eq!(together, whole);
        for beyond in [whole.len() as u64, u64::MAX] {
            assert!(Part::of_export(&bytes, beyond).part.is_empty());
        }
    }

    #[test]
    fn so_much_is_kept_and_no_more() {
        let exports = Exports::default();
        let half = Bytes::from(vec![0; MAX_BYTES / 2 + 1]);
        exports.keep(AccountId::from_u64(1), half.clone()).unwrap();
        let full = exports.keep(AccountId::from_u64(2), half.clone());
        assert!(matches!(full, Err(Refusal::Busy { .. })), "{full:?}");
        exports.keep(AccountId::from_u64(1), half.clone()).expect("it takes its own place");
        exports.forget(AccountId::from_u64(1));
        exports.keep(AccountId::from_u64(2), half).unwrap();
    }
}
