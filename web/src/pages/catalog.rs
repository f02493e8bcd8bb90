//! The catalog: what registries have, and one module of it before it is fetched.

use askama::Template;

use crate::layout::Chrome;
use crate::parts::{Badge, Fact, Tone};
use crate::samples::{self, HOSTILE, LONG};

/// `GET /catalog`
#[derive(Debug, Clone, Template)]
#[template(path = "pages/catalog.html")]
pub struct Catalog {
    /// The frame.
    pub chrome: Chrome,
    /// What is looked for.
    pub search: String,
    /// Modules, by name.
    pub modules: Vec<ListedRow>,
    /// Where they come from.
    pub registries: Vec<RegistryRow>,
    /// Whether the visitor may add and remove registries.
    pub may_change: bool,
    /// Whether the visitor may fetch indexes and install.
    pub may_install: bool,
    /// What was typed about a new registry.
    pub typed: RegistryForm,
    /// What is wrong with it.
    pub error: Option<String>,
}

/// A module in the list.
#[derive(Debug, Clone)]
pub struct ListedRow {
    /// Which registry.
    pub registry: String,
    /// Its name.
    pub name: String,
    /// The newest version that runs here.
    pub version: String,
    /// What it is.
    pub description: String,
    /// Who signs it.
    pub publisher: String,
    /// Whether that publisher is trusted here.
    pub trust: Badge,
    /// What can be done with it.
    pub state: Badge,
    /// Its size.
    pub size: String,
    /// Why it was taken back.
    pub revoked: String,
}

/// A registry in the list.
#[derive(Debug, Clone)]
pub struct RegistryRow {
    /// Its name.
    pub name: String,
    /// Its addresses.
    pub addresses: String,
    /// What is known of its index.
    pub index: String,
}

/// What is typed about a registry.
#[derive(Debug, Clone, Default)]
pub struct RegistryForm {
    /// Its name.
    pub name: String,
    /// Its addresses, between spaces or lines.
    pub addresses: String,
    /// Its keys, between spaces or lines.
    pub keys: String,
    /// How many of them must sign.
    pub threshold: String,
}

/// `GET /catalog/{registry}/{name}`
#[derive(Debug, Clone, Template)]
#[template(path = "pages/listed.html")]
pub struct ListedPage {
    /// The frame.
    pub chrome: Chrome,
    /// The module.
    pub module: ListedRow,
    /// What is known of it.
    pub facts: Vec<Fact>,
    /// The capabilities that it would ask for, in plain words; none where that is not known.
    pub asks: Option<Vec<String>>,
    /// Why that is not known.
    pub problem: Option<String>,
    /// Its releases, the newest first.
    pub releases: Vec<ReleaseRow>,
    /// What the button does; none where there is nothing to do.
    pub button: Option<ListedButton>,
}

/// What can be done with a listed module.
#[derive(Debug, Clone)]
pub struct ListedButton {
    /// `install` or `fetch`.
    pub verb: &'static str,
    /// What is written on it.
    pub label: String,
    /// What happens then.
    pub note: String,
    /// Whether the visitor must say that nobody vouches for it.
    pub needs_word: bool,
}

/// A release.
#[derive(Debug, Clone)]
pub struct ReleaseRow {
    /// Its version and number.
    pub version: String,
    /// The system that it is for.
    pub target: String,
    /// Its size.
    pub size: String,
    /// What is new.
    pub notes: String,
    /// Why it was taken back.
    pub revoked: String,
}

fn row(name: &str, state: Badge, revoked: &str) -> ListedRow {
    ListedRow {
        registry: "example.org".to_owned(),
        name: name.to_owned(),
        version: "1.4.0".to_owned(),
        description: "Writes a line for each block.".to_owned(),
        publisher: "me.example".to_owned(),
        trust: Badge::new(Tone::Good, "trusted"),
        state,
        size: "2.1 MB".to_owned(),
        revoked: revoked.to_owned(),
    }
}

