//! Measures what DESIGN promises, each figure beside a yardstick of the same run.
//!
//! `scripts/bench` builds this in release mode and runs it; the table goes to BENCHMARKS.md.
//! Nothing here is asserted: a noisy machine makes a slow run, not a broken one. Rounds of a figure
//! and of its yardstick take turns, and the median of their ratios counts.

mod fanout;
mod ipc;
mod stats;

use stats::Row;

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    if let Some(role) = arguments.next().filter(|word| word == "child") {
        drop(role);
        return child(&arguments.next().unwrap_or_default());
    }
    let only = std::env::args().nth(1);
    let wanted = |name: &str| only.as_deref().is_none_or(|only| name.contains(only));
    let mut rows: Vec<Row> = Vec::new();
    if wanted("ipc") {
        eprintln!("measuring IPC …");
        rows.extend(ipc::measure()?);
    }
    if wanted("fanout") {
        eprintln!("measuring fan-out …");
        rows.extend(fanout::measure()?);
    }
    print!("{}", stats::table(&rows));
    Ok(())
}

/// A child process of a measurement; its socket is standard input.
fn child(role: &str) -> anyhow::Result<()> {
    match role {
        "echo-raw" => ipc::echo_raw(),
        "echo-ipc" => ipc::echo_ipc(),
        "subscriber" => fanout::subscriber(),
        other => anyhow::bail!("no child role `{other}`"),
    }
}
