//! `/modules/{name}`: state, numbers and methods.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use axum::extract::State;
use axum::response::Response;
use bllvm_manifest::ModuleName;
use bllvm_web::format;
use bllvm_web::pages::module::{MethodRow, ModuleOverview, ReloadOutcome, Tab};
use bllvm_web::parts::{Badge, Fact, ListenerRow, Problem, Stat, Tone, Value};

use super::{find, head};
use crate::api::Api;
use crate::api::error::ApiResult;
use crate::api::extract::Path;
use crate::dashboard::present::capability::listeners;
use crate::dashboard::present::module::Seen;
use crate::dashboard::present::{lasted, operation, sentence, stamp};
use crate::dashboard::respond::page;
use crate::dashboard::visit::{Visit, now};
use crate::model::{DesiredState, ObservedState, OperationKind, OperationStatus, Scope, UtcTime};
use crate::store::{OperationFilter, PageRequest};

/// A reload is worth a word for so long.
const RECENT_MS: i64 = 3_600_000;

/// `GET /modules/{name}`
///
/// # Errors
/// When there is no module of this name.
pub async fn show(
    State(api): State<Api>,
    visit: Visit,
    Path(name): Path<ModuleName>,
) -> ApiResult<Response> {
    visit.require(Scope::ModulesRead)?;
    let seen = find(&api, &name).await?;
    let now = now(&api);
    page(&ModuleOverview {
        chrome: visit.chrome(&api).await?,
        head: head(&api, &seen, Tab::Overview).await?,
        problem: revoked(&api, &name)
            .await?
            .or(seen.problem(now, last_output(&api, &seen).await?)),
        reload: last_reload(&api, &name, now).await?,
        tasks: seen.tasks(),
        stats: stats(&seen),
        facts: facts(&seen, now),
        status: seen.status(),
        listeners: held(&api, &seen).await?,
        methods: methods(&seen),
    })
}

/// What its makers say against the installed release; it stands before anything else.
async fn revoked(api: &Api, name: &ModuleName) -> ApiResult<Option<Problem>> {
    let all = api.control.revoked_modules().await?;
    let found = all.into_iter().find(|one| one.module == *name);
    Ok(found.map(|one| Problem {
        what: format!(
            "Its makers took this release back: {}",
            sentence(&one.reason)
        ),
        advice: format!(
            "The registry {} says so. Upgrade to a newer release, or unload it.",
            one.registry
        ),
        lines: Vec::new(),
    }))
}

/// The last lines of the run that went wrong.
async fn last_output(api: &Api, seen: &Seen) -> ApiResult<Vec<String>> {
    let troubled = matches!(
        seen.observed.state,
        ObservedState::Failed | ObservedState::BackingOff
    );
    if !troubled {
        return Ok(Vec::new());
    }
    let runs = api.store.runs(seen.name(), &PageRequest::of(1)).await?;
    Ok(runs
        .items
        .into_iter()
        .next()
        .map(|run| run.last_output)
        .unwrap_or_default())
}

async fn last_reload(
    api: &Api,
    name: &ModuleName,
    now: UtcTime,
) -> ApiResult<Option<ReloadOutcome>> {
    let filter = OperationFilter {
        module: Some(name.clone()),
        status: None,
    };
    let newest = api.store.operations(&filter, &PageRequest::of(10)).await?;
    let last = newest.items.into_iter().find(|one| {
        let reload = matches!(one.kind, OperationKind::Reload | OperationKind::Configure);
        reload && one.status.is_final() && now.unix_ms() - one.changed_at.unix_ms() < RECENT_MS
    });
    Ok(last.map(|done| {
        let took = lasted(done.created_at, done.changed_at);
        let (badge, mode, explanation) = match (done.status, operation::mode(&done)) {
            (OperationStatus::Succeeded, Some(mode)) => {
                let (word, meaning) = operation::mode_words(mode);
                (
                    Badge::new(Tone::Good, "done"),
                    format!("Reloaded {word}"),
                    format!("{meaning} It took {took}."),
                )
            }
            (OperationStatus::Succeeded, None) => (
                Badge::new(Tone::Good, "done"),
                "Recorded".to_owned(),
                "it applies at the next start.".to_owned(),
            ),
            (OperationStatus::Cancelled, _) => (
                Badge::new(Tone::Quiet, "cancelled"),
                "Not reloaded".to_owned(),
                "someone ended it.".to_owned(),
            ),
            _ => {
                let why = done
                    .failure
                    .as_ref()
                    .map(|failure| sentence(&failure.detail));
                (
                    Badge::new(Tone::Bad, "failed"),
                    "Not reloaded".to_owned(),
                    why.unwrap_or_default(),
                )
            }
        };
        ReloadOutcome {
            badge,
            mode,
            explanation,
            at: stamp(done.changed_at, now),
            operation: done.id.to_string(),
        }
    }))
}

