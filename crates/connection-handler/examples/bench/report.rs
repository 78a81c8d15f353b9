//! Figures, and whether they are what they should be.

/// One kind of figure that a case gives.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Figure {
    unit: &'static str,
    target: Target,
}

impl Figure {
    pub(crate) fn new(unit: &'static str, target: Target) -> Self {
        Self { unit, target }
    }
}

/// What a figure should be; the median is held to it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Target {
    /// Nothing was promised.
    Any,
    /// Ours over the baseline's.
    AtMost(f64),
    /// Ours over the baseline's.
    AtLeast(f64),
    /// Ours, whatever the baseline's is.
    OursAtMost(f64),
}

/// A figure of both designs.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    name: String,
    figure: Figure,
    runs: Vec<Run>,
}

/// What was measured shortly after one another.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Run {
    pub(crate) ours: f64,
    pub(crate) baseline: f64,
}

impl Row {
    pub(crate) fn new(name: &str, figure: Figure, runs: Vec<Run>) -> Self {
        Self { name: name.into(), figure, runs }
    }

    /// A row that follows from two others, run by run.
    pub(crate) fn from_two(
        name: &str,
        figure: Figure,
        (a, b): (&Self, &Self),
        of: impl Fn(f64, f64) -> f64,
    ) -> Self {
        let runs = a
            .runs
            .iter()
            .zip(&b.runs)
            .map(|(a, b)| Run { ours: of(a.ours, b.ours), baseline: of(a.baseline, b.baseline) });
        Self::new(name, figure, runs.collect())
    }

    /// A row of what ours has more than the baseline.
    pub(crate) fn excess(&self, name: &str, figure: Figure) -> Self {
        let more = |run: &Run| Run { ours: run.ours - run.baseline, baseline: 0.0 };
        Self::new(name, figure, self.runs.iter().map(more).collect())
    }

    pub(crate) fn ours(&self) -> Spread {
        Spread::of(self.runs.iter().map(|run| run.ours))
    }

    pub(crate) fn baseline(&self) -> Spread {
        Spread::of(self.runs.iter().map(|run| run.baseline))
    }

    /// Of runs that followed one another: what disturbed one is likely to have disturbed both.
    fn ratio(&self) -> Spread {
        Spread::of(self.runs.iter().map(|run| run.ours / run.baseline))
    }

    /// Of a table that compares `ours` with `baseline`.
    pub(crate) fn heading(ours: &str, baseline: &str) -> String {
        format!("{:<44} {ours:>24} {baseline:>24} {:>16}  target\n", "min/med/max", "ratio")
    }

    /// For a person.
    pub(crate) fn line(&self) -> String {
        let (name, unit) = (&self.name, self.figure.unit);
        let (ours, baseline) = (self.ours().text(), self.baseline().text());
        let ratio = self.ratio().text();
        format!(
            "{:<44} {ours:>24} {baseline:>24} {ratio:>16}  {}",
            format!("{name}, {unit}"),
            self.verdict()
        )
    }

    /// For a program.
    pub(crate) fn json(&self) -> String {
        serde_json::json!({
            "name": self.name,
            "ours": self.ours().median,
            "baseline": self.baseline().median,
            "ratio": Some(self.ratio().median).filter(|ratio| ratio.is_finite()),
            "unit": self.figure.unit,
        })
        .to_string()
    }

    fn verdict(&self) -> String {
        let (text, holds) = match self.figure.target {
            Target::Any => return String::new(),
            Target::AtMost(limit) => (format!("≤ {limit:.2}x"), self.ratio().median <= limit),
            Target::AtLeast(limit) => (format!("≥ {limit:.2}x"), self.ratio().median >= limit),
            Target::OursAtMost(limit) => (format!("≤ {limit}"), self.ours().median <= limit),
        };
        format!("{text} {}", if holds { "holds" } else { "MISSED" })
    }
}

/// How far several runs are apart.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spread {
    min: f64,
    pub(crate) median: f64,
    max: f64,
}

impl Spread {
    fn of(values: impl Iterator<Item = f64>) -> Self {
        let mut values: Vec<_> = values.collect();
        values.sort_by(f64::total_cmp);
        let at = |index: usize| values.get(index).copied().unwrap_or(f64::NAN);
        let last = values.len().saturating_sub(1);
        Self { min: at(0), median: at(values.len() / 2), max: at(last) }
    }

    fn text(self) -> String {
        if !self.max.is_finite() {
            return "-".into();
        }
        let digits = match self.max.abs() {
            0.0..0.1 => 4,
            0.1..10.0 => 2,
            10.0..1000.0 => 1,
            _ => 0,
        };
        let Self { min, median, max } = self;
        format!("{min:.digits$}/{median:.digits$}/{max:.digits$}")
    }
}
