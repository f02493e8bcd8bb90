//! `/modules/{name}/configuration/{revision}`: one revision, what it changed, and its return.

use axum::extract::State;
use axum::response::Response;
use bllvm_manifest::{ModuleName, parse_config, toml_to_json};
use bllvm_web::pages::module::{Revision as Page, RevisionRow, Tab};
use bllvm_web::parts::{Badge, Tone};

use super::configuration::lines;
use super::{find, head};
use crate::api::Api;
use crate::api::error::{ApiError, ApiResult, Code};
use crate::api::extract::Path;
use crate::configuration::{DiffLine, diff};
use crate::dashboard::form::Signed;
use crate::dashboard::present::{operation, sentence, stamp, who};
use crate::dashboard::respond::{page, see, settled, tell_refusal};
use crate::dashboard::visit::{Visit, now};
use crate::model::{ConfigSource, Revision, RevisionStatus, Scope, UtcTime};
use crate::store::PageRequest;

/// Revisions in the list.
const SHOWN: usize = 20;

/// `GET /modules/{name}/configuration/{revision}`
///
/// # Errors
/// When there is no such revision.
pub async fn show(
    State(api): State<Api>,
    visit: Visit,
    Path((name, number)): Path<(ModuleName, u64)>,
) -> ApiResult<Response> {
    visit.require(Scope::ModulesRead)?;
    let seen = find(&api, &name).await?;
    let found = api.store.revision(&name, number).await?.ok_or_else(|| {
        let text = format!("`{name}` has no configuration revision {number}");
        ApiError::new(Code::RevisionNotFound, text)
    })?;
    let before = match number.checked_sub(1) {
        Some(earlier) => api.store.revision(&name, earlier).await?,
        None => None,
    };
    let changed = changes(before.as_ref(), &found);
    let is_current = seen.module.revision == Some(number);
    page(&Page {
        chrome: visit.chrome(&api).await?,
        head: head(&api, &seen, Tab::Configuration).await?,
        compared_with: before.as_ref().map_or_else(
            || "It was the first".to_owned(),
            |one| format!("Compared with revision {}", one.number),
        ),
        diff: lines(&changed),
        revision: row(&found, &changed, now(&api)),
        can_restore: !is_current,
        etag: found.etag.clone(),
        toml: found.text,
    })
}

/// `POST /modules/{name}/configuration/{revision}/restore`
///
/// # Errors
/// When there is no such revision.
pub async fn restore(
    State(api): State<Api>,
    Path((name, number)): Path<(ModuleName, u64)>,
    Signed { visit, .. }: Signed,
) -> ApiResult<Response> {
    visit.require(Scope::ConfigWrite)?;
    match api
        .control
        .rollback_config(&name, number, &visit.actor())
        .await
    {
        Ok(change) => match change.operation {
            Some(begun) => {
                let ended = settled(&api, begun).await?;
                let (tone, text) = operation::outcome(&ended);
                visit.tell(&api, tone, text, Some(ended.id));
            }
            None => visit.tell(&api, Tone::Good, sentence(&change.note), None),
        },
        Err(error) => tell_refusal(&api, &visit, error)?,
    }
    Ok(see(&format!("/modules/{name}/configuration")))
}

/// The last revisions, newest first.
///
/// # Errors
/// When the store cannot be read.
pub async fn rows(api: &Api, name: &ModuleName, now: UtcTime) -> ApiResult<Vec<RevisionRow>> {
    let most = u32::try_from(SHOWN + 1).unwrap_or(u32::MAX);
    let all = api
        .store
        .revisions(name, &PageRequest::of(most))
        .await?
        .items;
    let pairs = all.iter().enumerate().take(SHOWN);
    Ok(pairs
        .map(|(place, one)| row(one, &changes(all.get(place + 1), one), now))
        .collect())
}

/// The changed keys; all of them are new in the first one, which is not worth a list.
fn changes(before: Option<&Revision>, after: &Revision) -> Vec<DiffLine> {
    let read = |text: &str| {
        let table = parse_config(text.as_bytes()).ok()?;
        Some(toml_to_json(&toml::Value::Table(table)))
    };
    match before.map(|before| (read(&before.text), read(&after.text))) {
        Some((Some(before), Some(after))) => diff(&before, &after),
        _ => Vec::new(),
    }
}

fn row(revision: &Revision, changed: &[DiffLine], now: UtcTime) -> RevisionRow {
    let status = match revision.status {
        RevisionStatus::Pending => Badge::new(Tone::Busy, "not taken up yet"),
        RevisionStatus::Applied => Badge::new(Tone::Good, "in use"),
        RevisionStatus::RolledBack => Badge::new(Tone::Bad, "rolled back"),
        RevisionStatus::Superseded => Badge::new(Tone::Quiet, "replaced"),
    };
    let origin = match revision.source {
        ConfigSource::Default => "from the defaults",
        ConfigSource::Api => "by API",
        ConfigSource::Form => "by form",
        ConfigSource::File => "by hand in the file",
        ConfigSource::Rollback => "brought back from an earlier one",
    };
    let keys: Vec<_> = changed.iter().map(|one| one.key.as_str()).collect();
    let reason = revision.reason.as_deref().map(sentence).unwrap_or_default();
    RevisionRow {
        number: revision.number,
        at: stamp(revision.created_at, now),
        by: who(&revision.by),
        origin: origin.to_owned(),
        status,
        summary: format!("{} {reason}", keys.join(", ")).trim().to_owned(),
    }
}
