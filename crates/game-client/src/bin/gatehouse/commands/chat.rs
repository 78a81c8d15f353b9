//! `chat`.

use std::time::Duration;

use protocol::{Channel, Text};
use tokio::time::timeout;

use crate::{
    failure::{Failure, Kind},
    link::{Link, Notice, Reply, Request},
    output::Output,
    place::Place,
    prompt,
};

/// Says one thing, and shows it as everybody sees it.
pub(super) async fn say(
    place: &mut Place,
    channel: Channel,
    text: &str,
    output: Output,
) -> Result<(), Failure> {
    let text = Text::parse(text).map_err(|error| Failure::usage("invalid_text", error))?;
    let mut link = Link::short(place).await?;
    link.request(Request::Chat { channel, text: text.clone() }).await?;
    let echo = timeout(ECHO_TIMEOUT, async {
        loop {
            match link.next().await? {
                Notice::Said(said) if said.channel == channel && said.text == text => {
                    return Ok::<_, Failure>(said);
                }
                _ => {}
            }
        }
    });
    // The server has taken it in any case.
    if let Ok(said) = echo.await {
        output.event(&(&said?).into())?;
    }
    link.close().await;
    Ok(())
}

/// Says every line of the input, and shows everything said.
pub(super) async fn talk(
    place: &mut Place,
    channel: Channel,
    output: Output,
) -> Result<(), Failure> {
    let mut link = Link::long(place).await?;
    let mut lines = prompt::lines();
    output.hint("-- what you type is said; Ctrl-D ends")?;
    loop {
        tokio::select! {
            notice = link.next() => notice?.print(output)?,
            line = lines.recv() => match line {
                Some(Ok(text)) => said(link.request(Request::Chat { channel, text }).await, output)?,
                Some(Err(failure)) => output.failure(&failure),
                None => break,
            },
        }
    }
    // What was said last comes back a moment later.
    while let Ok(Ok(notice)) = timeout(Duration::from_millis(300), link.next()).await {
        notice.print(output)?;
    }
    link.close().await;
    Ok(())
}

/// A line that was refused is no reason to stop talking.
fn said(answer: Result<Reply, Failure>, output: Output) -> Result<(), Failure> {
    match answer {
        Err(failure) if failure.kind == Kind::Refused || failure.reason == "timeout" => {
            output.failure(&failure);
            Ok(())
        }
        Err(failure) => Err(failure),
        Ok(_) => Ok(()),
    }
}

/// How long what was said may take to come back.
const ECHO_TIMEOUT: Duration = Duration::from_secs(2);
