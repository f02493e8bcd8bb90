//! `POST /backups`.

use axum::extract::State;
use serde::Deserialize;
use utoipa::ToSchema;
use zeroize::Zeroizing;

use crate::api::auth::Caller;
use crate::api::error::ApiResult;
use crate::api::extract::{Accepted, Json};
use crate::api::state::Api;
use crate::control::BackupRequest;
use crate::model::{Operation, Scope};

/// Who shall be able to open the backup.
#[derive(Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct BackupBody {
    /// Public keys of age, instead of those that the node's configuration names.
    #[schema(max_items = 32, example = json!(["age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"]))]
    pub recipients: Vec<String>,
    /// A passphrase of at least 12 characters, instead of keys. It is not kept.
    #[schema(min_length = 12)]
    pub passphrase: Option<String>,
}

impl std::fmt::Debug for BackupBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BackupBody")
            .field("recipients", &self.recipients)
            .finish_non_exhaustive()
    }
}

/// Makes a backup.
///
/// Database, configurations, grants, trusted keys, modules with their versions and data, encrypted by
/// age, in one file on the node's machine; the chain is not in it. Modules whose manifest does not say
/// that their data may be copied while they run are stopped for as long as that takes, one after the
/// other. The operation's result names the file and what was left out.
#[utoipa::path(
    post, path = "/backups", tag = "backups",
    request_body = BackupBody,
    responses((status = 202, description = "The backup is being made.", body = Operation)),
    extensions(
        ("x-scope" = json!("admin")),
        ("x-problems" = json!(["invalid_request", "conflict"]))
    )
)]
pub async fn create_backup(
    caller: Caller,
    State(api): State<Api>,
    Json(body): Json<BackupBody>,
) -> ApiResult<Accepted> {
    caller.require(Scope::Admin)?;
    let request = BackupRequest {
        recipients: body.recipients,
        passphrase: body.passphrase.map(Zeroizing::new),
    };
    let operation = api.control.create_backup(request, &caller.actor()).await?;
    Ok(Accepted(operation))
}
