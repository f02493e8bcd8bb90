//! Tokens for programs: made with scopes, shown once, revoked.

use askama::Template;

use crate::format::Stamp;
use crate::layout::Chrome;
use crate::parts::{Badge, Choice, FieldError, Tone};
use crate::samples::{self, HOSTILE, LONG, ago};

/// `GET /tokens`, and the answer to the form on it.
#[derive(Debug, Clone, Template)]
#[template(path = "pages/tokens.html")]
pub struct Tokens {
    /// The frame.
    pub chrome: Chrome,
    /// The one that was just made.
    pub fresh: Option<FreshToken>,
    /// All of them.
    pub tokens: Vec<TokenRow>,
    /// What a new one may do.
    pub scopes: Vec<ScopeChoice>,
    /// The modules to which a new one can be bound.
    pub modules: Vec<Choice>,
    /// How long a new one is good.
    pub expiries: Vec<Choice>,
    /// The name as it was typed.
    pub name: String,
    /// What is wrong with the form; ids are `name`, `scopes`, `modules`, `expires`.
    pub errors: Vec<FieldError>,
}

/// A token that was just made; the only moment its secret is seen.
#[derive(Clone)]
pub struct FreshToken {
    /// Its name.
    pub name: String,
    /// The token itself.
    pub secret: String,
    /// A command that uses it.
    pub example: String,
}

impl std::fmt::Debug for FreshToken {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("FreshToken")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// A token in the list.
#[derive(Debug, Clone)]
pub struct TokenRow {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its scopes, separated by blanks.
    pub scopes: String,
    /// The modules that it is bound to; empty where it is not bound.
    pub modules: String,
    /// Active, expired, revoked.
    pub status: Badge,
    /// Who made it.
    pub by: String,
    /// When.
    pub created: Stamp,
    /// Until when it is good.
    pub expires: Option<Stamp>,
    /// When it was used last.
    pub last_used: Option<Stamp>,
    /// Whether it is still good.
    pub can_revoke: bool,
}

/// A scope with a box to tick.
#[derive(Debug, Clone)]
pub struct ScopeChoice {
    /// Its name.
    pub name: String,
    /// What it allows, in plain words.
    pub plain: String,
    /// Whether it is ticked.
    pub checked: bool,
}

impl Tokens {
    /// Two tokens and an empty form.
    pub fn sample() -> Self {
        let scope = |name: &str, plain: &str, checked| ScopeChoice {
            name: name.to_owned(),
            plain: plain.to_owned(),
            checked,
        };
        let active = TokenRow {
            id: "01JDAX0001".to_owned(),
            name: "backup script".to_owned(),
            scopes: "modules:read modules:control".to_owned(),
            modules: "block-clock".to_owned(),
            status: Badge::new(Tone::Good, "active"),
            by: "operator".to_owned(),
            created: ago(700_000),
            expires: Some(ago(-1_892_000)),
            last_used: Some(ago(3600)),
            can_revoke: true,
        };
        let revoked = TokenRow {
            name: "old laptop".to_owned(),
            scopes: "admin".to_owned(),
            modules: String::new(),
            status: Badge::new(Tone::Quiet, "revoked"),
            expires: None,
            last_used: None,
            can_revoke: false,
            ..active.clone()
        };
        Self {
            chrome: samples::chrome("/tokens"),
            fresh: None,
            tokens: vec![active, revoked],
            scopes: vec![
                scope("modules:read", "See modules, logs and events", true),
                scope("modules:control", "Load, unload and reload modules", false),
                scope(
                    "modules:install",
                    "Install and remove modules, grant permissions",
                    false,
                ),
                scope("config:write", "Change configurations", false),
                scope("metrics:read", "Read metrics", false),
                scope("admin", "Everything, also tokens", false),
            ],
            modules: vec![
                Choice::new("block-clock", "block-clock", true),
                Choice::new("block-log", "block-log", false),
            ],
            expiries: vec![
                Choice::new("30d", "30 days", true),
                Choice::new("1y", "a year", false),
                Choice::new("never", "as long as it is not revoked", false),
            ],
            name: String::new(),
            errors: Vec::new(),
        }
    }

    /// The hard states.
    pub fn samples() -> Vec<(&'static str, Self)> {
        let empty = Self {
            tokens: Vec::new(),
            modules: Vec::new(),
            ..Self::sample()
        };
        let fresh = Self {
            fresh: Some(FreshToken {
                name: "ci".to_owned(),
                secret: "bllvm_4fU2mYx0vG1rJqT8bKzL5wNcPdEsHaQi7oRXt3V6yZu".to_owned(),
                example:
                    "curl -H 'Authorization: Bearer bllvm_…' http://127.0.0.1:8480/api/v1/modules"
                        .to_owned(),
            }),
            ..Self::sample()
        };
        let error = FieldError {
            id: "scopes".to_owned(),
            title: "What may it do".to_owned(),
            message: "Choose at least one.".to_owned(),
        };
        let refused = Self {
            name: "ci".to_owned(),
            errors: vec![error],
            ..Self::sample()
        };
        let mut hostile = Self {
            chrome: samples::chrome_hostile("/tokens"),
            fresh: Some(FreshToken {
                name: HOSTILE.to_owned(),
                secret: HOSTILE.to_owned(),
                example: HOSTILE.to_owned(),
            }),
            name: HOSTILE.to_owned(),
            errors: vec![FieldError {
                id: HOSTILE.to_owned(),
                title: HOSTILE.to_owned(),
                message: HOSTILE.to_owned(),
            }],
            ..Self::sample()
        };
        (hostile.tokens[0].id, hostile.tokens[0].name) = (HOSTILE.to_owned(), HOSTILE.to_owned());
        hostile.tokens[1].name = LONG.repeat(3);
        hostile.tokens[0].modules = String::from(HOSTILE);
        hostile.modules[0] = Choice::new(HOSTILE, HOSTILE, true);
        hostile.scopes[0].name = String::from(HOSTILE);
        vec![
            ("sample", Self::sample()),
            ("empty", empty),
            ("fresh", fresh),
            ("refused", refused),
            ("hostile", hostile),
        ]
    }
}
