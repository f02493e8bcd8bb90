//! What the node runs with: paths, versions, addresses.

use askama::Template;

use crate::layout::Chrome;
use crate::parts::Fact;
use crate::samples::{self, HOSTILE};

/// `GET /settings`
#[derive(Debug, Clone, Template)]
#[template(path = "pages/settings.html")]
pub struct Settings {
    /// The frame.
    pub chrome: Chrome,
    /// Paths, versions, addresses.
    pub groups: Vec<FactGroup>,
    /// The command that prints a one-time login address.
    pub login_command: String,
    /// Addresses for programs.
    pub links: Vec<ProgramLink>,
}

/// Facts under a heading.
#[derive(Debug, Clone)]
pub struct FactGroup {
    /// The heading.
    pub title: String,
    /// The facts.
    pub facts: Vec<Fact>,
}

/// An address that programs use.
#[derive(Debug, Clone)]
pub struct ProgramLink {
    /// The address.
    pub href: String,
    /// What it is.
    pub text: String,
    /// What to know about it.
    pub detail: String,
}

impl Settings {
    /// A node with defaults.
    pub fn sample() -> Self {
        let group = |title: &str, facts: Vec<Fact>| FactGroup {
            title: title.to_owned(),
            facts,
        };
        let link = |href: &str, text: &str, detail: &str| ProgramLink {
            href: href.to_owned(),
            text: text.to_owned(),
            detail: detail.to_owned(),
        };
        Self {
            chrome: samples::chrome("/settings"),
            groups: vec![
                group(
                    "Paths",
                    vec![
                        Fact::code("Data", "/var/lib/bllvm"),
                        Fact::code("Modules", "/var/lib/bllvm/modules"),
                        Fact::code("Configuration", "/etc/bllvm/config.toml"),
                        Fact::code("Cookie", "/var/lib/bllvm/.cookie"),
                    ],
                ),
                group(
                    "Versions",
                    vec![
                        Fact::text("bllvm-node", "0.1.0"),
                        Fact::text("Module protocol", "1"),
                        Fact::text("Database", "schema 4, 1.2 MiB"),
                        Fact::text("libbitcoinkernel", "0.3.2"),
                    ],
                ),
                group(
                    "Addresses",
                    vec![
                        Fact::code("Dashboard and API", "http://127.0.0.1:8480"),
                        Fact::code("Bitcoin RPC", "127.0.0.1:18453"),
                    ],
                ),
            ],
            login_command: "bllvm-node login".to_owned(),
            links: vec![
                link(
                    "/api/v1/openapi.json",
                    "OpenAPI document",
                    "all of the REST API",
                ),
                link("/metrics", "Metrics", "for Prometheus"),
                link(
                    "/readyz?verbose",
                    "Readiness",
                    "what is ready and what is not",
                ),
            ],
        }
    }

    /// The hard states.
    pub fn samples() -> Vec<(&'static str, Self)> {
        let hostile = Self {
            chrome: samples::chrome_hostile("/settings"),
            groups: vec![FactGroup {
                title: HOSTILE.to_owned(),
                facts: vec![Fact::code(HOSTILE, HOSTILE)],
            }],
            login_command: HOSTILE.to_owned(),
            links: vec![ProgramLink {
                href: HOSTILE.to_owned(),
                text: HOSTILE.to_owned(),
                detail: HOSTILE.to_owned(),
            }],
        };
        vec![("sample", Self::sample()), ("hostile", hostile)]
    }
}
