//! Measures in turns and prints lines: median and quartiles of ours, of the raw limit, and of the ratio of each turn.

#![expect(clippy::print_stdout, reason = "the table is what this program is for")]

use std::fmt;

#[derive(Clone, Copy)]
pub(crate) enum Unit {
    Nanoseconds,
    Milliseconds,
    PerSecond,
    Bytes,
}

/// Something to measure: each call is one turn, and gives one figure.
pub(crate) type Measure<'a> = &'a mut dyn FnMut() -> f64;

pub(crate) fn head() {
    println!("median (lower to upper quartile); a ratio is ours to raw in the same turn");
}

pub(crate) fn section(name: &str) {
    println!("\n## {name}");
    println!("{:<44} {:>26} {:>26}  ratio", "what", "ours", "raw limit");
}

/// Measures ours and each raw limit in turns, the first turn for nothing, and prints a line for each limit.
pub(crate) fn compare(
    what: &str,
    unit: Unit,
    turns: usize,
    ours: Measure<'_>,
    raw: &mut [(&str, Measure<'_>)],
) {
    let mut our_figures = Vec::new();
    let mut raw_figures = vec![Vec::new(); raw.len()];
    for turn in 0..=turns {
        // The second measurement finds a warmer machine, so the order changes with every turn.
        let before = turn % 2 == 0;
        let mut ours_now = before.then(&mut *ours);
        let raw_now: Vec<f64> = raw.iter_mut().map(|(_, measure)| measure()).collect();
        let ours_now = *ours_now.get_or_insert_with(&mut *ours);
        if turn > 0 {
            our_figures.push(ours_now);
            for (figures, figure) in raw_figures.iter_mut().zip(raw_now) {
                figures.push(figure);
            }
        }
    }
    for ((name, _), figures) in raw.iter().zip(raw_figures) {
        line(what, unit, &our_figures, name, &figures);
    }
}

/// Prints a line of figures that were taken in turns elsewhere.
pub(crate) fn line(what: &str, unit: Unit, ours: &[f64], raw_name: &str, raw: &[f64]) {
    let ratios: Vec<f64> = ours.iter().zip(raw).map(|(ours, raw)| ours / raw).collect();
    let ratio = Spread::of(&ratios);
    println!(
        "{what:<44} {:>26} {:>26}  {:.2} x ({:.2} to {:.2}) {raw_name}",
        Spread::of(ours).show(unit),
        Spread::of(raw).show(unit),
        ratio.median,
        ratio.lower,
        ratio.upper
    );
}

/// Prints a line that has no ratio: its limit is nought, or a number of its own.
pub(crate) fn plain(what: &str, ours: impl fmt::Display, raw: impl fmt::Display, note: &str) {
    println!("{what:<44} {ours:>26} {raw:>26}  {note}");
}

#[derive(Clone, Copy)]
pub(crate) struct Spread {
    pub(crate) lower: f64,
    pub(crate) median: f64,
    pub(crate) upper: f64,
}

impl Spread {
    pub(crate) fn of(figures: &[f64]) -> Self {
        Self {
            lower: quantile(figures, 0.25),
            median: quantile(figures, 0.5),
            upper: quantile(figures, 0.75),
        }
    }

    pub(crate) fn show(self, unit: Unit) -> String {
        let number = |figure: f64| match unit {
            Unit::Milliseconds => format!("{figure:.1}"),
            Unit::Nanoseconds | Unit::PerSecond | Unit::Bytes => format!("{figure:.0}"),
        };
        let sign = match unit {
            Unit::Nanoseconds => " ns",
            Unit::Milliseconds => " ms",
            Unit::PerSecond => "/s",
            Unit::Bytes => " B",
        };
        let [lower, median, upper] = [self.lower, self.median, self.upper].map(number);
        format!("{median}{sign} ({lower}-{upper})")
    }
}

/// The smallest figure that this part of them does not exceed.
pub(crate) fn quantile(figures: &[f64], part: f64) -> f64 {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    let index = (sorted.len() as f64 * part) as usize;
    sorted
        .get(index.min(sorted.len().saturating_sub(1)))
        .copied()
        .unwrap_or(f64::NAN)
}