impl Catalog {
    /// Four modules of one registry.
    pub fn sample() -> Self {
        Self {
            chrome: samples::chrome("/catalog"),
            search: String::new(),
            modules: vec![
                row("block-clock", Badge::new(Tone::Quiet, "available"), ""),
                row("block-log", Badge::new(Tone::Good, "installed"), ""),
                row("hello", Badge::new(Tone::Warn, "upgrade"), ""),
                row(
                    "mesh",
                    Badge::new(Tone::Bad, "taken back"),
                    "It leaked its keys to its log.",
                ),
            ],
            registries: vec![RegistryRow {
                name: "example.org".to_owned(),
                addresses: "https://example.org/registry, /srv/registry".to_owned(),
                index: "4 releases, index 12, good until 2027-02-20".to_owned(),
            }],
            may_change: true,
            may_install: true,
            typed: RegistryForm {
                threshold: "1".to_owned(),
                ..RegistryForm::default()
            },
            error: None,
        }
    }

    /// The hard states.
    pub fn samples() -> Vec<(&'static str, Self)> {
        let empty = Self {
            modules: Vec::new(),
            registries: Vec::new(),
            ..Self::sample()
        };
        let mut hostile = Self {
            chrome: samples::chrome_hostile("/catalog"),
            search: HOSTILE.to_owned(),
            typed: RegistryForm {
                name: HOSTILE.to_owned(),
                addresses: HOSTILE.to_owned(),
                keys: HOSTILE.to_owned(),
                threshold: HOSTILE.to_owned(),
            },
            error: Some(HOSTILE.to_owned()),
            ..Self::sample()
        };
        for module in &mut hostile.modules {
            LONG.clone_into(&mut module.name);
            HOSTILE.clone_into(&mut module.registry);
            HOSTILE.clone_into(&mut module.publisher);
            HOSTILE.clone_into(&mut module.description);
            HOSTILE.clone_into(&mut module.revoked);
            HOSTILE.clone_into(&mut module.version);
        }
        for registry in &mut hostile.registries {
            HOSTILE.clone_into(&mut registry.name);
            HOSTILE.clone_into(&mut registry.addresses);
            HOSTILE.clone_into(&mut registry.index);
        }
        vec![
            ("sample", Self::sample()),
            ("empty", empty),
            ("hostile", hostile),
        ]
    }
}

impl ListedPage {
    /// One that can be installed.
    pub fn sample() -> Self {
        Self {
            chrome: samples::chrome("/catalog"),
            module: row("block-clock", Badge::new(Tone::Quiet, "available"), ""),
            facts: vec![
                Fact::text("Publisher", "me.example, trusted here"),
                Fact::text("What is at stake", "low: it only looks"),
                Fact::code("Digest of the package", samples::DIGEST),
            ],
            asks: Some(vec!["Read blocks and headers".to_owned()]),
            problem: None,
            releases: vec![ReleaseRow {
                version: "1.4.0 (release 7)".to_owned(),
                target: "x86_64-unknown-linux-gnu".to_owned(),
                size: "2.1 MB".to_owned(),
                notes: "Counts in blocks.".to_owned(),
                revoked: String::new(),
            }],
            button: Some(ListedButton {
                verb: "install",
                label: "Fetch and install 1.4.0".to_owned(),
                note: "Nothing of it runs before you have agreed to what it asks for.".to_owned(),
                needs_word: false,
            }),
        }
    }

    /// The hard states.
    pub fn samples() -> Vec<(&'static str, Self)> {
        let mut unknown = Self {
            asks: None,
            problem: Some("http://example.org/: it answered 404".to_owned()),
            ..Self::sample()
        };
        unknown.module.trust = Badge::new(Tone::Warn, "not trusted here");
        if let Some(button) = &mut unknown.button {
            button.needs_word = true;
        }
        let revoked = Self {
            module: row(
                "mesh",
                Badge::new(Tone::Bad, "taken back"),
                "It leaked its keys to its log.",
            ),
            button: None,
            ..Self::sample()
        };
        let mut hostile = Self {
            chrome: samples::chrome_hostile("/catalog"),
            module: row(HOSTILE, Badge::new(Tone::Bad, "taken back"), HOSTILE),
            asks: Some(vec![HOSTILE.to_owned()]),
            problem: Some(HOSTILE.to_owned()),
            ..Self::sample()
        };
        HOSTILE.clone_into(&mut hostile.module.registry);
        hostile.facts.push(Fact::text("Publisher", HOSTILE));
        for release in &mut hostile.releases {
            HOSTILE.clone_into(&mut release.version);
            HOSTILE.clone_into(&mut release.target);
            HOSTILE.clone_into(&mut release.notes);
            HOSTILE.clone_into(&mut release.revoked);
        }
        vec![
            ("sample", Self::sample()),
            ("unknown", unknown),
            ("revoked", revoked),
            ("hostile", hostile),
        ]
    }
}
