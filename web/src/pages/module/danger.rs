//! What is hard to undo, with its consequences.

use askama::Template;

use super::head::{ModuleHead, Tab};
use crate::layout::Chrome;
use crate::samples::{self, HOSTILE};

/// `GET /modules/{name}/danger`
#[derive(Debug, Clone, Template)]
#[template(path = "pages/module/danger.html")]
pub struct Danger {
    /// The frame.
    pub chrome: Chrome,
    /// The module.
    pub head: ModuleHead,
    /// What unloading means here, dependants named.
    pub unload_consequence: String,
    /// What uninstalling means here.
    pub uninstall_consequences: Vec<String>,
    /// Where its data lies.
    pub data_dir: String,
    /// How much it is.
    pub data_size: String,
    /// That the name was not typed right.
    pub confirm_error: Option<String>,
}

impl Danger {
    /// A running module.
    pub fn sample() -> Self {
        Self {
            chrome: samples::chrome("/modules/block-clock/danger"),
            head: ModuleHead::sample(Tab::Danger),
            unload_consequence:
                "It drains for up to 10 s, then its process ends and 127.0.0.1:8490 closes. \
                                 Data and configuration stay. No other module needs it."
                    .to_owned(),
            uninstall_consequences: vec![
                "Its process ends.".to_owned(),
                "Its grants, its place in the event journal and its stored values are deleted."
                    .to_owned(),
                "Its data stays unless you tick the box.".to_owned(),
                "This can't be undone.".to_owned(),
            ],
            data_dir: "/var/lib/bllvm/module-data/block-clock".to_owned(),
            data_size: "1.2 MiB".to_owned(),
            confirm_error: None,
        }
    }

    /// The hard states.
    pub fn samples() -> Vec<(&'static str, Self)> {
        let refused = Self {
            confirm_error: Some("“block-clok” is not its name; nothing was removed.".to_owned()),
            ..Self::sample()
        };
        let hostile = Self {
            chrome: samples::chrome_hostile("/modules/x/danger"),
            head: ModuleHead::hostile(Tab::Danger),
            unload_consequence: HOSTILE.to_owned(),
            uninstall_consequences: vec![HOSTILE.to_owned()],
            data_dir: HOSTILE.to_owned(),
            data_size: HOSTILE.to_owned(),
            confirm_error: Some(HOSTILE.to_owned()),
        };
        vec![
            ("sample", Self::sample()),
            ("refused", refused),
            ("hostile", hostile),
        ]
    }
}
