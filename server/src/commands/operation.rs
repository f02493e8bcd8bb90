//! `operation`: what takes a while.

use anyhow::Result;
use clap::Subcommand;
use serde_json::json;

use super::cli::Options;
use super::client::Client;
use super::{output, wait};
use crate::model::Id;

/// The commands for operations.
#[derive(Debug, Subcommand)]
pub enum Operation {
    /// List operations, the newest first
    List {
        /// Only those of this module
        #[arg(long, value_name = "MODULE")]
        module: Option<bllvm_manifest::ModuleName>,
        /// At most so many
        #[arg(long, default_value_t = 20)]
        limit: u32,
    },
    /// Show one operation
    Show {
        /// Its id
        id: Id,
    },
    /// End an operation; what it has done so far stays done
    Cancel {
        /// Its id
        id: Id,
    },
}

impl Operation {
    /// Runs the command.
    pub async fn run(self, options: &Options) -> Result<()> {
        let client = Client::connect(options)?;
        let answer = match &self {
            Self::List { module, limit } => {
                let module = module
                    .as_ref()
                    .map(|name| format!("&module={name}"))
                    .unwrap_or_default();
                client
                    .get(&format!("/api/v1/operations?limit={limit}{module}"))
                    .await?
                    .body
            }
            Self::Show { id } => client.get(&format!("/api/v1/operations/{id}")).await?.body,
            Self::Cancel { id } => {
                client
                    .post(&format!("/api/v1/operations/{id}/cancel"), json!(null))
                    .await?
                    .body
            }
        };
        if options.json {
            output::json(&answer);
            return Ok(());
        }
        match self {
            Self::List { .. } => {
                let rows: Vec<Vec<String>> = output::items(&answer)
                    .iter()
                    .map(|one| {
                        output::row(
                            one,
                            &[
                                "id",
                                "kind",
                                "module",
                                "status",
                                "~created_at",
                                "by",
                                "failure.detail",
                            ],
                        )
                    })
                    .collect();
                let head = ["ID", "KIND", "MODULE", "STATUS", "AGE", "BY", "FAILURE"];
                out!("{}", output::table(&head, &rows));
            }
            Self::Show { .. } | Self::Cancel { .. } => out!(
                "{}",
                output::facts(&[
                    ("operation", output::field(&answer, "id")),
                    ("kind", output::field(&answer, "kind")),
                    ("module", output::field(&answer, "module")),
                    ("status", output::field(&answer, "status")),
                    ("progress", wait::progress_of(&answer)),
                    ("failure", output::field(&answer, "failure.detail")),
                    ("result", output::field(&answer, "result")),
                    ("asked by", output::field(&answer, "by")),
                    ("begun", output::field(&answer, "created_at")),
                    ("changed", output::field(&answer, "changed_at")),
                ])
            ),
        }
        Ok(())
    }
}
