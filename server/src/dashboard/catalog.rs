//! `/catalog`: what the registries have, one module of it, and the buttons that fetch it.

use axum::extract::State;
use axum::response::Response;
use bllvm_manifest::ModuleName;
use bllvm_package::PublicKey;
use bllvm_web::format;
use bllvm_web::pages::{
    Catalog, ListedButton, ListedPage, ListedRow, RegistryForm, RegistryRow, ReleaseRow,
};
use bllvm_web::parts::{Badge, Fact, Tone};
use serde::Deserialize;

use super::form::{Fields, Signed};
use super::present::capability::plain;
use super::present::sentence;
use super::respond::{page, refused_page, see, tell_refusal};
use super::visit::Visit;
use crate::api::Api;
use crate::api::error::{ApiError, ApiResult, Code};
use crate::api::extract::{Path, Query};
use crate::control::{ControlError, ListedRequest, NewRegistry};
use crate::model::{Availability, CatalogEntry, CatalogModule, Scope};

const HERE: &str = "/catalog";

/// What is looked for.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Asked {
    #[serde(default)]
    search: String,
}

/// `GET /catalog?search=…`
///
/// # Errors
/// When the store cannot be read.
pub async fn list(
    State(api): State<Api>,
    visit: Visit,
    Query(asked): Query<Asked>,
) -> ApiResult<Response> {
    visit.require(Scope::ModulesRead)?;
    page(&view(&api, &visit, asked.search).await?)
}

/// `POST /catalog/add {name, addresses, keys, threshold}`
///
/// # Errors
/// When the fault is ours.
pub async fn add(State(api): State<Api>, Signed { visit, fields }: Signed) -> ApiResult<Response> {
    visit.require(Scope::Admin)?;
    let visit = visit.at(HERE);
    let added = match new_registry(&fields) {
        Ok(new) => {
            let name = new.name.clone();
            match api.control.add_registry(new, &visit.actor()).await {
                Ok(_) => {
                    refresh_one(&api, &visit, &name).await?;
                    return Ok(see(HERE));
                }
                Err(error) => refusal(error)?,
            }
        }
        Err(why) => why,
    };
    let mut shown = view(&api, &visit, String::new()).await?;
    let typed = |name: &str| fields.get(name).to_owned();
    shown.typed = RegistryForm {
        name: typed("name"),
        addresses: typed("addresses"),
        keys: typed("keys"),
        threshold: typed("threshold"),
    };
    shown.error = Some(added);
    refused_page(&shown)
}

/// `POST /catalog/remove {name}`
///
/// # Errors
/// When the fault is ours.
pub async fn remove(
    State(api): State<Api>,
    Signed { visit, fields }: Signed,
) -> ApiResult<Response> {
    visit.require(Scope::Admin)?;
    let name = fields.get("name");
    match api.control.remove_registry(name, &visit.actor()).await {
        Ok(()) => {
            let text = "The registry is removed. What was installed from it stays.";
            visit.tell(&api, Tone::Good, text, None);
        }
        Err(error) => tell_refusal(&api, &visit, error)?,
    }
    Ok(see(HERE))
}

/// `POST /catalog/refresh`
///
/// # Errors
/// When the fault is ours.
pub async fn refresh(State(api): State<Api>, Signed { visit, .. }: Signed) -> ApiResult<Response> {
    visit.require(Scope::ModulesInstall)?;
    for name in api.store.registries().await?.into_keys() {
        refresh_one(&api, &visit, &name).await?;
    }
    Ok(see(HERE))
}

async fn refresh_one(api: &Api, visit: &Visit, name: &str) -> ApiResult<()> {
    match api.control.refresh_registry(name, &visit.actor()).await {
        Ok(_) => visit.tell(api, Tone::Good, "The newest index is here.", None),
        Err(error) => tell_refusal(api, visit, error)?,
    }
    Ok(())
}

