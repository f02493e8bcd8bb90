//! All modules in rows, those that wait for a review, and how to add one.

use askama::Template;

use super::overview::Overview;
use crate::format::Stamp;
use crate::layout::Chrome;
use crate::parts::{Badge, ModuleCard, ModuleState, Tone};
use crate::samples::{self, HOSTILE, LONG, ago};

/// `GET /modules`
#[derive(Debug, Clone, Template)]
#[template(path = "pages/modules.html")]
pub struct Modules {
    /// The frame.
    pub chrome: Chrome,
    /// Found, not yet reviewed, or not to be loaded as it is.
    pub waiting: Vec<WaitingModule>,
    /// Installed, those in trouble first.
    pub modules: Vec<ModuleCard>,
    /// Where to drop a module's folder.
    pub modules_dir: String,
    /// Whether uploads are taken.
    pub can_upload: bool,
    /// What was typed as a path.
    pub path: String,
    /// What is wrong with it.
    pub path_error: Option<String>,
}

/// A module that was found and not yet reviewed.
#[derive(Debug, Clone)]
pub struct WaitingModule {
    /// Its name, or the folder's if the manifest can't be read.
    pub name: String,
    /// Its version.
    pub version: String,
    /// What it says it is.
    pub description: String,
    /// Where it lies.
    pub folder: String,
    /// When it was noticed.
    pub found: Stamp,
    /// Why it can't be loaded as it is.
    pub problem: Option<String>,
    /// Whether there is enough of it to review.
    pub can_review: bool,
}

impl WaitingModule {
    /// What is to be done with it.
    pub fn badge(&self) -> Badge {
        if self.can_review {
            ModuleState::Waiting.into()
        } else {
            ModuleState::Unusable.into()
        }
    }
}

impl Modules {
    /// Five installed, two waiting.
    pub fn sample() -> Self {
        let good = WaitingModule {
            name: "block-log".to_owned(),
            version: "0.1.0".to_owned(),
            description: "Writes a line for each block (Python).".to_owned(),
            folder: "/var/lib/bllvm/modules/block-log".to_owned(),
            found: ago(40),
            problem: None,
            can_review: true,
        };
        let broken = WaitingModule {
            name: "mesh".to_owned(),
            version: String::new(),
            description: String::new(),
            folder: "/root/.cargo/bin/bllvm-mesh".to_owned(),
            problem: Some(
                "module.toml: unknown key “capabilites” in line 7; did you mean “capabilities”?"
                    .to_owned(),
            ),
            can_review: false,
            ..good.clone()
        };
        Self {
            chrome: samples::chrome("/modules"),
            waiting: vec![good, broken],
            modules: Overview::sample().cards,
            modules_dir: "/var/lib/bllvm/modules".to_owned(),
            can_upload: true,
            path: String::new(),
            path_error: None,
        }
    }

    /// The hard states.
    pub fn samples() -> Vec<(&'static str, Self)> {
        let empty = Self {
            waiting: Vec::new(),
            modules: Vec::new(),
            can_upload: false,
            ..Self::sample()
        };
        let mut refused = Self {
            path: "/home/me/clock".to_owned(),
            path_error: Some(
                "There is no module.toml in this folder, and it is no binary that carries one."
                    .to_owned(),
            ),
            ..Self::sample()
        };
        refused.chrome =
            samples::chrome_with_flash("/modules", Tone::Bad, "Could not read the module.");
        let waiting = WaitingModule {
            name: HOSTILE.to_owned(),
            version: HOSTILE.to_owned(),
            description: LONG.repeat(5),
            folder: HOSTILE.to_owned(),
            found: ago(1),
            problem: Some(HOSTILE.to_owned()),
            can_review: true,
        };
        let hostile = Self {
            chrome: samples::chrome_hostile("/modules"),
            waiting: vec![waiting],
            modules: Overview::samples()
                .into_iter()
                .flat_map(|(_, page)| page.cards)
                .collect(),
            modules_dir: HOSTILE.to_owned(),
            path: HOSTILE.to_owned(),
            path_error: Some(HOSTILE.to_owned()),
            can_upload: true,
        };
        vec![
            ("sample", Self::sample()),
            ("empty", empty),
            ("refused", refused),
            ("hostile", hostile),
        ]
    }
}
