//! The event journal, with a filter.

use askama::Template;

use super::overview::events;
use crate::layout::Chrome;
use crate::parts::{Choice, EventRow, Pager};
use crate::samples::{self, HOSTILE, LONG};

/// `GET /events`
#[derive(Debug, Clone, Template)]
#[template(path = "pages/events.html")]
pub struct Events {
    /// The frame.
    pub chrome: Chrome,
    /// Types to filter by; the first means all.
    pub kinds: Vec<Choice>,
    /// Modules to filter by; the first means all.
    pub modules: Vec<Choice>,
    /// The rows, newest first.
    pub events: Vec<EventRow>,
    /// Whether this is the newest page and is to stay so.
    pub live: bool,
    /// What to say if there is none.
    pub nothing: String,
    /// How long events are kept.
    pub retention: String,
    /// Where the list continues.
    pub pager: Pager,
}

impl Events {
    /// The newest page.
    pub fn sample() -> Self {
        Self {
            chrome: samples::chrome("/events"),
            kinds: vec![
                Choice::new("", "all", true),
                Choice::plain("chain.*", false),
                Choice::plain("module.*", false),
            ],
            modules: vec![
                Choice::new("", "all", true),
                Choice::plain("block-clock", false),
            ],
            events: events(),
            live: true,
            nothing: "Nothing has happened yet.".to_owned(),
            retention: "Events are kept for 30 days or 1 GiB, whichever is less.".to_owned(),
            pager: Pager {
                newer: None,
                older: Some("/events?before=8809".to_owned()),
            },
        }
    }

    /// The hard states.
    pub fn samples() -> Vec<(&'static str, Self)> {
        let empty = Self {
            events: Vec::new(),
            nothing: "No event matches the filter.".to_owned(),
            pager: Pager::default(),
            ..Self::sample()
        };
        let mut row = events().remove(0);
        (row.kind, row.publisher, row.sequence) =
            (LONG.repeat(2), HOSTILE.to_owned(), HOSTILE.to_owned());
        (row.module, row.summary, row.body) = (
            Some(HOSTILE.to_owned()),
            HOSTILE.repeat(9),
            HOSTILE.to_owned(),
        );
        let hostile = Self {
            chrome: samples::chrome_hostile("/events"),
            kinds: vec![Choice::plain(HOSTILE, true)],
            modules: vec![Choice::plain(HOSTILE, true)],
            events: vec![row],
            retention: HOSTILE.to_owned(),
            ..Self::sample()
        };
        vec![
            ("sample", Self::sample()),
            ("empty", empty),
            ("hostile", hostile),
        ]
    }
}
