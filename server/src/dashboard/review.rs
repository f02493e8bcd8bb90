//! `/modules/{name}/review`: what a module asks for, before anything of it runs.

use axum::extract::State;
use axum::response::Response;
use bllvm_manifest::ModuleName;
use bllvm_web::pages::{CapabilityAsk, Review};
use bllvm_web::parts::{Badge, Fact, Problem, Tone};

use super::module::find;
use super::present::capability::{listeners, outgoing, plain, reach, resources, risk};
use super::present::module::Seen;
use super::present::sentence;
use super::respond::page;
use super::visit::{Visit, all_seen};
use crate::api::Api;
use crate::api::error::ApiResult;
use crate::api::extract::Path;
use crate::model::{Grant, Module, Outgoing, Rating, Scope, Source, TakenRelease, TrustClass};

/// `GET /modules/{name}/review`
///
/// # Errors
/// When there is no module of this name.
pub async fn show(
    State(api): State<Api>,
    visit: Visit,
    Path(name): Path<ModuleName>,
) -> ApiResult<Response> {
    visit.require(Scope::ModulesRead)?;
    let module = find(&api, &name).await?.module;
    let granted = api
        .store
        .grant_record(&name)
        .await?
        .map(|record| record.grant);
    let release = api.store.releases().await?.remove(&name);
    let release = release.filter(|one| one.installed && module.trust == TrustClass::Signed);
    let problems = problems(&module, &all_seen(&api).await?);
    let manifest = &module.manifest;
    let asked = manifest
        .network
        .listeners
        .iter()
        .map(|(name, address)| (name.as_str(), *address));
    page(&Review {
        chrome: visit.chrome(&api).await?,
        name: name.to_string(),
        title: manifest.title().to_owned(),
        version: manifest.version.to_string(),
        description: manifest.description.clone().unwrap_or_default(),
        trust: trust_badge(&module),
        trust_text: trust_text(&module, release.as_ref()),
        origin: origin(&module, release.as_ref()),
        requests: requests(&module, granted.as_ref()),
        listeners: listeners(asked, |_, address| reach(address)),
        outgoing: outgoing(&Outgoing::from(&manifest.network.outgoing)),
        resources: resources(&manifest.resources),
        digest: module
            .digest
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default(),
        can_load: problems.is_empty(),
        problems,
    })
}

fn trust_badge(module: &Module) -> Badge {
    match module.trust {
        TrustClass::Signed => Badge::new(Tone::Good, "signed"),
        TrustClass::Local => Badge::new(Tone::Warn, "local"),
    }
}

/// Who vouches for it, and what that does not say.
fn trust_text(module: &Module, release: Option<&TakenRelease>) -> String {
    match (module.trust, release) {
        (TrustClass::Signed, Some(release)) => format!(
            "{} signed it, with {} of the keys that you trust. That says who made it, not that it is \
             harmless: look at what it asks for.",
            release.publisher,
            release.signed_by.len()
        ),
        _ => "No publisher that you trust has signed it. Load it only if you built it or know who did."
            .to_owned(),
    }
}

fn origin(module: &Module, release: Option<&TakenRelease>) -> Vec<Fact> {
    let manifest = &module.manifest;
    let source = match module.source {
        Source::Directory => "Put into the modules directory by hand",
        Source::Folder => "Taken in from a folder or program that you named",
        Source::Cargo => "Found in cargo's bin folder",
    };
    let rating = Rating::of(manifest, module.trust);
    let mut facts = vec![
        Fact::text("What is at stake", rating.in_words()),
        Fact::text("How it came", source),
        Fact::code("Folder", module.dir.display().to_string()),
        Fact::code("Program", manifest.entry_point.to_string()),
    ];
    if let Some(release) = release {
        let keys: Vec<String> = release.signed_by.iter().map(ToString::to_string).collect();
        facts.extend([
            Fact::text("Publisher", &release.publisher),
            Fact::text("Release", release.release_seq.to_string()),
            Fact::code("Signed by the keys", keys.join(", ")),
            Fact::code("Digest of the package", release.digest.to_string()),
        ]);
    }
    let mut said = |label: &str, value: &Option<String>| {
        facts.extend(value.as_ref().map(|value| Fact::text(label, value)));
    };
    said("Author, as it says", &manifest.author);
    said("Licence", &manifest.license);
    said("Home page", &manifest.homepage);
    if let Some(runtime) = &manifest.runtime {
        let what = format!(
            "{} (the interpreter itself is not verified)",
            runtime.interpreter
        );
        facts.push(Fact::text("Run by", what));
    }
    let needs: Vec<_> = manifest
        .dependencies
        .iter()
        .map(|(name, fits)| format!("{name} {fits}"))
        .collect();
    if !needs.is_empty() {
        facts.push(Fact::text("Needs", needs.join(", ")));
    }
    facts
}

fn requests(module: &Module, granted: Option<&Grant>) -> Vec<CapabilityAsk> {
    let ask = |name: &String| {
        let known = name.parse().ok();
        let has = granted
            .zip(known)
            .map(|(grant, it)| grant.capabilities.contains(&it));
        CapabilityAsk {
            name: name.clone(),
            plain: plain(name),
            risk: risk(name),
            checked: known.is_some(),
            is_new: !module.is_waiting() && has == Some(false),
        }
    };
    module.manifest.capabilities.iter().map(ask).collect()
}

/// What stands in the way of a load.
fn problems(module: &Module, installed: &[Seen]) -> Vec<Problem> {
    let problem = |what: String, advice: &str| Problem {
        what,
        advice: advice.to_owned(),
        lines: Vec::new(),
    };
    let mut problems = Vec::new();
    if let Some(found) = &module.problem {
        problems.push(problem(
            sentence(found),
            "Mend it, then load this page again.",
        ));
    }
    if !module.enabled {
        problems.push(problem(
            "It is disabled.".to_owned(),
            "Enable it on its page first.",
        ));
    }
    for (name, fits) in &module.manifest.dependencies {
        let there = installed.iter().find(|one| one.name() == name);
        if there.is_none_or(|one| !fits.matches(&one.module.manifest.version)) {
            let what = format!("It needs {name} {fits}, which is not here.");
            problems.push(problem(what, "Add that module first."));
        }
    }
    problems
}
