//! Numbered lines, each with the time it took.

use std::{fmt::Display, time::Instant};

use crate::console::{faint, heading};

/// Who tells the story.
#[derive(Debug)]
pub(crate) struct Teller {
    number: u32,
    since: Instant,
}

impl Teller {
    /// From now on.
    pub(crate) fn new() -> Self {
        Self { number: 0, since: Instant::now() }
    }

    /// The number of the line that comes next.
    pub(crate) fn next(&self) -> u32 {
        self.number + 1
    }

    /// Says what was just seen to happen, and how long after the line before.
    pub(crate) fn tell(&mut self, text: impl Display) {
        self.number += 1;
        let took = format!("{:6.2} s", self.since.elapsed().as_secs_f64());
        println!("{} {}  {text}", heading(format!("{:2}.", self.number)), faint(took));
        self.since = Instant::now();
    }
}
