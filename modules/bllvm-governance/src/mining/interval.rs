//! How much a share in a sample can be trusted: the Wilson score interval at 95 %.
//!
//! For display only. Whether a threshold is met is decided with integers elsewhere.

use schemars::JsonSchema;
use serde::Serialize;

/// The normal quantile of 97.5 %.
const Z: f64 = 1.959_963_984_540_054;

/// A share in parts per million, and between which values the true one lies 19 times in 20.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Share {
    /// Parts per million of the counted blocks.
    pub ppm: u32,
    /// The interval's lower end.
    pub low_ppm: u32,
    /// The interval's upper end.
    pub high_ppm: u32,
}

impl Share {
    /// `part` of `total`; nothing of nothing could be anything.
    pub fn of(part: u32, total: u32) -> Self {
        if total == 0 {
            return Self {
                ppm: 0,
                low_ppm: 0,
                high_ppm: 1_000_000,
            };
        }
        let (n, p) = (f64::from(total), f64::from(part) / f64::from(total));
        let denominator = 1.0 + Z * Z / n;
        let centre = (p + Z * Z / (2.0 * n)) / denominator;
        let half = Z * (p * (1.0 - p) / n + Z * Z / (4.0 * n * n)).sqrt() / denominator;
        Self {
            ppm: ppm(p),
            low_ppm: ppm(centre - half),
            high_ppm: ppm(centre + half),
        }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped to 0 ..= 1,000,000 before"
)]
fn ppm(share: f64) -> u32 {
    (share.clamp(0.0, 1.0) * 1e6).round() as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_those_of_published_tables() {
        // Wilson 95 % of 20, 403, 605 and 1,008 in 2,016, in percent to the second digit.
        let wanted = [
            (20, (64, 153)),
            (403, (1830, 2179)),
            (605, (2805, 3205)),
            (1008, (4782, 5218)),
        ];
        for (part, (low, high)) in wanted {
            let share = Share::of(part, 2016);
            let near = |ppm: u32, wanted: u32| ppm.abs_diff(wanted * 100) <= 60;
            assert!(near(share.low_ppm, low), "{part}: {share:?}");
            assert!(near(share.high_ppm, high), "{part}: {share:?}");
        }
    }

    #[test]
    fn an_interval_holds_its_share_and_stays_a_share() {
        for total in [0, 1, 7, 2016] {
            for part in 0..=total {
                let share = Share::of(part, total);
                assert!(
                    share.low_ppm <= share.ppm && share.ppm <= share.high_ppm,
                    "{share:?}"
                );
                assert!(share.high_ppm <= 1_000_000, "{share:?}");
            }
        }
    }
}
