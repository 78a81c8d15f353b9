//! Spent tickets, across restarts.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use ring::digest::{SHA256, digest};

use crate::spent::{SpendError, Spent};
use crate::ticket::TicketId;

/// [`Spent`] with a file: what was spent is on disk before anybody hears of it.
///
/// The file holds 32 bytes for each ticket and is written anew when most of them are over: it has
/// at most some 4 MiB. What a loss of power left half written at its end is cut off: nobody was
/// admitted for it. One process has it open at a time; the caller sees to that.
///
/// Every method blocks on the disk, for as long as one `fdatasync` takes.
#[derive(Debug)]
pub struct SpentFile {
    spent: Spent,
    file: File,
    path: PathBuf,
    /// In the file, over or not.
    records: usize,
    /// The file may end with half a record: nothing can be appended.
    is_torn: bool,
}

impl SpentFile {
    /// Opens the file at `path`, or creates it (mode 0600).
    ///
    /// # Errors
    ///
    /// When it can be neither read nor written.
    pub fn open(path: &Path, now_ms: u64) -> io::Result<Self> {
        let mut bytes = Vec::new();
        match File::open(path) {
            // What is longer than we ever write is not read to its end.
            Ok(file) => file.take(MAX_FILE_BYTES).read_to_end(&mut bytes).map(drop)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        let mut spent = Spent::new();
        for record in bytes.chunks_exact(RECORD_BYTES) {
            let Some((id, until)) = parse_record(record) else { break };
            // What is over, there twice or too much was not for nothing: it changes nothing.
            let _ = spent.spend(id, until, now_ms);
        }
        Self::write_anew(path, spent)
    }

    /// Uses a ticket, and remembers it for good until it is worthless.
    ///
    /// # Errors
    ///
    /// When it was used before, or cannot be written down: then it is not used.
    pub fn spend(
        &mut self,
        id: TicketId,
        until_ms: u64,
        now_ms: u64,
    ) -> io::Result<Result<(), SpendError>> {
        if let Err(error) = self.spent.spend(id, until_ms, now_ms) {
            return Ok(Err(error));
        }
        let written = self.append(id, until_ms);
        if written.is_err() {
            // It may be there all the same: after a restart it counts as spent, which harms nobody.
            self.spent.take_back(id);
            self.is_torn = true;
        }
        written.map(Ok)
    }

    /// Whether a ticket was used, and could be used again if that were not remembered.
    pub fn contains(&self, id: TicketId) -> bool {
        self.spent.contains(id)
    }

    /// How many tickets are remembered.
    pub fn len(&self) -> usize {
        self.spent.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.spent.is_empty()
    }

    fn append(&mut self, id: TicketId, until_ms: u64) -> io::Result<()> {
        if self.is_torn || self.records >= 2 * self.spent.len() + SPARE_RECORDS {
            // With the new one in it.
            *self = Self::write_anew(&self.path, self.spent.clone())?;
            return Ok(());
        }
        self.file.write_all(&record(id, until_ms))?;
        self.file.sync_data()?;
        self.records += 1;
        Ok(())
    }

    /// A whole new file in the place of the old one, in one step.
    fn write_anew(path: &Path, spent: Spent) -> io::Result<Self> {
        let mut name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?.to_owned();
        name.push(".new");
        let temporary = path.with_file_name(name);
        // Left over by a process that died: the name is ours.
        let _ = fs::remove_file(&temporary);
        let mut options = OpenOptions::new();
        let mut file = options.create_new(true).append(true).mode(0o600).open(&temporary)?;
        let records: Vec<u8> = spent.iter().flat_map(|(id, until)| record(id, until)).collect();
        file.write_all(&records)?;
        file.sync_all()?;
        fs::rename(&temporary, path)?;
        let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        File::open(directory.unwrap_or_else(|| Path::new(".")))?.sync_all()?;
        let records = spent.len();
        Ok(Self { spent, file, path: path.to_owned(), records, is_torn: false })
    }
}

/// Id, time, and the beginning of the SHA-256 of both: what is half there is not taken for whole.
fn record(id: TicketId, until_ms: u64) -> [u8; RECORD_BYTES] {
    let mut record = [0; RECORD_BYTES];
    record[..16].copy_from_slice(&id.0);
    record[16..24].copy_from_slice(&until_ms.to_le_bytes());
    let check = digest(&SHA256, &record[..24]);
    record[24..].copy_from_slice(&check.as_ref()[..8]);
    record
}

fn parse_record(bytes: &[u8]) -> Option<(TicketId, u64)> {
    let id = TicketId(bytes.get(..16)?.try_into().ok()?);
    let until_ms = u64::from_le_bytes(bytes.get(16..24)?.try_into().ok()?);
    (record(id, until_ms) == bytes).then_some((id, until_ms))
}

const RECORD_BYTES: usize = 32;

/// Written before the file is written anew, at least: that costs two synchronisations more.
const SPARE_RECORDS: usize = 1024;

const MAX_FILE_BYTES: u64 = ((2 * Spent::CAPACITY + SPARE_RECORDS + 1) * RECORD_BYTES) as u64;

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use proptest::prelude::*;

