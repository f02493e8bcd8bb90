//! What GitHub says, read as facts.
//!
//! What happened is told by the body, whose signature the node has checked; the header that names it
//! is not signed, and nothing depends on it.

mod command;
mod comment;
mod payload;

#[cfg(test)]
mod tests;

use serde_json::Value;

use crate::facts::{Fact, Head, Pull, Release, Review};
use crate::known::Known;
use crate::refusal::{Code, Refusal};

/// What one delivery says.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// What it adds.
    pub facts: Vec<Fact>,
    /// What in it was not taken, and why.
    pub refused: Vec<Refusal>,
    /// Whether it is of a kind that nothing here is about.
    pub unused: bool,
}

impl Reading {
    fn unused() -> Self {
        Self {
            unused: true,
            ..Self::default()
        }
    }

    fn of(facts: Vec<Fact>) -> Self {
        Self {
            facts,
            ..Self::default()
        }
    }
}

/// Reads a delivery's body.
///
/// # Errors
/// Where nothing of it can be taken.
pub fn read(body: &[u8], known: &Known) -> Result<Reading, Refusal> {
    let body: Value = serde_json::from_slice(body).map_err(|error| {
        let text = if body.starts_with(b"payload=") {
            "the body is a form: set the webhook's content type to `application/json` at GitHub"
                .to_owned()
        } else {
            format!("the body is not JSON: {error}")
        };
        Refusal::new(Code::NotJson, text)
    })?;
    let has = |key| body.get(key).is_some_and(Value::is_object);
    let wanted = has("review") || has("pull_request") || has("comment") || has("release");
    // A comment on a line of a review is about code, and has no commands.
    let on_a_line = has("comment") && !has("issue");
    if !wanted || on_a_line {
        return Ok(Reading::unused());
    }
    let repository = payload::repository(&body)?;
    if known.repository(&repository).is_none() {
        return Err(Refusal::new(
            Code::UnknownRepository,
            format!("there are no rules for {repository}; add it to `repositories`"),
        ));
    }
    if has("review") {
        return review(&body, repository);
    }
    if has("comment") {
        return comment::read(&body, &repository, known);
    }
    if has("release") {
        return release(&body, repository);
    }
    pull(&body, repository)
}

fn pull(body: &Value, repository: String) -> Result<Reading, Refusal> {
    let pull: payload::PullRequest = payload::part(body, "pull_request")?;
    let head = pull.head.sha()?;
    let updated_at = payload::time("pull_request.updated_at", &pull.updated_at)?;
    let state = pull.state()?;
    let mut labels: Vec<_> = pull
        .labels
        .iter()
        .map(|one| payload::short(&one.name))
        .collect();
    labels.sort();
    labels.dedup();
    let merged_at = pull.merged_at.as_deref();
    let fact = Pull {
        updated_at,
        state,
        repository: repository.clone(),
        number: pull.number,
        title: payload::short(&pull.title),
        author: payload::short(&pull.user.login),
        head: head.clone(),
        base: payload::short(&pull.base.name),
        labels,
        created_at: payload::time("pull_request.created_at", &pull.created_at)?,
        merged_at: merged_at
            .map(|time| payload::time("pull_request.merged_at", time))
            .transpose()?,
        merge_commit: pull.merge_commit_sha.filter(|_| merged_at.is_some()),
    };
    let seen = Head {
        repository,
        number: pull.number,
        head,
        seen_at: updated_at,
    };
    Ok(Reading::of(vec![Fact::Pull(fact), Fact::Head(seen)]))
}

fn review(body: &Value, repository: String) -> Result<Reading, Refusal> {
    let pull: payload::Numbered = payload::part(body, "pull_request")?;
    let review: payload::Review = payload::part(body, "review")?;
    let action = payload::action(body)?;
    let submitted_at = payload::time("review.submitted_at", &review.submitted_at)?;
    Ok(Reading::of(vec![Fact::Review(Review {
        dismissed: action == "dismissed" || review.state.eq_ignore_ascii_case("dismissed"),
        submitted_at,
        repository,
        number: pull.number,
        id: review.id,
        login: payload::short(&review.user.login),
        state: payload::short(&review.state).to_lowercase(),
        commit: payload::short(&review.commit_id),
    })]))
}

fn release(body: &Value, repository: String) -> Result<Reading, Refusal> {
    let release: payload::Release = payload::part(body, "release")?;
    let action = payload::action(body)?;
    let stamps = [
        &release.updated_at,
        &release.published_at,
        &release.created_at,
    ];
    let newest = stamps.into_iter().flatten().next();
    let newest = newest.ok_or_else(|| {
        Refusal::new(Code::BadField, "`release.created_at`: the field is missing")
    })?;
    Ok(Reading::of(vec![Fact::Release(Release {
        deleted: action == "deleted",
        updated_at: payload::time("release.published_at", newest)?,
        repository,
        id: release.id,
        tag: payload::short(&release.tag_name),
        target: payload::short(&release.target_commitish),
        author: payload::short(&release.author.login),
        draft: release.draft,
        prerelease: release.prerelease,
    })]))
}