fn stats(seen: &Seen) -> Vec<Stat> {
    let limits = &seen.module.manifest.resources;
    let stat = |label: &str, value: String, detail: String| Stat {
        label: label.to_owned(),
        value,
        detail,
        trend: None,
    };
    let mut stats = Vec::new();
    if seen.observed.pid.is_some() {
        let memory = format::bytes(limits.memory.as_bytes());
        stats.push(stat(
            "Processor",
            seen.cpu(),
            format!("of {} % allowed", limits.cpu_percent),
        ));
        stats.push(stat("Memory", seen.memory(), format!("of {memory}")));
        stats.push(stat(
            "Events behind",
            format::count(seen.observed.cursor_lag),
            String::new(),
        ));
    }
    let restarts = seen.observed.restarts;
    if restarts > 0 || seen.observed.pid.is_some() {
        let since = "after crashes".to_owned();
        stats.push(stat("Restarts", format::count(restarts), since));
    }
    for (name, (_, value)) in seen.observed.metrics.iter().take(8) {
        stats.push(stat(name, value.to_string(), String::new()));
    }
    stats
}

fn facts(seen: &Seen, now: UtcTime) -> Vec<Fact> {
    let (module, observed) = (&seen.module, &seen.observed);
    let wanted = match (module.desired, module.enabled) {
        (_, false) => "stopped: it is disabled",
        (DesiredState::Running, true) => "running, also after a restart of the node",
        (DesiredState::Stopped, true) => "stopped",
    };
    let mut facts = vec![
        Fact::text("Wanted", wanted),
        Fact::new("In this state", Value::Time(stamp(observed.since, now))),
    ];
    let uptime = seen.uptime(now);
    if !uptime.is_empty() {
        facts.push(Fact::text("Ready for", uptime));
    }
    if let Some(pid) = observed.pid {
        facts.push(Fact::text("Process", pid.to_string()));
    }
    if let Some(number) = module.revision {
        let text = match observed.revision {
            Some(running) if running != number => {
                format!("{number}; the process runs on {running}")
            }
            _ => number.to_string(),
        };
        let href = format!("/modules/{}/configuration/{number}", module.name);
        facts.push(Fact::new(
            "Configuration revision",
            Value::Link { href, text },
        ));
    }
    facts.push(Fact::code("Folder", module.dir.display().to_string()));
    let digest = |label: &str, digest: &bllvm_manifest::Digest| {
        let short = format::Hash::new(digest.to_hex()).short;
        let hash = format::Hash {
            full: digest.to_string(),
            short: format!("sha256:{short}"),
        };
        Fact::new(label, Value::Hash(hash))
    };
    match (&module.digest, &module.confirmed) {
        (Some(found), Some(agreed)) if found != agreed => {
            facts.push(digest("Confirmed program", agreed));
            facts.push(digest("Program in the folder", found));
        }
        (Some(found), _) => facts.push(digest("Program", found)),
        (None, _) => {}
    }
    facts.push(Fact::new("Found", Value::Time(stamp(module.found_at, now))));
    facts
}

/// The sockets that are held for it, and those that are granted and not open.
async fn held(api: &Api, seen: &Seen) -> ApiResult<Vec<ListenerRow>> {
    let granted = api.store.grant(seen.name()).await?.listeners;
    let open = &seen.observed.listeners;
    let mut all: BTreeMap<&str, SocketAddr> = granted
        .iter()
        .map(|(name, address)| (name.as_str(), *address))
        .collect();
    all.extend(open.iter().map(|(name, address)| (name.as_str(), *address)));
    Ok(listeners(all.into_iter(), |name, _| {
        if open.contains_key(name) {
            Badge::new(Tone::Good, "open")
        } else {
            Badge::new(Tone::Quiet, "not open")
        }
    }))
}

fn methods(seen: &Seen) -> Vec<MethodRow> {
    let name = seen.name();
    let row = |method: &bllvm_ipc::types::MethodDescription| MethodRow {
        name: method.name.clone(),
        summary: sentence(&method.description),
        path: format!("/api/v1/modules/{name}/methods/{}", method.name),
        href: format!("/modules/{name}/methods/{}", method.name),
    };
    seen.observed.methods.iter().map(row).collect()
}