/// `GET /catalog/{registry}/{name}`
///
/// # Errors
/// When it is not listed.
pub async fn show(
    State(api): State<Api>,
    visit: Visit,
    Path((registry, module)): Path<(String, ModuleName)>,
) -> ApiResult<Response> {
    visit.require(Scope::ModulesRead)?;
    let found = api.control.catalog_module(&registry, &module).await?;
    page(&ListedPage {
        chrome: visit.under("/modules").chrome(&api).await?,
        module: row(&found.entry),
        facts: facts(&found),
        asks: found
            .asks
            .as_ref()
            .map(|asks| asks.iter().map(|name| plain(name)).collect()),
        problem: found.problem.clone(),
        releases: found
            .releases
            .iter()
            .map(|one| ReleaseRow {
                version: format!("{} (release {})", one.version, one.release_seq),
                target: if one.runs_here {
                    "runs here".to_owned()
                } else {
                    format!("for {}", one.target)
                },
                size: format::bytes(one.bytes),
                notes: one.notes.clone(),
                revoked: one.revoked.clone().unwrap_or_default(),
            })
            .collect(),
        button: button(&found),
    })
}

/// `POST /catalog/{registry}/{name}/install {as_local}`
///
/// # Errors
/// When the fault is ours.
pub async fn install(
    State(api): State<Api>,
    Path(which): Path<(String, ModuleName)>,
    Signed { visit, fields }: Signed,
) -> ApiResult<Response> {
    visit.require(Scope::ModulesInstall)?;
    let request = request(which, &fields);
    let back = format!("{HERE}/{}/{}", request.registry, request.module);
    let begun = api.control.install_listed(request, &visit.actor()).await;
    begun_or_back(&api, &visit, begun, &back)
}

/// `POST /catalog/{registry}/{name}/fetch`
///
/// # Errors
/// When the fault is ours.
pub async fn fetch(
    State(api): State<Api>,
    Path(which): Path<(String, ModuleName)>,
    Signed { visit, fields }: Signed,
) -> ApiResult<Response> {
    visit.require(Scope::ModulesInstall)?;
    let request = request(which, &fields);
    let back = format!("{HERE}/{}/{}", request.registry, request.module);
    let begun = api.control.fetch_listed(request, &visit.actor()).await;
    begun_or_back(&api, &visit, begun, &back)
}

/// The page of the operation shows how far it is, and where to go on.
fn begun_or_back(
    api: &Api,
    visit: &Visit,
    begun: Result<crate::model::Operation, ControlError>,
    back: &str,
) -> ApiResult<Response> {
    match begun {
        Ok(operation) => Ok(see(&format!("/operations/{}", operation.id))),
        Err(error) => {
            tell_refusal(api, visit, error)?;
            Ok(see(back))
        }
    }
}

fn request((registry, module): (String, ModuleName), fields: &Fields) -> ListedRequest {
    ListedRequest {
        registry,
        module,
        version: None,
        as_local: fields.get("as_local") == "yes",
    }
}

fn new_registry(fields: &Fields) -> Result<NewRegistry, String> {
    let words = |name: &str| -> Vec<String> {
        let text = fields.get(name);
        text.lines()
            .map(|line| line.trim().to_owned())
            .filter(|line| !line.is_empty())
            .collect()
    };
    let keys = words("keys")
        .iter()
        .map(|key| {
            key.parse::<PublicKey>()
                .map_err(|error| format!("Public keys: {key}: {error}"))
        })
        .collect::<Result<Vec<_>, String>>()?;
    let threshold = fields.get("threshold").trim().parse();
    Ok(NewRegistry {
        name: fields.get("name").trim().to_owned(),
        addresses: words("addresses"),
        keys,
        threshold: threshold
            .map_err(|_| "How many must have signed: a number, such as 1.".to_owned())?,
    })
}

fn refusal(error: ControlError) -> ApiResult<String> {
    let refused = ApiError::from(error);
    if refused.problem().status >= 500 || refused.code() == Code::Internal {
        return Err(refused);
    }
    Ok(sentence(&refused.problem().detail))
}

