//! What a player may have done about what is theirs.

use std::time::Duration;

use protocol::{
    Blob, DataEntry, DataValue, DataVersion, Expect, ExportPart, FromGameClient, MAX_VALUE,
    Password, Progress, Refusal, SessionInfo, SessionNumber, Text,
};
use tokio::time::sleep;

use super::{Answer, Client};
use crate::RequestError;

impl Client {
    /// Gives a guest, who we have to be, a name and a password. The session goes on.
    pub async fn claim(&self, name: Text<64>, password: Password) -> Result<(), RequestError> {
        self.done(self.request(|request| FromGameClient::Claim { request, name, password }).await?)
    }

    /// The sessions of the account, the one seen last first.
    pub async fn sessions(&self) -> Result<Vec<SessionInfo>, RequestError> {
        match self.request(|request| FromGameClient::ListSessions { request }).await? {
            Answer::Sessions(sessions) => Ok(sessions),
            other => Err(other.unexpected()),
        }
    }

    /// Ends a session of the account; with none, all but this one. Ending this one ends the
    /// connection.
    pub async fn revoke_sessions(&self, number: Option<SessionNumber>) -> Result<(), RequestError> {
        let message = |request| FromGameClient::RevokeSessions { request, number };
        self.done(self.request(message).await?)
    }

    /// Sets another password. All sessions but this one end.
    pub async fn change_password(&self, old: Password, new: Password) -> Result<(), RequestError> {
        let message = |request| FromGameClient::ChangePassword { request, old, new };
        self.done(self.request(message).await?)
    }

    /// Erases the account with everything that belongs to it, for good. Only guests need no
    /// password. The session is over then.
    pub async fn delete_account(&self, password: Option<Password>) -> Result<(), RequestError> {
        let message = |request| FromGameClient::DeleteAccount { request, password };
        match self.request(message).await? {
            Answer::LoggedOut => Ok(()),
            other => Err(other.unexpected()),
        }
    }

    /// Everything that is kept about the player, as JSON. It takes as many requests as it has parts
    /// of 32 KiB, and waits where the server wants it to.
    pub async fn export(&self) -> Result<Vec<u8>, RequestError> {
        export(|offset| self.export_part(offset)).await
    }

    /// The bytes of an export behind `offset`; it is made with the part at 0.
    pub async fn export_part(&self, offset: u64) -> Result<ExportPart, RequestError> {
        match self.request(|request| FromGameClient::Export { request, offset }).await? {
            Answer::Exported(part) => Ok(part),
            other => Err(other.unexpected()),
        }
    }

    /// The values that a game keeps for the player, in the order of their keys.
    pub async fn data_keys(&self, game: Text<64>) -> Result<Vec<DataEntry>, RequestError> {
        match self.request(|request| FromGameClient::ListData { request, game }).await? {
            Answer::DataKeys(entries) => Ok(entries),
            other => Err(other.unexpected()),
        }
    }

    /// A value that a game keeps for the player.
    pub async fn data(
        &self,
        game: Text<64>,
        key: Text<64>,
    ) -> Result<Option<DataValue>, RequestError> {
        match self.request(|request| FromGameClient::GetData { request, game, key }).await? {
            Answer::Data(value) => Ok(value),
            other => Err(other.unexpected()),
        }
    }

    /// Writes a value for the player, or removes it, if there is what is expected. Says its version.
    ///
    /// # Errors
    ///
    /// [`Refusal::Changed`] when there is something else: read it, and decide anew.
    pub async fn set_data(
        &self,
        game: Text<64>,
        key: Text<64>,
        value: Option<Blob<MAX_VALUE>>,
        expect: Expect,
    ) -> Result<Option<DataVersion>, RequestError> {
        let message = |request| FromGameClient::SetData { request, game, key, value, expect };
        match self.request(message).await? {
            Answer::DataWritten(version) => Ok(version),
            other => Err(other.unexpected()),
        }
    }

    /// What the player has achieved in a game.
    pub async fn progress(&self, game: Text<64>) -> Result<Progress, RequestError> {
        match self.request(|request| FromGameClient::GetProgress { request, game }).await? {
            Answer::Progress(progress) => Ok(progress),
            other => Err(other.unexpected()),
        }
    }

    /// Asks moderators to look at what a player does.
    pub async fn report(&self, player: Text<64>, text: Text<400>) -> Result<(), RequestError> {
        self.done(self.request(|request| FromGameClient::Report { request, player, text }).await?)
    }

    fn done(&self, answer: Answer) -> Result<(), RequestError> {
        match answer {
            Answer::Done => Ok(()),
            other => Err(other.unexpected()),
        }
    }
}

/// Puts the parts of an export together.
pub(crate) async fn export<F: Future<Output = Result<ExportPart, RequestError>>>(
    part_at: impl Fn(u64) -> F,
) -> Result<Vec<u8>, RequestError> {
    let mut bytes = Vec::new();
    let mut waited = Duration::ZERO;
    loop {
        match part_at(bytes.len() as u64).await {
            Ok(ExportPart { total, part, .. }) => {
                waited = Duration::ZERO;
                bytes.extend_from_slice(&part);
                if bytes.len() as u64 >= total || part.is_empty() {
                    return Ok(bytes);
                }
            }
            // It wants the parts more slowly; the first one is for whoever has asked to decide.
            Err(RequestError::Refused(Refusal::Busy { retry_after_ms }))
                if !bytes.is_empty() && waited < MAX_WAIT =>
            {
                let pause = Duration::from_millis(retry_after_ms.into()).min(MAX_WAIT);
                waited += pause;
                sleep(pause).await;
            }
            Err(error) => return Err(error),
        }
    }
}

/// Longest to wait for one part: the server forgets an export after a minute.
const MAX_WAIT: Duration = Duration::from_secs(30);
