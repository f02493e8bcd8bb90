//! `openapi`: the description of the REST API, without a running node.

use anyhow::Result;

/// Prints it.
#[expect(clippy::unnecessary_wraps, reason = "all commands answer alike")]
pub fn run() -> Result<()> {
    out!("{}", crate::api::openapi());
    Ok(())
}
