//! What a player may have done about what is theirs, on whatever connection there is.

use protocol::{
    Blob, DataEntry, DataValue, DataVersion, Expect, ExportPart, MAX_VALUE, Password, Progress,
    SessionInfo, SessionNumber, Text,
};

use super::{Session, Wish};
use crate::{RequestError, client::export};

/// As of a [`Client`](crate::Client), on the connection there is, or the next one.
impl Session {
    /// Gives a guest a name and a password. [`name`](Self::name) stays what it was at the login.
    pub async fn claim(&self, name: Text<64>, password: Password) -> Result<(), RequestError> {
        self.with_client(|client| {
            let (name, password) = (name.clone(), password.clone());
            async move { client.claim(name, password).await }
        })
        .await
    }

    /// The sessions of the account, the one seen last first.
    pub async fn sessions(&self) -> Result<Vec<SessionInfo>, RequestError> {
        self.with_client(|client| async move { client.sessions().await }).await
    }

    /// Ends a session of the account; with none, all but this one.
    pub async fn revoke_sessions(&self, number: Option<SessionNumber>) -> Result<(), RequestError> {
        self.with_client(|client| async move { client.revoke_sessions(number).await }).await
    }

    /// Sets another password. All sessions but this one end.
    pub async fn change_password(&self, old: Password, new: Password) -> Result<(), RequestError> {
        self.with_client(|client| {
            let (old, new) = (old.clone(), new.clone());
            async move { client.change_password(old, new).await }
        })
        .await
    }

    /// Erases the account with everything that belongs to it, for good, and ends the session.
    pub async fn delete_account(&self, password: Option<Password>) -> Result<(), RequestError> {
        self.with_client(|client| {
            let password = password.clone();
            async move { client.delete_account(password).await }
        })
        .await?;
        // When nobody listens any more it has ended anyway.
        let _ = self.wish(Wish::End).await;
        Ok(())
    }

    /// Everything that is kept about the player, as JSON.
    pub async fn export(&self) -> Result<Vec<u8>, RequestError> {
        export(|offset| self.export_part(offset)).await
    }

    /// The bytes of an export behind `offset`; it is made with the part at 0.
    pub async fn export_part(&self, offset: u64) -> Result<ExportPart, RequestError> {
        self.with_client(|client| async move { client.export_part(offset).await }).await
    }

    /// The values that a game keeps for the player, in the order of their keys.
    pub async fn data_keys(&self, game: Text<64>) -> Result<Vec<DataEntry>, RequestError> {
        self.with_client(|client| {
            let game = game.clone();
            async move { client.data_keys(game).await }
        })
        .await
    }

    /// A value that a game keeps for the player.
    pub async fn data(
        &self,
        game: Text<64>,
        key: Text<64>,
    ) -> Result<Option<DataValue>, RequestError> {
        self.with_client(|client| {
            let (game, key) = (game.clone(), key.clone());
            async move { client.data(game, key).await }
        })
        .await
    }

    /// Writes a value for the player, or removes it, if there is what is expected.
    ///
    /// # Errors
    ///
    /// As of [`Client::set_data`](crate::Client::set_data).
    pub async fn set_data(
        &self,
        game: Text<64>,
        key: Text<64>,
        value: Option<Blob<MAX_VALUE>>,
        expect: Expect,
    ) -> Result<Option<DataVersion>, RequestError> {
        self.with_client(|client| {
            let (game, key, value) = (game.clone(), key.clone(), value.clone());
            async move { client.set_data(game, key, value, expect).await }
        })
        .await
    }

    /// What the player has achieved in a game.
    pub async fn progress(&self, game: Text<64>) -> Result<Progress, RequestError> {
        self.with_client(|client| {
            let game = game.clone();
            async move { client.progress(game).await }
        })
        .await
    }

    /// Asks moderators to look at what a player does.
    pub async fn report(&self, player: Text<64>, text: Text<400>) -> Result<(), RequestError> {
        self.with_client(|client| {
            let (player, text) = (player.clone(), text.clone());
            async move { client.report(player, text).await }
        })
        .await
    }
}
