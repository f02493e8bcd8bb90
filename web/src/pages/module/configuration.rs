//! A module's configuration: a form made from its schema beside the file itself.

use askama::Template;

use super::head::{ModuleHead, Tab};
use super::revision::{Change, DiffLine};
use crate::format::Stamp;
use crate::layout::Chrome;
use crate::parts::{Badge, Choice, Fact, Field, FieldError, FieldKind, Section, Tone};
use crate::samples::{self, HOSTILE, ago};

/// `GET /modules/{name}/configuration`, and the answer to what is wrong with a post.
///
/// Both forms post `_etag`, `_mode` (`form` or `toml`) and `_action` (`apply` or
/// `check`). A field is named `c.<key>`; `clear` names secrets to remove.
#[derive(Debug, Clone, Template)]
#[template(path = "pages/module/configuration.html")]
pub struct Configuration {
    /// The frame.
    pub chrome: Chrome,
    /// The module.
    pub head: ModuleHead,
    /// What the forms were made from; goes to `If-Match`.
    pub etag: String,
    /// That someone else was faster, and what they did.
    pub conflict: Option<String>,
    /// That the file on disk differs or can't be read.
    pub file_notice: String,
    /// The form.
    pub sections: Vec<Section>,
    /// The error summary; [`Section::errors`] makes it.
    pub errors: Vec<FieldError>,
    /// What saving does: `The module takes it up in place.`
    pub consequence: String,
    /// Where the file lies.
    pub path: String,
    /// The file, secrets replaced.
    pub toml: String,
    /// What is wrong with it, with line and key.
    pub toml_error: Option<String>,
    /// What would change, after a check.
    pub diff: Vec<DiffLine>,
    /// Keys that this version no longer knows.
    pub dropped: Vec<Fact>,
    /// Earlier ones, newest first.
    pub revisions: Vec<RevisionRow>,
}

/// A revision in the list.
#[derive(Debug, Clone)]
pub struct RevisionRow {
    /// Its number.
    pub number: u64,
    /// When.
    pub at: Stamp,
    /// By whom.
    pub by: String,
    /// `by form`, `by API`, `by hand in the file`.
    pub origin: String,
    /// In use, replaced, rolled back.
    pub status: Badge,
    /// Which keys changed.
    pub summary: String,
}

const TOML: &str = "# Where the page is served.\n[listen]\nport = 8491\n\n[display]\nzone = \"utc\"\n\
                    show_hash = true\npeers = [\"one\", \"two\"]\n\napi_key = { secret = \"set\" }\n";

impl Configuration {
    /// Every kind of field.
    pub fn sample() -> Self {
        Self {
            chrome: samples::chrome("/modules/block-clock/configuration"),
            head: ModuleHead::sample(Tab::Configuration),
            etag: "\"7-9c56cc51\"".to_owned(),
            conflict: None,
            file_notice: String::new(),
            sections: sections(),
            errors: Vec::new(),
            consequence: "It is checked, then the module takes it up; if it is not ready on it, the old one comes back."
                .to_owned(),
            path: "/var/lib/bllvm/modules/block-clock/config.toml".to_owned(),
            toml: TOML.to_owned(),
            toml_error: None,
            diff: Vec::new(),
            dropped: Vec::new(),
            revisions: vec![
                revision(7, 12, Badge::new(Tone::Good, "in use"), "by form", "listen.port"),
                revision(6, 4000, Badge::new(Tone::Bad, "rolled back"), "by API", "listen.port: port 80 can't be opened"),
                revision(5, 90_000, Badge::new(Tone::Quiet, "replaced"), "by hand in the file", "display.zone"),
            ],
        }
    }

    /// The hard states.
    pub fn samples() -> Vec<(&'static str, Self)> {
        let empty = Self {
            sections: Vec::new(),
            revisions: Vec::new(),
            toml: String::new(),
            ..Self::sample()
        };
        let mut refused = Self {
            conflict: Some("Revision 8 by token ci changed display.zone.".to_owned()),
            toml_error: Some("line 3: listen.port must be at most 65535".to_owned()),
            file_notice:
                "The file was edited while the node was down and is not valid; revision 7 runs."
                    .to_owned(),
            diff: super::revision::sample_diff(),
            dropped: vec![Fact::code("display.colour", "\"green\"")],
            ..Self::sample()
        };
        refused.sections[0].fields[0].value = String::from("99999");
        refused.sections[0].fields[0].error =
            Some("99999 is too large; a port is at most 65535.".to_owned());
        refused.sections[1].fields[1].error = Some("Choose one of utc, local.".to_owned());
        refused.errors = Section::errors(&refused.sections);
        vec![
            ("sample", Self::sample()),
            ("empty", empty),
            ("refused", refused),
            ("hostile", Self::hostile()),
        ]
    }