async fn view(api: &Api, visit: &Visit, search: String) -> ApiResult<Catalog> {
    let entries = api.control.catalog(&search).await?;
    let registries = api.store.registries().await?;
    Ok(Catalog {
        chrome: visit.clone().under("/modules").chrome(api).await?,
        search,
        modules: entries.iter().map(row).collect(),
        registries: registries
            .into_values()
            .map(|one| RegistryRow {
                index: match &one.seen {
                    Some(seen) => format!(
                        "{}, index {}, good until {}",
                        format::plural(seen.releases as u64, "release", "releases"),
                        seen.seq,
                        seen.expires.split('T').next().unwrap_or_default()
                    ),
                    None => "Its index was not fetched yet.".to_owned(),
                },
                addresses: one.addresses.join(", "),
                name: one.name,
            })
            .collect(),
        may_change: visit.require(Scope::Admin).is_ok(),
        may_install: visit.require(Scope::ModulesInstall).is_ok(),
        typed: RegistryForm {
            threshold: "1".to_owned(),
            ..RegistryForm::default()
        },
        error: None,
    })
}

fn row(entry: &CatalogEntry) -> ListedRow {
    let state = match entry.state {
        Availability::Available => Badge::new(Tone::Quiet, "available"),
        Availability::Installed => Badge::new(Tone::Good, "installed"),
        Availability::Upgrade => Badge::new(Tone::Warn, "newer than installed"),
        Availability::Held => Badge::new(Tone::Quiet, "held at its version"),
        Availability::Revoked => Badge::new(Tone::Bad, "taken back"),
        Availability::OtherSystem => Badge::new(Tone::Quiet, "for other systems"),
    };
    let trust = if entry.publisher_trusted {
        Badge::new(Tone::Good, "trusted")
    } else {
        Badge::new(Tone::Warn, "not trusted here")
    };
    ListedRow {
        registry: entry.registry.clone(),
        name: entry.module.to_string(),
        version: entry.version.clone(),
        description: entry.description.clone(),
        publisher: entry.publisher.clone(),
        trust,
        state,
        size: format::bytes(entry.bytes),
        revoked: entry.revoked.clone().unwrap_or_default(),
    }
}

fn facts(found: &CatalogModule) -> Vec<Fact> {
    let entry = &found.entry;
    let trust = if entry.publisher_trusted {
        "trusted here"
    } else {
        "not trusted here: add it with `bllvm-node trust add`, if you know its keys"
    };
    let installed = entry.installed.clone();
    let mut facts = vec![
        Fact::text("Publisher", format!("{}, {trust}", entry.publisher)),
        Fact::text("Installed", installed.unwrap_or_else(|| "no".to_owned())),
        Fact::text("Size", format::bytes(entry.bytes)),
        Fact::text("Registry", &entry.registry),
        Fact::code("Digest of the package", entry.digest.to_string()),
    ];
    if let Some(rating) = &found.rating {
        facts.insert(1, Fact::text("What is at stake", rating.in_words()));
    }
    facts
}

fn button(found: &CatalogModule) -> Option<ListedButton> {
    let entry = &found.entry;
    let newest = found
        .releases
        .iter()
        .any(|one| one.digest == entry.digest && one.runs_here && one.revoked.is_none());
    let upgrade = entry.installed.is_some();
    match entry.state {
        Availability::Available => {}
        Availability::Upgrade | Availability::Revoked if upgrade && newest => {}
        _ => return None,
    }
    Some(if upgrade {
        ListedButton {
            verb: "fetch",
            label: format!("Fetch {}", entry.version),
            note: "Nothing changes by this: you are shown first what the new version would change."
                .to_owned(),
            needs_word: false,
        }
    } else {
        ListedButton {
            verb: "install",
            label: format!("Fetch and install {}", entry.version),
            note: "Nothing of it runs before you have agreed to what it asks for.".to_owned(),
            needs_word: !entry.publisher_trusted,
        }
    })
}
