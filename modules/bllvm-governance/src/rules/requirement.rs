//! What one proposal needs: the most that layer, tier and labels ask for.

use schemars::JsonSchema;
use serde::Serialize;

use super::{Quorum, Rules, VetoRule};

/// What a proposal needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Requirement {
    /// How many maintainers must sign.
    pub signatures: Quorum,
    /// How long it is open for review.
    pub review_days: u32,
    /// Whether and how it can be vetoed.
    pub veto: Option<VetoRule>,
    /// Where the numbers are from.
    pub sources: Vec<String>,
}

impl Rules {
    /// What a proposal needs; none where there is no such layer or tier. "The most restrictive
    /// wins", number by number, over all tiers that are claimed: a claim can ask for more, and can
    /// never take away what another asks for.
    pub fn requirement(&self, layer: u8, tiers: &[u8], labels: &[String]) -> Option<Requirement> {
        let layer = self.layer(layer)?;
        let mut asked = Requirement {
            signatures: layer.signatures,
            review_days: layer.review_days,
            veto: None,
            sources: vec![layer.source.clone()],
        };
        for tier in tiers {
            let tier = self.tier(*tier)?;
            asked.signatures = asked.signatures.most(tier.signatures);
            asked.review_days = asked.review_days.max(tier.review_days);
            asked.veto = VetoRule::easier(asked.veto.take(), tier.veto.clone());
            asked.sources.push(tier.source.clone());
        }
        let named = |label: &str| labels.iter().any(|one| one.eq_ignore_ascii_case(label));
        for category in self.categories.iter().filter(|one| named(&one.label)) {
            if let Some(signatures) = category.signatures {
                asked.signatures = asked.signatures.most(signatures);
            }
            asked.review_days = asked.review_days.max(category.review_days);
            asked.sources.push(category.source.clone());
        }
        asked.sources.dedup();
        Some(asked)
    }
}

impl Rules {
    /// Whether some tiers together ask for exactly these percents and hours.
    ///
    /// If any do, all those do that ask for no less on either side and for no longer: each of them
    /// changes nothing of what they come to.
    pub fn can_ask(&self, rule: &VetoRule) -> bool {
        let fits = |one: &&VetoRule| {
            one.mining_percent >= rule.mining_percent
                && one.economic_percent >= rule.economic_percent
                && one.hours <= rule.hours
        };
        let vetoes = self.tiers.iter().filter_map(|tier| tier.veto.as_ref());
        let numbers = |one: &VetoRule| (one.mining_percent, one.economic_percent, one.hours);
        let together = vetoes
            .filter(fits)
            .fold(None, |sum, one| VetoRule::easier(sum, Some(one.clone())));
        together.is_some_and(|one| numbers(&one) == numbers(rule))
    }
}

impl VetoRule {
    /// The one that is easier to reach, open as long as the longer of the two.
    fn easier(one: Option<Self>, other: Option<Self>) -> Option<Self> {
        match (one, other) {
            (Some(one), Some(other)) => Some(Self {
                mining_percent: one.mining_percent.min(other.mining_percent),
                economic_percent: one.economic_percent.min(other.economic_percent),
                hours: one.hours.max(other.hours),
                source: format!("{}; {}", one.source, other.source),
            }),
            (one, other) => one.or(other),
        }
    }
}

impl Quorum {
    fn most(self, other: Self) -> Self {
        Self {
            needed: self.needed.max(other.needed),
            of: self.of.max(other.of),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::Preset;

    #[test]
    fn rules_ask_for_what_tiers_ask_for_together_and_for_nothing_else() {
        let rules = Preset::EconomicVeto2025.rules();
        let asked = |tiers: &[u8]| rules.requirement(4, tiers, &[]).unwrap().veto;
        let mut some = 0;
        for tiers in [
            &[3][..],
            &[4],
            &[5],
            &[3, 4],
            &[4, 5],
            &[3, 5],
            &[3, 4, 5],
            &[3, 3],
        ] {
            let Some(rule) = asked(tiers) else { continue };
            some += 1;
            assert!(rules.can_ask(&rule), "{tiers:?}");
            for change in [
                (|rule: &mut VetoRule| rule.mining_percent -= 1) as fn(&mut VetoRule),
                |rule| rule.economic_percent -= 1,
                |rule| rule.hours += 1,
            ] {
                let mut other = rule.clone();
                change(&mut other);
                assert!(!rules.can_ask(&other), "{other:?}");
            }
        }
        assert!(some > 5);
        assert!(
            !Preset::MaintainerOnly2026
                .rules()
                .can_ask(&asked(&[3]).unwrap())
        );
    }

    #[test]
    fn own_rules_do_not_pass_for_those_that_come_along() {
        let text = include_str!("../../presets/economic_veto_2025.toml");
        assert!(Rules::read_own(text).is_ok(), "a copy is what it says");
        let other = text.replacen("mining_percent = 30", "mining_percent = 31", 1);
        assert_ne!(other, text);
        let refused = Rules::read_own(&other).unwrap_err().to_string();
        assert!(refused.contains("name: rules that come along"), "{refused}");
        let renamed = other.replacen("economic_veto_2025", "ours", 1);
        assert!(Rules::read_own(&renamed).is_ok());
    }
}
