//! `/modules/{name}/configuration`: the form and the file, checked, saved and taken over.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use bllvm_manifest::{ConfigProblem, ModuleName};
use bllvm_web::layout::Flash;
use bllvm_web::pages::module::{Change, Configuration, DiffLine, Tab};
use bllvm_web::parts::{Fact, FieldError, Section, Tone};

use super::fields::{blame, keep, read, sections, told};
use super::revision::rows;
use super::{find, head};
use crate::api::Api;
use crate::api::error::{ApiError, ApiResult};
use crate::api::extract::Path;
use crate::configuration::DiffLine as Changed;
use crate::control::{ConfigChange, ConfigInput, ConfigView, ControlError, FileProblem, SetConfig};
use crate::dashboard::form::{Fields, Signed};
use crate::dashboard::present::module::Seen;
use crate::dashboard::present::operation;
use crate::dashboard::present::{sentence, who};
use crate::dashboard::respond::{page, page_as, refused_page, see, settled};
use crate::dashboard::visit::{Visit, now};
use crate::model::{ConfigSource, ObservedState, Scope};

/// `GET /modules/{name}/configuration`
///
/// # Errors
/// When there is no module of this name.
pub async fn show(
    State(api): State<Api>,
    visit: Visit,
    Path(name): Path<ModuleName>,
) -> ApiResult<Response> {
    visit.require(Scope::ModulesRead)?;
    let kept = api.control.config(&name).await?;
    page(&view(&api, &visit, &name, &kept).await?)
}

/// `POST /modules/{name}/configuration`
///
/// # Errors
/// When there is no module of this name, or the fault is ours.
pub async fn save(
    State(api): State<Api>,
    Path(name): Path<ModuleName>,
    Signed { visit, fields }: Signed,
) -> ApiResult<Response> {
    visit.require(Scope::ConfigWrite)?;
    let here = format!("/modules/{name}/configuration");
    let visit = visit.at(&here);
    let kept = api.control.config(&name).await?;
    let dry_run = fields.get("_action") == "check";
    let input = match input(&kept, &fields) {
        Ok(input) => input,
        Err(faults) => {
            let mut view = view(&api, &visit, &name, &kept).await?;
            typed(&mut view, &fields);
            for (key, message) in faults {
                mark(&mut view.sections, &key, message);
            }
            view.errors = Section::errors(&view.sections);
            return refused_page(&view);
        }
    };
    let request = SetConfig {
        input,
        if_match: Some(fields.get("_etag").to_owned()),
        source: ConfigSource::Form,
        dry_run,
    };
    match api.control.set_config(&name, request, &visit.actor()).await {
        Ok(change) if dry_run => {
            let mut view = view(&api, &visit, &name, &kept).await?;
            typed(&mut view, &fields);
            view.chrome.flash = Some(checked(&change));
            view.diff = lines(&change.diff);
            page(&view)
        }
        Ok(change) => {
            tell(&api, &visit, change).await?;
            Ok(see(&here))
        }
        Err(ControlError::Invalid { problems }) => {
            let mut view = view(&api, &visit, &name, &kept).await?;
            typed(&mut view, &fields);
            accuse(&mut view, &kept, &fields, &problems);
            refused_page(&view)
        }
        Err(ControlError::PreconditionFailed { .. }) => {
            let mut view = view(&api, &visit, &name, &kept).await?;
            typed(&mut view, &fields);
            // What was typed stays based on what was read, so that it cannot be saved unseen.
            fields.get("_etag").clone_into(&mut view.etag);
            view.conflict = Some(who_was_faster(&kept));
            page_as(StatusCode::CONFLICT, &view)
        }
        Err(error) => {
            let refused = ApiError::from(error);
            if refused.problem().status >= 500 || refused.problem().status == 404 {
                return Err(refused);
            }
            let mut view = view(&api, &visit, &name, &kept).await?;
            typed(&mut view, &fields);
            view.chrome.flash = Some(Flash {
                tone: Tone::Bad,
                text: format!("Not saved. {}", sentence(&refused.problem().detail)),
                operation: refused.problem().operation.map(|id| id.to_string()),
            });
            page_as(refused.code().status(), &view)
        }
    }
}

/// What the form or the file asks for.
fn input(kept: &ConfigView, fields: &Fields) -> Result<ConfigInput, Vec<(String, String)>> {
    if fields.get("_mode") == "toml" {
        return Ok(ConfigInput::Toml(fields.get("toml").replace("\r\n", "\n")));
    }
    read(kept, fields).map(ConfigInput::Json)
}

/// Puts what was typed back into the view.
fn typed(view: &mut Configuration, fields: &Fields) {
    if fields.get("_mode") == "toml" {
        view.toml = fields.get("toml").replace("\r\n", "\n");
    } else {
        keep(&mut view.sections, fields);
    }
}

