//! `/`: every module in a card, what needs a person, what happened last.

use axum::extract::State;
use axum::response::Response;
use bllvm_web::pages::{Overview, Tally};
use bllvm_web::parts::{Badge, ModuleState, OperationRow, Problem};

use super::journal::Walk;
use super::present::module::Seen;
use super::present::{event, operation, sentence};
use super::respond::page;
use super::visit::{Visit, all_seen, now};
use crate::api::Api;
use crate::api::error::ApiResult;
use crate::model::{Operation, OperationStatus, Scope, UtcTime, kinds};
use crate::node::NodeState;
use crate::store::{OperationFilter, PageRequest};

const EVENTS: usize = 8;
const DAY_MS: i64 = 86_400_000;

/// `GET /`
///
/// # Errors
/// When the store cannot be read.
pub async fn show(State(api): State<Api>, visit: Visit) -> ApiResult<Response> {
    visit.require(Scope::ModulesRead)?;
    let mut seen = all_seen(&api).await?;
    seen.sort_by_key(Seen::rank);
    let now = now(&api);
    let (waiting, installed): (Vec<_>, Vec<_>) = seen.iter().partition(|one| one.is_found());
    let events = Walk::newest(&api, |event| {
        // Both are told of elsewhere on this page.
        event.kind != kinds::AUDIT && event.kind != kinds::OPERATION
    });
    let events = events.take(EVENTS).await?.events;
    page(&Overview {
        chrome: visit.chrome(&api).await?,
        tallies: tallies(&seen),
        node_problem: node_problem(&api),
        taken_back: taken_back(&api).await?,
        waiting: u32::try_from(waiting.len()).unwrap_or(u32::MAX),
        waiting_text: waiting_text(&waiting),
        tasks: seen.iter().flat_map(Seen::tasks).collect(),
        cards: installed.iter().map(|one| one.card(now)).collect(),
        operations: operations(&api, now).await?,
        events: events.iter().map(|one| event::row(one, now)).collect(),
        modules_dir: api.modules_dir.display().to_string(),
    })
}

fn tallies(seen: &[Seen]) -> Vec<Tally> {
    let states = [
        ModuleState::Running,
        ModuleState::Starting,
        ModuleState::BackingOff,
        ModuleState::Failed,
        ModuleState::Stopping,
        ModuleState::Stopped,
        ModuleState::Waiting,
        ModuleState::Unusable,
    ];
    let tally = states.into_iter().map(|state| Tally {
        badge: Badge::from(state),
        count: u32::try_from(seen.iter().filter(|one| one.state() == state).count())
            .unwrap_or(u32::MAX),
    });
    tally.filter(|tally| tally.count > 0).collect()
}

fn waiting_text(waiting: &[&Seen]) -> String {
    let names = |state: ModuleState| -> Vec<&str> {
        let all = waiting.iter().filter(|one| one.state() == state);
        all.map(|one| one.name().as_str()).collect()
    };
    let mut parts = Vec::new();
    match names(ModuleState::Waiting).as_slice() {
        [] => {}
        [one] => parts.push(format!("1 module waits for your review: {one}.")),
        many => parts.push(format!(
            "{} modules wait for your review: {}.",
            many.len(),
            many.join(", ")
        )),
    }
    match names(ModuleState::Unusable).as_slice() {
        [] => {}
        [one] => parts.push(format!("1 folder cannot be loaded as it is: {one}.")),
        many => parts.push(format!(
            "{} folders cannot be loaded as they are: {}.",
            many.len(),
            many.join(", ")
        )),
    }
    parts.join(" ")
}

/// What is installed, and should not be any more.
async fn taken_back(api: &Api) -> ApiResult<Vec<Problem>> {
    let all = api.control.revoked_modules().await?;
    Ok(all
        .iter()
        .map(|one| Problem {
            what: format!(
                "The makers of {} took its release back: {}",
                one.module,
                sentence(&one.reason)
            ),
            advice: format!(
                "The registry {} says so. Upgrade to a newer release, or unload it.",
                one.registry
            ),
            lines: Vec::new(),
        })
        .collect())
}

/// What is wrong with the base node.
pub fn node_problem(api: &Api) -> Option<Problem> {
    let NodeState::Unavailable { why } = api.node.state() else {
        let warnings = api.node.warnings();
        return (!warnings.is_empty()).then(|| Problem {
            what: "The base node opened its data with a warning.".to_owned(),
            advice: "It runs. The chain may end before the last block that was announced."
                .to_owned(),
            lines: warnings,
        });
    };
    if api.node.backend() == "none" {
        // It was configured so.
        return None;
    }
    let advice =
        "It is started again on its own. Modules run on; what they ask of the chain waits.";
    Some(Problem {
        what: sentence(&why),
        advice: advice.to_owned(),
        lines: Vec::new(),
    })
}

/// What is under way, and what failed within a day.
async fn operations(api: &Api, now: UtcTime) -> ApiResult<Vec<OperationRow>> {
    let newest = api
        .store
        .operations(&OperationFilter::default(), &PageRequest::of(50))
        .await?;
    let worth = |one: &Operation| {
        let young = now.unix_ms() - one.created_at.unix_ms() < DAY_MS;
        !one.status.is_final() || (one.status == OperationStatus::Failed && young)
    };
    let shown = newest.items.iter().filter(|one| worth(one)).take(6);
    Ok(shown.map(|one| operation::row(one, now)).collect())
}
