//! Medians, ratios and the table.

use std::fmt::Write as _;

/// One line of the table.
pub struct Row {
    /// What is measured.
    pub what: String,
    /// Our figure, with its unit.
    pub ours: String,
    /// The yardstick's name and figure.
    pub yardstick: String,
    /// Ours over the yardstick, or the other way round where the goal says so.
    pub ratio: Option<f64>,
    /// The goal, in words.
    pub goal: &'static str,
    /// Whether it was reached; none where nothing was promised.
    pub reached: Option<bool>,
}

/// The value in the middle.
pub fn median(values: &mut [f64]) -> f64 {
    quantile(values, 0.5)
}

/// The value below which a share of all values lies.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a place in a list"
)]
pub fn quantile(values: &mut [f64], share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let place = (values.len() as f64 * share) as usize;
    let last = values.len().saturating_sub(1);
    values.get(place.min(last)).copied().unwrap_or(f64::NAN)
}

/// The largest.
pub fn largest(values: &[f64]) -> f64 {
    values.iter().copied().fold(f64::NAN, f64::max)
}

/// The median of pairwise ratios.
pub fn ratio(ours: &[f64], theirs: &[f64]) -> f64 {
    let mut ratios: Vec<f64> = ours
        .iter()
        .zip(theirs)
        .map(|(ours, theirs)| ours / theirs)
        .collect();
    median(&mut ratios)
}

/// Their median, and from where to where nine in ten of them lie, in milliseconds.
pub fn spread(values: &mut [f64]) -> String {
    let (low, high) = (quantile(values, 0.05), quantile(values, 0.95));
    format!("{:.2} ms ({low:.2}–{high:.2})", median(values))
}

/// The table as Markdown.
pub fn table(rows: &[Row]) -> String {
    let mut text = String::from(
        "| what | ours | yardstick in the same run | ratio | goal | reached |\n|---|---|---|---|---|---|\n",
    );
    for row in rows {
        let ratio = row
            .ratio
            .map_or_else(|| "–".to_owned(), |ratio| format!("{ratio:.2}"));
        let reached = match row.reached {
            Some(true) => "yes",
            Some(false) => "no",
            None => "–",
        };
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "| {} | {} | {} | {ratio} | {} | {reached} |",
            row.what, row.ours, row.yardstick, row.goal
        );
    }
    text
}
