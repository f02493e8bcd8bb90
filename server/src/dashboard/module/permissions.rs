//! `/modules/{name}/permissions`: what it may do, asked for against given.

use std::collections::BTreeSet;

use axum::extract::State;
use axum::response::Response;
use bllvm_ipc::Capability;
use bllvm_manifest::ModuleName;
use bllvm_web::pages::module::{CapabilityRow, Permissions, RequiredRow, Tab};
use bllvm_web::parts::{Badge, Fact, Tone, Value};

use super::{find, head};
use crate::api::Api;
use crate::api::error::{ApiError, ApiResult, Code};
use crate::api::extract::Path;
use crate::dashboard::form::Signed;
use crate::dashboard::present::capability::{listeners, outgoing, plain, reach, resources, risk};
use crate::dashboard::present::module::Seen;
use crate::dashboard::present::{capital, stamp, who};
use crate::dashboard::respond::{page, see, tell_refusal};
use crate::dashboard::visit::{Visit, now};
use crate::model::{IsolationLayer, IsolationState, RequiredLayer, Scope, UtcTime};
use crate::store::GrantRecord;
use crate::supervisor::sandbox::{Words, words};

/// `GET /modules/{name}/permissions`
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
    let record = api.store.grant_record(&name).await?;
    let granted = record
        .as_ref()
        .map(|record| record.grant.clone())
        .unwrap_or_default();
    let waived = api.store.waived(&name).await?;
    let open = &seen.observed.listeners;
    let held = granted
        .listeners
        .iter()
        .map(|(name, address)| (name.as_str(), *address));
    page(&Permissions {
        chrome: visit.chrome(&api).await?,
        head: head(&api, &seen, Tab::Permissions).await?,
        explanation: explanation(&seen, record.as_ref()),
        capabilities: capabilities(&seen, record.as_ref(), now(&api)),
        listeners: listeners(held, |name, address| {
            if open.contains_key(name) {
                Badge::new(Tone::Good, "open")
            } else {
                reach(address)
            }
        }),
        outgoing: outgoing(&granted.outgoing),
        resources: resources(&seen.module.manifest.resources),
        sandbox: sandbox(&words(&granted, &seen.observed.isolation, &waived))
            .into_iter()
            .chain(seen.observed.isolation.iter().map(layer))
            .collect(),
        required: required(&seen.observed.isolation, &waived),
    })
}

/// `POST /modules/{name}/permissions {grant, revoke, waive or require}`
///
/// # Errors
/// When there is no module of this name.
pub async fn change(
    State(api): State<Api>,
    Path(name): Path<ModuleName>,
    Signed { visit, fields }: Signed,
) -> ApiResult<Response> {
    visit.require(Scope::ModulesInstall)?;
    find(&api, &name).await?;
    for (key, waive) in [("waive", true), ("require", false)] {
        if let Some(layer) = fields.find(key) {
            return change_layer(&api, &visit, &name, layer, waive).await;
        }
    }
    let (word, give) = match (fields.find("grant"), fields.find("revoke")) {
        (Some(word), None) => (word, true),
        (None, Some(word)) => (word, false),
        _ => {
            let text = "the form names no permission; load the page again and repeat";
            return Err(ApiError::new(Code::InvalidRequest, text));
        }
    };
    let capability: Capability =
        word.parse()
            .map_err(|error: bllvm_ipc::capability::UnknownCapability| {
                ApiError::new(Code::InvalidRequest, error.to_string())
            })?;
    let mut grant = api.store.grant(&name).await?;
    if give {
        grant.capabilities.insert(capability);
    } else {
        grant.capabilities.remove(&capability);
    }
    let done = if give {
        "is granted."
    } else {
        "is taken away."
    };
    match api.control.set_grant(&name, grant, &visit.actor()).await {
        Ok(_) => visit.tell(&api, Tone::Good, format!("{capability} {done}"), None),
        Err(error) => tell_refusal(&api, &visit, error)?,
    }
    Ok(see(&format!("/modules/{name}/permissions")))
}

/// Lets it start without a layer, or requires it again.
async fn change_layer(
    api: &Api,
    visit: &Visit,
    name: &ModuleName,
    layer: &str,
    waive: bool,
) -> ApiResult<Response> {
    let layer: RequiredLayer = layer.parse().map_err(|error: crate::model::NotRequired| {
        ApiError::new(Code::InvalidRequest, error.to_string())
    })?;
    let mut waived = api.store.waived(name).await?;
    let done = if waive {
        waived.insert(layer);
        "it may start without."
    } else {
        waived.remove(&layer);
        "is required again, from its next start on."
    };
    match api.control.waive(name, waived, &visit.actor()).await {
        Ok(()) => visit.tell(api, Tone::Good, format!("{layer}: {done}"), None),
        Err(error) => tell_refusal(api, visit, error)?,
    }
    Ok(see(&format!("/modules/{name}/permissions")))
}

