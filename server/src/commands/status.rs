//! `status`: the whole on one screen.

use anyhow::Result;
use serde_json::{Value, json};

use super::cli::Options;
use super::client::Client;
use super::{module_views, output, wait};

/// Shows the node, its base node, modules and operations under way.
pub async fn run(options: &Options) -> Result<()> {
    let client = Client::connect(options)?;
    let host = client.get("/api/v1/host").await?.body;
    let node = client.get("/api/v1/node").await?.body;
    let modules = client.get("/api/v1/modules").await?.body;
    let operations = client.get("/api/v1/operations?status=running").await?.body;
    let revoked = taken_back(&client).await?;
    if options.json {
        output::json(&json!({
            "host": host, "node": node, "modules": modules, "operations": operations,
            "taken_back": revoked,
        }));
        return Ok(());
    }
    let base_node = match output::field(&node, "tip.height").as_str() {
        "-" => match output::field(&node, "reason").as_str() {
            "-" => format!(
                "{}, {}",
                output::field(&node, "backend"),
                output::field(&node, "state")
            ),
            reason => format!(
                "{}, {}: {reason}",
                output::field(&node, "backend"),
                output::field(&node, "state")
            ),
        },
        height => format!(
            "{} {}, {}, height {height}, tip {}",
            output::field(&node, "backend"),
            output::field(&node, "network.chain"),
            output::field(&node, "state"),
            output::field(&node, "tip.hash"),
        ),
    };
    out!(
        "{}",
        output::facts(&[
            (
                "node",
                format!(
                    "bllvm-node {}, up {}, pid {}",
                    output::field(&host, "version"),
                    output::age(&output::field(&host, "started_at")),
                    output::field(&host, "pid")
                )
            ),
            ("dashboard", client.base().to_owned()),
            ("data", output::field(&host, "data_dir")),
            ("base node", base_node),
        ])
    );
    out!("\n{}", module_views::list_table(&modules));
    for line in revoked_lines(&revoked) {
        out!("\n{line}");
    }
    for operation in output::items(&operations) {
        out!(
            "\nunder way: {} {}",
            wait::progress_of(operation),
            output::field(operation, "module")
        );
    }
    Ok(())
}

/// What the registries say was taken back of what is installed.
pub(super) async fn taken_back(client: &Client) -> Result<Vec<Value>> {
    let catalog = client.get("/api/v1/catalog").await?.body;
    let all = output::items(&catalog).iter();
    let revoked = all.filter(|one| one["state"] == "revoked" && !one["installed"].is_null());
    Ok(revoked.cloned().collect())
}

/// A line for each release that was taken back.
pub(super) fn revoked_lines(revoked: &[Value]) -> Vec<String> {
    let line = |one: &Value| {
        let f = |key: &str| output::field(one, key);
        format!(
            "TAKEN BACK: {} {} by {}: {}; upgrade or unload it (`bllvm-node catalog show {0}`)",
            f("module"),
            f("installed"),
            f("registry"),
            f("revoked")
        )
    };
    revoked.iter().map(line).collect()
}
