//! What is answered about a proposal.

use schemars::JsonSchema;
use serde::Serialize;

use crate::facts::{Release, State};
use crate::rules::Requirement;
use crate::statement::Action;

/// The proposals, newest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[expect(
    clippy::struct_field_names,
    reason = "the field's word, as answers have it"
)]
pub struct Proposals {
    /// The name of this node, where the configuration gives it one.
    pub node_id: Option<String>,
    /// The rules by which they are judged.
    pub rules: String,
    /// What they are, in a sentence.
    pub rules_description: String,
    /// SHA-256 of the rules' file.
    pub rules_sha256: String,
    /// As of when, by the wall's clock.
    pub at: String,
    /// As of which height; none without a chain.
    pub height: Option<u32>,
    /// The proposals.
    pub proposals: Vec<Proposal>,
    /// Releases of the repositories, newest first.
    pub releases: Vec<Release>,
}

/// Where a proposal stands. Nobody is bound by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Standing {
    /// Something is missing.
    Waiting,
    /// Nothing is missing.
    Ready,
    /// It was merged.
    Merged,
    /// It was closed.
    Closed,
}

/// One pull request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Proposal {
    /// `owner/name#number`.
    pub id: String,
    /// `owner/name`.
    pub repository: String,
    /// Its number.
    pub number: u64,
    /// Its title.
    pub title: String,
    /// Who opened it.
    pub author: String,
    /// Whether it is open, at GitHub.
    pub state: State,
    /// Where it stands by the rules.
    pub standing: Standing,
    /// The commit that would be merged; signatures bind it.
    pub head: String,
    /// The branch it would be merged into.
    pub base: String,
    /// Its labels.
    pub labels: Vec<String>,
    /// The repository's layer.
    pub layer: u8,
    /// What repositories of this layer are.
    pub layer_title: String,
    /// What it is claimed to be, and by whom.
    pub tiers: Vec<TierClaim>,
    /// What it needs.
    pub needs: Requirement,
    /// When its head was first seen, Unix seconds.
    #[serde(skip)]
    pub opened_at: i64,
    /// How long signals for and against a veto are taken; none where it cannot be vetoed.
    pub veto: Option<Clock>,
    /// How long it is open for review: from when its head was first seen.
    pub review: Clock,
    /// Signatures that count.
    pub signed: u32,
    /// What maintainers signed, each with whether it counts.
    pub signatures: Vec<Signature>,
    /// Signatures over upstream's texts, which never count.
    pub weak: Vec<WeakSignature>,
    /// Reviews at GitHub, which never count as signatures.
    pub reviews: Vec<GitHubReview>,
    /// What is missing, in words; what was missing, once it is merged.
    pub missing: Vec<String>,
}

impl Proposal {
    /// When signals are no longer taken, Unix seconds; none where it cannot be vetoed.
    pub fn veto_closes_at(&self) -> Option<i64> {
        let rule = self.needs.veto.as_ref()?;
        Some(self.opened_at.saturating_add(i64::from(rule.hours) * 3600))
    }
}

/// A tier that somebody claims.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct TierClaim {
    /// The tier.
    pub tier: u8,
    /// In words.
    pub title: String,
    /// Who or what claims it.
    pub by: String,
    /// Whether it counts: the rules' and the operator's, labels', and maintainers' do. Those that
    /// count are all held against the proposal, and the most restrictive number wins.
    pub counted: bool,
}

/// A period.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Clock {
    /// When it began.
    pub began_at: String,
    /// When it ends.
    pub ends_at: String,
    /// Whether the wall's clock and the chain's median time are both past its end.
    pub passed: bool,
    /// Which of the two are not: `utc`, `median_time`.
    pub waits_for: Vec<String>,
}

/// What a maintainer signed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[expect(
    clippy::struct_field_names,
    reason = "the field's word, as answers have it"
)]
pub struct Signature {
    /// The maintainer, where the key is still one's.
    pub login: Option<String>,
    /// The key.
    pub key: String,
    /// What was said.
    pub action: Action,
    /// Over which commit.
    pub head: String,
    /// Its nonce: the highest of a key counts.
    pub nonce: u64,
    /// The first height at which it holds.
    pub from: u32,
    /// The last height at which it holds.
    pub to: u32,
    /// The reason given.
    pub reason: String,
    /// The signature itself.
    pub signature: String,
    /// Whether it counts.
    pub counted: bool,
    /// Why not: `superseded`, `other_head`, `other_rules`, `other_chain`, `not_a_maintainer`,
    /// `not_yet`, `expired`, `no_chain`.
    pub code: Option<String>,
}

/// A signature over upstream's text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct WeakSignature {
    /// Who wrote the comment.
    pub login: String,
    /// What was written.
    pub signature: String,
}

/// A review at GitHub.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct GitHubReview {
    /// Who wrote it.
    pub login: String,
    /// `approved`, `changes_requested`, `commented` or `dismissed`.
    pub state: String,
    /// The commit that was reviewed.
    pub commit: String,
    /// Whether that is the head.
    pub current: bool,
}
