//! Ctrl-C: everything stops, and nothing is left behind.

use std::{
    path::{Path, PathBuf},
    process,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use anyhow::Result;
use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGTERM},
    iterator::Signals,
};

/// Ends the demo, whatever it is doing, on SIGINT, SIGTERM and SIGHUP.
#[derive(Debug)]
pub(crate) struct Ending {
    begun: Arc<AtomicBool>,
}

impl Ending {
    /// Waits for signals from now on. `scope` is where everything of the demo works.
    ///
    /// # Errors
    ///
    /// When signals cannot be handled.
    pub(crate) fn on_signals(scope: &Path) -> Result<Self> {
        let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP])?;
        let begun = Arc::new(AtomicBool::new(false));
        let (scope, flag) = (scope.to_owned(), Arc::clone(&begun));
        thread::spawn(move || {
            if let Some(signal) = signals.forever().next() {
                flag.store(true, Ordering::SeqCst);
                println!("\nStopping everything");
                end(scope);
                process::exit(128 + signal);
            }
        });
        Ok(Self { begun })
    }

    /// Whether a signal came.
    pub(crate) fn has_begun(&self) -> bool {
        // A signal reaches our children and us in any order: theirs may be noticed first.
        thread::sleep(Duration::from_millis(50));
        self.begun.load(Ordering::SeqCst)
    }

    /// Waits for the end of the process.
    pub(crate) fn wait(&self) -> ! {
        loop {
            thread::park();
        }
    }
}

fn end(scope: PathBuf) {
    // Players first, then the launcher, whose games end with it, then who everybody talks to.
    for program in ["gatehouse", "game-server-launcher", "login-server"] {
        tests::stop_in(&scope, program, PATIENCE);
    }
    // The story may have been about to start another one: the second time it is found, too.
    for _ in 0..2 {
        tests::sweep(&scope);
        if let Err(error) = std::fs::remove_dir_all(&scope)
            && scope.exists()
        {
            println!("{} is left: {error}", scope.display());
        }
    }
}

const PATIENCE: Duration = Duration::from_secs(10);
