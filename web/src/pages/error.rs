//! What a person sees instead of a problem document.

use askama::Template;

use crate::layout::Chrome;
use crate::samples::{self, HOSTILE, LONG};

/// Any request that could not be answered.
#[derive(Debug, Clone, Template)]
#[template(path = "pages/error.html")]
pub struct ErrorPage {
    /// The frame.
    pub chrome: Chrome,
    /// The status code.
    pub status: u16,
    /// The problem's title.
    pub title: String,
    /// What happened here and what would be right.
    pub detail: String,
    /// Where to find it in the log.
    pub request_id: String,
    /// Where to go from here.
    pub ways_out: Vec<WayOut>,
}

/// A link that leads on.
#[derive(Debug, Clone)]
pub struct WayOut {
    /// Where it leads.
    pub href: String,
    /// What it says.
    pub text: String,
}

impl ErrorPage {
    /// A module that is not there.
    pub fn sample() -> Self {
        Self {
            chrome: samples::chrome("/modules/lightnig"),
            status: 404,
            title: "No such module".to_owned(),
            detail: "No module is named “lightnig”. There is one named “lightning”.".to_owned(),
            request_id: "01JDAXQ6Z9M3K7".to_owned(),
            ways_out: vec![
                WayOut {
                    href: "/modules/lightning".to_owned(),
                    text: "Go to lightning".to_owned(),
                },
                WayOut {
                    href: "/modules".to_owned(),
                    text: "See all modules".to_owned(),
                },
            ],
        }
    }

    /// The hard states.
    pub fn samples() -> Vec<(&'static str, Self)> {
        let logged_out = Self {
            chrome: samples::chrome_logged_out("/"),
            status: 503,
            title: "Shutting down".to_owned(),
            detail: "The node is draining. Try again in a few seconds.".to_owned(),
            ways_out: Vec::new(),
            ..Self::sample()
        };
        let hostile = Self {
            chrome: samples::chrome_hostile("/"),
            title: LONG.repeat(3),
            detail: HOSTILE.to_owned(),
            request_id: HOSTILE.to_owned(),
            ways_out: vec![WayOut {
                href: HOSTILE.to_owned(),
                text: HOSTILE.to_owned(),
            }],
            ..Self::sample()
        };
        vec![
            ("sample", Self::sample()),
            ("logged-out", logged_out),
            ("hostile", hostile),
        ]
    }
}
