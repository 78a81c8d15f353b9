//! Bytes that are almost right.

use fastrand::Rng;

/// Endless variations of a few inputs, the same for the same seed.
///
/// Bytes are changed, removed, repeated, put in, and taken from one input into another. It knows
/// nothing of what it finds: where a coverage-guided fuzzer can run, that finds more.
#[derive(Clone, Debug)]
pub struct Mutations {
    rng: Rng,
    corpus: Vec<Vec<u8>>,
}

impl Mutations {
    /// Variations of `corpus`, and of nothing at all.
    pub fn new(seed: u64, corpus: impl IntoIterator<Item = Vec<u8>>) -> Self {
        let corpus = corpus.into_iter().chain([Vec::new()]).collect();
        Self { rng: Rng::with_seed(seed), corpus }
    }

    fn mutate(&mut self, bytes: &mut Vec<u8>) {
        let rng = &mut self.rng;
        let (from, to) = (rng.usize(..=bytes.len()), rng.usize(..=bytes.len()));
        let (from, to) = (from.min(to), from.max(to));
        match rng.u8(..8) {
            0..3 if from < bytes.len() => bytes[from] = byte(rng),
            3 if from < bytes.len() => bytes[from] ^= 1 << rng.u8(..8),
            4 => bytes.truncate(to),
            5 => drop(bytes.drain(from..to.min(from + 16))),
            6 if bytes.len() < LONGEST => {
                let repeated = bytes[from..to].to_vec();
                bytes.splice(from..from, repeated);
            }
            7 if bytes.len() < LONGEST => {
                let other = rng.choice(&self.corpus).map_or(&[][..], Vec::as_slice);
                let part = rng.usize(..=other.len());
                bytes.splice(from..to, other[part..].iter().copied());
            }
            _ => {
                let some: Vec<_> = (0..rng.usize(1..=8)).map(|_| byte(rng)).collect();
                bytes.splice(from..from, some);
            }
        }
    }
}

impl Iterator for Mutations {
    type Item = Vec<u8>;

    fn next(&mut self) -> Option<Vec<u8>> {
        let mut bytes = self.rng.choice(&self.corpus).cloned().unwrap_or_default();
        for _ in 0..self.rng.usize(1..=6) {
            self.mutate(&mut bytes);
        }
        Some(bytes)
    }
}

/// Lengths and tags are small, or as large as can be.
fn byte(rng: &mut Rng) -> u8 {
    match rng.u8(..4) {
        0 => rng.u8(..4),
        1 => rng.u8(250..),
        _ => rng.u8(..),
    }
}

/// Above this an input is not made longer.
const LONGEST: usize = 512 * 1024;
