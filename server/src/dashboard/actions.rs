//! The buttons of a module: load, unload, reload, enable, disable, try again, uninstall.

use axum::extract::State;
use axum::response::Response;
use bllvm_ipc::Capability;
use bllvm_manifest::{Digest, ModuleName};
use bllvm_web::parts::Tone;

use super::form::{Fields, Signed};
use super::module::{danger, find};
use super::present::sentence;
use super::respond::{after, refused_page, see, tell_refusal};
use super::visit::Visit;
use crate::api::Api;
use crate::api::error::{ApiError, ApiResult, Code};
use crate::api::extract::Path;
use crate::control::{ControlCode, ControlError, Extent, LoadRequest, UninstallRequest};
use crate::model::{DesiredState, Grant, Module, ObservedState, Outgoing, Scope};

/// `POST /modules/{name}/load {digest, grant..}`
///
/// Without a digest it is the plain button, which starts only what was reviewed before.
///
/// # Errors
/// When there is no module of this name.
pub async fn load(
    State(api): State<Api>,
    Path(name): Path<ModuleName>,
    Signed { visit, fields }: Signed,
) -> ApiResult<Response> {
    visit.require(Scope::ModulesControl)?;
    let seen = find(&api, &name).await?;
    let review = format!("/modules/{name}/review");
    let reviewed = fields.find("digest").is_some();
    if !reviewed && seen.needs_review() {
        visit.tell(
            &api,
            Tone::Info,
            format!("Look at what {name} asks for first."),
            None,
        );
        return Ok(see(&review));
    }
    let request = if reviewed {
        visit.require(Scope::ModulesInstall)?;
        consent(&seen.module, &fields)?
    } else {
        LoadRequest::default()
    };
    let running = seen.observed.state == ObservedState::Running
        && seen.module.desired == DesiredState::Running;
    let digest = request.digest;
    let outcome = match (&request.grant, digest) {
        // A changed program of a running module is taken over without a stop.
        (Some(grant), Some(_)) if running => {
            match api
                .control
                .set_grant(&name, grant.clone(), &visit.actor())
                .await
            {
                Ok(_) => api.control.reload(&name, digest, &visit.actor()).await,
                Err(error) => Err(error),
            }
        }
        _ => api.control.load(&name, request, &visit.actor()).await,
    };
    let changed = matches!(
        outcome,
        Err(ControlError::Conflict {
            code: ControlCode::DigestMismatch,
            ..
        })
    );
    let next = match (reviewed, changed) {
        (_, true) => review,
        (true, false) => format!("/modules/{name}"),
        (false, false) => back(&visit, &name),
    };
    after(&api, &visit, outcome, &next).await
}

/// What an operator agreed to on the review page.
fn consent(module: &Module, fields: &Fields) -> ApiResult<LoadRequest> {
    let digest: Digest = fields.get("digest").parse().map_err(|_| {
        ApiError::new(
            Code::InvalidRequest,
            "the form names no digest; open the review again",
        )
    })?;
    let capabilities = fields.all("grant").map(|name| {
        name.parse::<Capability>()
            .map_err(|error| ApiError::new(Code::InvalidRequest, error.to_string()))
    });
    let network = &module.manifest.network;
    Ok(LoadRequest {
        digest: Some(digest),
        grant: Some(Grant {
            capabilities: capabilities.collect::<ApiResult<_>>()?,
            listeners: network
                .listeners
                .iter()
                .map(|(name, address)| (name.to_string(), *address))
                .collect(),
            outgoing: Outgoing::from(&network.outgoing),
            udp: network.udp,
            programs: module.manifest.sandbox.programs,
        }),
    })
}

/// `POST /modules/{name}/unload`
///
/// # Errors
/// When there is no module of this name.
pub async fn unload(
    State(api): State<Api>,
    Path(name): Path<ModuleName>,
    Signed { visit, .. }: Signed,
) -> ApiResult<Response> {
    visit.require(Scope::ModulesControl)?;
    let outcome = api.control.unload(&name, &visit.actor()).await;
    after(&api, &visit, outcome, &back(&visit, &name)).await
}

/// `POST /modules/{name}/reload`
///
/// # Errors
/// When there is no module of this name.
pub async fn reload(
    State(api): State<Api>,
    Path(name): Path<ModuleName>,
    Signed { visit, .. }: Signed,
) -> ApiResult<Response> {
    visit.require(Scope::ModulesControl)?;
    let outcome = api.control.reload(&name, None, &visit.actor()).await;
    let changed = matches!(
        outcome,
        Err(ControlError::Conflict {
            code: ControlCode::DigestMismatch,
            ..
        })
    );
    let next = if changed {
        format!("/modules/{name}/review")
    } else {
        back(&visit, &name)
    };
    after(&api, &visit, outcome, &next).await
}

/// `POST /modules/{name}/enable`
///
/// # Errors
/// When there is no module of this name.
pub async fn enable(
    State(api): State<Api>,
    Path(name): Path<ModuleName>,
    Signed { visit, .. }: Signed,
) -> ApiResult<Response> {
    visit.require(Scope::ModulesControl)?;
    let outcome = api.control.enable(&name, &visit.actor()).await;
    told(
        &api,
        &visit,
        &name,
        outcome,
        "is enabled: it can be loaded again.",
    )
}

/// `POST /modules/{name}/disable`
///
/// # Errors
/// When there is no module of this name.
pub async fn disable(
    State(api): State<Api>,
    Path(name): Path<ModuleName>,
    Signed { visit, .. }: Signed,
) -> ApiResult<Response> {
    visit.require(Scope::ModulesControl)?;
    let outcome = api.control.disable(&name, &visit.actor()).await;
    told(
        &api,
        &visit,
        &name,
        outcome,
        "is disabled: it stops, and is not loaded until it is enabled.",
    )
}

/// `POST /modules/{name}/uninstall {confirm, data}`
///
/// # Errors
/// When there is no module of this name.
pub async fn uninstall(
    State(api): State<Api>,
    Path(name): Path<ModuleName>,
    Signed { visit, fields }: Signed,
) -> ApiResult<Response> {
    visit.require(Scope::ModulesInstall)?;
    let request = UninstallRequest {
        extent: Extent::of(false, fields.get("data") == "delete"),
        confirm_name: fields.get("confirm").trim().to_owned(),
    };
    let outcome = api.control.uninstall(&name, request, &visit.actor()).await;
    if let Err(
        ControlError::Conflict {
            code: ControlCode::ConfirmationMismatch,
            detail,
            ..
        }
        | ControlError::Refused {
            code: ControlCode::ConfirmationMismatch,
            detail,
        },
    ) = &outcome
    {
        let visit = visit.at(&format!("/modules/{name}/danger"));
        let view = danger::view(&api, &visit, &name, Some(sentence(detail))).await?;
        return refused_page(&view);
    }
    after(&api, &visit, outcome, "/modules").await
}

fn told(
    api: &Api,
    visit: &Visit,
    name: &ModuleName,
    outcome: Result<Module, ControlError>,
    done: &str,
) -> ApiResult<Response> {
    match outcome {
        Ok(_) => visit.tell(api, Tone::Good, format!("{name} {done}"), None),
        Err(error) => tell_refusal(api, visit, error)?,
    }
    Ok(see(&back(visit, name)))
}

/// Where the button was; a review is left once it is answered.
fn back(visit: &Visit, name: &ModuleName) -> String {
    visit
        .back()
        .filter(|path| !path.ends_with("/review"))
        .unwrap_or_else(|| format!("/modules/{name}"))
}
