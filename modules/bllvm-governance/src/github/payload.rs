//! The fields of GitHub's payloads that are used, and how they are checked.

use jiff::Timestamp;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::facts::State;
use crate::refusal::{Code, Refusal};

/// Longest text of others that is kept.
const MOST_CHARS: usize = 300;

#[derive(Deserialize)]
pub struct User {
    pub login: String,
}

#[derive(Deserialize)]
pub struct Numbered {
    pub number: u64,
}

#[derive(Deserialize)]
pub struct Label {
    pub name: String,
}

#[derive(Deserialize)]
pub struct Commit {
    sha: String,
}

#[derive(Deserialize)]
pub struct Branch {
    #[serde(rename = "ref")]
    pub name: String,
}

#[derive(Deserialize)]
pub struct PullRequest {
    pub number: u64,
    pub title: String,
    pub user: User,
    state: String,
    #[serde(default)]
    merged: Option<bool>,
    pub head: Commit,
    pub base: Branch,
    #[serde(default)]
    pub labels: Vec<Label>,
    pub created_at: String,
    pub updated_at: String,
    #[serde(default)]
    pub merged_at: Option<String>,
    #[serde(default)]
    pub merge_commit_sha: Option<String>,
}

#[derive(Deserialize)]
pub struct Review {
    pub id: u64,
    pub user: User,
    pub state: String,
    pub commit_id: String,
    pub submitted_at: String,
}

#[derive(Deserialize)]
pub struct Issue {
    pub number: u64,
    #[serde(default)]
    pub pull_request: Option<Value>,
}

#[derive(Deserialize)]
pub struct Comment {
    pub user: User,
    pub body: String,
    pub updated_at: String,
}

#[derive(Deserialize)]
pub struct Release {
    pub id: u64,
    pub tag_name: String,
    pub target_commitish: String,
    pub author: User,
    #[serde(default)]
    pub draft: bool,
    #[serde(default)]
    pub prerelease: bool,
    #[serde(default)]
    pub created_at: Option<String>,
    #[serde(default)]
    pub published_at: Option<String>,
    #[serde(default)]
    pub updated_at: Option<String>,
}

impl Commit {
    /// The commit, as 40 lower-case digits (64 in repositories that hash by SHA-256).
    pub fn sha(&self) -> Result<String, Refusal> {
        commit(&self.sha).ok_or_else(|| {
            let text = "`pull_request.head.sha`: it must be 40 hexadecimal digits";
            Refusal::new(Code::BadField, text)
        })
    }
}

impl PullRequest {
    pub fn state(&self) -> Result<State, Refusal> {
        match (self.state.as_str(), self.merged, &self.merged_at) {
            ("closed", Some(true), _) | ("closed", None, Some(_)) => Ok(State::Merged),
            ("closed", ..) => Ok(State::Closed),
            ("open", ..) => Ok(State::Open),
            (other, ..) => Err(Refusal::new(
                Code::BadField,
                format!(
                    "`pull_request.state`: `{}` is neither open nor closed",
                    short(other)
                ),
            )),
        }
    }
}

/// A commit's name, if it is one.
pub fn commit(text: &str) -> Option<String> {
    let fits = matches!(text.len(), 40 | 64) && text.bytes().all(|b| b.is_ascii_hexdigit());
    fits.then(|| text.to_ascii_lowercase())
}

/// One part of the body.
pub fn part<T: DeserializeOwned>(body: &Value, key: &str) -> Result<T, Refusal> {
    let part = body
        .get(key)
        .ok_or_else(|| Refusal::new(Code::BadField, format!("`{key}`: the field is missing")))?;
    T::deserialize(part).map_err(|error| Refusal::new(Code::BadField, format!("`{key}`: {error}")))
}

/// What happened to it.
pub fn action(body: &Value) -> Result<String, Refusal> {
    part(body, "action")
}

/// The repository's full name.
pub fn repository(body: &Value) -> Result<String, Refusal> {
    #[derive(Deserialize)]
    struct Repository {
        full_name: String,
    }
    let repository: Repository = part(body, "repository")?;
    Ok(repository.full_name.to_lowercase())
}

/// Unix seconds of a time as GitHub writes it.
pub fn time(field: &str, text: &str) -> Result<i64, Refusal> {
    let time: Timestamp = text.parse().map_err(|_| {
        let text = format!(
            "`{field}`: `{}` is not a time as 2026-01-02T03:04:05Z",
            short(text)
        );
        Refusal::new(Code::BadField, text)
    })?;
    Ok(time.as_second())
}

/// A text of others, cut where it is too long, without control characters.
pub fn short(text: &str) -> String {
    let kept = text.chars().filter(|c| !c.is_control());
    kept.take(MOST_CHARS).collect()
}
