//! What people read, or JSON: chosen here and nowhere else.

use std::io::Write as _;
use std::process::ExitCode;

use anyhow::Result;
use serde_json::{Value, json};

use crate::error;

/// What a command did or found.
#[derive(Debug)]
pub struct Report {
    /// For people.
    pub text: String,
    /// For programs.
    pub value: Value,
    /// Whether all is well.
    pub fine: bool,
}

impl Report {
    /// A report of something done.
    pub fn new(text: impl Into<String>, value: Value) -> Self {
        Self {
            text: text.into(),
            value,
            fine: true,
        }
    }
}

/// Prints how a command ended and gives the exit code.
pub fn finish(json: bool, outcome: Result<Report>) -> ExitCode {
    match outcome {
        Ok(report) => {
            if json {
                out(&format!("{:#}", report.value));
            } else {
                out(&report.text);
            }
            ExitCode::from(u8::from(!report.fine))
        }
        Err(failure) => {
            let detail = format!("{failure:#}");
            if json {
                let error = json!({ "code": error::code(&failure), "detail": detail });
                out(&format!("{:#}", json!({ "error": error })));
            } else {
                // Without a standard error nobody is left to tell.
                let _ = writeln!(std::io::stderr(), "error: {detail}");
            }
            ExitCode::FAILURE
        }
    }
}

/// A line to standard output; a reader may leave early.
fn out(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out
        .write_all(text.trim_end().as_bytes())
        .and_then(|()| out.write_all(b"\n"));
}