    fn hostile() -> Self {
        let mut fields: Vec<Field> = sections().remove(1).fields;
        for field in &mut fields {
            (field.title, field.description, field.value) =
                (HOSTILE.to_owned(), HOSTILE.to_owned(), HOSTILE.to_owned());
            (field.default, field.pattern, field.error) = (
                HOSTILE.repeat(2),
                Some(HOSTILE.to_owned()),
                Some(HOSTILE.to_owned()),
            );
            field.options = vec![Choice::plain(HOSTILE, true)];
            field.key = format!("{}{HOSTILE}", field.key);
        }
        let sections = vec![Section {
            title: HOSTILE.to_owned(),
            description: HOSTILE.to_owned(),
            fields,
        }];
        Self {
            chrome: samples::chrome_hostile("/modules/x/configuration"),
            head: ModuleHead::hostile(Tab::Configuration),
            etag: HOSTILE.to_owned(),
            conflict: Some(HOSTILE.to_owned()),
            file_notice: HOSTILE.to_owned(),
            errors: Section::errors(&sections),
            sections,
            path: HOSTILE.to_owned(),
            toml: HOSTILE.to_owned(),
            toml_error: Some(HOSTILE.to_owned()),
            diff: vec![DiffLine {
                change: Change::Added,
                text: HOSTILE.to_owned(),
            }],
            dropped: vec![Fact::code(HOSTILE, HOSTILE)],
            ..Self::sample()
        }
    }
}

pub(super) fn revision(
    number: u64,
    seconds: i64,
    status: Badge,
    origin: &str,
    summary: &str,
) -> RevisionRow {
    RevisionRow {
        number,
        at: ago(seconds),
        by: "operator".to_owned(),
        origin: origin.to_owned(),
        status,
        summary: summary.to_owned(),
    }
}

fn sections() -> Vec<Section> {
    let port = Field {
        description: "The page's port.".to_owned(),
        kind: FieldKind::Integer,
        default: "8490".to_owned(),
        min: Some("1".to_owned()),
        max: Some("65535".to_owned()),
        required: true,
        cost: Some("opens a new socket".to_owned()),
        ..Field::text("listen.port", "Port", "8491")
    };
    let title = Field {
        description: "What stands above the clock.".to_owned(),
        max: Some("40".to_owned()),
        ..Field::text("display.title", "Title", "Block clock")
    };
    let zone = Field {
        description: "In which zone times are shown.".to_owned(),
        kind: FieldKind::Choice,
        options: vec![Choice::plain("utc", true), Choice::plain("local", false)],
        ..Field::text("display.zone", "Time zone", "utc")
    };
    let hash = Field {
        description: "Also show the tip's hash.".to_owned(),
        kind: FieldKind::Toggle,
        ..Field::text("display.show_hash", "Show hash", "true")
    };
    let interval = Field {
        description: "Seconds between refreshes.".to_owned(),
        kind: FieldKind::Number,
        min: Some("0.5".to_owned()),
        ..Field::text("display.interval", "Interval", "2.5")
    };
    let peers = Field {
        description: "Other clocks, one a line.".to_owned(),
        kind: FieldKind::Lines,
        ..Field::text("display.peers", "Peers", "one\ntwo")
    };
    let key = Field {
        description: "For the remote display.".to_owned(),
        kind: FieldKind::Secret,
        secret_set: true,
        ..Field::text("display.api_key", "API key", "")
    };
    let raw = Field {
        description: "Colours by state, as TOML.".to_owned(),
        kind: FieldKind::Raw,
        ..Field::text("display.colours", "Colours", "{ late = \"red\" }")
    };
    vec![
        Section {
            title: "Listen".to_owned(),
            description: "Where the page is served.".to_owned(),
            fields: vec![port],
        },
        Section {
            title: "Display".to_owned(),
            description: String::new(),
            fields: vec![title, zone, hash, interval, peers, key, raw],
        },
    ]
}
