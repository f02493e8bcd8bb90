//! What kind of change a proposal is claimed to be, and whose claims count.

use super::view::TierClaim;
use crate::config::Repository;
use crate::facts::{Pull, TierWish};
use crate::known::Known;

/// The claims, the repository's own first.
pub fn claims(
    pull: &Pull,
    repository: &Repository,
    wishes: &[&TierWish],
    known: &Known,
) -> Vec<TierClaim> {
    let rules = &known.rules;
    let claim = |tier: u8, by: String, counted: bool| TierClaim {
        tier,
        title: rules
            .tier(tier)
            .map_or_else(String::new, |one| one.title.clone()),
        by,
        counted: counted && rules.tier(tier).is_some(),
    };
    let own = match repository.tier {
        Some(tier) => claim(tier, "the repository's configuration".to_owned(), true),
        None => claim(rules.default_tier, "the rules' default".to_owned(), true),
    };
    let labelled = pull.labels.iter().filter_map(|label| {
        let tier = of_label(label)?;
        Some(claim(tier, format!("label {label}"), true))
    });
    let wished = wishes.iter().map(|wish| {
        let counted = known.is_maintainer(&wish.login, repository.layer);
        claim(wish.tier, format!("comment of {}", wish.login), counted)
    });
    [own].into_iter().chain(labelled).chain(wished).collect()
}

/// `tier-3`, `tier 3`, `tier:3` and the like.
fn of_label(label: &str) -> Option<u8> {
    let label = label.to_ascii_lowercase();
    let number = label.strip_prefix("tier")?;
    number
        .trim_start_matches([' ', '-', ':', '_', '/'])
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::of_label;

    #[test]
    fn labels_name_tiers_in_several_spellings() {
        for label in ["tier-3", "Tier 3", "tier: 3", "TIER3", "tier/3"] {
            assert_eq!(of_label(label), Some(3), "{label}");
        }
        for label in ["tier", "tiers", "frontier-3", "tier-x"] {
            assert_eq!(of_label(label), None, "{label}");
        }
    }
}
