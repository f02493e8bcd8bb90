//! Reads now and then what the modules use, and how far they are behind.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::time::Instant;

use super::context::Context;
use super::process::{Usage, usage};

/// Runs until the host ends.
pub(super) async fn run(context: Arc<Context>) {
    let mut before: HashMap<u32, Usage> = HashMap::new();
    let mut sampled = Instant::now();
    let mut ending = context.ending.subscribe();
    loop {
        tokio::select! {
            () = tokio::time::sleep(context.settings.sample) => {}
            _ = ending.wait_for(Option::is_some) => return,
            () = context.hard.cancelled() => return,
        }
        let entries = context.registry.all();
        let roots: Vec<u32> = entries
            .iter()
            .flat_map(|entry| entry.roots().clone())
            .collect();
        // /proc is read by blocking calls, and there may be thousands of processes.
        let Ok(now) = tokio::task::spawn_blocking(move || usage(&roots)).await else {
            continue;
        };
        let elapsed_ms = sampled.elapsed().as_millis().max(1);
        sampled = Instant::now();
        for entry in entries {
            let (mut cpu_ms, mut memory_bytes) = (0, 0);
            for root in entry.roots().iter() {
                let Some(used) = now.get(root) else {
                    continue;
                };
                memory_bytes += used.memory_bytes;
                let was = before.get(root).map_or(0, |before| before.cpu_ms);
                cpu_ms += used.cpu_ms.saturating_sub(was);
            }
            let lag = context.services.journal.lag(&entry.name).unwrap_or(0);
            #[expect(
                clippy::cast_precision_loss,
                reason = "a percentage for people needs no more"
            )]
            let cpu_percent = cpu_ms as f32 * 100.0 / elapsed_ms as f32;
            entry.observed.send_if_modified(|observed| {
                observed.cpu_percent = cpu_percent;
                observed.memory_bytes = memory_bytes;
                observed.cursor_lag = lag;
                // Read when somebody asks; not worth waking anyone.
                false
            });
        }
        before = now;
    }
}
