//! `status`: the whole on one screen.

use anyhow::Result;
use serde_json::json;

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
    if options.json {
        output::json(
            &json!({ "host": host, "node": node, "modules": modules, "operations": operations }),
        );
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
    for operation in output::items(&operations) {
        out!(
            "\nunder way: {} {}",
            wait::progress_of(operation),
            output::field(operation, "module")
        );
    }
    Ok(())
}
