//! The game server launcher's command line: arguments, logging, exit code.

use std::{
    backtrace::Backtrace,
    io::{self, IsTerminal as _},
    panic,
    path::PathBuf,
    process::ExitCode,
    sync::Mutex,
};

use game_server_launcher::{
    Bug, Shutdown,
    cli::{self, Cli, Command, LogFormat, Settings},
    enroll, exec, keeper, run,
};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing_subscriber::{EnvFilter, fmt::MakeWriter};

fn main() -> ExitCode {
    let Cli { settings, command } = Cli::from_command_line();
    match &command {
        Some(Command::Exec { parent, program }) => return exec(*parent, program),
        Some(Command::Completion { shell }) => {
            cli::completion(*shell);
            return ExitCode::SUCCESS;
        }
        Some(Command::Keeper { dir }) => {
            start_logging(settings.log_format, Mutex::new(keeper::log(dir.clone())), false);
            log_panics();
        }
        _ => start_logging(settings.log_format, io::stderr, io::stderr().is_terminal()),
    }
    match actix_rt::System::new().block_on(execute(&settings, command)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Usage(error)) => fail(&error, WRONG_USAGE),
        Err(Failure::Other(error)) => fail(&error, if error.is::<Bug>() { BUG } else { FAILED }),
    }
}

enum Failure {
    /// What the operator has written is wrong.
    Usage(anyhow::Error),
    Other(anyhow::Error),
}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Other(error.into())
    }
}

async fn execute(settings: &Settings, command: Option<Command>) -> Result<(), Failure> {
    let config = || settings.config().map_err(|error| Failure::Usage(error.into()));
    match command {
        None | Some(Command::Run) => run(config()?, shutdown()?).await?,
        Some(Command::CheckConfig) => {
            cli::check_config(&config()?, settings.json).map_err(Failure::Usage)?;
        }
        Some(Command::Enroll { enrollment }) => {
            let name = enroll(&settings.data_dir, &enrollment).await?;
            println!("This launcher is {name:?} at {} now.", enrollment.address);
        }
        Some(Command::Status) => cli::print_status(settings).await?,
        Some(Command::Keeper { dir }) => {
            let mut terminate = signal(SignalKind::terminate())?;
            let mut interrupt = signal(SignalKind::interrupt())?;
            let shutdown = async move {
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                }
            };
            keeper::run(dir, PathBuf::from(cli::THIS_PROGRAM), shutdown).await?;
        }
        Some(Command::Exec { .. } | Command::Completion { .. }) => {
            unreachable!("these need no actors, and were done before")
        }
    }
    Ok(())
}

/// Resolves when somebody wants the launcher to end.
fn shutdown() -> io::Result<impl Future<Output = Shutdown>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut detach: Signal = signal(SignalKind::user_defined2())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => Shutdown::Stop,
            _ = interrupt.recv() => Shutdown::Stop,
            _ = detach.recv() => Shutdown::Detach,
        }
    })
}

/// Never to standard output, which is for what was asked for.
fn start_logging(
    format: LogFormat,
    writer: impl for<'w> MakeWriter<'w> + Send + Sync + 'static,
    colors: bool,
) {
    let filter = EnvFilter::builder()
        .with_default_directive(tracing::level_filters::LevelFilter::INFO.into())
        .from_env_lossy();
    let builder =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer).with_ansi(colors);
    match format {
        LogFormat::Text => builder.init(),
        LogFormat::Json => builder.json().init(),
    }
}

/// A keeper's standard error is a file that may have been set aside since.
fn log_panics() {
    panic::set_hook(Box::new(|panic| {
        let backtrace = Backtrace::capture();
        tracing::error!(%panic, %backtrace, "a bug");
    }));
}

fn fail(error: &anyhow::Error, code: u8) -> ExitCode {
    eprintln!("game-server-launcher: {error:#}");
    ExitCode::from(code)
}

const FAILED: u8 = 1;
const WRONG_USAGE: u8 = 2;
const BUG: u8 = 70;
