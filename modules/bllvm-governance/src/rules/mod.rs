//! The rules as data: layers, tiers, review clocks, thresholds, each with the source of its numbers.
//!
//! Two sets come along; an operator's own file replaces them. `RULES.md` is the one place that says
//! where the sources contradict each other and what was chosen.

mod preset;
mod requirement;

use std::collections::BTreeSet;

use bitcoin::hashes::{Hash, sha256};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use preset::Preset;
pub use requirement::Requirement;

/// Longest period that a rule may ask for.
const MOST_DAYS: u32 = 3650;
const MOST_KEYS: u32 = 100;

/// A set of rules.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rules {
    /// Its name, which every statement names.
    pub name: String,
    /// One sentence.
    pub description: String,
    /// The tier of a proposal that says nothing else.
    pub default_tier: u8,
    /// What repositories are.
    pub layers: Vec<Layer>,
    /// What changes are.
    pub tiers: Vec<Tier>,
    /// What labels ask for besides.
    #[serde(default)]
    pub categories: Vec<Category>,
    /// SHA-256 of the file.
    #[serde(skip)]
    pub digest: String,
}

/// So many of so many keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Quorum {
    /// Signatures that are needed.
    pub needed: u32,
    /// Keys that may sign.
    pub of: u32,
}

/// How far down a repository lies; 1 is the specification.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Layer {
    /// Its number.
    pub number: u8,
    /// In words.
    pub title: String,
    /// How many must sign.
    pub signatures: Quorum,
    /// How long it is open for review.
    pub review_days: u32,
    /// Where the numbers are from.
    pub source: String,
}

/// What kind of change it is.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tier {
    /// Its number.
    pub number: u8,
    /// In words.
    pub title: String,
    /// How many must sign.
    pub signatures: Quorum,
    /// How long it is open for review.
    pub review_days: u32,
    /// Whether and how it can be vetoed.
    #[serde(default)]
    pub veto: Option<VetoRule>,
    /// Where the numbers are from.
    pub source: String,
}

/// Both shares must be reached within the window.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct VetoRule {
    /// Percent of the blocks of the window, all miners and strangers included.
    pub mining_percent: u32,
    /// Percent of the proven weight of economic nodes.
    pub economic_percent: u32,
    /// How long signals are taken.
    pub hours: u32,
    /// Where the numbers are from.
    pub source: String,
}

/// What a label asks for besides.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Category {
    /// The label.
    pub label: String,
    /// How many must sign.
    #[serde(default)]
    pub signatures: Option<Quorum>,
    /// How long it is open for review.
    pub review_days: u32,
    /// Where the numbers are from.
    pub source: String,
}

/// Why a file is not a set of rules.
#[derive(Debug, thiserror::Error)]
pub enum RulesError {
    /// It is not TOML of this shape.
    #[error("the rules are not readable: {0}")]
    Shape(#[from] toml::de::Error),
    /// A number cannot be meant.
    #[error("the rules: {place}: {problem}")]
    Unfit {
        /// Where.
        place: String,
        /// What is wrong, and what is right.
        problem: String,
    },
}

impl Rules {
    /// Reads and checks a set.
    pub fn read(text: &str) -> Result<Self, RulesError> {
        let mut rules: Self = toml::from_str(text)?;
        rules.digest = sha256::Hash::hash(text.as_bytes()).to_string();
        rules.check()?;
        Ok(rules)
    }

    /// Reads a set of an operator's own, which must not pass for one that comes along: statements
    /// bind the name of the rules.
    pub fn read_own(text: &str) -> Result<Self, RulesError> {
        let rules = Self::read(text)?;
        let mut known = Preset::ALL.into_iter().map(Preset::rules);
        if known.any(|one| one.name == rules.name && one.digest != rules.digest) {
            unfit(
                "name",
                "rules that come along have this name; give yours another",
            )?;
        }
        Ok(rules)
    }

    /// A layer by its number.
    pub fn layer(&self, number: u8) -> Option<&Layer> {
        self.layers.iter().find(|layer| layer.number == number)
    }

    /// A tier by its number.
    pub fn tier(&self, number: u8) -> Option<&Tier> {
        self.tiers.iter().find(|tier| tier.number == number)
    }

    fn check(&self) -> Result<(), RulesError> {
        let word = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
        if self.name.is_empty() || self.name.len() > 64 || !self.name.bytes().all(word) {
            return unfit("name", "1 to 64 of a-z, 0-9 and _");
        }
        let mut seen = BTreeSet::new();
        for layer in &self.layers {
            let place = format!("layer {}", layer.number);
            asks(&place, Some(layer.signatures), layer.review_days)?;
            if !seen.insert(layer.number) {
                return unfit(&place, "it is there twice; remove one");
            }
        }
        let mut seen = BTreeSet::new();
        for tier in &self.tiers {
            let place = format!("tier {}", tier.number);
            asks(&place, Some(tier.signatures), tier.review_days)?;
            if !seen.insert(tier.number) {
                return unfit(&place, "it is there twice; remove one");
            }
            if let Some(veto) = &tier.veto {
                veto.check(&place)?;
            }
        }
        for category in &self.categories {
            let place = format!("category {}", category.label);
            asks(&place, category.signatures, category.review_days)?;
        }
        if self.layers.is_empty() {
            return unfit("layers", "there must be one at least");
        }
        if self.tier(self.default_tier).is_none() {
            return unfit("default_tier", "there is no tier of this number");
        }
        Ok(())
    }
}

impl VetoRule {
    fn check(&self, place: &str) -> Result<(), RulesError> {
        for (key, percent) in [
            ("mining_percent", self.mining_percent),
            ("economic_percent", self.economic_percent),
        ] {
            if !(1..=100).contains(&percent) {
                return unfit(&format!("{place}.veto.{key}"), "1 to 100");
            }
        }
        if !(1..=MOST_DAYS * 24).contains(&self.hours) {
            return unfit(&format!("{place}.veto.hours"), "1 hour to 10 years");
        }
        Ok(())
    }
}

fn asks(place: &str, signatures: Option<Quorum>, days: u32) -> Result<(), RulesError> {
    if signatures.is_some_and(|q| q.needed == 0 || q.needed > q.of || q.of > MOST_KEYS) {
        return unfit(
            &format!("{place}.signatures"),
            "`needed` lies between 1 and `of`, and `of` is at most 100",
        );
    }
    if days > MOST_DAYS {
        return unfit(&format!("{place}.review_days"), "at most 3650");
    }
    Ok(())
}

fn unfit(place: &str, problem: &str) -> Result<(), RulesError> {
    Err(RulesError::Unfit {
        place: place.to_owned(),
        problem: problem.to_owned(),
    })
}
