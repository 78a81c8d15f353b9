//! The worlds that OpenTTD has written down, and which of them the next start goes on with.

use std::{
    cmp::Reverse,
    collections::VecDeque,
    fs::{self, File},
    io::{self, Read as _, Seek as _, SeekFrom},
    path::{Path, PathBuf},
    time::SystemTime,
};

/// One state of the world, in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Save {
    path: PathBuf,
    /// Written anew, it is another one: only then it may be better.
    modified: SystemTime,
}

impl Save {
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Its name, for people.
    pub(crate) fn name(&self) -> String {
        self.path.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    fn is_whole(&self) -> bool {
        let is_whole = looks_whole(&self.path);
        match &is_whole {
            Ok(true) => {}
            Ok(false) => tracing::warn!(save = ?self.path, "a save is not whole: left out"),
            Err(error) => tracing::warn!(save = ?self.path, %error, "a save is left out"),
        }
        is_whole.unwrap_or(false)
    }
}

/// What a keeper has learned about the saves of its game.
#[derive(Clone, Debug, Default)]
pub(crate) struct Saves {
    /// With these the game did not become ready, oldest attempt first.
    unusable: VecDeque<Save>,
    /// So many of them since it last was.
    in_a_row: usize,
}

impl Saves {
    /// The newest save below the game's folder `dir` that looks whole and is not known to be
    /// unusable. `None`: there is none, or so many could not be used that a new map is made.
    ///
    /// # Errors
    ///
    /// When a folder cannot be read: then nobody knows what there is, and a new map would be wrong.
    pub(crate) fn newest(&self, dir: &Path) -> io::Result<Option<Save>> {
        if self.in_a_row >= MAX_TRIED {
            return Ok(None);
        }
        let mut saves = Vec::new();
        add(&dir.join(SAVES), is_stop_save, &mut saves)?;
        add(&dir.join(AUTOSAVES), is_autosave, &mut saves)?;
        saves.retain(|save| !self.unusable.contains(save));
        saves.sort_by_key(|save| Reverse(save.modified));
        Ok(saves.into_iter().find(Save::is_whole))
    }

    /// The game became ready.
    pub(crate) fn ready(&mut self) {
        self.in_a_row = 0;
    }

    /// The game did not become ready with `save`.
    pub(crate) fn failed(&mut self, save: Save) {
        self.in_a_row += 1;
        if self.unusable.len() >= MAX_UNUSABLE {
            self.unusable.pop_front();
        }
        self.unusable.push_back(save);
    }
}

fn add(folder: &Path, is_ours: fn(&str) -> bool, saves: &mut Vec<Save>) -> io::Result<()> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    for entry in entries {
        let entry = entry?;
        if !entry.file_name().to_str().is_some_and(is_ours) {
            continue;
        }
        let metadata = entry.metadata()?;
        if metadata.is_file() {
            saves.push(Save { path: entry.path(), modified: metadata.modified()? });
        }
    }
    Ok(())
}

fn is_stop_save(name: &str) -> bool {
    name.strip_suffix(".sav") == Some(STOP_SAVE)
}

/// `autosave0.sav` and so on. Others in that folder are of people who keep them.
fn is_autosave(name: &str) -> bool {
    let number = name.strip_prefix("autosave").and_then(|rest| rest.strip_suffix(".sav"));
    number.is_some_and(|n| (1..=3).contains(&n.len()) && n.bytes().all(|b| b.is_ascii_digit()))
}

/// Whether the game had the time to write it to the end. Whether it can be loaded, only the game
/// finds out.
fn looks_whole(path: &Path) -> io::Result<bool> {
    let mut file = File::open(path)?;
    let (mut head, mut tail) = ([0; 4], [0; 2]);
    if file.metadata()?.len() < SHORTEST {
        return Ok(false);
    }
    file.read_exact(&mut head)?;
    file.seek(SeekFrom::End(-2))?;
    file.read_exact(&mut tail)?;
    Ok(match &head {
        b"OTTX" => tail == *END_OF_XZ,
        b"OTTZ" | b"OTTD" | b"OTTN" => true,
        _ => false,
    })
}

/// What is saved before an orderly stop: `save/gatehouse.sav`.
pub(crate) const STOP_SAVE: &str = "gatehouse";

