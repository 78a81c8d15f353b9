//! `register`, `login`, `logout`, `guest`, `claim`, `password`, `delete-account`.

use game_client::{Client, RequestError};
use protocol::{LoggedIn, Refusal, Text};

use crate::{
    args::Credentials,
    control::ControlClient,
    failure::Failure,
    link::{Link, Request},
    output::{Event, Output},
    place::Place,
    profile::StoredSession,
    prompt,
};

pub(super) async fn register(
    place: &mut Place,
    credentials: Credentials,
    output: Output,
) -> Result<(), Failure> {
    let (client, name, password) = prepare(place, credentials, true).await?;
    let logged_in = client.register(name, password).await?;
    let name = finish(place, client, logged_in).await?;
    output.event(&Event::Registered { name })
}

pub(super) async fn log_in(
    place: &mut Place,
    credentials: Credentials,
    output: Output,
) -> Result<(), Failure> {
    let (client, name, password) = prepare(place, credentials, false).await?;
    let logged_in = client.log_in(name, password).await?;
    let name = finish(place, client, logged_in).await?;
    output.event(&Event::LoggedIn { name })
}

pub(super) async fn log_out(place: &mut Place, output: Output) -> Result<(), Failure> {
    let done = match Link::short(place).await {
        Ok(mut link) => link.request(Request::LogOut).await,
        Err(failure) => Err(failure),
    };
    match done {
        Ok(_) => {}
        // Then there is nothing to end any more.
        Err(failure) if failure == Refusal::SessionEnded.into() => {}
        Err(failure) => return Err(failure),
    }
    if place.remembered.is_some() {
        place.store(None)?;
    }
    output.event(&Event::LoggedOut)
}

pub(super) async fn log_in_as_guest(place: &mut Place, output: Output) -> Result<(), Failure> {
    alone(place).await?;
    let (client, _events) = Client::connect(place.config().await?).await?;
    let logged_in = client.log_in_as_guest().await?;
    let name = finish(place, client, logged_in).await?;
    output.event(&Event::LoggedIn { name })
}

pub(super) async fn claim(
    place: &mut Place,
    credentials: Credentials,
    output: Output,
) -> Result<(), Failure> {
    let session = place.session()?;
    let (client, name, password) = prepare(place, credentials, true).await?;
    client.resume(session.token.clone()).await?;
    client.claim(name.clone(), password).await?;
    client.close().await;
    let name = name.to_string();
    place.store(Some(StoredSession { name: name.clone(), ..session }))?;
    output.event(&Event::Claimed { name })
}

pub(super) async fn change_password(
    place: &mut Place,
    from_stdin: bool,
    output: Output,
) -> Result<(), Failure> {
    place.session()?;
    let old = prompt::password(from_stdin, "The password until now: ", false).await?;
    let new = prompt::password(from_stdin, NEW_PASSWORD, true).await?;
    let mut link = Link::short(place).await?;
    link.request(Request::ChangePassword { old, new }).await?;
    link.close().await;
    output.event(&Event::PasswordChanged)
}

pub(super) async fn delete(
    place: &mut Place,
    from_stdin: bool,
    output: Output,
) -> Result<(), Failure> {
    let session = place.session()?;
    alone(place).await?;
    let is_guest = session.name.starts_with('~');
    let password = match is_guest {
        true => None,
        false => Some(prompt::password(from_stdin, prompt::PASSWORD, false).await?),
    };
    let (client, _events) = Client::connect(place.config().await?).await?;
    client.resume(session.token).await?;
    client.delete_account(password).await?;
    client.close().await;
    place.store(None)?;
    output.event(&Event::AccountDeleted { name: session.name })
}

/// There is no `join`, whose session would end.
async fn alone(place: &Place) -> Result<(), Failure> {
    if ControlClient::connect(place).await?.is_none() {
        return Ok(());
    }
    let message = "`gatehouse join` runs in this profile, and would lose its session";
    Err(Failure::failed("join_running", message).hint("end it with `gatehouse leave`"))
}

/// Everything that can be wrong before a person has to type a password comes before that.
async fn prepare(
    place: &mut Place,
    credentials: Credentials,
    new: bool,
) -> Result<(Client, Text<64>, protocol::Password), Failure> {
    let Credentials { name, password_stdin } = credentials;
    let name = Text::parse(name).map_err(|error| Failure::usage("invalid_name", error))?;
    alone(place).await?;
    let config = place.config().await?;
    // Whoever types slowly must not find the connection gone: it is made again for the request.
    if !password_stdin {
        Client::connect(config.clone()).await?.0.close().await;
    }
    let question = if new { NEW_PASSWORD } else { prompt::PASSWORD };
    let password = prompt::password(password_stdin, question, new).await?;
    let (client, _events) = Client::connect(config).await?;
    Ok((client, name, password))
}

async fn finish(place: &mut Place, client: Client, logged_in: LoggedIn) -> Result<String, Failure> {
    let LoggedIn { name, token, .. } = logged_in;
    let name = name.to_string();
    let before = place.session().ok();
    let stored = StoredSession { name: name.clone(), token };
    if let Err(failure) = place.store(Some(stored)) {
        // Nobody could continue or end a session that is stored nowhere.
        if let Err(RequestError::Refused(refusal)) = client.log_out().await {
            tracing::debug!(%refusal, "the session that cannot be stored was not ended");
        }
        return Err(failure);
    }
    client.close().await;
    if let Some(before) = before
        && let Err(failure) = end(place, before).await
    {
        // The new session is as good without that; the old one ends by itself some day.
        tracing::debug!(reason = %failure.message, "the session before was not ended");
    }
    Ok(name)
}

/// Ends a session that nobody knows any more from now on.
async fn end(place: &mut Place, session: StoredSession) -> Result<(), Failure> {
    let (client, _events) = Client::connect(place.config().await?).await?;
    client.resume(session.token).await?;
    client.log_out().await?;
    client.close().await;
    Ok(())
}

const NEW_PASSWORD: &str = "New password: ";
