//! An endpoint's circuit breaker: pure.
//!
//! Each endpoint has a lane of its own, which sends one message at a time. When attempts fail one
//! after the other, whichever message they were for, the lane is held for a while; then one message
//! is tried, and its fate opens the lane or holds it for twice as long. A hold is always shorter
//! than the pause that the failing message itself has then, so that a lone message is tried exactly
//! by its schedule.

use std::time::Duration;

use super::schedule::asked_ms;
use crate::model::{Lane, UtcTime};

/// Failures in a row that hold a lane.
pub const HOLD_AFTER: u32 = 5;
/// The first hold; each further one is twice as long.
const FIRST_HOLD_MS: u64 = 30_000;
/// The longest hold.
const LONGEST_HOLD_MS: u64 = 60 * 60 * 1000;
/// An endpoint that took nothing for so long is disabled.
pub const GIVE_UP_AFTER_MS: i64 = 5 * 24 * 60 * 60 * 1000;

/// The lane after a message was taken.
pub fn after_success() -> Lane {
    Lane::default()
}

/// The lane after an attempt failed.
pub fn after_failure(lane: Lane, now: UtcTime, retry_after: Option<Duration>) -> Lane {
    let failures = lane.failures.saturating_add(1);
    let hold = failures.checked_sub(HOLD_AFTER).map_or(0, |more| {
        FIRST_HOLD_MS
            .saturating_mul(1 << more.min(16))
            .min(LONGEST_HOLD_MS)
    });
    let hold = hold.max(retry_after.map_or(0, asked_ms));
    Lane {
        failures,
        failing_since: lane.failing_since.or(Some(now)),
        held_until: (hold > 0).then(|| now.plus_ms(i64::try_from(hold).unwrap_or(i64::MAX))),
    }
}

/// Whether an endpoint has taken nothing for so long that it is given up.
pub fn gives_up(lane: Lane, now: UtcTime) -> bool {
    lane.failing_since
        .is_some_and(|since| now.unix_ms() - since.unix_ms() >= GIVE_UP_AFTER_MS)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::Id;
    use crate::webhooks::outgoing::schedule;

    const NOW: UtcTime = UtcTime::from_unix_ms(1_795_374_000_000);

    #[test]
    fn a_lane_is_held_from_the_fifth_failure_on_and_longer_each_time() {
        let mut lane = Lane::default();
        let mut holds = Vec::new();
        for _ in 0..16 {
            lane = after_failure(lane, NOW, None);
            holds.push(
                lane.held_until
                    .map_or(0, |end| end.unix_ms() - NOW.unix_ms())
                    / 1000,
            );
        }
        let expected = [
            0, 0, 0, 0, 30, 60, 120, 240, 480, 960, 1920, 3600, 3600, 3600, 3600, 3600,
        ];
        assert_eq!(holds, expected);
        assert_eq!(after_success(), Lane::default());
    }

    #[test]
    fn a_receiver_that_asks_for_patience_holds_the_whole_lane() {
        let lane = after_failure(Lane::default(), NOW, Some(Duration::from_secs(90)));
        assert_eq!(lane.held_until, Some(NOW.plus_ms(90_000)));
    }

    #[test]
    fn an_endpoint_is_given_up_after_five_days_without_any_success() {
        let lane = after_failure(Lane::default(), NOW, None);
        let then = NOW.plus_ms(GIVE_UP_AFTER_MS);
        assert!(!gives_up(lane, then.plus_ms(-1)));
        assert!(gives_up(after_failure(lane, then, None), then));
        assert!(!gives_up(after_success(), then));
    }

    proptest! {
        #[test]
        fn a_lone_message_is_tried_by_its_schedule(id in any::<u128>()) {
            let (mut lane, mut now) = (Lane::default(), NOW);
            for tries in 1..10 {
                lane = after_failure(lane, now, None);
                let due = schedule::next(Id(ulid::Ulid(id)), tries, now, None).unwrap();
                prop_assert!(lane.held_until.is_none_or(|end| end <= due), "try {tries}");
                now = due;
            }
        }
    }
}
