//! The only page for those who are not logged in.

use askama::Template;

use crate::layout::Chrome;
use crate::samples::{self, HOSTILE};

/// `GET /login`
#[derive(Debug, Clone, Template)]
#[template(path = "pages/login.html")]
pub struct Login {
    /// The frame, without a user.
    pub chrome: Chrome,
    /// A one-time code that the address brought; the form shows it filled in.
    pub code: String,
    /// Where to go afterwards; a path on this host.
    pub next: String,
    /// Why the last attempt failed.
    pub error: Option<String>,
    /// The command that prints a one-time code.
    pub command: String,
}

impl Login {
    /// A first attempt.
    pub fn sample() -> Self {
        Self {
            chrome: samples::chrome_logged_out("/login"),
            code: String::new(),
            next: "/".to_owned(),
            error: None,
            command: "bllvm-node login".to_owned(),
        }
    }

    /// The hard states.
    pub fn samples() -> Vec<(&'static str, Self)> {
        let used = "This code was used already or is older than 10 minutes.".to_owned();
        let mut hostile = Self {
            code: HOSTILE.to_owned(),
            next: HOSTILE.to_owned(),
            error: Some(HOSTILE.to_owned()),
            ..Self::sample()
        };
        hostile.chrome.csrf = String::from(HOSTILE);
        vec![
            ("sample", Self::sample()),
            (
                "code",
                Self {
                    code: "5f0c8a1e".to_owned(),
                    ..Self::sample()
                },
            ),
            (
                "refused",
                Self {
                    error: Some(used),
                    ..Self::sample()
                },
            ),
            ("hostile", hostile),
        ]
    }
}