    use super::*;

    fn id(number: u64) -> TicketId {
        TicketId((u128::from(number)).to_be_bytes())
    }

    #[test]
    fn what_was_spent_is_spent_after_a_restart() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("spent");
        let mut spent = SpentFile::open(&path, 0).unwrap();
        spent.spend(id(1), 100, 0).unwrap().unwrap();
        spent.spend(id(2), 200, 0).unwrap().unwrap();
        drop(spent);
        let mut spent = SpentFile::open(&path, 150).unwrap();
        assert_eq!(spent.len(), 1, "the first is over");
        assert_eq!(spent.spend(id(2), 200, 150).unwrap(), Err(SpendError::Before));
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1, "nothing is left over");
    }

    #[test]
    fn the_file_does_not_grow_for_ever() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("spent");
        let mut spent = SpentFile::open(&path, 0).unwrap();
        for number in 0..3000 {
            spent.spend(id(number), number + 10, number).unwrap().unwrap();
            assert!(spent.len() <= 10);
        }
        assert!(fs::metadata(&path).unwrap().len() < 50_000);
        assert_eq!(SpentFile::open(&path, 2999).unwrap().len(), spent.len());
    }

    #[test]
    fn what_cannot_be_written_is_not_spent() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("spent");
        let mut spent = SpentFile::open(&path, 0).unwrap();
        // A file that cannot be written to, as on a broken disk.
        spent.file = File::open(&path).unwrap();
        assert!(spent.spend(id(1), 100, 0).is_err());
        assert_eq!(spent.len(), 0);
        spent.spend(id(1), 100, 0).unwrap().unwrap();
        assert_eq!(SpentFile::open(&path, 0).unwrap().len(), 1);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        /// Against a model that is nothing but a list, with restarts in between.
        #[test]
        fn no_ticket_is_spent_twice_whatever_happens(
            steps in prop::collection::vec((0_u64..20, 0_u64..50, 0_u64..5, any::<bool>()), 1..60),
        ) {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("spent");
            let mut spent = SpentFile::open(&path, 0).unwrap();
            let mut model: Vec<(u64, u64)> = Vec::new();
            let mut now = 0;
            for (number, lasts, passes, restarts) in steps {
                now += passes;
                if restarts {
                    drop(spent);
                    spent = SpentFile::open(&path, now).unwrap();
                }
                let until = now + lasts;
                let before = model.iter().any(|(n, u)| *n == number && *u > now);
                let expected = match (before, lasts) {
                    (true, _) => Err(SpendError::Before),
                    (false, 0) => Err(SpendError::Expired),
                    (false, _) => Ok(()),
                };
                prop_assert_eq!(spent.spend(id(number), until, now).unwrap(), expected);
                if expected.is_ok() {
                    model.push((number, until));
                }
            }
        }

        /// Cut off or changed anywhere: what came before is there, and it can be written to.
        #[test]
        fn a_torn_file_keeps_what_came_before(cut in 0_usize..330, flip: bool) {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("spent");
            let records: Vec<u8> = (0..10).flat_map(|n| record(id(n), 1000)).collect();
            let mut bytes = records.clone();
            if flip && cut < bytes.len() {
                bytes[cut] ^= 1;
            } else {
                bytes.truncate(cut);
            }
            fs::write(&path, &bytes).unwrap();
            let mut spent = SpentFile::open(&path, 0).unwrap();
            prop_assert_eq!(spent.len(), (cut / RECORD_BYTES).min(10));
            for number in 0..10 {
                let again = spent.spend(id(number), 1000, 0).unwrap();
                prop_assert_eq!(again.is_err(), number < (cut / RECORD_BYTES) as u64);
            }
            prop_assert_eq!(SpentFile::open(&path, 0).unwrap().len(), 10);
        }
    }
}
