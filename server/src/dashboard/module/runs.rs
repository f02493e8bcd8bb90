//! `/modules/{name}/runs`: when it ran and how each run ended.

use axum::extract::State;
use axum::response::Response;
use bllvm_manifest::ModuleName;
use bllvm_web::pages::module::{Runs, Tab};
use bllvm_web::parts::Pager;
use serde::Deserialize;

use super::{find, head};
use crate::api::Api;
use crate::api::error::ApiResult;
use crate::api::extract::{Path, Query};
use crate::dashboard::address::with_query;
use crate::dashboard::present::run;
use crate::dashboard::respond::page;
use crate::dashboard::visit::{Visit, now};
use crate::model::Scope;
use crate::store::PageRequest;

const PAGE: u32 = 50;

/// Where the list goes on.
#[derive(Debug, Default, Deserialize)]
pub struct RunsQuery {
    cursor: Option<String>,
}

/// `GET /modules/{name}/runs`
///
/// # Errors
/// When there is no module of this name.
pub async fn show(
    State(api): State<Api>,
    visit: Visit,
    Path(name): Path<ModuleName>,
    Query(query): Query<RunsQuery>,
) -> ApiResult<Response> {
    visit.require(Scope::ModulesRead)?;
    let seen = find(&api, &name).await?;
    let request = PageRequest {
        after: query.cursor.clone(),
        limit: Some(PAGE),
    };
    let runs = api.store.runs(&name, &request).await?;
    let now = now(&api);
    let path = format!("/modules/{name}/runs");
    page(&Runs {
        chrome: visit.chrome(&api).await?,
        head: head(&api, &seen, Tab::Runs).await?,
        runs: runs.items.iter().map(|one| run::row(one, now)).collect(),
        pager: Pager {
            newer: query.cursor.map(|_| path.clone()),
            older: runs
                .next
                .map(|next| with_query(&path, &[("cursor", &next)])),
        },
    })
}
