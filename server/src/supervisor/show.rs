//! Making a module's state seen and recorded.

use std::time::Duration;

use super::Observed;
use super::decide::Now;
use super::worker::Worker;
use crate::model::{DesiredState, Health, ObservedState};
use crate::store::commands::StateChanged;

impl Worker {
    /// What a stopped module waits for.
    pub async fn show_wait(&mut self) {
        let wanted = self.module.desired == DesiredState::Running && self.module.enabled;
        let observed = self.entry.observed();
        match self.now {
            Now::Stopped => {
                let wait = self.waits.as_ref().filter(|_| wanted);
                let reason = wait.map(|wait| wait.reason.clone());
                let way_out = wait.and_then(|wait| wait.way_out.clone());
                if observed.reason != reason || observed.way_out != way_out {
                    self.entry
                        .observed
                        .send_modify(|observed| observed.way_out = way_out);
                    self.show(ObservedState::Stopped, Health::Unknown, reason, None)
                        .await;
                }
            }
            Now::Running => {
                let health = match &self.waits {
                    Some(wait) => Health::Degraded {
                        message: wait.reason.clone(),
                    },
                    None => Health::Healthy,
                };
                if observed.health != health {
                    self.show(ObservedState::Running, health, None, None).await;
                }
            }
            _ => {}
        }
    }

    /// Makes a state seen and recorded.
    pub async fn show(
        &mut self,
        state: ObservedState,
        health: Health,
        reason: Option<String>,
        next_start: Option<Duration>,
    ) {
        let now = self.context.clock.now();
        let instance = self.instance.as_ref();
        let process = instance.map(|instance| {
            let pid = instance.process.life().pid;
            (instance.run, pid, instance.isolation())
        });
        let revision = instance.and_then(|instance| instance.plan.revision());
        let listeners = self.listeners.addresses();
        self.entry.observed.send_modify(|observed| {
            if observed.state != state {
                observed.since = now;
            }
            if state == ObservedState::Running && observed.state != state {
                observed.ready_at = Some(now);
            }
            observed.state = state;
            observed.health = health.clone();
            observed.reason = reason.clone();
            observed.revision = revision;
            observed.next_start_at = next_start
                .map(|wait| now.plus_ms(i64::try_from(wait.as_millis()).unwrap_or(i64::MAX)));
            observed.listeners = listeners;
            match process {
                Some((run, pid, isolation)) => {
                    observed.run = Some(run);
                    observed.pid = pid;
                    observed.isolation = isolation;
                }
                None => forget_process(observed),
            }
            if state != ObservedState::Failed && reason.is_none() {
                observed.way_out = None;
            }
        });
        self.context.registry.changed();
        self.context
            .ledger
            .record(StateChanged {
                module: self.entry.name.clone(),
                state,
                health,
                reason,
            })
            .await;
    }
}

/// What belonged to the process that ended.
fn forget_process(observed: &mut Observed) {
    observed.run = None;
    observed.pid = None;
    observed.ready_at = None;
    observed.cpu_percent = 0.0;
    observed.memory_bytes = 0;
    observed.cursor_lag = 0;
    observed.methods.clear();
    observed.status.clear();
    observed.tasks.clear();
    observed.progress.clear();
    observed.metrics.clear();
    observed.isolation.clear();
}
