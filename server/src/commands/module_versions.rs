//! `module versions`, `upgrade`, `rollback`, `pin` and `unpin`.

use std::path::PathBuf;

use anyhow::Result;
use bllvm_manifest::ModuleName;
use clap::Subcommand;
use reqwest::Method;
use serde_json::{Value, json};

use super::cli::Options;
use super::client::Client;
use super::module::{Rights, of, print};
use super::output;
use super::wait::{self, Waiting};

/// The commands for versions of modules.
#[derive(Debug, Subcommand)]
pub enum Versions {
    /// Show which versions of a module are kept
    #[command(name = "versions")]
    Show {
        /// The module's name
        name: ModuleName,
    },
    /// Put another version in place; what runs goes on until the new one is ready
    Upgrade {
        /// The module's name
        name: ModuleName,
        /// The folder or program of the new version
        path: PathBuf,
        /// Only say what would change
        #[arg(long)]
        plan: bool,
        /// Which rights a version gets that asks for more than the module has
        #[arg(long, value_name = "RIGHTS")]
        grant: Option<Rights>,
        /// Upgrade only if its program has this digest
        #[arg(long)]
        digest: Option<String>,
        /// Take a package although no publisher that is trusted here has signed it
        #[arg(long)]
        as_local: bool,
        #[command(flatten)]
        waiting: Waiting,
    },
    /// Put the version before back in place
    Rollback {
        /// The module's name
        name: ModuleName,
        /// Let its data go back to the copy that was made before the upgrade
        #[arg(long)]
        restore_data: bool,
        #[command(flatten)]
        waiting: Waiting,
    },
    /// Hold a module at its version: every upgrade is refused, and the catalog offers none
    #[command(visible_alias = "hold")]
    Pin {
        /// The module's name
        name: ModuleName,
    },
    /// Let a module that is held be upgraded again
    #[command(visible_alias = "unhold")]
    Unpin {
        /// The module's name
        name: ModuleName,
    },
}

impl Versions {
    /// Runs the command.
    pub async fn run(self, client: &Client, options: &Options) -> Result<()> {
        match self {
            Self::Show { name } => show(client, options, &name).await,
            Self::Upgrade {
                name,
                path,
                plan,
                grant,
                digest,
                as_local,
                waiting,
            } => {
                let path = std::path::absolute(&path)?;
                let mut body = json!({ "path": path, "as_local": as_local });
                if plan {
                    let at = format!("{}/upgrade/plan", of(&name));
                    let plan = client.post(&at, body).await?.body;
                    print(options, &plan, || plan_text(&plan));
                    return Ok(());
                }
                if let Some(digest) = digest {
                    body["digest"] = json!(digest);
                }
                body["grant"] = match grant {
                    Some(Rights::Requested) => json!("requested"),
                    Some(Rights::Kept) => json!("kept"),
                    None => Value::Null,
                };
                let at = format!("{}/upgrade", of(&name));
                let accepted = client.post(&at, body).await?.body;
                let done = format!("{name} is upgraded.");
                wait::finish(client, options, accepted, waiting, &done).await
            }
            Self::Rollback {
                name,
                restore_data,
                waiting,
            } => {
                let at = format!("{}/rollback", of(&name));
                let body = json!({ "restore_data": restore_data });
                let accepted = client.post(&at, body).await?.body;
                let done = format!("{name} is at the version before.");
                wait::finish(client, options, accepted, waiting, &done).await
            }
            Self::Pin { name } => pin(client, options, &name, true).await,
            Self::Unpin { name } => pin(client, options, &name, false).await,
        }
    }
}

async fn show(client: &Client, options: &Options, name: &ModuleName) -> Result<()> {
    let view = client.get(&format!("{}/versions", of(name))).await?.body;
    print(options, &view, || versions_text(&view));
    Ok(())
}

async fn pin(client: &Client, options: &Options, name: &ModuleName, pinned: bool) -> Result<()> {
    let body = json!({ "pinned": pinned });
    let path = format!("{}/pin", of(name));
    let view = client.send(Method::PUT, &path, Some(body)).await?.body;
    print(options, &view, || versions_text(&view));
    Ok(())
}

fn versions_text(view: &Value) -> String {
    let kept = |key: &str| {
        let by = output::field(view, &format!("{key}.vouched_for"));
        match view[key]["version"].as_str() {
            Some(version) => format!("{version} ({by})"),
            None => "none is kept".to_owned(),
        }
    };
    let mut text = format!(
        "in place  {}\nbefore    {}\n",
        output::field(view, "version"),
        kept("previous")
    );
    if view["rollback_restores_data"] == true {
        text.push_str("          a rollback brings the copy of its data back, too\n");
    }
    if let Some(pinned) = view["pinned_by"].as_str() {
        text = format!("{text}pinned    by {pinned}\n");
    }
    text
}

fn plan_text(plan: &Value) -> String {
    let f = |key: &str| output::field(plan, key);
    let list = |key: &str| {
        let all = plan[key].as_array().cloned().unwrap_or_default();
        let lines = all.iter().filter_map(Value::as_str);
        lines
            .map(|line| ["  ", line, "\n"].concat())
            .collect::<String>()
    };
    let mut text = format!(
        "{} {} -> {}\n{}\n{}\nat stake: {}\n",
        f("module"),
        f("from"),
        f("to"),
        f("vouched_for"),
        f("digest"),
        f("rating")
    );
    for (title, key) in [
        ("It asks for more than it has:", "asks_for_more"),
        ("It asks no more for:", "asks_no_more_for"),
        ("What happens:", "steps"),
    ] {
        let lines = list(key);
        if !lines.is_empty() {
            text = format!("{text}{title}\n{lines}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_says_what_is_asked_for() {
        let plan = json!({
            "module": "clock", "from": "1.0.0", "to": "2.0.0", "digest": "sha256:aa",
            "vouched_for": "signed by nobody whom this node trusts",
            "asks_for_more": ["`tx.broadcast` (send transactions)"], "asks_no_more_for": [],
            "rating": "low", "steps": ["The old version stops."],
        });
        let text = plan_text(&plan);
        assert!(text.starts_with("clock 1.0.0 -> 2.0.0\n"), "{text}");
        assert!(text.contains("asks for more than it has:\n  `tx.broadcast`"));
        assert!(!text.contains("asks no more"), "{text}");
    }

    #[test]
    fn what_is_kept_is_told() {
        let view = json!({
            "version": "2.0.0", "current": null,
            "previous": { "version": "1.0.0", "vouched_for": "release 1 signed by me" },
            "rollback_restores_data": true, "pinned_by": "cookie",
        });
        let text = versions_text(&view);
        assert!(
            text.contains("before    1.0.0 (release 1 signed by me)"),
            "{text}"
        );
        assert!(text.contains("copy of its data") && text.contains("by cookie"));
        let nothing = json!({ "version": "1.0.0", "previous": null, "pinned_by": null });
        let text = versions_text(&nothing);
        assert!(
            text.contains("none is kept") && !text.contains("pinned"),
            "{text}"
        );
    }
}