fn mark(sections: &mut [Section], key: &str, message: String) {
    let mut all = sections.iter_mut().flat_map(|section| &mut section.fields);
    if let Some(field) = all.find(|field| field.key == key) {
        field.error = Some(message);
    }
}

/// Shows each problem where it was typed.
fn accuse(
    view: &mut Configuration,
    kept: &ConfigView,
    fields: &Fields,
    problems: &[ConfigProblem],
) {
    let name = |problem: &ConfigProblem| {
        if problem.key.is_empty() {
            "The configuration".to_owned()
        } else {
            problem.key.clone()
        }
    };
    if fields.get("_mode") == "toml" {
        let all: Vec<_> = problems
            .iter()
            .map(|one| format!("{}: {}", name(one), told(one)))
            .collect();
        view.toml_error = Some(all.join(" "));
        view.errors = problems
            .iter()
            .map(|one| FieldError {
                id: "toml".to_owned(),
                title: name(one),
                message: told(one),
            })
            .collect();
        return;
    }
    let homeless = blame(&mut view.sections, &kept.fields, problems);
    view.errors = Section::errors(&view.sections);
    view.errors.extend(homeless.iter().map(|one| FieldError {
        id: "form-title".to_owned(),
        title: name(one),
        message: told(one),
    }));
}

async fn tell(api: &Api, visit: &Visit, change: ConfigChange) -> ApiResult<()> {
    match change.operation {
        Some(begun) => {
            let ended = settled(api, begun).await?;
            let (tone, text) = operation::outcome(&ended);
            visit.tell(api, tone, text, Some(ended.id));
        }
        None if change.revision.is_some() => {
            let number = change
                .revision
                .map(|revision| revision.number)
                .unwrap_or_default();
            let text = format!("Saved as revision {number}. It applies when the module is loaded.");
            visit.tell(api, Tone::Good, text, None);
        }
        None => visit.tell(api, Tone::Info, sentence(&change.note), None),
    }
    Ok(())
}

fn checked(change: &ConfigChange) -> Flash {
    let text = if change.diff.is_empty() {
        "It is valid, and it is what is in force already.".to_owned()
    } else {
        "It is valid. Nothing is saved yet; what would change is shown below.".to_owned()
    };
    Flash {
        tone: Tone::Good,
        text,
        operation: None,
    }
}

/// Changed keys as lines.
pub fn lines(changed: &[Changed]) -> Vec<DiffLine> {
    let line = |change, key: &str, value: &Option<String>| {
        value.as_ref().map(|value| DiffLine {
            change,
            text: format!("{key} = {value}"),
        })
    };
    changed
        .iter()
        .flat_map(|one| {
            [
                line(Change::Removed, &one.key, &one.before),
                line(Change::Added, &one.key, &one.after),
            ]
        })
        .flatten()
        .collect()
}

fn who_was_faster(kept: &ConfigView) -> String {
    match &kept.revision {
        Some(newer) => format!(
            "Revision {} by {} is in force now. What you typed is below and not saved.",
            newer.number,
            who(&newer.by)
        ),
        None => "What you typed is below and not saved.".to_owned(),
    }
}

fn notice(problem: Option<&FileProblem>) -> String {
    let Some(problem) = problem else {
        return String::new();
    };
    let all: Vec<_> = problem
        .problems
        .iter()
        .map(|one| format!("{}: {}", one.key, told(one)))
        .collect();
    format!(
        "The file was edited by hand and is not in force: {} The revision below applies.",
        all.join(" ")
    )
}

fn consequence(seen: &Seen) -> String {
    if seen.observed.state == ObservedState::Running {
        "It is checked, then the running module takes it up. If it does not become ready on it, \
         the present configuration comes back."
    } else {
        "It is checked and kept. It applies when the module is loaded."
    }
    .to_owned()
}

async fn view(
    api: &Api,
    visit: &Visit,
    name: &ModuleName,
    kept: &ConfigView,
) -> ApiResult<Configuration> {
    let seen = find(api, name).await?;
    let dropped = kept.unrecognised.iter();
    Ok(Configuration {
        chrome: visit.chrome(api).await?,
        head: head(api, &seen, Tab::Configuration).await?,
        etag: kept.etag.clone(),
        conflict: None,
        file_notice: notice(kept.file_problem.as_ref()),
        sections: sections(kept),
        errors: Vec::new(),
        consequence: consequence(&seen),
        path: seen.module.dir.join("config.toml").display().to_string(),
        toml: kept.toml.clone(),
        toml_error: None,
        diff: Vec::new(),
        dropped: dropped
            .map(|(key, value)| Fact::code(key, value.to_string()))
            .collect(),
        revisions: rows(api, name, now(api)).await?,
    })
}
