//! `token`: keys for programs and people.

use anyhow::Result;
use bllvm_manifest::ModuleName;
use clap::Subcommand;
use clap::builder::{PossibleValuesParser, TypedValueParser as _};
use serde_json::json;

use super::cli::Options;
use super::client::Client;
use super::output;
use crate::model::{Id, Scope};

/// The commands for tokens.
#[derive(Debug, Subcommand)]
pub enum Token {
    /// Create a token and print its text, which is shown this once
    Create {
        /// What it is for, in words
        name: String,
        /// What it may do; may be repeated
        #[arg(long = "scope", required = true, value_parser = scope_parser())]
        scopes: Vec<String>,
        /// Binds it to this module: it reaches nothing else; may be repeated
        #[arg(long = "module", value_name = "NAME")]
        modules: Vec<ModuleName>,
        /// In how many days it expires [default: never]
        #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..=3650))]
        expires_in_days: Option<u32>,
    },
    /// List tokens; their texts are kept nowhere
    List,
    /// Revoke a token; it stops working at once
    Revoke {
        /// Its id
        id: Id,
    },
}

fn scope_parser() -> impl clap::builder::TypedValueParser<Value = String> {
    PossibleValuesParser::new(Scope::ALL.iter().map(|scope| scope.as_str())).map(|scope| scope)
}

impl Token {
    /// Runs the command.
    pub async fn run(self, options: &Options) -> Result<()> {
        let client = Client::connect(options)?;
        match self {
            Self::Create {
                name,
                scopes,
                modules,
                expires_in_days,
            } => {
                let body = json!({
                    "name": name, "scopes": scopes, "modules": modules,
                    "expires_in_days": expires_in_days
                });
                let token = client.post("/api/v1/tokens", body).await?.body;
                if options.json {
                    output::json(&token);
                } else {
                    out!("{}", output::field(&token, "token"));
                    eprintln!(
                        "Keep it now; it is shown this once. Send it as `Authorization: Bearer …`."
                    );
                }
            }
            Self::List => {
                let tokens = client.get("/api/v1/tokens").await?.body;
                if options.json {
                    output::json(&tokens);
                } else {
                    let keys = [
                        "id",
                        "name",
                        "scopes",
                        "modules",
                        "by",
                        "~created_at",
                        "expires_at",
                        "revoked_at",
                        "~last_used_at",
                    ];
                    let head = [
                        "ID",
                        "NAME",
                        "SCOPES",
                        "MODULES",
                        "BY",
                        "AGE",
                        "EXPIRES",
                        "REVOKED",
                        "LAST USED",
                    ];
                    let rows: Vec<_> = output::items(&tokens)
                        .iter()
                        .map(|one| output::row(one, &keys))
                        .collect();
                    out!("{}", output::table(&head, &rows));
                }
            }
            Self::Revoke { id } => {
                client.delete(&format!("/api/v1/tokens/{id}")).await?;
                if !options.json {
                    out!("Token {id} is revoked.");
                }
            }
        }
        Ok(())
    }
}
