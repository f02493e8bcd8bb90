//! The commands in comments: lines that begin with `/governance-`.

use bitcoin::secp256k1::XOnlyPublicKey;
use bitcoin::secp256k1::schnorr::Signature;

use super::payload::{commit, short};
use crate::refusal::{Code, Refusal};
use crate::statement::Action;

/// A comment has no more commands than this.
const MOST: usize = 20;

/// One command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// A statement with its signature.
    Say(Box<Said>),
    /// A signature over upstream's text.
    Weak(String),
    /// A wish for another tier.
    Tier(u8, String),
    /// Upstream's review cases, which are not governance of proposals.
    Other,
}

/// What a signed command says; repository, number and chain are where it was said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    pub action: Action,
    pub signature: Signature,
    pub key: XOnlyPublicKey,
    pub head: String,
    pub nonce: u64,
    pub from: u32,
    pub to: u32,
    pub reason: String,
}

/// The commands of a comment, each read or refused.
pub fn commands(comment: &str) -> Vec<Result<Command, Refusal>> {
    let lines = comment.lines().map(str::trim);
    let commands = lines.filter_map(|line| line.strip_prefix("/governance-"));
    let mut all: Vec<_> = commands.clone().take(MOST).map(command).collect();
    if commands.count() > MOST {
        let text = format!("only the first {MOST} commands of a comment are read; write another");
        all.push(Err(bad(text)));
    }
    all
}

fn command(line: &str) -> Result<Command, Refusal> {
    let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    let rest = rest.trim();
    if let Some(action) = Action::of_word(word) {
        // Upstream's `/governance-sign <hex> "reason"` names no fields.
        let first = rest.split_whitespace().next().unwrap_or_default();
        if action == Action::Sign && !first.contains('=') && is_hex(first) {
            return Ok(Command::Weak(short(first)));
        }
        return Ok(Command::Say(Box::new(said(action, rest)?)));
    }
    match word {
        "tier-override" => tier(rest),
        "review-case" => Ok(Command::Other),
        _ => Err(bad(format!(
            "`/governance-{}` is not known; there is sign, veto, support, abstain and \
             tier-override",
            short(word)
        ))),
    }
}

fn said(action: Action, rest: &str) -> Result<Said, Refusal> {
    let (fields, reason) = match rest.split_once('"') {
        Some((fields, reason)) => (fields, reason.strip_suffix('"').unwrap_or(reason)),
        None => (rest, ""),
    };
    let field = |name: &str| {
        let mut all = fields
            .split_whitespace()
            .filter_map(|one| one.split_once('='));
        all.find(|(key, _)| *key == name).map(|(_, value)| value)
    };
    let wanted = |name: &str, what: &str| {
        field(name).ok_or_else(|| bad(format!("`{name}=` is missing: {what}")))
    };
    let number = |name: &str, what: &str| {
        let text = wanted(name, what)?;
        let number = text.parse::<u64>();
        number.map_err(|_| bad(format!("`{name}={}` is not a number: {what}", short(text))))
    };
    let height = |name: &str| {
        let number = number(name, "a block height")?;
        u32::try_from(number).map_err(|_| bad(format!("`{name}={number}` is not a block height")))
    };
    let key = wanted("key", "the signer's key, 64 hexadecimal digits")?;
    let signature = wanted("sig", "the signature, 128 hexadecimal digits")?;
    let head = wanted("head", "the commit that was looked at")?;
    let said = Said {
        action,
        signature: signature
            .parse()
            .map_err(|_| bad("`sig=` must have 128 hexadecimal digits".to_owned()))?,
        key: key
            .parse()
            .map_err(|_| bad("`key=` must be an x-only key of 64 hexadecimal digits".to_owned()))?,
        head: commit(head)
            .ok_or_else(|| bad("`head=` must be a commit of 40 hexadecimal digits".to_owned()))?,
        nonce: number("nonce", "higher than in what this key said before")?,
        from: height("from")?,
        to: height("to")?,
        // Its hash is signed, so it is never cut.
        reason: reason.to_owned(),
    };
    if said.from > said.to {
        return Err(bad(format!(
            "`from={}` lies above `to={}`",
            said.from, said.to
        )));
    }
    if reason.chars().count() > 1000 {
        return Err(bad("the reason has more than 1,000 characters".to_owned()));
    }
    Ok(said)
}

fn tier(rest: &str) -> Result<Command, Refusal> {
    let (number, reason) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    let tier = number
        .parse::<u8>()
        .ok()
        .filter(|tier| (1..=9).contains(tier));
    let tier = tier.ok_or_else(|| {
        bad(format!(
            "`/governance-tier-override {}`: a number belongs there",
            short(number)
        ))
    })?;
    Ok(Command::Tier(tier, short(reason.trim().trim_matches('"'))))
}

fn is_hex(text: &str) -> bool {
    text.len() >= 64 && text.bytes().all(|b| b.is_ascii_hexdigit())
}

fn bad(detail: String) -> Refusal {
    Refusal::new(Code::BadCommand, detail)
}
