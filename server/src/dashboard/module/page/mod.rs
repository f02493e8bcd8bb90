//! `/modules/{name}/pages/{id}`: a page that the module describes as data, checked and drawn here.

mod draw;
mod forms;

use std::collections::BTreeMap;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use bllvm_ipc::page::Page;
use bllvm_manifest::{ModuleName, UiPage};
use bllvm_web::pages::module::{ModulePage, Outcome, PageTab, Tab};
use bllvm_web::parts::{PageBlock, Problem};
use serde_json::Value;

use super::{find, head};
use crate::api::Api;
use crate::api::error::{ApiError, ApiResult, Code};
use crate::api::extract::{Path, Query};
use crate::control::ControlError;
use crate::dashboard::address::with_query;
use crate::dashboard::form::{Fields, Signed};
use crate::dashboard::present::module::Seen;
use crate::dashboard::present::sentence;
use crate::dashboard::respond::page_as;
use crate::dashboard::visit::Visit;
use crate::model::Scope;
use crate::supervisor::CallFailure;

/// What the address says after the `?`.
type Asked = BTreeMap<String, String>;

/// `GET /modules/{name}/pages/{id}`
///
/// # Errors
/// When there is no such module, or its manifest names no such page.
pub async fn show(
    State(api): State<Api>,
    visit: Visit,
    Path((name, id)): Path<(ModuleName, String)>,
    Query(asked): Query<Asked>,
) -> ApiResult<Response> {
    visit.require(Scope::ModulesRead)?;
    let seen = find(&api, &name).await?;
    let (status, view) = view(&api, &visit, &seen, &id, &asked, None).await?;
    page_as(status, &view)
}

/// `POST /modules/{name}/pages/{id}`: one of the page's forms. The answer is shown at once, above the
/// page as it is then.
///
/// # Errors
/// When there is no such module, or its manifest names no such page.
pub async fn send(
    State(api): State<Api>,
    Path((name, id)): Path<(ModuleName, String)>,
    Query(asked): Query<Asked>,
    Signed { visit, fields }: Signed,
) -> ApiResult<Response> {
    visit.require(Scope::ModulesControl)?;
    let seen = find(&api, &name).await?;
    let own = address(&name, &id, &asked);
    let visit = visit.at(&own);
    let sent = Sent::by(&api, &visit, &seen, fields).await?;
    let refused = sent.failure.is_some();
    let (status, view) = view(&api, &visit, &seen, &id, &asked, Some(sent)).await?;
    let status = if refused && status == StatusCode::OK {
        StatusCode::UNPROCESSABLE_ENTITY
    } else {
        status
    };
    page_as(status, &view)
}

/// The page's own address.
fn address<'a>(
    name: &ModuleName,
    id: &str,
    asked: impl IntoIterator<Item = (&'a String, &'a String)>,
) -> String {
    with_asked(&format!("/modules/{name}/pages/{id}"), asked)
}

fn with_asked<'a>(path: &str, asked: impl IntoIterator<Item = (&'a String, &'a String)>) -> String {
    let asked = asked.into_iter();
    let asked: Vec<_> = asked
        .map(|(key, value)| (key.as_str(), value.as_str()))
        .collect();
    with_query(path, &asked)
}

/// What was typed into a form, and what came of it.
struct Sent {
    method: String,
    fields: Fields,
    failure: Option<String>,
    faults: Vec<(String, String)>,
    problems: Vec<bllvm_manifest::ConfigProblem>,
    answers: Vec<(String, String)>,
}

impl Sent {
    async fn by(api: &Api, visit: &Visit, seen: &Seen, fields: Fields) -> ApiResult<Self> {
        let method = fields.get("_method").to_owned();
        let mut sent = Self {
            method: method.clone(),
            fields,
            failure: None,
            faults: Vec::new(),
            problems: Vec::new(),
            answers: Vec::new(),
        };
        let Some(asked) = forms::asked(seen, &method) else {
            let text = format!("`{}` offers no method `{method}` now", seen.name());
            sent.failure = Some(sentence(&text));
            return Ok(sent);
        };
        let params = match super::fields::params(&asked, &sent.fields) {
            Ok(params) => params,
            Err(faults) => {
                sent.failure = Some("Nothing was sent; see below.".to_owned());
                sent.faults = faults;
                return Ok(sent);
            }
        };
        let control = &api.control;
        match control
            .call(seen.name(), &method, params, &visit.actor())
            .await
        {
            Ok(answer) => sent.answers = forms::answers(&answer),
            Err(ControlError::Call(CallFailure::Params { problems, .. })) => {
                sent.failure = Some("Nothing was sent; see below.".to_owned());
                sent.problems = problems;
            }
            Err(error) => {
                let refused = ApiError::from(error);
                if refused.code() == Code::Internal {
                    return Err(refused);
                }
                sent.failure = Some(sentence(&refused.problem().detail));
            }
        }
        Ok(sent)
    }

