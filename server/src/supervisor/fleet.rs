//! Who exists: one worker for each module that the store knows, and their common end.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use bllvm_manifest::ModuleName;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::context::Context;
use super::worker::Worker;
use super::{Observed, ShutdownReport};
use crate::store::StoreError;
use crate::store::commands::CloseLostRuns;

/// When a store that did not answer is asked again.
const STORE_RETRY: Duration = Duration::from_secs(1);
/// What is left of the shutdown's deadline for killing.
const KILL_RESERVE: Duration = Duration::from_millis(500);

/// Runs until the host ends.
pub(super) async fn run(context: Arc<Context>) {
    // Runs that this host's predecessor did not see end.
    if let Err(error) = context.store.commit(CloseLostRuns).await {
        tracing::error!(%error, "runs of the host before this one could not be closed");
    }
    let mut workers: BTreeMap<ModuleName, JoinHandle<()>> = BTreeMap::new();
    let mut ending = context.ending.subscribe();
    while !context.is_ending() {
        let retry = match look(&context, &mut workers).await {
            Ok(()) => None,
            Err(StoreError::Closed) => return,
            Err(error) => {
                tracing::error!(%error, "the modules could not be read");
                Some(STORE_RETRY)
            }
        };
        let again = async {
            match retry {
                Some(wait) => tokio::time::sleep(wait).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = context.look_again.notified() => {}
            () = again => {}
            _ = ending.wait_for(Option::is_some) => {}
        }
    }
    for (_, worker) in workers {
        // A worker that panicked has let go of its process, which ends it.
        let _ = worker.await;
    }
}

/// Gives every module a worker, and lets go of those that were removed.
async fn look(
    context: &Arc<Context>,
    workers: &mut BTreeMap<ModuleName, JoinHandle<()>>,
) -> Result<(), StoreError> {
    let modules = context.store.modules().await?;
    let known: BTreeSet<_> = modules.iter().map(|module| module.name.clone()).collect();
    context.programs.keep_only(
        &modules
            .iter()
            .filter_map(|module| module.confirmed)
            .collect(),
    );
    for module in modules {
        let name = module.name.clone();
        if workers
            .get(&name)
            .is_some_and(|worker| !worker.is_finished())
        {
            continue;
        }
        let entry = context.registry.entry(&name);
        let worker = Worker::new(Arc::clone(context), entry, module);
        workers.insert(name, context.tracker.spawn(worker.run()));
    }
    for (name, worker) in workers.iter() {
        if !known.contains(name) && worker.is_finished() {
            context.registry.remove(name);
        } else if !known.contains(name)
            && let Some(entry) = context.registry.find(name)
        {
            entry.wake.notify_one();
        }
    }
    workers.retain(|name, worker| known.contains(name) || !worker.is_finished());
    Ok(())
}

/// Stops every module within one deadline, those that need others first.
pub(super) async fn shutdown(context: &Arc<Context>, deadline: Duration) -> ShutdownReport {
    let begun = Instant::now();
    let running: Vec<_> = context
        .registry
        .all()
        .into_iter()
        .filter(|entry| entry.observed.borrow().pid.is_some())
        .collect();
    let by = begun + deadline.saturating_sub(KILL_RESERVE);
    context.ending.send_replace(Some(by));
    let all = context.registry.all();
    let ended = async {
        for entry in &all {
            let mut observed = entry.observed.subscribe();
            let _ = observed.wait_for(is_over).await;
        }
    };
    let in_time = tokio::time::timeout_at(by, ended).await.is_ok();
    let (mut stopped, mut killed) = (Vec::new(), Vec::new());
    for entry in running {
        if is_over(&entry.observed.borrow()) {
            stopped.push(entry.name.clone());
        } else {
            killed.push(entry.name.clone());
        }
    }
    if !in_time {
        context.hard.cancel();
        for entry in &all {
            let mut observed = entry.observed.subscribe();
            let over = observed.wait_for(is_over);
            let _ = tokio::time::timeout(KILL_RESERVE, over).await;
        }
    }
    context.ledger.end().await;
    ShutdownReport {
        stopped,
        killed,
        took: begun.elapsed(),
    }
}

fn is_over(observed: &Observed) -> bool {
    use crate::model::ObservedState::{BackingOff, Failed, Stopped};
    matches!(observed.state, Stopped | Failed | BackingOff)
}