/// When a change takes effect, and whether one waits for the next start.
fn explanation(seen: &Seen, record: Option<&GrantRecord>) -> String {
    let rule = "Access to the node changes at once: a call without its permission is refused. \
                Listeners, connections, other programs and what it does not start without change \
                with its next start; a reload in place is none.";
    let ready = seen
        .observed
        .ready_at
        .filter(|_| seen.observed.pid.is_some());
    match (ready, record) {
        (Some(ready), Some(record)) if record.changed_at > ready => format!(
            "{rule} Its permissions were changed after this process was started: what the process \
             listens on, connects to and starts is still as it was; unload and load it."
        ),
        _ => rule.to_owned(),
    }
}

/// The layers that are required, and what became of each.
fn required(found: &[IsolationLayer], waived: &BTreeSet<RequiredLayer>) -> Vec<RequiredRow> {
    let row = |layer: RequiredLayer| {
        let missing = found
            .iter()
            .any(|one| one.layer == layer.as_str() && one.state == IsolationState::Unavailable);
        let waived = waived.contains(&layer);
        let state = match (waived, missing) {
            (true, true) => Badge::new(Tone::Warn, "waived, and not available here"),
            (true, false) => Badge::new(Tone::Warn, "waived"),
            (false, true) => Badge::new(Tone::Bad, "not available here"),
            (false, false) => Badge::new(Tone::Good, "required"),
        };
        let plain = match layer {
            RequiredLayer::NoNewPrivileges => "No program raises its rights",
            RequiredLayer::Capabilities => "No rights of the superuser",
            RequiredLayer::LandlockFiles => "Only its own files",
            RequiredLayer::Seccomp => "Only the system calls that programs need",
        };
        RequiredRow {
            layer: layer.to_string(),
            plain: plain.to_owned(),
            state,
            waived,
        }
    };
    RequiredLayer::ALL.into_iter().map(row).collect()
}

/// What is asked for, then what is given and no longer asked for.
fn capabilities(seen: &Seen, record: Option<&GrantRecord>, now: UtcTime) -> Vec<CapabilityRow> {
    let asked = &seen.module.manifest.capabilities;
    let has = |name: &str| {
        let known = name.parse::<Capability>().ok();
        known
            .zip(record)
            .is_some_and(|(known, record)| record.grant.capabilities.contains(&known))
    };
    let given = record.map(|record| {
        format!(
            "By {}, {}.",
            who(&record.by),
            stamp(record.changed_at, now).ago
        )
    });
    let row = |name: &str, wanted: bool| {
        let granted = has(name);
        let state = match (granted, wanted) {
            (true, true) => Badge::new(Tone::Good, "granted"),
            (true, false) => Badge::new(Tone::Warn, "granted, no longer asked for"),
            (false, _) => Badge::new(Tone::Quiet, "not granted"),
        };
        CapabilityRow {
            name: name.to_owned(),
            plain: plain(name),
            risk: risk(name),
            state,
            history: match (&given, granted) {
                (Some(given), true) => given.clone(),
                _ => "Asked for.".to_owned(),
            },
            can_grant: !granted && name.parse::<Capability>().is_ok(),
            can_revoke: granted,
        }
    };
    let extra = record
        .iter()
        .flat_map(|record| record.grant.capabilities.iter())
        .map(|capability| capability.as_str())
        .filter(|name| !asked.iter().any(|one| one == name));
    asked
        .iter()
        .map(|name| row(name, true))
        .chain(extra.map(|name| row(name, false)))
        .collect()
}

/// What it can and cannot do, before the layers that see to it.
fn sandbox(words: &Words) -> Vec<Fact> {
    let rows = [
        ("It can", &words.can),
        ("It cannot", &words.cannot),
        ("Nothing keeps it from", &words.open),
    ];
    rows.into_iter()
        .filter(|(_, all)| !all.is_empty())
        .map(|(name, all)| Fact::text(name, all.join("; ")))
        .collect()
}

fn layer(layer: &IsolationLayer) -> Fact {
    let (tone, word) = match layer.state {
        IsolationState::Enforced => (Tone::Good, "enforced"),
        IsolationState::Partial => (Tone::Warn, "in part"),
        IsolationState::Unavailable => (Tone::Warn, "not available here"),
        IsolationState::NotNeeded => (Tone::Quiet, "not needed"),
    };
    let words = if layer.detail.is_empty() || layer.state == IsolationState::Enforced {
        word.to_owned()
    } else {
        format!("{word}: {}", layer.detail)
    };
    let name = capital(&layer.layer);
    Fact::new(name, Value::Badge(Badge::new(tone, words)))
}
