//! Waits for an operation with a line of progress. The operation lives in the node: whoever
//! leaves with Ctrl-C leaves it running.

use std::io::{IsTerminal as _, Write as _};

use anyhow::{Result, bail};
use clap::Args;
use serde_json::Value;

use super::cli::Options;
use super::client::Client;
use super::exit::CommandError;
use super::output;

/// Whether to wait.
#[derive(Args, Clone, Copy, Debug)]
pub struct Waiting {
    /// Return as soon as the node has taken the request on
    #[arg(long)]
    pub no_wait: bool,
}

/// Follows an accepted operation to its end and prints what came of it.
///
/// # Errors
/// When it failed or was cancelled, or the waiting was interrupted.
pub async fn finish(
    client: &Client,
    options: &Options,
    accepted: Value,
    waiting: Waiting,
    done: &str,
) -> Result<()> {
    let id = output::field(&accepted, "id");
    if waiting.no_wait {
        if options.json {
            output::json(&accepted);
        } else {
            out!("Begun; `bllvm-node operation show {id}` shows how it goes.");
        }
        return Ok(());
    }
    let mut line = Line::default();
    let ended = tokio::select! {
        ended = follow(client, &id, &mut line) => ended,
        _ = tokio::signal::ctrl_c() => {
            line.clear();
            return Err(CommandError::Interrupted(format!(
                "Not waiting any longer; the node goes on. `bllvm-node operation show {id}` shows how it goes, `operation cancel {id}` ends it."
            )).into());
        }
    };
    line.clear();
    let operation = ended?;
    if options.json {
        output::json(&operation);
    }
    match output::field(&operation, "status").as_str() {
        "succeeded" => {
            if !options.json {
                out!("{done}{}", result_of(&operation));
            }
            Ok(())
        }
        "cancelled" => bail!("the operation was cancelled"),
        _ => bail!(
            "{} ({})",
            output::field(&operation, "failure.detail"),
            output::field(&operation, "failure.code")
        ),
    }
}

/// Follows an operation to its end, and gives it; it says nothing of its result.
///
/// # Errors
/// When it failed or was cancelled.
pub async fn ended(client: &Client, accepted: &Value) -> Result<Value> {
    let mut line = Line::default();
    let operation = follow(client, &output::field(accepted, "id"), &mut line).await;
    line.clear();
    let operation = operation?;
    if output::field(&operation, "status") == "succeeded" {
        return Ok(operation);
    }
    bail!(
        "{} ({})",
        output::field(&operation, "failure.detail"),
        output::field(&operation, "failure.code")
    )
}

async fn follow(client: &Client, id: &str, line: &mut Line) -> Result<Value> {
    loop {
        // Short waits keep the line moving; the last one ends with the operation.
        let operation = client
            .get(&format!("/api/v1/operations/{id}?wait=400ms"))
            .await?
            .body;
        if matches!(
            output::field(&operation, "status").as_str(),
            "succeeded" | "failed" | "cancelled"
        ) {
            return Ok(operation);
        }
        line.show(&progress_of(&operation));
    }
}

/// An operation's progress in a line.
pub fn progress_of(operation: &Value) -> String {
    let number = |key: &str| operation.get(key).and_then(Value::as_u64).unwrap_or(0);
    let step = output::field(operation, "step");
    let name = output::field(operation, "kind");
    let what = if step == "-" {
        name
    } else {
        format!("{name}: {step}")
    };
    match number("total") {
        0 => what,
        total => format!("{what} ({}/{total})", number("done")),
    }
}

fn result_of(operation: &Value) -> String {
    match operation.get("result").and_then(Value::as_object) {
        Some(fields) if !fields.is_empty() => {
            let fields: Vec<String> = fields
                .iter()
                .filter(|(_, value)| !value.is_array() && !value.is_object() && !value.is_null())
                .map(|(name, value)| format!("{name} {}", output::short(value)))
                .collect();
            if fields.is_empty() {
                String::new()
            } else {
                format!(" ({})", fields.join(", "))
            }
        }
        _ => String::new(),
    }
}

/// One line on stderr that is written over; where nobody looks, a line for each step.
#[derive(Debug, Default)]
struct Line {
    shown: String,
}

impl Line {
    fn show(&mut self, text: &str) {
        if text == self.shown {
            return;
        }
        if std::io::stderr().is_terminal() {
            eprint!("\r\x1b[K{text} …");
            // A line that is not seen hurts nobody.
            let _ = std::io::stderr().flush();
        } else {
            eprintln!("{text} …");
        }
        text.clone_into(&mut self.shown);
    }

    fn clear(&self) {
        if !self.shown.is_empty() && std::io::stderr().is_terminal() {
            eprint!("\r\x1b[K");
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn progress_shows_step_and_share() {
        let operation = json!({ "kind": "mine", "step": "", "done": 3, "total": 10 });
        assert_eq!(progress_of(&operation), "mine (3/10)");
        let operation = json!({ "kind": "load", "step": "starting", "done": 0, "total": 0 });
        assert_eq!(progress_of(&operation), "load: starting");
    }

    #[test]
    fn a_result_shows_its_plain_fields() {
        assert_eq!(
            result_of(&json!({ "result": { "mode": "overlap", "hashes": ["a"] } })),
            " (mode overlap)"
        );
        assert_eq!(result_of(&json!({ "result": null })), "");
    }
}
