//! `/backups`: what is there, and a button that makes another.

use axum::extract::State;
use axum::response::Response;
use bllvm_web::format;
use bllvm_web::pages::{BackupRow, Backups};
use zeroize::Zeroizing;

use super::form::Signed;
use super::present::{sentence, stamp};
use super::respond::{page, refused_page, see, tell_outcome};
use super::visit::{Visit, now};
use crate::api::Api;
use crate::api::error::{ApiError, ApiResult, Code};
use crate::backups::LockedBy;
use crate::control::BackupRequest;
use crate::model::Scope;

/// `GET /backups`
///
/// # Errors
/// When the folder cannot be read.
pub async fn list(State(api): State<Api>, visit: Visit) -> ApiResult<Response> {
    visit.require(Scope::Admin)?;
    page(&view(&api, &visit, None).await?)
}

/// `POST /backups {passphrase}`
///
/// # Errors
/// When the fault is ours.
pub async fn create(
    State(api): State<Api>,
    Signed { visit, fields }: Signed,
) -> ApiResult<Response> {
    visit.require(Scope::Admin)?;
    let visit = visit.at("/backups");
    let passphrase = Some(fields.get("passphrase"))
        .filter(|text| !text.is_empty())
        .map(|text| Zeroizing::new(text.to_owned()));
    let request = BackupRequest {
        passphrase,
        ..BackupRequest::default()
    };
    match api.control.create_backup(request, &visit.actor()).await {
        Ok(begun) => {
            tell_outcome(&api, &visit, begun).await?;
            Ok(see("/backups"))
        }
        Err(error) => {
            let refused = ApiError::from(error);
            if refused.code() != Code::InvalidRequest {
                return Err(refused);
            }
            let why = sentence(&refused.problem().detail);
            refused_page(&view(&api, &visit, Some(why)).await?)
        }
    }
}

async fn view(api: &Api, visit: &Visit, error: Option<String>) -> ApiResult<Backups> {
    let now = now(api);
    let backups = api.control.backups().await?;
    let rows = backups.into_iter().map(|one| BackupRow {
        size: format::bytes(one.size),
        made: stamp(one.made_at, now),
        opened_by: match one.locked_by {
            LockedBy::Keys => "a key",
            LockedBy::Passphrase => "a passphrase",
            LockedBy::Unknown => "nobody knows: its head cannot be read",
        }
        .to_owned(),
        name: one.name,
        path: one.path,
    });
    Ok(Backups {
        chrome: visit.chrome(api).await?,
        backups: rows.collect(),
        folder: api.control.backups_dir().display().to_string(),
        recipients: api.control.backup_recipients().to_vec(),
        error,
    })
}
