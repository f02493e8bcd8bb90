//! Which versions of a module are kept, and what another one would change.

use askama::Template;

use super::head::{ModuleHead, Tab};
use crate::layout::Chrome;
use crate::parts::Fact;
use crate::samples::{self, HOSTILE, LONG};

/// `GET /modules/{name}/versions`
#[derive(Debug, Clone, Template)]
#[template(path = "pages/module/versions.html")]
pub struct Versions {
    /// The frame.
    pub chrome: Chrome,
    /// The module.
    pub head: ModuleHead,
    /// The version in place, and the one before.
    pub facts: Vec<Fact>,
    /// The version that a rollback brings back.
    pub previous: Option<String>,
    /// Whether a rollback brings a copy of its data back, too.
    pub restores_data: bool,
    /// Whether it is kept at its version.
    pub pinned: bool,
    /// What was typed as the folder of another version.
    pub path: String,
    /// What is wrong with it.
    pub path_error: Option<String>,
    /// What it would change.
    pub plan: Option<VersionPlan>,
}

/// What another version would change.
#[derive(Debug, Clone)]
pub struct VersionPlan {
    /// From and to, who vouches for it, its digest.
    pub facts: Vec<Fact>,
    /// The digest that is agreed to.
    pub digest: String,
    /// What it asks for beyond what the module has.
    pub asks_for_more: Vec<String>,
    /// What it asks for no more.
    pub asks_no_more_for: Vec<String>,
    /// What is at stake.
    pub rating: String,
    /// What happens.
    pub steps: Vec<String>,
    /// Whether the operator took it on their own word.
    pub as_local: bool,
}

impl Versions {
    /// An upgrade that asks for more, looked at.
    pub fn sample() -> Self {
        Self {
            chrome: samples::chrome("/modules/block-clock/versions"),
            head: ModuleHead::sample(Tab::Versions),
            facts: vec![
                Fact::text("In place", "0.1.0, release 4 signed by example.org"),
                Fact::text("Before", "0.0.9, release 3 signed by example.org"),
            ],
            previous: Some("0.0.9".to_owned()),
            restores_data: true,
            pinned: false,
            path: "/srv/packages/block-clock-0.2.0".to_owned(),
            path_error: None,
            plan: Some(VersionPlan {
                facts: vec![Fact::text("Version", "0.1.0 → 0.2.0")],
                digest: "sha256:00".to_owned(),
                asks_for_more: vec!["`tx.broadcast` (send transactions)".to_owned()],
                asks_no_more_for: vec!["UDP".to_owned()],
                rating: "medium: it can send transactions".to_owned(),
                steps: vec!["It changes over by a reload.".to_owned()],
                as_local: false,
            }),
        }
    }

    /// The hard states.
    pub fn samples() -> Vec<(&'static str, Self)> {
        let nothing = Self {
            previous: None,
            restores_data: false,
            plan: None,
            path: String::new(),
            ..Self::sample()
        };
        let mut hostile = Self {
            chrome: samples::chrome_hostile("/modules/x/versions"),
            head: ModuleHead::hostile(Tab::Versions),
            pinned: true,
            path: HOSTILE.to_owned(),
            path_error: Some(HOSTILE.to_owned()),
            ..Self::sample()
        };
        if let Some(plan) = &mut hostile.plan {
            plan.asks_for_more = vec![HOSTILE.to_owned(), LONG.to_owned()];
            plan.steps = vec![HOSTILE.to_owned()];
        }
        vec![
            ("sample", Self::sample()),
            ("nothing-kept", nothing),
            ("hostile", hostile),
        ]
    }
}
