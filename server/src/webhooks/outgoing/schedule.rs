//! When a message is tried again: pure.
//!
//! The pauses are those that Standard Webhooks documents: at once, then after 5 s, 5 min, 30 min,
//! 2 h, 5 h, 10 h, 14 h, 20 h and 24 h, which is 75 h 35 min in all. To each up to a fifth is
//! added, so that what failed together is not tried again together. How much comes from the
//! message's id, so that a restart changes nothing.

use std::time::Duration;

use sha2::{Digest as _, Sha256};

use crate::model::{Id, UtcTime};

const SECOND: u64 = 1000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;

/// Pauses after the first, second, … try, in milliseconds.
pub const PAUSES_MS: [u64; 9] = [
    5 * SECOND,
    5 * MINUTE,
    30 * MINUTE,
    2 * HOUR,
    5 * HOUR,
    10 * HOUR,
    14 * HOUR,
    20 * HOUR,
    24 * HOUR,
];
/// The longest that a receiver may ask for by `Retry-After`.
pub const LONGEST_ASKED: Duration = Duration::from_hours(24);

/// When a message is tried again after `tries` that failed; none when that was the last.
pub fn next(id: Id, tries: u32, now: UtcTime, retry_after: Option<Duration>) -> Option<UtcTime> {
    let place = usize::try_from(tries.checked_sub(1)?).ok()?;
    let pause = PAUSES_MS.get(place)?;
    let pause = pause + pause * permille(id, tries) / 1000;
    let asked = retry_after.map_or(0, asked_ms);
    Some(now.plus_ms(i64::try_from(pause.max(asked)).unwrap_or(i64::MAX)))
}

/// What a receiver asked for, within bounds.
pub fn asked_ms(asked: Duration) -> u64 {
    u64::try_from(asked.min(LONGEST_ASKED).as_millis()).unwrap_or(u64::MAX)
}

/// How much is added to a pause: 0 to 200 thousandths.
fn permille(id: Id, tries: u32) -> u64 {
    let digest = Sha256::new()
        .chain_update(id.to_string())
        .chain_update(tries.to_be_bytes())
        .finalize();
    u64::from(u16::from_be_bytes([digest[0], digest[1]])) % 201
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: UtcTime = UtcTime::from_unix_ms(1_795_374_000_000);

    #[test]
    fn the_documented_pauses_last_75_hours_and_35_minutes() {
        let whole: u64 = PAUSES_MS.iter().sum();
        assert_eq!(whole, 75 * HOUR + 35 * MINUTE + 5 * SECOND);
        let id = Id(ulid::Ulid(7));
        assert_eq!(next(id, 10, NOW, None), None, "the tenth try is the last");
        assert_eq!(next(id, 10, NOW, Some(Duration::from_secs(1))), None);
    }

    proptest! {
        #[test]
        fn a_pause_is_the_documented_one_and_up_to_a_fifth(id in any::<u128>(), tries in 1_u32..10) {
            let id = Id(ulid::Ulid(id));
            let pause = next(id, tries, NOW, None).unwrap().unix_ms() - NOW.unix_ms();
            let documented = i64::try_from(PAUSES_MS[tries as usize - 1]).unwrap();
            prop_assert!((documented..=documented * 6 / 5).contains(&pause));
            prop_assert_eq!(next(id, tries, NOW, None), next(id, tries, NOW, None));
        }

        #[test]
        fn a_receiver_can_ask_for_later_but_not_for_sooner(asked in 0_u64..1_000_000, tries in 1_u32..10) {
            let id = Id(ulid::Ulid(9));
            let usual = next(id, tries, NOW, None).unwrap();
            let then = next(id, tries, NOW, Some(Duration::from_secs(asked))).unwrap();
            prop_assert!(then >= usual);
            prop_assert!(then >= NOW.plus_ms(i64::try_from(asked.min(86_400) * 1000).unwrap()));
            prop_assert!(then <= usual.max(NOW.plus_ms(86_400_000)));
        }
    }
}
