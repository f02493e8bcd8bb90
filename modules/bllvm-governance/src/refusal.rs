//! Why something that came in is not counted: a stable word, and a sentence for people.

use std::fmt;

/// The word stands on the delivery's row, in answers and in tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Code {
    /// The body is not JSON.
    NotJson,
    /// A field is missing, or is not what it should be.
    BadField,
    /// No repository of this name is configured.
    UnknownRepository,
    /// A comment on an issue that is no pull request.
    NotAPullRequest,
    /// A command that cannot be read.
    BadCommand,
    /// No key of this kind is configured.
    UnknownKey,
    /// The signature is of something else.
    BadSignature,
    /// It was signed for another action.
    OtherAction,
    /// It was signed for another repository.
    OtherRepository,
    /// It was signed for another chain.
    OtherChain,
    /// It was signed under other rules.
    OtherRules,
    /// A text of upstream's that binds neither commit nor action.
    WeakSignature,
    /// The node has no chain yet, so nothing can be bound to it.
    NoChain,
    /// The body is kept no more.
    BodyGone,
}

impl Code {
    /// The word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::NotJson => "not_json",
            Self::BadField => "bad_field",
            Self::UnknownRepository => "unknown_repository",
            Self::NotAPullRequest => "not_a_pull_request",
            Self::BadCommand => "bad_command",
            Self::UnknownKey => "unknown_key",
            Self::BadSignature => "bad_signature",
            Self::OtherAction => "other_action",
            Self::OtherRepository => "other_repository",
            Self::OtherChain => "other_chain",
            Self::OtherRules => "other_rules",
            Self::WeakSignature => "weak_signature",
            Self::NoChain => "no_chain",
            Self::BodyGone => "body_gone",
        }
    }
}

/// Why, in a word and in a sentence.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct Refusal {
    /// The word.
    pub code: Code,
    /// The sentence.
    pub detail: String,
}

impl Refusal {
    /// A refusal.
    pub fn new(code: Code, detail: impl fmt::Display) -> Self {
        Self {
            code,
            detail: detail.to_string(),
        }
    }
}
