//! Clocks: a period is over when the wall's clock and the chain's median time are both past it.
//!
//! So a wrong clock cannot end a review early, and neither can a miner. Without a chain nothing ends.

use super::view::Clock;

/// A moment, as far as this node knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// The wall's clock, Unix seconds.
    pub utc: i64,
    /// The chain's median time (BIP113), Unix seconds; none without a chain.
    pub median_time: Option<i64>,
    /// The tip's height; none without a chain.
    pub height: Option<u32>,
}

impl Moment {
    /// Whether a time is past on both clocks.
    pub fn is_past(&self, time: i64) -> bool {
        self.utc >= time && self.median_time.is_some_and(|median| median >= time)
    }

    /// A period of so many seconds.
    pub fn clock(&self, began_at: i64, seconds: i64) -> Clock {
        let ends_at = began_at.saturating_add(seconds);
        let mut waits_for = Vec::new();
        if self.utc < ends_at {
            waits_for.push("utc".to_owned());
        }
        if self.median_time.is_none_or(|median| median < ends_at) {
            waits_for.push("median_time".to_owned());
        }
        Clock {
            began_at: stamp(began_at),
            ends_at: stamp(ends_at),
            passed: self.is_past(ends_at),
            waits_for,
        }
    }
}

/// RFC 3339, UTC.
pub fn stamp(seconds: i64) -> String {
    jiff::Timestamp::from_second(seconds).map_or_else(|_| seconds.to_string(), |t| t.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_period_ends_when_the_later_of_the_two_clocks_is_past_it() {
        let at = |utc, median_time| Moment {
            utc,
            median_time,
            height: None,
        };
        let passed = |moment: Moment| moment.clock(100, 50).passed;
        assert!(passed(at(150, Some(150))));
        assert!(!passed(at(149, Some(500))), "a miner's clock runs ahead");
        assert!(!passed(at(500, Some(149))), "the wall's clock runs ahead");
        assert!(!passed(at(500, None)), "there is no chain");
        assert_eq!(at(149, Some(500)).clock(100, 50).waits_for, ["utc"]);
        assert_eq!(at(500, None).clock(100, 50).waits_for, ["median_time"]);
        assert_eq!(at(0, None).clock(0, 60).ends_at, "1970-01-01T00:01:00Z");
    }
}
