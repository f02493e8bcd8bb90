//! `login`: a one-time address for the dashboard.

use anyhow::Result;
use serde_json::json;

use super::cli::Options;
use super::client::Client;
use super::output;

/// Prints the address.
pub async fn run(options: &Options) -> Result<()> {
    let client = Client::connect(options)?;
    let code = client.post("/api/v1/login-codes", json!(null)).await?.body;
    if options.json {
        output::json(&code);
        return Ok(());
    }
    out!("{}{}", client.base(), output::field(&code, "path"));
    eprintln!("Open it in a browser on this machine; it works once, for 10 minutes.");
    Ok(())
}
