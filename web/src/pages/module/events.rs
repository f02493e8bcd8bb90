//! What a module is told, how far it is, and what happened to it.

use askama::Template;

use super::head::{ModuleHead, Tab};
use crate::layout::Chrome;
use crate::pages::overview::events;
use crate::parts::{Badge, EventRow, Pager, Tone};
use crate::samples::{self, HOSTILE};

/// `GET /modules/{name}/events`
#[derive(Debug, Clone, Template)]
#[template(path = "pages/module/events.html")]
pub struct ModuleEvents {
    /// The frame.
    pub chrome: Chrome,
    /// The module.
    pub head: ModuleHead,
    /// What it is told.
    pub subscriptions: Vec<SubscriptionRow>,
    /// What happened to it and what it published, newest first.
    pub events: Vec<EventRow>,
    /// Where the list continues.
    pub pager: Pager,
}

/// One subscription and how far it is.
#[derive(Debug, Clone)]
pub struct SubscriptionRow {
    /// Event types: `chain.*`.
    pub types: String,
    /// Up to date, lagging, paused.
    pub state: Badge,
    /// The last number that was acknowledged.
    pub cursor: String,
    /// How many events are not.
    pub behind: String,
}

impl ModuleEvents {
    /// One subscription, up to date.
    pub fn sample() -> Self {
        Self {
            chrome: samples::chrome("/modules/block-clock/events"),
            head: ModuleHead::sample(Tab::Events),
            subscriptions: vec![SubscriptionRow {
                types: "chain.*".to_owned(),
                state: Badge::new(Tone::Good, "up to date"),
                cursor: "8811".to_owned(),
                behind: "0".to_owned(),
            }],
            events: events(),
            pager: Pager::default(),
        }
    }

    /// The hard states.
    pub fn samples() -> Vec<(&'static str, Self)> {
        let empty = Self {
            subscriptions: Vec::new(),
            events: Vec::new(),
            ..Self::sample()
        };
        let mut hostile = Self {
            chrome: samples::chrome_hostile("/modules/x/events"),
            head: ModuleHead::hostile(Tab::Events),
            ..Self::sample()
        };
        hostile.subscriptions[0].types = String::from(HOSTILE);
        vec![
            ("sample", Self::sample()),
            ("empty", empty),
            ("hostile", hostile),
        ]
    }
}
