//! What is to be delivered again: pure.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::model::UtcTime;

/// GitHub keeps deliveries for redelivery for three days.
const WINDOW_MS: i64 = 3 * 24 * 60 * 60 * 1000;
/// A delivery that was tried so often is left to people.
const MOST_ATTEMPTS: usize = 5;
/// Redeliveries that one run asks for.
pub const MOST_REQUESTS: usize = 50;

/// An attempt as GitHub lists it. One delivery keeps its `guid` in every attempt.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Listed {
    /// The attempt's number, by which it is asked for again.
    pub id: u64,
    /// The delivery's id, as in `X-GitHub-Delivery`.
    pub guid: String,
    /// When.
    pub delivered_at: String,
    /// What the receiver answered; 0 where there was no answer.
    #[serde(default)]
    pub status_code: u16,
}

/// What a run is to do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Deliveries within the window.
    pub looked_at: u64,
    /// Those that nobody has.
    pub missing: u64,
    /// Attempts to ask for again, oldest delivery first.
    pub ask: Vec<u64>,
    /// Deliveries that were tried too often.
    pub given_up: u64,
}

/// Chooses what to ask for again: deliveries of the window that were never answered with 2xx and
/// are not in the inbox.
pub fn plan(listed: &[Listed], now: UtcTime, has: impl Fn(&str) -> bool) -> Plan {
    let mut deliveries: BTreeMap<&str, Vec<&Listed>> = BTreeMap::new();
    for one in listed.iter().filter(|one| within(one, now)) {
        deliveries.entry(&one.guid).or_default().push(one);
    }
    let mut plan = Plan {
        looked_at: deliveries.len() as u64,
        ..Plan::default()
    };
    for (guid, attempts) in deliveries {
        let taken = attempts
            .iter()
            .any(|attempt| (200..300).contains(&attempt.status_code));
        if taken || has(guid) {
            continue;
        }
        plan.missing += 1;
        if attempts.len() >= MOST_ATTEMPTS {
            plan.given_up += 1;
        } else {
            plan.ask
                .extend(attempts.iter().map(|attempt| attempt.id).max());
        }
    }
    plan.ask.sort_unstable();
    plan.ask.truncate(MOST_REQUESTS);
    plan
}

/// Whether GitHub can still deliver it again.
pub fn within(listed: &Listed, now: UtcTime) -> bool {
    listed
        .delivered_at
        .parse::<UtcTime>()
        .is_ok_and(|at| now.unix_ms() - at.unix_ms() < WINDOW_MS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(id: u64, guid: &str, at: &str, status_code: u16) -> Listed {
        Listed {
            id,
            guid: guid.to_owned(),
            delivered_at: at.to_owned(),
            status_code,
        }
    }

    #[test]
    fn only_what_nobody_has_is_asked_for_once() {
        let now: UtcTime = "2026-11-23T12:00:00Z".parse().unwrap();
        let today = "2026-11-23T10:00:00Z";
        let mut all = vec![
            listed(9, "taken", today, 202),
            listed(8, "later-taken", today, 200),
            listed(7, "later-taken", today, 500),
            listed(6, "missing", today, 0),
            listed(5, "missing", today, 502),
            listed(4, "here", today, 504),
            listed(3, "old", "2026-11-20T11:59:59Z", 500),
            listed(2, "unreadable", "yesterday", 500),
            listed(1, "first", today, 500),
        ];
        all.extend((10..15).map(|id| listed(id, "hopeless", today, 500)));
        let plan = plan(&all, now, |guid| guid == "here");
        assert_eq!(plan.ask, [1, 6]);
        assert_eq!((plan.looked_at, plan.missing, plan.given_up), (6, 3, 1));
    }
}
