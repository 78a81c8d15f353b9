//! The keys that sign tickets, in their file, and what is signed with them.

use std::{io, path::Path, sync::Arc, time::Duration};

use accounts::private_file;
use protocol::{JoinSecret, List, ServerId, SignedTicket, Text, TicketId, TicketKey, UnixMillis};
use tickets::{JoinCode, ServerName, SigningKeys, Ticket};
use zeroize::Zeroizing;

use crate::lobby::{Issued, LauncherKey, SessionId, Shown, Subject, TicketOffice};

/// The file of the keys, in the data directory.
pub(crate) const FILE: &str = "tickets.key";

/// Why there are no keys.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TicketKeysError {
    /// The file can be neither read nor written.
    #[error("{FILE}: {0}")]
    Io(#[from] io::Error),
    /// It holds something else.
    #[error(
        "{FILE} is damaged: without it new keys are made, and tickets given out lately are worth nothing"
    )]
    Damaged,
    /// The system has no random numbers.
    #[error(transparent)]
    Random(#[from] tickets::RandomError),
}

/// Reads the keys of the data directory, or makes them.
pub(crate) fn load_or_create(data_dir: &Path) -> Result<SigningKeys, TicketKeysError> {
    let path = data_dir.join(FILE);
    let bytes = private_file::read_or_create(&path, MAX_BYTES, || {
        let keys = SigningKeys::generate().map_err(io::Error::other)?;
        Ok(Zeroizing::new(keys.to_text().as_bytes().to_vec()))
    })?;
    let text = std::str::from_utf8(&bytes).map_err(|_| TicketKeysError::Damaged)?;
    SigningKeys::from_text(text).map_err(|_| TicketKeysError::Damaged)
}

/// The announced key signs from now on, and another one is announced; with `stolen`, both are new,
/// and what was signed until now is worth nothing. They are on disk when this returns.
pub(crate) fn rotate(
    data_dir: &Path,
    stolen: bool,
    now_ms: u64,
) -> Result<SigningKeys, TicketKeysError> {
    let mut keys = load_or_create(data_dir)?;
    if stolen {
        keys.replace()?;
    } else {
        keys.rotate(now_ms)?;
    }
    private_file::replace(&data_dir.join(FILE), keys.to_text().as_bytes())?;
    Ok(keys)
}

/// Signs tickets.
#[derive(Debug)]
pub(crate) struct Office {
    keys: Arc<SigningKeys>,
}

impl Office {
    pub(crate) fn new(keys: SigningKeys) -> Self {
        Self { keys: Arc::new(keys) }
    }
}

impl TicketOffice for Office {
    fn issue(&self, subject: &Subject, now: UnixMillis) -> Option<Issued> {
        let Subject { account, player, launcher, server } = subject;
        let name = ServerName::of_launcher(&launcher.0, server.0);
        let issued = Ticket::new(account.0, player, name, now.0, LIFETIME)
            .map_err(|error| tracing::error!(%error, "no ticket can be made"))
            .and_then(|ticket| {
                let code =
                    JoinCode::generate().map_err(|error| tracing::error!(%error, "no code"))?;
                Ok((ticket, code))
            });
        let (ticket, code) = issued.ok()?;
        Some(Issued {
            id: TicketId(ticket.id.0),
            ticket: SignedTicket(Text::parse(self.keys.sign(&ticket)).ok()?),
            code: JoinSecret(Text::parse(code.as_str().to_owned()).ok()?),
        })
    }

    fn read(&self, ticket: &SignedTicket) -> Option<Shown> {
        let ticket = Ticket::read(ticket.reveal(), &self.keys.remembered()).ok()?;
        let (launcher, server) = ticket.server.launcher()?;
        Some(Shown {
            id: TicketId(ticket.id.0),
            issued: UnixMillis(ticket.issued_ms),
            worthless_from: UnixMillis(ticket.worthless_from_ms()),
            subject: Subject {
                account: SessionId(ticket.account),
                player: Text::lossy(&ticket.player),
                launcher: LauncherKey(launcher),
                server: ServerId(server),
            },
        })
    }

    fn keys(&self, now: UnixMillis) -> List<TicketKey, 8> {
        List::first_of(self.keys.public(now.0).iter().map(|key| TicketKey(*key.as_bytes())))
    }

    fn use_keys(&mut self, keys: Arc<SigningKeys>) {
        self.keys = keys;
    }
}

/// How long a player may take from the answer to their `Join` until they are in the game: some fetch
/// a map first.
const LIFETIME: Duration = Duration::from_secs(5 * 60);

/// Two secret keys and six public ones have some 600.
const MAX_BYTES: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMillis = UnixMillis(1_800_000_000_000);

    fn subject() -> Subject {
        Subject {
            account: SessionId(17),
            player: Text::lossy("Rosa"),
            launcher: LauncherKey([3; 32]),
            server: ServerId(5),
        }
    }

    #[test]
    fn keys_stay_until_they_are_rotated_and_old_tickets_are_read_after_it() {
        let directory = tempfile::tempdir().unwrap();
        let mut office = Office::new(load_or_create(directory.path()).unwrap());
        let issued = office.issue(&subject(), NOW).unwrap();
        assert_eq!(issued.code.reveal().len(), 20);
        let again = Office::new(load_or_create(directory.path()).unwrap());
        assert_eq!(again.keys(NOW), office.keys(NOW));
        let shown = again.read(&issued.ticket).unwrap();
        assert_eq!((shown.id, shown.subject, shown.issued), (issued.id, subject(), NOW));

        let before = office.keys(NOW);
        office.use_keys(rotate(directory.path(), false, NOW.0).unwrap().into());
        assert_eq!(office.keys(NOW)[0], before[1], "the announced one");
        assert!(office.keys(NOW).contains(&before[0]), "the last one is believed for a while");
        assert!(office.read(&issued.ticket).is_some());
        office.use_keys(rotate(directory.path(), true, NOW.0).unwrap().into());
        assert!(office.keys(NOW).iter().all(|key| !before.contains(key)));
        assert_eq!(office.read(&issued.ticket), None, "who has the stolen key signs nothing");

        std::fs::write(directory.path().join(FILE), "{}").unwrap();
        assert!(matches!(load_or_create(directory.path()), Err(TicketKeysError::Damaged)));
    }
}
