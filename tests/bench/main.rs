//! Measures what the design promises, each figure beside a yardstick of the same run.
//!
//! `scripts/bench` builds this in release mode and runs it; the table goes to BENCHMARKS.md.
//! Nothing here is asserted: a noisy machine makes a slow run, not a broken one. Rounds of a figure
//! and of its yardstick take turns, and the median of their ratios counts.

#[cfg(feature = "kernel")]
mod chain;
mod fanout;
mod fifty;
mod http;
mod ipc;
mod journal;
mod neighbours;
mod parts;
mod reload;
mod respawn;
mod spawn;
mod stats;
mod webhooks;

use stats::Row;

type Measure = fn() -> anyhow::Result<Vec<Row>>;

/// Name and measurement; `scripts/bench --help` says what each one is.
const ALL: &[(&str, Measure)] = &[
    ("spawn", spawn::measure),
    ("respawn", respawn::measure),
    ("list", fifty::list),
    ("reload", reload::measure),
    ("ipc", ipc::measure),
    ("fanout", fanout::measure),
    ("journal", journal::measure),
    ("memory", fifty::memory),
    ("shutdown", fifty::shutdown),
    ("neighbours", neighbours::measure),
    ("webhooks", webhooks::measure),
    #[cfg(feature = "kernel")]
    ("chain", chain::measure),
    #[cfg(feature = "kernel")]
    ("import", chain::imports),
];

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [word, role] = arguments.as_slice()
        && word == "child"
    {
        return child(role);
    }
    let known = |word: &String| ALL.iter().any(|(name, _)| name == word);
    if let Some(word) = arguments.iter().find(|word| !known(word)) {
        let names: Vec<&str> = ALL.iter().map(|(name, _)| *name).collect();
        anyhow::bail!(
            "there is no measurement `{word}`; there are {}",
            names.join(", ")
        );
    }
    let before = parts::machine();
    let mut rows: Vec<Row> = Vec::new();
    for (name, measure) in ALL {
        if arguments.is_empty() || arguments.iter().any(|word| word == name) {
            eprintln!("measuring {name} …");
            rows.extend(measure()?);
        }
    }
    print!("{}", stats::table(&rows));
    println!("\nBefore: {before}.\nAfter: {}.", parts::machine());
    Ok(())
}

/// A child process of a measurement; its socket is standard input.
fn child(role: &str) -> anyhow::Result<()> {
    match role {
        "acknowledger" => journal::acknowledger(),
        "bare-axum" => fifty::bare_axum(),
        "echo-raw" => ipc::echo_raw(),
        "echo-ipc" => ipc::echo_ipc(),
        "subscriber" => fanout::subscriber(),
        other => anyhow::bail!("no child role `{other}`"),
    }
}