    fn outcome(&self) -> Outcome {
        let word = if self.failure.is_some() {
            "did not do it"
        } else {
            "answered"
        };
        Outcome {
            title: format!("{} {word}", self.method),
            failure: self.failure.clone(),
            answers: self.answers.clone(),
        }
    }
}

async fn view(
    api: &Api,
    visit: &Visit,
    seen: &Seen,
    id: &str,
    asked: &Asked,
    sent: Option<Sent>,
) -> ApiResult<(StatusCode, ModulePage)> {
    let page = declared(seen, id)?;
    let (status, title, blocks, problem) = match ask(api, visit, seen, page, asked).await {
        Ok(document) => {
            let title = document.title.clone();
            let blocks = draw::blocks(&document, seen, sent.as_ref());
            (StatusCode::OK, title, blocks, None)
        }
        Err((status, problem)) => (status, String::new(), Vec::new(), Some(problem)),
    };
    let still = blocks
        .iter()
        .any(|block| matches!(block, PageBlock::Form(_)));
    let live = !still && sent.is_none();
    let mut head = head(api, seen, Tab::Page { live }).await?;
    head.pages = tabs(seen, id, asked);
    let view = ModulePage {
        chrome: visit.chrome(api).await?,
        head,
        title: if title.is_empty() {
            page.title.clone()
        } else {
            title
        },
        problem,
        outcome: sent.as_ref().map(Sent::outcome),
        blocks,
    };
    Ok((status, view))
}

/// The tabs of the module's pages. One that is not listed has a tab while it is open, so that it shows
/// where one is.
fn tabs(seen: &Seen, id: &str, asked: &Asked) -> Vec<PageTab> {
    let pages = seen.module.manifest.ui.pages.iter();
    let shown = pages.filter(|page| page.listed || page.id == id);
    shown
        .map(|page| {
            let (path, current) = (format!("/pages/{}", page.id), page.id == id);
            PageTab {
                path: if page.listed {
                    path
                } else {
                    with_asked(&path, asked)
                },
                title: page.title.clone(),
                current,
            }
        })
        .collect()
}

fn declared<'a>(seen: &'a Seen, id: &str) -> ApiResult<&'a UiPage> {
    let ui = &seen.module.manifest.ui;
    ui.page(id).ok_or_else(|| {
        let known: Vec<_> = ui.pages.iter().map(|page| page.id.as_str()).collect();
        let known = if known.is_empty() {
            "no pages".to_owned()
        } else {
            known.join(", ")
        };
        let text = format!("`{}` has no page `{id}`; it has {known}", seen.name());
        ApiError::new(Code::RouteNotFound, text)
    })
}

/// Asks the module for the document and reads it.
async fn ask(
    api: &Api,
    visit: &Visit,
    seen: &Seen,
    page: &UiPage,
    asked: &Asked,
) -> Result<Page, (StatusCode, Problem)> {
    let params = forms::typed(seen, &page.method, asked);
    let (name, by) = (seen.name(), visit.actor());
    let document = api.control.page(name, &page.method, params, &by).await;
    let document = document.map_err(|error| unanswered(error, seen))?;
    let read = Page::read(&document).and_then(|page| draw::known_links(&page, seen).map(|()| page));
    read.map_err(|problem| {
        tracing::warn!(module.name = %name, page = %page.id, "a page of a module is refused: {problem}");
        let problem = Problem {
            what: sentence(&format!("the module answered with no page: {problem}")),
            advice: format!(
                "This is a fault of {name}. Nothing of the answer is shown; its author can mend it."
            ),
            lines: Vec::new(),
        };
        (StatusCode::BAD_GATEWAY, problem)
    })
}

fn unanswered(error: ControlError, seen: &Seen) -> (StatusCode, Problem) {
    let stopped = matches!(
        error,
        ControlError::Call(CallFailure::NotRunning { .. } | CallFailure::Gone)
    );
    let refused = ApiError::from(error);
    let detail = if refused.code() == Code::Internal {
        "the node’s log says what went wrong".to_owned()
    } else {
        refused.problem().detail.clone()
    };
    let advice = if stopped {
        format!("The page is there while {} runs.", seen.name())
    } else {
        String::new()
    };
    let problem = Problem {
        what: sentence(&detail),
        advice,
        lines: Vec::new(),
    };
    (refused.code().status(), problem)
}

/// A value in the words of those who copy it.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => serde_json::to_string_pretty(other).unwrap_or_default(),
    }
}
