//! Registries' indexes fetched by the clock, so that what was taken back is heard of in time.

use std::collections::BTreeMap;
use std::time::Duration;

use bllvm_manifest::Digest;

use super::{Control, ControlError};
use crate::model::{Actor, KnownRegistry, UtcTime};
use crate::store::StoreError;

/// Between two looks at what is due, at most.
const LOOK: Duration = Duration::from_mins(1);
/// One that could not be read is asked again so much later, at most.
const AGAIN: Duration = Duration::from_hours(1);

impl Control {
    /// Fetches indexes as often as the configuration says.
    pub(super) fn spawn_refreshes(&self) {
        let Some(every) = self.settings().refresh_every else {
            return;
        };
        let (control, soft) = (self.clone(), self.soft().clone());
        self.0.parts.tracker.spawn(async move {
            let mut failed = BTreeMap::new();
            loop {
                match Box::pin(control.refresh_due(every, &mut failed)).await {
                    Err(ControlError::Store(StoreError::Closed)) => break,
                    Err(error) => {
                        tracing::warn!(%error, "could not look for registries to be read");
                    }
                    Ok(()) => {}
                }
                let pause = tokio::time::sleep(LOOK.min(every));
                if soft.run_until_cancelled(pause).await.is_none() {
                    break;
                }
            }
        });
    }

    /// `failed` remembers when one could not be read.
    async fn refresh_due(
        &self,
        every: Duration,
        failed: &mut BTreeMap<String, UtcTime>,
    ) -> Result<(), ControlError> {
        for (name, registry) in self.store().registries().await? {
            let now = self.store().clock().now();
            let waits = failed
                .get(&name)
                .is_some_and(|at| now < at.plus_ms(ms(AGAIN.min(every))));
            if waits || now < due(&registry, every) {
                continue;
            }
            let host = Actor::host();
            let fetched = Box::pin(self.refresh_registry(&name, &host));
            let Some(fetched) = self.soft().run_until_cancelled(fetched).await else {
                return Ok(());
            };
            match fetched {
                Ok(_) => drop(failed.remove(&name)),
                Err(error @ ControlError::Store(_)) => return Err(error),
                Err(error) => {
                    tracing::warn!(registry = %name, %error, "a registry could not be read; it is tried again");
                    failed.insert(name, now);
                }
            }
        }
        Ok(())
    }
}

fn ms(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// When it is to be fetched next: a tenth sooner or later, so that not all nodes come at once. Which it
/// is follows from when it was fetched, to the millisecond.
fn due(registry: &KnownRegistry, every: Duration) -> UtcTime {
    let Some(seen) = &registry.seen else {
        return registry.added_at;
    };
    let lot = Digest::of(format!("{} {}", registry.name, seen.fetched_at));
    let tenth = ms(every) / 10;
    let thousandths = i64::from(u16::from_be_bytes([lot.as_bytes()[0], lot.as_bytes()[1]])) % 2001;
    let shift = tenth.saturating_mul(thousandths - 1000) / 1000;
    seen.fetched_at.plus_ms(ms(every).saturating_add(shift))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::SeenIndex;

    #[test]
    fn a_registry_is_due_a_tenth_sooner_or_later() {
        let day = Duration::from_hours(24);
        let mut registry = KnownRegistry {
            name: "example.org".to_owned(),
            addresses: Vec::new(),
            threshold: 1,
            keys: Vec::new(),
            by: "me".to_owned(),
            added_at: UtcTime::from_unix_ms(7),
            seen: None,
        };
        assert_eq!(due(&registry, day), registry.added_at, "at once");
        let mut all = std::collections::BTreeSet::new();
        for fetched in 0..200 {
            let fetched_at = UtcTime::from_unix_ms(fetched);
            registry.seen = Some(SeenIndex {
                seq: 1,
                digest: Digest::of("index"),
                releases: 0,
                expires: String::new(),
                fetched_at,
            });
            let waits = due(&registry, day).unix_ms() - fetched;
            assert!((77_760_000..=95_040_000).contains(&waits), "{waits}");
            all.insert(waits);
        }
        assert!(all.len() > 150, "they are spread");
    }
}
