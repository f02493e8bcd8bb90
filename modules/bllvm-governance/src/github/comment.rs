//! Comments: who says what, and whether the signature is of exactly that.

use serde_json::Value;

use super::command::{Command, Said, commands};
use super::{Reading, payload};
use crate::facts::{Fact, Signed, TierWish, Weak};
use crate::known::Known;
use crate::refusal::{Code, Refusal};
use crate::statement::{Action, Statement, reason_hash};

/// Reads a comment.
pub fn read(body: &Value, repository: &str, known: &Known) -> Result<Reading, Refusal> {
    let issue: payload::Issue = payload::part(body, "issue")?;
    let comment: payload::Comment = payload::part(body, "comment")?;
    let action = payload::action(body)?;
    let seen_at = payload::time("comment.updated_at", &comment.updated_at)?;
    let said = commands(&comment.body);
    // A deleted comment unsays nothing, and is no new word either.
    if said.is_empty() || action == "deleted" {
        return Ok(Reading::unused());
    }
    if issue.pull_request.is_none() {
        return Err(Refusal::new(
            Code::NotAPullRequest,
            format!(
                "{repository}#{} is an issue and no pull request",
                issue.number
            ),
        ));
    }
    let mut reading = Reading::default();
    let place = Place {
        repository,
        number: issue.number,
        login: payload::short(&comment.user.login),
        seen_at,
    };
    for command in said {
        match command.and_then(|command| place.take(command, known)) {
            Ok(fact) => reading.facts.extend(fact),
            Err(refusal) => reading.refused.push(refusal),
        }
    }
    Ok(reading)
}

/// Where something was said, and by whom as GitHub has it.
struct Place<'a> {
    repository: &'a str,
    number: u64,
    login: String,
    seen_at: i64,
}

impl Place<'_> {
    fn take(&self, command: Command, known: &Known) -> Result<Option<Fact>, Refusal> {
        let repository = self.repository.to_owned();
        let (number, login, seen_at) = (self.number, self.login.clone(), self.seen_at);
        match command {
            Command::Say(said) => self.signed(*said, known).map(Some),
            Command::Weak(signature) => Ok(Some(Fact::Weak(Weak {
                repository,
                number,
                login,
                signature,
                seen_at,
            }))),
            Command::Tier(tier, reason) => Ok(Some(Fact::Tier(TierWish {
                repository,
                number,
                login,
                tier,
                reason,
                seen_at,
            }))),
            Command::Other => Ok(None),
        }
    }

    fn signed(&self, said: Said, known: &Known) -> Result<Fact, Refusal> {
        if !known.may_say(said.action, &said.key) {
            let (list, who) = match said.action {
                Action::Sign => ("maintainers", "a maintainer's"),
                _ => ("economic_nodes", "an economic node's"),
            };
            let text = format!("{} is not {who} key; add it to `{list}`", said.key);
            return Err(Refusal::new(Code::UnknownKey, text));
        }
        let statement = Statement {
            chain: known.chain()?.to_owned(),
            rules: known.rules.name.clone(),
            repository: self.repository.to_owned(),
            number: self.number,
            head: said.head.clone(),
            action: said.action,
            nonce: said.nonce,
            from: said.from,
            to: said.to,
            reason: reason_hash(&said.reason),
        };
        if !statement.is_signed(&said.key, &said.signature) {
            return Err(why(&statement, &said, known));
        }
        Ok(Fact::Signed(Signed {
            statement,
            key: said.key.to_string(),
            signature: said.signature.to_string(),
            reason: said.reason,
            seen_at: self.seen_at,
        }))
    }
}

/// What a signature that does not fit was made for, where that can be found out.
fn why(claimed: &Statement, said: &Said, known: &Known) -> Refusal {
    let fits = |other: &Statement| other.is_signed(&said.key, &said.signature);
    let with = |change: &dyn Fn(&mut Statement)| {
        let mut other = claimed.clone();
        change(&mut other);
        fits(&other)
    };
    for action in Action::ALL {
        if with(&|other| other.action = action) {
            let text = format!(
                "the signature is for `{action}`, not for `{}`",
                claimed.action
            );
            return Refusal::new(Code::OtherAction, text);
        }
    }
    for name in known.repository_names() {
        if with(&|other| name.clone_into(&mut other.repository)) {
            let text = format!(
                "the signature is for {name}, not for {}",
                claimed.repository
            );
            return Refusal::new(Code::OtherRepository, text);
        }
    }
    for chain in Known::other_chains() {
        if with(&|other| other.chain.clone_from(&chain)) {
            let text = format!("the signature is for the chain that begins with {chain}");
            return Refusal::new(Code::OtherChain, text);
        }
    }
    for rules in Known::other_rules() {
        if with(&|other| other.rules.clone_from(&rules)) {
            let text = format!("the signature is for the rules `{rules}`");
            return Refusal::new(Code::OtherRules, text);
        }
    }
    let text = "the signature is not of this statement; `bllvm-governance sign` prints what fits";
    Refusal::new(Code::BadSignature, text)
}
