//! A module as cards, rows and heads show it.

use std::collections::BTreeMap;

use bllvm_manifest::ModuleName;
use bllvm_web::format;
use bllvm_web::parts::{
    Actions, Badge, Fact, Health as Shown, ModuleCard, ModuleState, Problem, Task,
};

use super::{lasted, sentence, stamp};
use crate::model::{DesiredState, Health, Module, ObservedState, UtcTime};
use crate::supervisor::Observed;

/// A module with what the supervisor sees of it.
#[derive(Clone, Debug)]
pub struct Seen {
    /// What is kept of it.
    pub module: Module,
    /// What is.
    pub observed: Observed,
}

impl Seen {
    /// Joins the two; a module that the supervisor does not know is stopped.
    pub fn new(module: Module, observed: Option<Observed>) -> Self {
        let observed = observed.unwrap_or_else(|| Observed::stopped(module.changed_at));
        Self { module, observed }
    }

    /// Its name.
    pub fn name(&self) -> &ModuleName {
        &self.module.name
    }

    /// Whether an operator has to look at it before it may run as it lies there.
    pub fn needs_review(&self) -> bool {
        let module = &self.module;
        module.is_waiting() || (module.digest.is_some() && module.digest != module.confirmed)
    }

    /// Whether nobody can agree to it as it lies there: what is missing has to be put right first.
    fn is_unusable(&self) -> bool {
        self.module.is_waiting() && self.module.problem.is_some()
    }

    /// Whether it was only found so far: it stands among what waits, not among what is installed.
    pub fn is_found(&self) -> bool {
        matches!(self.state(), ModuleState::Waiting | ModuleState::Unusable)
    }

    /// Whether a person is needed: a review, or a fault that does not mend itself.
    pub fn needs_attention(&self) -> bool {
        matches!(
            self.state(),
            ModuleState::Waiting | ModuleState::Unusable | ModuleState::Failed
        )
    }

    /// Where it is in its life.
    pub fn state(&self) -> ModuleState {
        match self.observed.state {
            ObservedState::Stopped | ObservedState::Failed if self.is_unusable() => {
                ModuleState::Unusable
            }
            ObservedState::Stopped if self.needs_review() => ModuleState::Waiting,
            ObservedState::Failed if self.module.is_waiting() => ModuleState::Waiting,
            ObservedState::Stopped => ModuleState::Stopped,
            ObservedState::Starting => ModuleState::Starting,
            ObservedState::Running => ModuleState::Running,
            ObservedState::Stopping => ModuleState::Stopping,
            ObservedState::BackingOff => ModuleState::BackingOff,
            ObservedState::Failed => ModuleState::Failed,
        }
    }

    /// How it is, where that is known.
    pub fn health(&self) -> Option<Badge> {
        let shown = match self.observed.health {
            Health::Unknown => return None,
            Health::Healthy => Shown::Healthy,
            Health::Unresponsive => Shown::Unresponsive,
            Health::Degraded { .. } => Shown::Degraded,
        };
        Some(shown.into())
    }

    /// Which buttons make sense.
    pub fn actions(&self) -> Actions {
        let state = self.state();
        let waiting = state == ModuleState::Waiting;
        let up = matches!(
            state,
            ModuleState::Starting | ModuleState::Running | ModuleState::BackingOff
        );
        let wanted = self.module.desired == DesiredState::Running;
        let enabled = self.module.enabled;
        Actions {
            review: self.needs_review() && !self.is_unusable(),
            load: enabled
                && !self.needs_review()
                && matches!(state, ModuleState::Stopped | ModuleState::Failed),
            unload: up || (wanted && !waiting && state != ModuleState::Stopping),
            reload: state == ModuleState::Running,
            enable: !enabled,
            disable: enabled && !self.module.is_waiting(),
        }
    }

