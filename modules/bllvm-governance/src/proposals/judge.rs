//! From facts to proposals.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::clock::{Moment, stamp};
use super::view::{GitHubReview, Proposal, Proposals, Standing, WeakSignature};
use super::{signatures, tiers};
use crate::facts::{Fact, Head, Pull, Release, Review, Signed, State, TierWish, Weak};
use crate::known::Known;
use crate::rules::Requirement;

const DAY: i64 = 86_400;

/// The facts of one pull request.
#[derive(Default)]
struct Gathered<'a> {
    pull: Option<&'a Pull>,
    heads: Vec<&'a Head>,
    reviews: Vec<&'a Review>,
    signed: Vec<&'a Signed>,
    weak: Vec<&'a Weak>,
    wishes: Vec<&'a TierWish>,
}

/// All proposals of repositories that are configured.
pub fn all(facts: &[Fact], known: &Known, moment: &Moment, node_id: Option<String>) -> Proposals {
    let mut gathered: BTreeMap<(String, u64), Gathered<'_>> = BTreeMap::new();
    let mut releases: Vec<Release> = Vec::new();
    for fact in facts {
        let place = fact.place();
        let of = gathered
            .entry((place.repository, place.number))
            .or_default();
        match fact {
            Fact::Pull(pull) => of.pull = Some(pull),
            Fact::Head(head) => of.heads.push(head),
            Fact::Review(review) => of.reviews.push(review),
            Fact::Signed(signed) => of.signed.push(signed),
            Fact::Weak(weak) => of.weak.push(weak),
            Fact::Tier(wish) => of.wishes.push(wish),
            Fact::Release(release) => releases.push(release.clone()),
        }
    }
    let mut proposals: Vec<_> = gathered
        .values()
        .filter_map(|of| Some((of.pull?.created_at, proposal(of, known, moment)?)))
        .collect();
    proposals.sort_by_key(|(created_at, one)| (Reverse(*created_at), Reverse(one.number)));
    releases.retain(|one| known.repository(&one.repository).is_some());
    releases.sort_by_key(|one| (Reverse(one.updated_at), one.id));
    Proposals {
        node_id,
        rules: known.rules.name.clone(),
        rules_description: known.rules.description.clone(),
        rules_sha256: known.rules.digest.clone(),
        at: stamp(moment.utc),
        height: moment.height,
        proposals: proposals.into_iter().map(|(_, one)| one).collect(),
        releases,
    }
}

fn proposal(of: &Gathered<'_>, known: &Known, moment: &Moment) -> Option<Proposal> {
    let pull = of.pull?;
    let repository = known.repository(&pull.repository)?;
    let layer = known.rules.layer(repository.layer)?;
    let claims = tiers::claims(pull, repository, &of.wishes, known);
    let counted = claims.iter().filter(|claim| claim.counted);
    let counted: Vec<_> = counted.map(|claim| claim.tier).collect();
    let needs = known
        .rules
        .requirement(repository.layer, &counted, &pull.labels)?;
    let seen = of.heads.iter().find(|head| head.head == pull.head);
    let began_at = seen.map_or(pull.created_at, |head| head.seen_at);
    let days = i64::from(needs.review_days) * DAY;
    let clock = moment.clock(began_at, days);
    let signatures = signatures::judge(pull, repository.layer, &of.signed, known, moment);
    let counting = signatures.iter().filter(|one| one.counted).count();
    let signed = u32::try_from(counting).unwrap_or(u32::MAX);
    let in_time = match pull.merged_at {
        Some(merged_at) => merged_at >= began_at + days,
        None => clock.passed,
    };
    let keys = known.maintainers_of(repository.layer).count();
    let mut missing = missing(pull, &needs, signed, keys, in_time, &clock.ends_at);
    missing.extend(rival(pull, &of.heads));
    let veto = needs.veto.as_ref().map(|rule| rule.hours);
    let standing = match pull.state {
        State::Merged => Standing::Merged,
        State::Closed => Standing::Closed,
        State::Open if missing.is_empty() => Standing::Ready,
        State::Open => Standing::Waiting,
    };
    Some(Proposal {
        id: format!("{}#{}", pull.repository, pull.number),
        repository: pull.repository.clone(),
        number: pull.number,
        title: pull.title.clone(),
        author: pull.author.clone(),
        state: pull.state,
        standing,
        head: pull.head.clone(),
        base: pull.base.clone(),
        labels: pull.labels.clone(),
        layer: repository.layer,
        layer_title: layer.title.clone(),
        tiers: claims,
        opened_at: began_at,
        veto: veto.map(|hours| moment.clock(began_at, i64::from(hours) * 3600)),
        needs,
        review: clock,
        signed,
        signatures,
        weak: of.weak.iter().map(|one| weak(one)).collect(),
        reviews: of.reviews.iter().map(|one| review(one, pull)).collect(),
        missing,
    })
}

/// Times of GitHub's are whole seconds: two pushes within one leave it open which came last.
fn rival(pull: &Pull, heads: &[&Head]) -> Option<String> {
    let same_second = |head: &&&Head| head.seen_at == pull.updated_at && head.head != pull.head;
    let rival = heads.iter().find(same_second)?;
    (pull.state == State::Open).then(|| {
        format!(
            "{:.12} was pushed within the same second as {:.12}: which one is the head shows with \
             the pull request's next change",
            rival.head, pull.head
        )
    })
}

/// What is missing, in words.
fn missing(
    pull: &Pull,
    needs: &Requirement,
    signed: u32,
    keys: usize,
    in_time: bool,
    ends_at: &str,
) -> Vec<String> {
    let mut missing = Vec::new();
    if pull.state == State::Closed {
        return missing;
    }
    let head: String = pull.head.chars().take(12).collect();
    if signed < needs.signatures.needed {
        let more = needs.signatures.needed - signed;
        let s = if more == 1 { "" } else { "s" };
        missing.push(format!("{more} more signature{s} of {head}"));
    }
    if keys < needs.signatures.needed as usize {
        missing.push(format!(
            "{} must sign, but only {keys} maintainers' keys are configured for this layer",
            needs.signatures.needed
        ));
    }
    if !in_time {
        missing.push(format!("review is open until {ends_at}"));
    }
    missing
}

fn weak(weak: &Weak) -> WeakSignature {
    WeakSignature {
        login: weak.login.clone(),
        signature: weak.signature.clone(),
    }
}

fn review(review: &Review, pull: &Pull) -> GitHubReview {
    GitHubReview {
        login: review.login.clone(),
        state: if review.dismissed {
            "dismissed".to_owned()
        } else {
            review.state.clone()
        },
        commit: review.commit.clone(),
        current: review.commit == pull.head,
    }
}
