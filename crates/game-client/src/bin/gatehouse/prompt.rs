//! What people type: passwords, answers, and lines to say.

use std::{
    fs::{File, OpenOptions},
    io::{self, BufRead, BufReader, IsTerminal, Read, Write},
    thread,
};

use protocol::{Password, Text};
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use tokio::sync::mpsc;

use crate::failure::Failure;

/// The password of an account: from the first line of standard input, or asked for, twice if it is
/// a new one.
pub(crate) async fn password(
    from_stdin: bool,
    question: &str,
    new: bool,
) -> Result<Password, Failure> {
    let text = if from_stdin {
        blocking(|| read_line(&mut io::stdin().lock())).await?
    } else {
        let text = ask_secretly(question).await?;
        if new && ask_secretly("The same again: ").await? != text {
            return Err(Failure::failed("password", "the two passwords differ"));
        }
        text
    };
    if text.is_empty() {
        return Err(Failure::failed("password", "no password given"));
    }
    Text::parse(text).map(Password).map_err(|error| Failure::failed("invalid_password", error))
}

/// Asks a question that is answered with yes or no on the terminal.
pub(crate) async fn confirm(question: &str) -> Result<bool, Failure> {
    let question = question.to_owned();
    let answer = blocking(move || {
        let mut terminal = terminal()?;
        terminal.write_all(question.as_bytes())?;
        read_line(&mut BufReader::new(terminal))
    });
    Ok(matches!(answer.await?.trim().to_lowercase().as_str(), "y" | "yes"))
}

/// Whether somebody can be asked.
pub(crate) fn can_ask() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// The lines of standard input, as they come. At most 16 wait, further ones
/// where they come from; a line that is too long to be said is
/// an error that stands in its place.
pub(crate) fn lines() -> mpsc::Receiver<Result<Text<400>, Failure>> {
    let (lines, received) = mpsc::channel(MAX_LINES);
    // A thread of its own, because a read of standard input cannot be given up.
    thread::spawn(move || {
        let mut stdin = io::stdin().lock();
        loop {
            let mut line = Vec::new();
            match (&mut stdin).take(MAX_LINE).read_until(b'\n', &mut line) {
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            }
            let line = String::from_utf8_lossy(&line);
            let line = line.trim_end_matches(['\n', '\r']);
            if line.trim().is_empty() {
                continue;
            }
            let text = Text::parse(line).map_err(|error| Failure::failed("invalid_text", error));
            if lines.blocking_send(text).is_err() {
                return;
            }
        }
    });
    received
}

async fn ask_secretly(question: &str) -> Result<String, Failure> {
    let mut terminal = terminal().map_err(|_| {
        Failure::usage("no_terminal", "nobody can be asked for the password: use --password-stdin")
    })?;
    let failed = |error: io::Error| Failure::failed("terminal", error);
    let quiet = NoEcho::new(&terminal).map_err(failed)?;
    write!(terminal, "{question}").map_err(failed)?;
    let reading = terminal.try_clone().map_err(failed)?;
    let typed = tokio::select! {
        typed = blocking(move || read_line(&mut BufReader::new(reading))) => typed,
        // The terminal must not stay silent when somebody gives up.
        _ = tokio::signal::ctrl_c() => Err(Failure::failed("interrupted", "interrupted")),
    };
    drop(quiet);
    writeln!(terminal).map_err(failed)?;
    typed
}

/// Does not show what is typed, until it is dropped.
struct NoEcho {
    terminal: File,
    before: Termios,
}

impl NoEcho {
    fn new(terminal: &File) -> io::Result<Self> {
        let terminal = terminal.try_clone()?;
        let before = tcgetattr(&terminal)?;
        let mut silent = before.clone();
        silent.local_modes.remove(LocalModes::ECHO);
        tcsetattr(&terminal, OptionalActions::Flush, &silent)?;
        Ok(Self { terminal, before })
    }
}

impl Drop for NoEcho {
    fn drop(&mut self) {
        // There is no other way to make it right.
        let _ = tcsetattr(&self.terminal, OptionalActions::Now, &self.before);
    }
}

fn terminal() -> io::Result<File> {
    OpenOptions::new().read(true).write(true).open("/dev/tty")
}

fn read_line(from: &mut impl BufRead) -> io::Result<String> {
    let mut line = String::new();
    from.take(MAX_LINE).read_line(&mut line)?;
    line.truncate(line.trim_end_matches(['\n', '\r']).len());
    Ok(line)
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, Failure> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done.map_err(|error| Failure::failed("input", error)),
        Err(error) => Err(Failure::failed("input", error)),
    }
}

/// The question for a password that is known.
pub(crate) const PASSWORD: &str = "Password: ";

/// Lines that wait to be said; when there are more, whoever types them waits.
const MAX_LINES: usize = 16;

/// Bytes of a line; what is longer is cut, and refused as too long by who wants a `Text`.
const MAX_LINE: u64 = 4096;
