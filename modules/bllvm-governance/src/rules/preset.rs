//! The sets of rules that come along.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Rules;

/// A set that comes along.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Preset {
    /// As published in 2025: maintainers sign, miners and economic nodes together can veto.
    #[default]
    #[serde(rename = "economic_veto_2025")]
    EconomicVeto2025,
    /// As upstream has it since it deleted the veto: maintainers sign.
    #[serde(rename = "maintainer_only_2026")]
    MaintainerOnly2026,
}

impl Preset {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::EconomicVeto2025, Self::MaintainerOnly2026];

    /// Its rules.
    pub fn rules(self) -> Rules {
        let text = match self {
            Self::EconomicVeto2025 => include_str!("../../presets/economic_veto_2025.toml"),
            Self::MaintainerOnly2026 => include_str!("../../presets/maintainer_only_2026.toml"),
        };
        Rules::read(text).expect("a test reads every preset")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::Quorum;

    /// The published matrix, written down apart from the files: needed, of, days.
    const MATRIX: [[(u32, u32, u32); 5]; 5] = [
        // Tier 1        2             3             4             5
        [
            (6, 7, 180),
            (6, 7, 180),
            (6, 7, 180),
            (6, 7, 180),
            (6, 7, 180),
        ],
        [
            (6, 7, 180),
            (6, 7, 180),
            (6, 7, 180),
            (6, 7, 180),
            (6, 7, 180),
        ],
        [(4, 5, 90), (4, 5, 90), (5, 5, 90), (4, 5, 90), (5, 5, 180)],
        [(3, 5, 60), (4, 5, 60), (5, 5, 90), (4, 5, 60), (5, 5, 180)],
        [(3, 5, 14), (4, 5, 30), (5, 5, 90), (4, 5, 14), (5, 5, 180)],
    ];

    #[test]
    fn every_pair_of_layer_and_tier_is_as_published() {
        for preset in Preset::ALL {
            let rules = preset.rules();
            for layer in 1..=5_u8 {
                for tier in 1..=5_u8 {
                    let asked = rules.requirement(layer, &[tier], &[]).unwrap();
                    let (needed, of, days) = MATRIX[usize::from(layer) - 1][usize::from(tier) - 1];
                    assert_eq!(asked.signatures, Quorum { needed, of }, "{layer}/{tier}");
                    assert_eq!(asked.review_days, days, "{layer}/{tier}");
                }
            }
        }
    }

    #[test]
    fn only_the_rules_of_2025_know_a_veto_and_only_above_tier_2() {
        let veto = |preset: Preset, tier| {
            let asked = preset.rules().requirement(4, &[tier], &[]).unwrap();
            let veto = asked.veto?;
            Some((veto.mining_percent, veto.economic_percent, veto.hours))
        };
        let of_2025 = |tier| veto(Preset::EconomicVeto2025, tier);
        assert_eq!(of_2025(1), None);
        assert_eq!(of_2025(2), None);
        assert_eq!(of_2025(3), Some((30, 40, 90 * 24)));
        assert_eq!(of_2025(4), Some((25, 35, 24)));
        assert_eq!(of_2025(5), Some((50, 60, 180 * 24)));
        for tier in 1..=5 {
            assert_eq!(veto(Preset::MaintainerOnly2026, tier), None);
        }
    }

    #[test]
    fn a_label_asks_for_more_and_never_for_less() {
        let rules = Preset::EconomicVeto2025.rules();
        let asked = |labels: &[&str]| {
            let labels: Vec<_> = labels.iter().map(|label| (*label).to_owned()).collect();
            rules.requirement(1, &[3], &labels).unwrap()
        };
        assert_eq!(asked(&["consensus-rule"]).review_days, 365);
        let critical = asked(&["security-critical", "unrelated"]);
        assert_eq!(critical.signatures, Quorum { needed: 7, of: 7 });
        assert_eq!(
            asked(&["security-enhancement"]).signatures,
            Quorum { needed: 6, of: 7 }
        );
    }

    #[test]
    fn a_second_tier_takes_nothing_away_not_even_the_emergency() {
        let rules = Preset::EconomicVeto2025.rules();
        let asked = rules.requirement(5, &[3, 4], &[]).unwrap();
        assert_eq!(asked.signatures, Quorum { needed: 5, of: 5 });
        assert_eq!(asked.review_days, 90);
        let veto = asked.veto.unwrap();
        let found = (veto.mining_percent, veto.economic_percent, veto.hours);
        assert_eq!(found, (25, 35, 90 * 24));
    }

    #[test]
    fn bad_rules_are_refused_by_the_place_and_the_problem() {
        let good = include_str!("../../presets/economic_veto_2025.toml");
        let refusal = |from: &str, to: &str| {
            assert!(good.contains(from), "{from}");
            Rules::read(&good.replacen(from, to, 1))
                .unwrap_err()
                .to_string()
        };
        assert!(refusal("needed = 6", "needed = 8").contains("layer 1.signatures"));
        assert!(refusal("mining_percent = 30", "mining_percent = 0").contains("1 to 100"));
        assert!(refusal("default_tier = 2", "default_tier = 9").contains("default_tier"));
        assert!(refusal("review_days = 180", "review_hours = 180").contains("review_hours"));
        assert!(refusal("number = 2", "number = 1").contains("twice"));
    }
}
