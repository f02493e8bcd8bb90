//! The list of modules, kept ready to be sent.
//!
//! The list is what people and programs ask for most. It changes when a `module.*` event was
//! journaled or the supervisor saw something new, so both are looked at first and the bytes of the
//! last answer are sent again where nothing happened.

use std::sync::{Arc, Mutex, PoisonError};

use bllvm_manifest::ModuleName;
use bytes::Bytes;
use tokio::sync::watch;

use super::page::PageView;
use super::v1::modules::view::ModuleView;
use crate::control::Control;
use crate::journal::Journal;
use crate::model::Module;
use crate::store::{Store, StoreError};
use crate::supervisor::{Observed, Supervisor};

/// How many new events are looked through before the list is simply read again.
const LOOK_THROUGH: usize = 256;

/// The modules as stored, and what the supervisor sees of each.
#[derive(Debug)]
pub struct Board {
    store: Store,
    journal: Journal,
    supervisor: Supervisor,
    control: Control,
    kept: Mutex<Option<Kept>>,
}

#[derive(Debug)]
struct Kept {
    seq: u64,
    modules: Arc<Vec<Module>>,
    observed: Vec<watch::Receiver<Observed>>,
    config_problems: u64,
    body: Option<Bytes>,
}

impl Board {
    /// A board over these parts.
    pub fn new(store: Store, journal: Journal, supervisor: Supervisor, control: Control) -> Self {
        Self {
            store,
            journal,
            supervisor,
            control,
            kept: Mutex::new(None),
        }
    }

    /// The modules, as the store has them now.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn modules(&self) -> Result<Arc<Vec<Module>>, StoreError> {
        let seq = self.journal.last_seq();
        if let Some(modules) = self.still_valid(seq) {
            return Ok(modules);
        }
        let modules = Arc::new(self.store.modules().await?);
        let observed = modules
            .iter()
            .map(|module| self.supervisor.watch(&module.name))
            .collect();
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        *kept = Some(Kept {
            seq,
            modules: modules.clone(),
            observed,
            config_problems: self.control.config_problems_seen(),
            body: None,
        });
        Ok(modules)
    }

    /// One module.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn module(&self, name: &ModuleName) -> Result<Option<Module>, StoreError> {
        let modules = self.modules().await?;
        let place = modules.binary_search_by(|module| module.name.cmp(name));
        Ok(place.ok().map(|place| modules[place].clone()))
    }

    /// The whole list as JSON.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn body(&self) -> Result<Bytes, StoreError> {
        let modules = self.modules().await?;
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(kept) = kept
            .as_mut()
            .filter(|kept| Arc::ptr_eq(&kept.modules, &modules))
        else {
            // Somebody else read a newer list meanwhile; this answer is still a true one.
            drop(kept);
            let views = modules.iter().map(|module| {
                let observed = self.supervisor.observed(&module.name);
                self.view(module, observed.as_ref())
            });
            return Ok(json(&PageView::whole(views.collect())));
        };
        // Counted before the views are made: what comes meanwhile makes the next ones.
        let config_problems = self.control.config_problems_seen();
        let moved = kept.config_problems != config_problems
            || kept
                .observed
                .iter()
                .any(|seen| seen.has_changed().unwrap_or(true));
        match &kept.body {
            Some(body) if !moved => Ok(body.clone()),
            _ => {
                let views = modules
                    .iter()
                    .zip(&mut kept.observed)
                    .map(|(module, seen)| self.view(module, Some(&seen.borrow_and_update())));
                let body = json(&PageView::whole(views.collect()));
                kept.body = Some(body.clone());
                kept.config_problems = config_problems;
                Ok(body)
            }
        }
    }

    fn view(&self, module: &Module, observed: Option<&Observed>) -> ModuleView {
        ModuleView::new(module, observed, self.control.config_problem(&module.name))
    }

    /// The kept list, if no event since then can have changed it.
    fn still_valid(&self, seq: u64) -> Option<Arc<Vec<Module>>> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = kept.as_mut()?;
        if kept.seq != seq {
            let events = self.store.feed().after_seq(kept.seq, LOOK_THROUGH)?;
            let last = events.last()?.event.seq;
            let touched = events
                .iter()
                .any(|one| one.event.kind.starts_with("module."));
            if touched || last < seq {
                return None;
            }
            kept.seq = last;
        }
        Some(kept.modules.clone())
    }
}

fn json(page: &PageView<ModuleView>) -> Bytes {
    // Views are made of strings and numbers, so writing them cannot fail.
    serde_json::to_vec(page).unwrap_or_default().into()
}
