//! `/modules/{name}/versions`: what is kept, what another version would change, and the buttons for it.

use axum::extract::State;
use axum::response::Response;
use bllvm_manifest::ModuleName;
use bllvm_web::pages::module::{Tab, VersionPlan, Versions};
use bllvm_web::parts::{Fact, Tone};

use super::{find, head};
use crate::api::Api;
use crate::api::error::{ApiError, ApiResult, Code};
use crate::api::extract::{Path, Query};
use crate::control::{GrantWord, UpgradeRequest};
use crate::dashboard::form::Signed;
use crate::dashboard::respond::{after, page, see, tell_refusal};
use crate::dashboard::visit::Visit;
use crate::model::{KeptVersion, Scope, UpgradePlan};

/// Another version to be looked at.
#[derive(Clone, Debug, Default, serde::Deserialize)]
pub struct Asked {
    /// Its folder.
    #[serde(default)]
    path: String,
}

/// `GET /modules/{name}/versions?path=…`
///
/// # Errors
/// When there is no module of this name.
pub async fn show(
    State(api): State<Api>,
    visit: Visit,
    Path(name): Path<ModuleName>,
    Query(asked): Query<Asked>,
) -> ApiResult<Response> {
    visit.require(Scope::ModulesRead)?;
    let seen = find(&api, &name).await?;
    let path = asked.path.trim().to_owned();
    let (plan, path_error) = if path.is_empty() {
        (None, None)
    } else {
        visit.require(Scope::ModulesInstall)?;
        match api.control.plan_upgrade(&name, path.as_ref(), false).await {
            Ok(plan) => (Some(shown(&plan)), None),
            Err(error) => (None, Some(error.to_string())),
        }
    };
    let own = api.control.versions_of(&name).await?;
    let before = own.previous.as_ref();
    page(&Versions {
        chrome: visit.chrome(&api).await?,
        head: head(&api, &seen, Tab::Versions).await?,
        facts: vec![
            Fact::text(
                "In place",
                own.current
                    .as_ref()
                    .map_or_else(|| seen.module.manifest.version.to_string(), in_words),
            ),
            Fact::text(
                "Before",
                before.map_or_else(|| "No earlier version is kept.".to_owned(), in_words),
            ),
        ],
        previous: before.map(|before| before.version.to_string()),
        restores_data: before
            .is_some_and(|before| api.control.rollback_restores_data(&seen.module, before)),
        pinned: own.pinned_by.is_some(),
        path,
        path_error,
        plan,
    })
}

fn in_words(kept: &KeptVersion) -> String {
    format!("{}, {}", kept.version, kept.vouched_for)
}

fn shown(plan: &UpgradePlan) -> VersionPlan {
    VersionPlan {
        facts: vec![
            Fact::text("Version", format!("{} → {}", plan.from, plan.to)),
            Fact::text("Vouched for", plan.vouched_for.clone()),
            Fact::text("Digest", plan.digest.to_string()),
        ],
        digest: plan.digest.to_string(),
        asks_for_more: without_quotes(&plan.asks_for_more),
        asks_no_more_for: without_quotes(&plan.asks_no_more_for),
        rating: plan.rating.clone(),
        steps: plan.steps.clone(),
        as_local: false,
    }
}

/// Names stand plainly on a page.
fn without_quotes(lines: &[String]) -> Vec<String> {
    lines.iter().map(|line| line.replace('`', "")).collect()
}

/// `POST /modules/{name}/upgrade {path, digest, grant}`
///
/// # Errors
/// When there is no module of this name, or the form is not one of ours.
pub async fn upgrade(
    State(api): State<Api>,
    Path(name): Path<ModuleName>,
    Signed { visit, fields }: Signed,
) -> ApiResult<Response> {
    visit.require(Scope::ModulesInstall)?;
    find(&api, &name).await?;
    let digest = fields.get("digest").parse().map_err(|_| {
        let text = "the form names no digest; look at the version again";
        ApiError::new(Code::InvalidRequest, text)
    })?;
    let request = UpgradeRequest {
        path: fields.get("path").into(),
        as_local: fields.get("as_local") == "yes",
        digest: Some(digest),
        grant: match fields.get("grant") {
            "requested" => Some(GrantWord::Requested),
            "kept" => Some(GrantWord::Kept),
            _ => None,
        },
    };
    let outcome = api.control.upgrade(&name, request, &visit.actor()).await;
    after(&api, &visit, outcome, &format!("/modules/{name}/versions")).await
}

/// `POST /modules/{name}/rollback {data}`
///
/// # Errors
/// When there is no module of this name.
pub async fn rollback(
    State(api): State<Api>,
    Path(name): Path<ModuleName>,
    Signed { visit, fields }: Signed,
) -> ApiResult<Response> {
    visit.require(Scope::ModulesInstall)?;
    find(&api, &name).await?;
    let restore = fields.get("data") == "restore";
    let outcome = api.control.rollback(&name, restore, &visit.actor()).await;
    after(&api, &visit, outcome, &format!("/modules/{name}/versions")).await
}

/// `POST /modules/{name}/pin {pinned}`
///
/// # Errors
/// When there is no module of this name.
pub async fn pin(
    State(api): State<Api>,
    Path(name): Path<ModuleName>,
    Signed { visit, fields }: Signed,
) -> ApiResult<Response> {
    visit.require(Scope::ModulesInstall)?;
    find(&api, &name).await?;
    let pinned = fields.get("pinned") == "yes";
    match api.control.pin(&name, pinned, &visit.actor()).await {
        Ok(()) => {
            let text = if pinned {
                "stays at its version."
            } else {
                "may be upgraded."
            };
            visit.tell(&api, Tone::Good, format!("{name} {text}"), None);
        }
        Err(error) => tell_refusal(&api, &visit, error)?,
    }
    Ok(see(&format!("/modules/{name}/versions")))
}
