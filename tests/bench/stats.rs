//! Medians, ratios and the table.

use std::fmt::Write as _;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};

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
    /// Whether it was reached.
    pub reached: bool,
}

/// The value in the middle.
pub fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
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

/// The table as Markdown.
pub fn table(rows: &[Row]) -> String {
    let mut text = String::from(
        "| what | ours | yardstick in the same run | ratio | goal | reached |\n|---|---|---|---|---|---|\n",
    );
    for row in rows {
        let ratio = row
            .ratio
            .map_or_else(|| "–".to_owned(), |ratio| format!("{ratio:.2}"));
        let reached = if row.reached { "yes" } else { "no" };
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "| {} | {} | {} | {ratio} | {} | {reached} |",
            row.what, row.ours, row.yardstick, row.goal
        );
    }
    text
}

/// Starts this program again in a role, with one end of a socketpair as its standard input.
pub fn start_child(role: &str) -> anyhow::Result<(UnixStream, Child)> {
    let (ours, theirs) = UnixStream::pair()?;
    let child = Command::new(std::env::current_exe()?)
        .args(["child", role])
        .stdin(Stdio::from(OwnedFd::from(theirs)))
        .spawn()?;
    Ok((ours, child))
}

/// This process's standard input as a socket.
pub fn stdin_socket() -> anyhow::Result<UnixStream> {
    use std::os::fd::AsFd;
    Ok(std::io::stdin().as_fd().try_clone_to_owned()?.into())
}
