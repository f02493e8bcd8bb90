//! `/modules/{name}/danger`: what is hard to undo, with what it means here.

use std::path::Path as FilePath;

use axum::extract::State;
use axum::response::Response;
use bllvm_manifest::ModuleName;
use bllvm_web::format;
use bllvm_web::pages::module::{Danger, Tab};

use super::{find, head};
use crate::api::Api;
use crate::api::error::ApiResult;
use crate::api::extract::Path;
use crate::dashboard::present::module::Seen;
use crate::dashboard::respond::page;
use crate::dashboard::visit::{Visit, all_seen};
use crate::model::Scope;

/// Files that are counted before the size is only a lower bound.
const COUNTED: usize = 20_000;

/// `GET /modules/{name}/danger`
///
/// # Errors
/// When there is no module of this name.
pub async fn show(
    State(api): State<Api>,
    visit: Visit,
    Path(name): Path<ModuleName>,
) -> ApiResult<Response> {
    visit.require(Scope::ModulesRead)?;
    page(&view(&api, &visit, &name, None).await?)
}

/// The page, and what is wrong with the name that was typed.
///
/// # Errors
/// When there is no module of this name.
pub async fn view(
    api: &Api,
    visit: &Visit,
    name: &ModuleName,
    confirm_error: Option<String>,
) -> ApiResult<Danger> {
    let seen = find(api, name).await?;
    let data_dir = api.data_dir.join("module-data").join(name.as_str());
    let counted = data_dir.clone();
    let data_size = tokio::task::spawn_blocking(move || size(&counted)).await;
    Ok(Danger {
        chrome: visit.chrome(api).await?,
        head: head(api, &seen, Tab::Danger).await?,
        unload_consequence: unload_consequence(&seen, &all_seen(api).await?),
        uninstall_consequences: vec![
            "Its process ends.".to_owned(),
            format!(
                "Its folder {} goes into the trash.",
                seen.module.dir.display()
            ),
            "Its grants, its place in the event journal and its configuration are deleted."
                .to_owned(),
            "Its data, its stored values and its log stay unless you tick the box.".to_owned(),
            "This can't be undone.".to_owned(),
        ],
        data_dir: data_dir.display().to_string(),
        data_size: data_size.unwrap_or_else(|_| "an unknown amount".to_owned()),
        confirm_error,
    })
}

fn unload_consequence(seen: &Seen, all: &[Seen]) -> String {
    let addresses: Vec<_> = seen
        .observed
        .listeners
        .values()
        .map(ToString::to_string)
        .collect();
    let closes = match addresses.as_slice() {
        [] => String::new(),
        [one] => format!(" {one} closes."),
        many => format!(" {} close.", many.join(", ")),
    };
    let dependants: Vec<_> = all
        .iter()
        .filter(|one| one.module.manifest.dependencies.contains_key(seen.name()))
        .map(|one| one.name().as_str())
        .collect();
    let needed = if dependants.is_empty() {
        "No other module needs it.".to_owned()
    } else {
        format!("These modules need it: {}.", dependants.join(", "))
    };
    format!(
        "It finishes what it is at, then its process ends.{closes} Its data and configuration stay. {needed}"
    )
}

/// The size of everything below a folder.
fn size(dir: &FilePath) -> String {
    let (mut bytes, mut files, mut folders) = (0_u64, 0, vec![dir.to_owned()]);
    while let Some(folder) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(&folder) else {
            continue;
        };
        for entry in entries.flatten() {
            files += 1;
            if files > COUNTED {
                return format!("more than {}", format::bytes(bytes));
            }
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => folders.push(entry.path()),
                Ok(kind) if kind.is_file() => {
                    bytes += entry.metadata().map_or(0, |data| data.len());
                }
                _ => {}
            }
        }
    }
    if files == 0 {
        "nothing".to_owned()
    } else {
        format::bytes(bytes)
    }
}
