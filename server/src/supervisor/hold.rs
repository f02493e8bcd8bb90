//! Keeps a module from running for a moment, whatever is wanted of it: while a backup copies its
//! data. What is wanted stays as it is, so that a host that dies meanwhile leaves nothing to mend.

use std::sync::Arc;
use std::time::Duration;

use bllvm_manifest::ModuleName;
use tokio::time::timeout;

use super::context::Context;
use super::registry::Entry;

/// How far a hold is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Holding {
    /// Nobody asks.
    #[default]
    Free,
    /// Somebody waits for the process to end.
    Asked,
    /// There is no process, and none is started.
    Kept,
}

/// A module that does not run and is not started; dropping it lets it go.
#[derive(Debug)]
#[must_use = "the module is let go when this is dropped"]
pub struct Hold(Option<Arc<Entry>>);

impl Hold {
    /// Of a module that nobody runs.
    pub const fn of_nothing() -> Self {
        Self(None)
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        if let Some(entry) = &self.0 {
            entry.hold.send_replace(Holding::Free);
            entry.wake.notify_one();
        }
    }
}

/// Ends a module's process where there is one, and keeps the next one from starting. None where that
/// took longer than the deadline.
pub(super) async fn hold(
    context: &Context,
    module: &ModuleName,
    deadline: Duration,
) -> Option<Hold> {
    let Some(entry) = context.registry.find(module) else {
        return Some(Hold::of_nothing());
    };
    let held = Hold(Some(Arc::clone(&entry)));
    entry.hold.send_replace(Holding::Asked);
    entry.wake.notify_one();
    let mut state = entry.hold.subscribe();
    let kept = state.wait_for(|state| *state == Holding::Kept);
    matches!(timeout(deadline, kept).await, Ok(Ok(_))).then_some(held)
}
