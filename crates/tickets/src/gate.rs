//! Lets players onto one server, each with a ticket of their own.

use std::io;

use crate::keys::VerifyingKeys;
use crate::spent::SpendError;
use crate::spent_file::SpentFile;
use crate::ticket::{ServerName, Ticket, TicketError};

/// Guards one server.
#[derive(Debug)]
pub struct Gate {
    server: ServerName,
    keys: VerifyingKeys,
    spent: SpentFile,
}

/// Why somebody is not let in. For logs; the player is told only that they are not.
#[derive(Debug, thiserror::Error)]
pub enum AdmitError {
    /// The ticket is not good.
    #[error(transparent)]
    Ticket(#[from] TicketError),
    /// The ticket was used before, or too many were.
    #[error(transparent)]
    Spent(#[from] SpendError),
    /// It could not be written down that the ticket is used.
    #[error("spent tickets cannot be written down")]
    Disk(#[from] io::Error),
}

impl Gate {
    /// Guards `server`, and believes these keys.
    pub fn new(server: ServerName, keys: VerifyingKeys, spent: SpentFile) -> Self {
        Self { server, keys, spent }
    }

    /// Believes these keys from now on, and no others.
    pub fn set_keys(&mut self, keys: VerifyingKeys) {
        self.keys = keys;
    }

    /// Whether [`Gate::admit`] would let a player in now. Touches no disk.
    ///
    /// # Errors
    ///
    /// See [`AdmitError`].
    pub fn check(&self, text: &str, now_ms: u64) -> Result<Ticket, AdmitError> {
        let ticket = Ticket::check(text, &self.server, &self.keys, now_ms)?;
        if self.spent.contains(ticket.id) {
            return Err(SpendError::Before.into());
        }
        Ok(ticket)
    }

    /// Lets a player in, once: the ticket is used, and that is on disk, when this returns `Ok`.
    ///
    /// Blocks on the disk, for a ticket that is good.
    ///
    /// # Errors
    ///
    /// See [`AdmitError`].
    pub fn admit(&mut self, text: &str, now_ms: u64) -> Result<Ticket, AdmitError> {
        let ticket = Ticket::check(text, &self.server, &self.keys, now_ms)?;
        self.spent.spend(ticket.id, ticket.worthless_from_ms(), now_ms)??;
        Ok(ticket)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::keys::SigningKeys;

    const NOW: u64 = 1_800_000_000_000;

    #[test]
    fn a_ticket_admits_once_also_across_a_restart_and_to_no_other_server() {
        let directory = tempfile::tempdir().unwrap();
        let keys = SigningKeys::generate().unwrap();
        let open = |name: &str, file: &str| {
            let spent = SpentFile::open(&directory.path().join(file), NOW).unwrap();
            Gate::new(ServerName::parse(name).unwrap(), keys.public(NOW), spent)
        };
        let server = ServerName::parse("home/7").unwrap();
        let ticket = Ticket::new(17, "Rosa", server, NOW, Duration::from_secs(60)).unwrap();
        let text = keys.sign(&ticket);

        assert_eq!(
            open("home/7", "spent").check(&text, NOW).unwrap(),
            ticket,
            "as often as you like"
        );
        let elsewhere = open("home/8", "other").admit(&text, NOW);
        assert!(matches!(elsewhere, Err(AdmitError::Ticket(TicketError::AnotherServer))));
        assert_eq!(open("home/7", "spent").admit(&text, NOW).unwrap(), ticket);
        // Until the last moment at which it could be good, by whatever clock.
        for later in [0, 74_999] {
            let again = open("home/7", "spent").check(&text, NOW + later);
            assert!(matches!(again, Err(AdmitError::Spent(SpendError::Before))), "{again:?}");
            let again = open("home/7", "spent").admit(&text, NOW + later);
            assert!(matches!(again, Err(AdmitError::Spent(SpendError::Before))), "{again:?}");
        }
        let after = open("home/7", "spent").admit(&text, NOW + 75_000);
        assert!(matches!(after, Err(AdmitError::Ticket(TicketError::Expired))), "{after:?}");
    }
}
