//! The sample game server, and its players.

use std::{env, path::PathBuf, process::Command, sync::OnceLock};

use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines},
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    time::timeout,
};

/// Where the sample game server is, newer than its source.
///
/// Cargo does not build the examples of other packages for a test, so this asks it to, once per
/// process, unless `PROGRAMS_ARE_BUILT` says that somebody just did.
pub(crate) fn program() -> &'static PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let folder = env::current_exe().unwrap();
        let folder = folder.parent().and_then(|deps| deps.parent()).expect("a target folder");
        if env::var_os("PROGRAMS_ARE_BUILT").is_none() {
            let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
            cargo.args(["build", "--quiet", "--package", "game-controller", "--example", "arena"]);
            cargo.current_dir(env!("CARGO_MANIFEST_DIR"));
            cargo.env("CARGO_TARGET_DIR", folder.parent().expect("a target folder"));
            if folder.ends_with("release") {
                cargo.arg("--release");
            }
            assert!(cargo.status().unwrap().success(), "cargo did not build the sample game");
        }
        folder.join("examples/arena")
    })
}

/// A player in the sample game. Leaves with the value.
pub(crate) struct Player {
    name: String,
    lines: Lines<BufReader<OwnedReadHalf>>,
    write: OwnedWriteHalf,
}

impl Player {
    /// Knocks at the game on `port` with `secret`.
    pub(crate) async fn join(name: &str, port: u16, secret: &str) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        let (read, write) = stream.into_split();
        let lines = BufReader::new(read).lines();
        let mut player = Self { name: name.to_owned(), lines, write };
        player.send(&format!("join {name} {secret}")).await;
        player
    }

    pub(crate) async fn say(&mut self, text: &str) {
        self.send(&format!("say {text}")).await;
    }

    pub(crate) async fn send(&mut self, line: &str) {
        self.write.write_all(format!("{line}\n").as_bytes()).await.unwrap();
    }

    /// Listens until a line begins like this, and gives what follows.
    #[track_caller]
    pub(crate) fn hears(&mut self, beginning: &str) -> impl Future<Output = String> {
        let caller = std::panic::Location::caller();
        async move {
            let mut heard = Vec::new();
            let listen = async {
                while let Ok(Some(line)) = self.lines.next_line().await {
                    if let Some(rest) = line.strip_prefix(beginning) {
                        return Some(rest.trim_start().to_owned());
                    }
                    heard.push(line);
                }
                None
            };
            let found = timeout(crate::LIMIT, listen).await.ok().flatten();
            let name = &self.name;
            found.unwrap_or_else(|| panic!("{caller}: {name} hears no {beginning:?}: {heard:?}"))
        }
    }
}
