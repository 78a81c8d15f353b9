//! What each command does.

mod account;
mod belongings;
mod chat;
mod join;
mod servers;

use std::{process::ExitCode, time::Duration};

use clap::CommandFactory;

use crate::{
    args::{Args, Command, Global},
    failure::Failure,
    link::{Link, Reply, Request},
    output::{Event, Output},
    place::Place,
};

/// Does what was asked for.
pub(crate) async fn run(args: Args, output: Output) -> Result<ExitCode, Failure> {
    let Args { global, command } = args;
    match command {
        Command::Completion { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Args::command(), "gatehouse", &mut script);
            output.line(String::from_utf8_lossy(&script).trim_end())?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Join { server, chat_stdin, stop_timeout, command } => {
            let stop_timeout = Duration::from_secs(stop_timeout);
            let wanted = join::Wanted { server, chat_stdin, stop_timeout, command };
            join::join(global, wanted, output).await
        }
        other => simple(global, other, output).await.map(|()| ExitCode::SUCCESS),
    }
}

async fn simple(global: Global, command: Command, output: Output) -> Result<(), Failure> {
    let mut place = Place::new(global)?;
    let done = at(&mut place, command, output).await;
    place.remember_way();
    let remembered = place.remember_keys();
    done.and(remembered)
}

async fn at(place: &mut Place, command: Command, output: Output) -> Result<(), Failure> {
    match command {
        Command::Register(credentials) => account::register(place, credentials, output).await,
        Command::Login(credentials) => account::log_in(place, credentials, output).await,
        Command::Logout => account::log_out(place, output).await,
        Command::Guest => account::log_in_as_guest(place, output).await,
        Command::Claim(credentials) => account::claim(place, credentials, output).await,
        Command::Sessions { action } => belongings::sessions(place, action, output).await,
        Command::Password { password_stdin } => {
            account::change_password(place, password_stdin, output).await
        }
        Command::Export { file } => belongings::export(place, file, output).await,
        Command::DeleteAccount { password_stdin } => {
            account::delete(place, password_stdin, output).await
        }
        Command::Data { action } => belongings::data(place, action, output).await,
        Command::Progress { game } => belongings::progress(place, &game, output).await,
        Command::Report { player, text } => belongings::report(place, &player, &text, output).await,
        Command::Servers { watch: false } => servers::show(place, output).await,
        Command::Servers { watch: true } => servers::watch(place, output).await,
        Command::Leave => leave(place, output).await,
        Command::Chat { channel, text: Some(text) } => {
            chat::say(place, channel.into(), &text, output).await
        }
        Command::Chat { channel, text: None } => chat::talk(place, channel.into(), output).await,
        Command::Ping => ping(place, output).await,
        Command::Join { .. } | Command::Completion { .. } => Ok(()),
    }
}

/// Over UDP, which needs no account. Where it does not get through, over the connection.
async fn ping(place: &mut Place, output: Output) -> Result<(), Failure> {
    place.check_trust()?;
    if let Ok(rtt) = game_client::ping(&place.server).await {
        return output.event(&Event::Ping { rtt_ms: rtt.as_secs_f64() * 1000.0, over: "udp" });
    }
    let mut link = Link::short(place).await?;
    let reply = link.request(Request::Ping).await?;
    link.close().await;
    let Reply::Rtt(rtt_ms) = reply else { return Err(reply.unexpected()) };
    output.event(&Event::Ping { rtt_ms, over: "session" })
}

async fn leave(place: &mut Place, output: Output) -> Result<(), Failure> {
    let mut link = Link::short(place).await?;
    link.request(Request::Leave).await?;
    link.close().await;
    output.event(&Event::Left)
}
