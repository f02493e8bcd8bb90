//! What is known of proposals: facts that join in any order to the same whole.
//!
//! Webhooks come twice, late and out of order. So nothing is counted up or overwritten as it comes:
//! each delivery is turned into facts, each fact has a place, and two facts of one place join to one.
//! Joining is commutative, associative and idempotent, which a property test shows; proposals are
//! computed from the facts alone.

mod join;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::statement::Statement;

/// Where a fact belongs; one place holds one fact.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// `owner/name`.
    pub repository: String,
    /// The pull request; 0 for what belongs to the repository.
    pub number: u64,
    /// What kind of fact.
    pub kind: &'static str,
    /// Which one of its kind.
    pub key: String,
}

/// One fact.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "fact", rename_all = "snake_case")]
pub enum Fact {
    /// The pull request itself.
    Pull(Pull),
    /// A commit that was its head.
    Head(Head),
    /// A review of GitHub's.
    Review(Review),
    /// A statement with a good signature.
    Signed(Signed),
    /// A signature of upstream's kind, which binds too little to count.
    Weak(Weak),
    /// A wish for another tier.
    Tier(TierWish),
    /// A release of the repository.
    Release(Release),
}

/// Whether a pull request is still open.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It can still be merged.
    Open,
    /// It was closed without being merged.
    Closed,
    /// It was merged.
    Merged,
}

/// A pull request. The newest by `updated_at` is kept; what was merged stays merged.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Pull {
    /// Unix seconds.
    pub updated_at: i64,
    /// Whether it is open.
    pub state: State,
    /// `owner/name`.
    pub repository: String,
    /// Its number there.
    pub number: u64,
    /// Its title.
    pub title: String,
    /// Who opened it.
    pub author: String,
    /// The commit that would be merged.
    pub head: String,
    /// The branch it would be merged into.
    pub base: String,
    /// Its labels, in order.
    pub labels: Vec<String>,
    /// Unix seconds.
    pub created_at: i64,
    /// Unix seconds.
    pub merged_at: Option<i64>,
    /// The commit that the merge made.
    pub merge_commit: Option<String>,
}

/// A commit that was the head, and when it was first seen as such. The earliest is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(
    clippy::struct_field_names,
    reason = "the field's word, as answers have it"
)]
pub struct Head {
    /// `owner/name`.
    pub repository: String,
    /// The pull request.
    pub number: u64,
    /// The commit.
    pub head: String,
    /// Unix seconds.
    pub seen_at: i64,
}

/// A review of GitHub's, which is shown and never counted as a signature. The newest is kept; one
/// that was dismissed stays so.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Review {
    /// Whether it was dismissed.
    pub dismissed: bool,
    /// Unix seconds.
    pub submitted_at: i64,
    /// `owner/name`.
    pub repository: String,
    /// The pull request.
    pub number: u64,
    /// GitHub's number for it.
    pub id: u64,
    /// Who wrote it.
    pub login: String,
    /// `approved`, `changes_requested` or `commented`.
    pub state: String,
    /// The commit that was reviewed.
    pub commit: String,
}

/// A statement with a good signature by a key that was known. The earliest is kept; a statement
/// that was made is not unmade by editing the comment, only by one with a higher nonce.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signed {
    /// What was signed.
    pub statement: Statement,
    /// By which key, x-only in hex.
    pub key: String,
    /// The signature, in hex.
    pub signature: String,
    /// The reason, where one was given.
    pub reason: String,
    /// When GitHub says that it was written, Unix seconds.
    pub seen_at: i64,
}

/// A signature of upstream's kind: its text names neither commit nor action.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Weak {
    /// `owner/name`.
    pub repository: String,
    /// The pull request.
    pub number: u64,
    /// Who wrote the comment.
    pub login: String,
    /// What was written.
    pub signature: String,
    /// Unix seconds.
    pub seen_at: i64,
}

/// A wish for another tier, by somebody.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TierWish {
    /// `owner/name`.
    pub repository: String,
    /// The pull request.
    pub number: u64,
    /// Who wrote the comment.
    pub login: String,
    /// The tier.
    pub tier: u8,
    /// Why.
    pub reason: String,
    /// Unix seconds.
    pub seen_at: i64,
}

/// A release. The newest by `updated_at` is kept; one that was deleted stays so.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Release {
    /// Whether it was deleted.
    pub deleted: bool,
    /// Unix seconds.
    pub updated_at: i64,
    /// `owner/name`.
    pub repository: String,
    /// GitHub's number for it.
    pub id: u64,
    /// Its tag.
    pub tag: String,
    /// Branch or commit that the tag was made from.
    pub target: String,
    /// Who published it.
    pub author: String,
    /// Whether it is a draft.
    pub draft: bool,
    /// Whether it is called a pre-release.
    pub prerelease: bool,
}
