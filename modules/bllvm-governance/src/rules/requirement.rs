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
