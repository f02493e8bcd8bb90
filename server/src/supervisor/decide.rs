//! The one decision: what is wanted, what is, the time; what is the next thing to do.
//!
//! Pure, so that it can be tested against every history. The worker does what it says and comes
//! back with what became of it.

use std::time::Duration;

/// What is wanted of a module now.
#[expect(clippy::struct_excessive_bools, reason = "each is asked for alone")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Desired {
    /// It shall run: wanted, enabled, confirmed, and the host is not ending.
    pub run: bool,
    /// It is kept from running for a moment, whatever is wanted.
    pub held: bool,
    /// Something it needs is not there, so that a start would be in vain.
    pub blocked: bool,
    /// An operator asked for a change of configuration or program.
    pub reload: bool,
    /// Something changed since the fault that only a person can mend.
    pub mended: bool,
}

/// What is, as far as the next action depends on it. Times count from the host's start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Now {
    /// No process.
    Stopped,
    /// No process; after a crash, the next start is due at this time.
    BackingOff {
        /// When.
        until: Duration,
    },
    /// No process; retrying is in vain.
    Failed,
    /// A process that is not ready yet.
    Starting,
    /// A process that serves.
    Running,
    /// A process that was asked to end.
    Stopping,
}

/// The next thing to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Nothing until something changes.
    Rest,
    /// Nothing until this time, or until something changes.
    WaitUntil(Duration),
    /// Make a process.
    Start,
    /// End the process.
    Stop,
    /// Change over to the new configuration or program.
    Reload,
    /// Forget the crash or fault: nothing is wanted any more.
    Settle,
}

/// Decides.
pub fn decide(desired: Desired, now: Now, time: Duration) -> Action {
    match (now, desired.run) {
        (Now::Starting | Now::Running, false) => Action::Stop,
        (Now::Starting | Now::Running, true) if desired.held => Action::Stop,
        (Now::BackingOff { .. } | Now::Failed, false) => Action::Settle,
        (_, true) if desired.held => Action::Rest,
        (Now::Running, true) if desired.reload => Action::Reload,
        (Now::BackingOff { until }, true) if time < until => Action::WaitUntil(until),
        (Now::Failed, true) if !desired.mended => Action::Rest,
        (Now::Stopped | Now::BackingOff { .. } | Now::Failed, true) if !desired.blocked => {
            Action::Start
        }
        _ => Action::Rest,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What can happen to a process without our doing.
    #[derive(Clone, Copy, Debug)]
    enum Fate {
        Ready,
        Crash,
        Fault,
        Gone,
        Quiet,
    }

    struct World {
        now: Now,
        time: Duration,
        processes: u32,
        faults: u32,
    }

    impl World {
        /// Does what was decided, as the worker would.
        fn act(&mut self, action: Action) {
            match action {
                Action::Rest => {}
                Action::WaitUntil(until) => {
                    assert!(until > self.time, "a wait for what has passed");
                    self.time = until;
                }
                Action::Start => {
                    self.processes += 1;
                    self.now = Now::Starting;
                }
                Action::Stop => {
                    assert_eq!(self.processes, 1, "a stop without a process");
                    self.now = Now::Stopping;
                }
                Action::Reload => {
                    assert_eq!(self.now, Now::Running, "a reload of what does not run");
                }
                Action::Settle => {
                    assert_eq!(self.processes, 0, "a process was forgotten");
                    self.now = Now::Stopped;
                }
            }
        }

        fn meet(&mut self, fate: Fate) {
            let alive = matches!(self.now, Now::Starting | Now::Running);
            match (self.now, fate) {
                (Now::Starting, Fate::Ready) => self.now = Now::Running,
                (_, Fate::Crash) if alive => {
                    self.processes -= 1;
                    self.now = Now::BackingOff {
                        until: self.time + Duration::from_millis(500),
                    };
                }
                (Now::Starting, Fate::Fault) => {
                    self.processes -= 1;
                    self.faults += 1;
                    self.now = Now::Failed;
                }
                (Now::Stopping, Fate::Gone | Fate::Crash) => {
                    self.processes -= 1;
                    self.now = Now::Stopped;
                }
                _ => {}
            }
        }
    }

    fn desired() -> impl Strategy<Value = Desired> {
        any::<(bool, bool, bool, bool, bool)>().prop_map(|(run, held, blocked, reload, mended)| {
            Desired {
                run,
                held,
                blocked,
                reload,
                mended,
            }
        })
    }

    fn fate() -> impl Strategy<Value = Fate> {
        prop_oneof![
            Just(Fate::Ready),
            Just(Fate::Crash),
            Just(Fate::Fault),
            Just(Fate::Gone),
            Just(Fate::Quiet),
        ]
    }

    fn world() -> World {
        World {
            now: Now::Stopped,
            time: Duration::ZERO,
            processes: 0,
            faults: 0,
        }
    }

    proptest! {
        #[test]
        fn there_is_never_a_second_process_and_no_crash_is_a_fault(
            history in proptest::collection::vec((desired(), fate()), 1..200),
        ) {
            let mut world = world();
            for (desired, fate) in history {
                let action = decide(desired, world.now, world.time);
                world.act(action);
                prop_assert!(world.processes <= 1);
                world.meet(fate);
                if world.now == Now::Failed {
                    prop_assert!(world.faults > 0);
                }
            }
        }

        #[test]
        fn from_everywhere_it_comes_to_what_is_wanted_once_that_is_fixed(
            history in proptest::collection::vec((desired(), fate()), 0..60),
            run in any::<bool>(),
        ) {
            let mut world = world();
            for (desired, fate) in history {
                let action = decide(desired, world.now, world.time);
                world.act(action);
                world.meet(fate);
            }
            let desired = Desired { run, held: false, blocked: false, reload: false, mended: true };
            for _ in 0..6 {
                let action = decide(desired, world.now, world.time);
                world.act(action);
                let kind = if world.now == Now::Stopping { Fate::Gone } else { Fate::Ready };
                world.meet(kind);
            }
            prop_assert_eq!(world.now, if run { Now::Running } else { Now::Stopped });
            prop_assert_eq!(world.processes, u32::from(run));
            prop_assert_eq!(decide(desired, world.now, world.time), Action::Rest);
        }

        #[test]
        fn what_is_not_wanted_or_held_or_blocked_is_never_started(desired in desired(), ms in 0_u64..1000) {
            let until = Duration::from_millis(500);
            for now in [Now::Stopped, Now::BackingOff { until }, Now::Failed] {
                let action = decide(desired, now, Duration::from_millis(ms));
                if action == Action::Start {
                    prop_assert!(desired.run && !desired.held && !desired.blocked);
                    let waits = matches!(now, Now::BackingOff { .. });
                    prop_assert!(!waits || ms >= 500);
                    prop_assert!(now != Now::Failed || desired.mended);
                }
            }
        }
    }
}
