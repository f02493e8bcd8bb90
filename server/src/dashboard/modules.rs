//! `/modules`: all of them in rows, those that wait for a review, and how to add one.

use std::path::PathBuf;

use axum::extract::State;
use axum::response::Response;
use bllvm_web::pages::{Modules, WaitingModule};
use bllvm_web::parts::ModuleState;

use super::form::Signed;
use super::present::module::Seen;
use super::present::{operation, sentence, stamp};
use super::respond::{page, refused_page, see, settled, tell_outcome};
use super::visit::{Visit, all_seen, now};
use crate::api::Api;
use crate::api::error::{ApiError, ApiResult};
use crate::control::InstallRequest;
use crate::model::{OperationStatus, Scope};

/// `GET /modules`
///
/// # Errors
/// When the store cannot be read.
pub async fn list(State(api): State<Api>, visit: Visit) -> ApiResult<Response> {
    visit.require(Scope::ModulesRead)?;
    page(&view(&api, &visit, String::new(), None).await?)
}

/// `POST /modules/add {path}`
///
/// # Errors
/// When the fault is ours.
pub async fn add(State(api): State<Api>, form: Signed) -> ApiResult<Response> {
    let visit = form.visit.at("/modules");
    visit.require(Scope::ModulesInstall)?;
    let path = form.fields.get("path").trim().to_owned();
    let request = InstallRequest {
        path: PathBuf::from(&path),
        as_local: false,
    };
    let refused = match api.control.install(request, &visit.actor()).await {
        Ok(begun) => {
            let ended = settled(&api, begun).await?;
            match (ended.status, &ended.module) {
                (OperationStatus::Failed, _) => operation::outcome(&ended).1,
                (OperationStatus::Succeeded, Some(name)) => {
                    let next = format!("/modules/{name}/review");
                    tell_outcome(&api, &visit, ended).await?;
                    return Ok(see(&next));
                }
                _ => {
                    tell_outcome(&api, &visit, ended).await?;
                    return Ok(see("/modules"));
                }
            }
        }
        Err(error) => {
            let refused = ApiError::from(error);
            if refused.problem().status >= 500 {
                return Err(refused);
            }
            sentence(&refused.problem().detail)
        }
    };
    refused_page(&view(&api, &visit, path, Some(refused)).await?)
}

async fn view(
    api: &Api,
    visit: &Visit,
    path: String,
    path_error: Option<String>,
) -> ApiResult<Modules> {
    let now = now(api);
    let mut seen = all_seen(api).await?;
    seen.sort_by_key(Seen::rank);
    let (waiting, installed): (Vec<_>, Vec<_>) = seen.iter().partition(|one| one.is_found());
    let mut waiting: Vec<WaitingModule> = waiting
        .into_iter()
        .map(|one| WaitingModule {
            name: one.name().to_string(),
            version: one.module.manifest.version.to_string(),
            description: one.module.manifest.description.clone().unwrap_or_default(),
            folder: one.module.dir.display().to_string(),
            found: stamp(one.module.found_at, now),
            problem: one.module.problem.as_deref().map(sentence),
            can_review: one.state() == ModuleState::Waiting,
        })
        .collect();
    waiting.extend(api.control.strays().into_iter().map(|stray| {
        WaitingModule {
            name: stray
                .path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned(),
            version: String::new(),
            description: String::new(),
            folder: stray.path.display().to_string(),
            found: stamp(now, now),
            problem: Some(sentence(&stray.problem)),
            can_review: false,
        }
    }));
    Ok(Modules {
        chrome: visit.chrome(api).await?,
        waiting,
        modules: installed.iter().map(|one| one.card(now)).collect(),
        modules_dir: api.modules_dir.display().to_string(),
        can_upload: false,
        path,
        path_error,
    })
}
