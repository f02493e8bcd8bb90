//! Time and randomness, as parts that a test can fix.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use crate::model::{Id, UtcTime};

/// Tells the time of day. Durations are measured by tokio's clock instead, which never jumps.
pub trait Clock: Send + Sync + 'static {
    /// Now, with milliseconds.
    fn now(&self) -> UtcTime;
}

/// A shared clock.
pub type SharedClock = Arc<dyn Clock>;

/// The system's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that asks the system"
    )]
    fn now(&self) -> UtcTime {
        UtcTime::from_unix_ms(jiff::Timestamp::now().as_millisecond())
    }
}

/// A clock that stands still until a test moves it.
#[derive(Debug)]
pub struct FixedClock(AtomicI64);

impl FixedClock {
    /// A clock that shows `unix_ms`.
    pub fn at(unix_ms: i64) -> Arc<Self> {
        Arc::new(Self(AtomicI64::new(unix_ms)))
    }

    /// Moves the clock; negative sets it back.
    pub fn advance_ms(&self, by: i64) {
        self.0.fetch_add(by, Ordering::SeqCst);
    }
}

impl Clock for FixedClock {
    fn now(&self) -> UtcTime {
        UtcTime::from_unix_ms(self.0.load(Ordering::SeqCst))
    }
}

/// A new id: time-ordered, unguessable enough for names, not for secrets.
pub fn new_id(clock: &dyn Clock) -> Id {
    let mut random = [0; 10];
    // Without randomness nothing here can be trusted: tokens, sessions and ids alike.
    getrandom::fill(&mut random).expect("the system gives random bytes");
    let random = random
        .iter()
        .fold(0_u128, |all, byte| all << 8 | u128::from(*byte));
    let millis = u64::try_from(clock.now().unix_ms()).unwrap_or(0);
    Id(ulid::Ulid::from_parts(millis, random))
}
