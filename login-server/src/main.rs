//! The login server's command line: arguments, logging, exit code.

use std::{
    env,
    io::{self, IsTerminal},
    process::ExitCode,
};

use connection_handler::transport::secure::PortSockets;
use login_server::{
    CentralActorEnded, Config,
    cli::{self, Cli, Command, commands},
    config::LogFormat,
    run_on, systemd,
};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    let Cli { settings, command } = Cli::from_command_line();
    if let Some(Command::Completion { shell }) = command {
        cli::completion(shell);
        return ExitCode::SUCCESS;
    }
    let config = match Config::new(settings, env::var("RUST_LOG").ok()) {
        Ok(config) => config,
        Err(error) => return wrong_usage(&error),
    };
    if let Err(error) = start_logging(&config) {
        return wrong_usage(&error);
    }
    let inherited = match systemd::inherited_sockets() {
        Ok(inherited) => inherited,
        Err(error) => return wrong_usage(&error),
    };
    let result = actix_rt::System::new().block_on(execute(config, command, inherited));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("login-server: {error:#}");
            ExitCode::from(code_of(&error))
        }
    }
}

async fn execute(
    config: Config,
    command: Option<Command>,
    inherited: PortSockets,
) -> anyhow::Result<()> {
    match command {
        None | Some(Command::Run) => {
            let shutdown = shutdown_signal()?;
            run_on(inherited, config, shutdown).await
        }
        Some(Command::CheckConfig) => cli::check_config(&config),
        Some(Command::Launcher(command)) => cli::launcher(&config, command).await,
        Some(Command::Key(command)) => commands::key(&config, command).await,
        Some(Command::Operator(command)) => commands::operator(&config, command).await,
        Some(Command::Account(command)) => commands::account(&config, command).await,
        Some(Command::Ban(command)) => commands::ban(&config, command).await,
        Some(Command::Session(command)) => commands::session(&config, command).await,
        Some(Command::Report(command)) => commands::report(&config, command).await,
        Some(Command::Audit { count }) => commands::audit(&config, count).await,
        Some(Command::TicketKey(command)) => commands::ticket_key(&config, command).await,
        Some(Command::Backup { file }) => commands::backup(&config, &file).await,
        Some(Command::Restore { file }) => commands::restore(&config, &file).await,
        Some(Command::Server(command)) => cli::server(&config, command).await,
        Some(Command::Status) => cli::status(&config).await,
        Some(Command::Metrics) => cli::metrics(&config).await,
        Some(Command::Capture(command)) => cli::capture(&config, command).await,
        Some(Command::Completion { shell }) => {
            cli::completion(shell);
            Ok(())
        }
    }
}

/// Resolves when somebody wants the program to end.
fn shutdown_signal() -> io::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

/// To standard error: standard output is for what was asked for.
fn start_logging(config: &Config) -> Result<(), tracing_subscriber::filter::ParseError> {
    let filter = EnvFilter::builder().parse(&config.log)?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal());
    match config.log_format {
        LogFormat::Text => builder.init(),
        LogFormat::Json => builder.json().init(),
    }
    Ok(())
}

fn code_of(error: &anyhow::Error) -> u8 {
    if error.is::<CentralActorEnded>() { BUG } else { FAILED }
}

fn wrong_usage(error: &dyn std::error::Error) -> ExitCode {
    eprintln!("login-server: {error}");
    ExitCode::from(WRONG_USAGE)
}

const FAILED: u8 = 1;
const WRONG_USAGE: u8 = 2;
const BUG: u8 = 70;

#[cfg(test)]
mod tests {
    use anyhow::Context as _;

    use super::*;

    #[test]
    fn a_bug_of_ours_is_told_from_what_an_operator_can_mend() {
        assert_eq!(code_of(&CentralActorEnded.into()), 70);
        let in_context = Err::<(), _>(CentralActorEnded).context("while serving");
        assert_eq!(code_of(&in_context.unwrap_err()), 70);
        assert_eq!(code_of(&io::Error::other("disk").into()), 1);
    }
}