/// How many autosaves OpenTTD keeps: about so many minutes.
pub(crate) const MAX_AUTOSAVES: usize = 6;

/// What OpenTTD says, at the beginning of a line, when it makes a new map in place of a save.
/// What players say comes after their name.
pub(crate) const NOT_LOADED: &str = "dbg: [net] Loading game failed";

/// After so many in a row that cannot be used a new map is made: with the crash before them, that is
/// one crash less than a game may have.
const MAX_TRIED: usize = 3;

/// More are forgotten, and tried again: there are not that many files.
const MAX_UNUSABLE: usize = 16;

const SAVES: &str = "save";
const AUTOSAVES: &str = "save/autosave";

/// A head and the shortest of bodies.
const SHORTEST: u64 = 16;

const END_OF_XZ: &[u8; 2] = b"YZ";

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const WHOLE: &[u8] = b"OTTX\x01\x2e\x00\x00 ... the world ... YZ";

    struct Game(tempfile::TempDir);

    impl Game {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            fs::create_dir_all(dir.path().join(AUTOSAVES)).unwrap();
            Self(dir)
        }

        /// Writes a save that is `age` seconds old.
        fn with(self, name: &str, age: u64, content: &[u8]) -> Self {
            let path = self.0.path().join("save").join(name);
            fs::write(&path, content).unwrap();
            let file = File::options().write(true).open(path).unwrap();
            let then = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000 - age);
            file.set_modified(then).unwrap();
            self
        }

        fn newest(&self, saves: &Saves) -> Option<Save> {
            saves.newest(self.0.path()).unwrap()
        }

        fn name(&self) -> Option<String> {
            self.newest(&Saves::default()).map(|save| save.name())
        }
    }

    #[test]
    fn the_newest_save_is_taken_whoever_made_it() {
        let game = Game::new().with("autosave/autosave0.sav", 20, WHOLE);
        assert_eq!(game.name().unwrap(), "autosave0.sav");
        let game = game.with("gatehouse.sav", 10, WHOLE);
        assert_eq!(game.name().unwrap(), "gatehouse.sav");
        let game = game.with("autosave/autosave11.sav", 5, WHOLE);
        assert_eq!(game.name().unwrap(), "autosave11.sav");
    }

    #[test]
    fn what_is_not_whole_or_not_ours_is_left_out() {
        let game = Game::new().with("gatehouse.sav", 10, WHOLE);
        for (name, content) in [
            ("autosave/autosave0.sav", &b"OTTX\x01\x2e\x00\x00 ... the wor"[..]),
            ("autosave/autosave1.sav", b""),
            ("autosave/autosave2.sav", b"something else entirely YZ"),
            ("autosave/autosaveYZ.sav", WHOLE),
            ("autosave/autosave3.sav.bak", WHOLE),
            ("mine.sav", WHOLE),
        ] {
            let game = Game::new().with("gatehouse.sav", 10, WHOLE).with(name, 1, content);
            assert_eq!(game.name().unwrap(), "gatehouse.sav", "{name}");
        }
        assert_eq!(game.name().unwrap(), "gatehouse.sav");
    }

    #[test]
    fn what_could_not_be_used_is_followed_by_the_next_older_and_at_last_by_a_new_map() {
        let mut game = Game::new();
        for age in 0..5 {
            game = game.with(&format!("autosave/autosave{age}.sav"), age, WHOLE);
        }
        let mut saves = Saves::default();
        for number in 0..3 {
            let save = game.newest(&saves).unwrap();
            assert_eq!(save.name(), format!("autosave{number}.sav"));
            saves.failed(save);
        }
        assert_eq!(game.newest(&saves), None);
        saves.ready();
        assert_eq!(game.newest(&saves).unwrap().name(), "autosave3.sav");
    }

    #[test]
    fn a_save_that_was_written_anew_is_tried_again() {
        let game = Game::new().with("gatehouse.sav", 10, WHOLE);
        let mut saves = Saves::default();
        saves.failed(game.newest(&saves).unwrap());
        assert_eq!(game.newest(&saves), None);
        let game = game.with("gatehouse.sav", 5, WHOLE);
        assert!(game.newest(&saves).is_some());
    }

    #[test]
    fn without_a_folder_there_is_no_save() {
        assert_eq!(Saves::default().newest(Path::new("/nowhere")).unwrap(), None);
    }
}