    /// What is wrong and what to do about it; `lines` are the last of its output.
    pub fn problem(&self, now: UtcTime, lines: Vec<String>) -> Option<Problem> {
        if let Some(problem) = &self.module.problem {
            return Some(Problem {
                what: sentence(problem),
                advice: String::new(),
                lines: Vec::new(),
            });
        }
        let observed = &self.observed;
        let troubled = matches!(
            observed.state,
            ObservedState::Failed | ObservedState::BackingOff
        );
        let reason = match (&observed.health, &observed.reason) {
            (Health::Unresponsive, None) => "it does not answer any more",
            (_, Some(reason)) if troubled || observed.way_out.is_some() => reason,
            (_, None) if troubled => "its process ended",
            _ => return None,
        };
        let mut advice = observed
            .way_out
            .as_deref()
            .map(sentence)
            .unwrap_or_default();
        if let Some(next) = observed.next_start_at {
            let when = stamp(next, now).ago;
            let again = format!("It is started again {when}.");
            format!("{again} {advice}").trim().clone_into(&mut advice);
        }
        Some(Problem {
            what: sentence(reason),
            advice,
            lines,
        })
    }

    /// How long it has been running; empty where it is not.
    pub fn uptime(&self, now: UtcTime) -> String {
        match (self.observed.state, self.observed.ready_at) {
            (ObservedState::Running, Some(since)) => lasted(since, now),
            _ => String::new(),
        }
    }

    /// Its processor time.
    pub fn cpu(&self) -> String {
        format::percent(f64::from(self.observed.cpu_percent) / 100.0)
    }

    /// Its memory.
    pub fn memory(&self) -> String {
        format::bytes(self.observed.memory_bytes)
    }

    fn has_process(&self) -> bool {
        self.observed.pid.is_some()
    }

    /// Its card.
    pub fn card(&self, now: UtcTime) -> ModuleCard {
        let module = &self.module;
        let health_message = match &self.observed.health {
            Health::Degraded { message } => sentence(message),
            _ => String::new(),
        };
        let shown = |text: String| {
            if self.has_process() {
                text
            } else {
                String::new()
            }
        };
        ModuleCard {
            name: module.name.to_string(),
            title: module.manifest.title().to_owned(),
            version: module.manifest.version.to_string(),
            state: self.state().into(),
            health: self.health(),
            health_message,
            uptime: self.uptime(now),
            cpu: shown(self.cpu()),
            memory: shown(self.memory()),
            cpu_trend: None,
            status: self.card_status(),
            problem: self.problem(now, Vec::new()),
            tasks: u32::try_from(self.observed.tasks.len()).unwrap_or(u32::MAX),
            enabled: module.enabled,
            actions: self.actions(),
        }
    }

    /// The status fields that its manifest finds worth a card; the first three where it names none.
    fn card_status(&self) -> Vec<Fact> {
        let fields = &self.observed.status;
        let wanted = &self.module.manifest.ui.status;
        if wanted.is_empty() {
            let first = fields.iter().take(3);
            return first
                .map(|field| Fact::text(&field.label, &field.value))
                .collect();
        }
        let by_key: BTreeMap<&str, _> = fields
            .iter()
            .map(|field| (field.key.as_str(), field))
            .collect();
        let shown = wanted.iter().filter_map(|key| by_key.get(key.as_str()));
        shown
            .map(|field| Fact::text(&field.label, &field.value))
            .collect()
    }

    /// Everything that it reports, and what it is busy with.
    pub fn status(&self) -> Vec<Fact> {
        let fields = self.observed.status.iter();
        let busy = self.observed.progress.iter().map(|one| {
            let of = if one.total == 0 {
                format::count(one.done)
            } else {
                format!(
                    "{} of {}",
                    format::count(one.done),
                    format::count(one.total)
                )
            };
            Fact::text(&one.label, of)
        });
        fields
            .map(|field| Fact::text(&field.label, &field.value))
            .chain(busy)
            .collect()
    }

    /// What it needs a person for.
    pub fn tasks(&self) -> Vec<Task> {
        let name = self.name();
        let task = |title: &String, detail: &str| Task {
            module: name.to_string(),
            title: title.clone(),
            detail: detail.to_owned(),
            href: format!("/modules/{name}/configuration"),
            action: "Configure".to_owned(),
        };
        let open = self.observed.tasks.iter();
        open.filter_map(|one| one.title.as_ref().map(|title| task(title, &one.detail)))
            .collect()
    }

    /// Those in trouble first, then by name.
    pub fn rank(&self) -> (u8, String) {
        let place = match self.state() {
            ModuleState::Failed => 0,
            ModuleState::BackingOff => 1,
            _ if matches!(
                self.observed.health,
                Health::Unresponsive | Health::Degraded { .. }
            ) =>
            {
                2
            }
            _ if !self.observed.tasks.is_empty() => 3,
            _ => 4,
        };
        (place, self.module.name.to_string())
    }
}
