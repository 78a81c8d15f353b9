//! What a game writes: kept in files of bounded size and number, and the last lines in memory.

use std::{
    collections::VecDeque,
    io::{self, BufRead, BufReader, PipeReader, Read as _, Write as _},
    path::PathBuf,
    thread,
};

use protocol::Text;
use tokio::sync::oneshot;

use crate::rotating_file::RotatingFile;

/// The last lines a game has written, oldest first.
pub(crate) type LastLines = VecDeque<Text<256>>;

/// Where the output of a game goes.
#[derive(Debug)]
pub(crate) struct GameLog {
    file: RotatingFile,
    watch: Option<Watch>,
}

/// Somebody who waits for a line.
#[derive(Debug)]
struct Watch {
    beginning: &'static str,
    seen: oneshot::Sender<()>,
}

impl GameLog {
    /// A log at `path`, with older ones beside it.
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { file: RotatingFile::new(path), watch: None }
    }

    /// Resolves when a line begins with `beginning`; with an error when none ever will.
    pub(crate) fn watch(&mut self, beginning: &'static str) -> oneshot::Receiver<()> {
        let (seen, receiver) = oneshot::channel();
        self.watch = Some(Watch { beginning, seen });
        receiver
    }

    /// Writes all that comes out of `output`, on a thread of its own, until it ends.
    ///
    /// # Errors
    ///
    /// When there can be no thread.
    pub(crate) fn follow(self, output: PipeReader) -> io::Result<oneshot::Receiver<LastLines>> {
        let (sender, receiver) = oneshot::channel();
        thread::Builder::new().name("game log".to_owned()).spawn(move || {
            // Who does not wait for the lines any more does not miss them.
            let _ = sender.send(self.follow_all(output));
        })?;
        Ok(receiver)
    }

    fn follow_all(mut self, output: PipeReader) -> LastLines {
        let mut last = LastLines::with_capacity(LAST_LINES);
        let mut output = BufReader::new(output);
        // A game that cannot write would stop: what cannot be kept is still read.
        while let Some(line) = next_line(&mut output) {
            if let Some(watch) = self.watch.take_if(|watch| line.starts_with(watch.beginning)) {
                // Who does not wait any more does not have to know.
                let _ = watch.seen.send(());
            }
            if hides_a_secret(&line) {
                continue;
            }
            if let Err(error) = self.write(&line) {
                let path = self.file.path().display();
                tracing::warn!(%error, %path, "a line of the game is lost");
            }
            if last.len() == LAST_LINES {
                last.pop_front();
            }
            last.push_back(Text::lossy(&line));
        }
        last
    }

    fn write(&mut self, line: &str) -> io::Result<()> {
        // One line of text, whatever the game has put into it.
        let line = format!("{}\n", Text::<MAX_LINE>::lossy(line).as_str());
        self.file.write_all(line.as_bytes())
    }
}

/// The next line, or so much of it as a line may have. `None`: there are no more.
fn next_line(output: &mut impl BufRead) -> Option<String> {
    let mut line = Vec::new();
    let read = output.take(MAX_LINE as u64).read_until(b'\n', &mut line).ok()?;
    if read == 0 {
        return None;
    }
    let text = String::from_utf8_lossy(&line);
    Some(text.trim_end_matches(['\n', '\r']).to_owned())
}

/// Whether a game might have written its password: OpenTTD has no reason to, Teeworlds writes down
/// every command and the value that was asked for.
fn hides_a_secret(line: &str) -> bool {
    let words = ["server_pw", "server_password", "admin_password", "cmd='password", "]: Value: "];
    words.iter().any(|word| line.contains(word))
}

/// How many lines the report of a crash has.
const LAST_LINES: usize = 20;

/// Longer lines are cut into several.
const MAX_LINE: usize = 1024;

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::rotating_file::MAX_OLD;

    async fn logged(output: &[u8]) -> (tempfile::TempDir, LastLines) {
        logged_in_files(u64::MAX, output).await
    }

    async fn logged_in_files(max_bytes: u64, output: &[u8]) -> (tempfile::TempDir, LastLines) {
        let dir = tempfile::tempdir().unwrap();
        let (reader, mut writer) = io::pipe().unwrap();
        let mut log = GameLog::new(dir.path().join("game.log"));
        log.file = log.file.with_max_bytes(max_bytes);
        let lines = log.follow(reader).unwrap();
        writer.write_all(output).unwrap();
        drop(writer);
        (dir, lines.await.unwrap())
    }

    #[tokio::test]
    async fn every_line_is_kept_and_the_last_ones_are_remembered() {
        let output: String = (0..30).map(|number| format!("line {number}\n")).collect();
        let (dir, last) = logged(output.as_bytes()).await;
        assert_eq!(fs::read_to_string(dir.path().join("game.log")).unwrap(), output);
        assert_eq!(last.len(), LAST_LINES);
        assert_eq!(last[0].as_str(), "line 10");
    }

    #[tokio::test]
    async fn lines_are_shown_as_one_line_of_text() {
        let (dir, last) = logged(b"a\x1b[31mb\xff\nwithout an end").await;
        let expected = "a [31mb\u{fffd}\nwithout an end\n";
        assert_eq!(fs::read_to_string(dir.path().join("game.log")).unwrap(), expected);
        assert_eq!(last[0].as_str(), "a [31mb\u{fffd}");
    }

    #[tokio::test]
    async fn passwords_are_not_kept() {
        let (_dir, last) = logged(b"server_pw secret\nhello\n").await;
        assert_eq!(last, ["hello"].map(Text::lossy));
    }

    #[tokio::test]
    async fn size_and_number_of_files_are_bounded() {
        let output: String = (0..1000).map(|number| format!("line {number:03}\n")).collect();
        let (dir, _) = logged_in_files(90, output.as_bytes()).await;
        let mut files: Vec<_> = fs::read_dir(dir.path()).unwrap().map(Result::unwrap).collect();
        files.sort_by_key(fs::DirEntry::file_name);
        assert_eq!(files.len(), 1 + MAX_OLD);
        assert!(files.iter().all(|file| file.metadata().unwrap().len() <= 99));
        let newest = fs::read_to_string(files[0].path()).unwrap();
        assert!(newest.ends_with("line 999\n"));
    }

    #[tokio::test]
    async fn who_waits_for_a_line_hears_of_it_unless_it_is_only_quoted() {
        for (output, expected) in [("a\nbroken: x\n", true), ("[All] ann: broken\n", false)] {
            let dir = tempfile::tempdir().unwrap();
            let (reader, mut writer) = io::pipe().unwrap();
            let mut log = GameLog::new(dir.path().join("game.log"));
            let seen = log.watch("broken");
            let _lines = log.follow(reader).unwrap();
            writer.write_all(output.as_bytes()).unwrap();
            drop(writer);
            assert_eq!(seen.await.is_ok(), expected, "{output:?}");
        }
    }

    #[tokio::test]
    async fn a_line_without_end_is_cut() {
        let (_dir, last) = logged(&vec![b'x'; 10 * MAX_LINE]).await;
        assert_eq!(last.len(), 10);
    }
}
