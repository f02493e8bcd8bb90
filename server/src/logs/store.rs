//! The handle to all modules' logs.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bllvm_ipc::log::Level;
use bllvm_manifest::ModuleName;
use tokio::sync::broadcast;

use super::module::ModuleLog;
use super::{LogLine, NewLine};
use crate::clock::SharedClock;

/// The logs of all modules. Cheap to clone; a module's slow disk holds up that module only.
#[derive(Clone)]
pub struct LogStore(Arc<Inner>);

struct Inner {
    dir: PathBuf,
    clock: SharedClock,
    modules: Mutex<BTreeMap<ModuleName, Arc<Mutex<ModuleLog>>>>,
}

impl std::fmt::Debug for LogStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LogStore")
            .field("dir", &self.0.dir)
            .finish_non_exhaustive()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl LogStore {
    /// The logs below `<data_dir>/logs`. A module's files are read when it is first asked about.
    pub fn new(data_dir: &Path, clock: SharedClock) -> Self {
        Self(Arc::new(Inner {
            dir: data_dir.join("logs"),
            clock,
            modules: Mutex::default(),
        }))
    }

    fn of(&self, module: &ModuleName) -> Arc<Mutex<ModuleLog>> {
        let mut modules = lock(&self.0.modules);
        if let Some(log) = modules.get(module) {
            return log.clone();
        }
        let log = ModuleLog::open(self.0.dir.join(module.as_str()));
        let log = Arc::new(Mutex::new(log));
        modules.insert(module.clone(), log.clone());
        log
    }

    /// Takes a line. A module that says more than 1,000 lines a second loses some, counted.
    pub fn append(&self, module: &ModuleName, line: NewLine) {
        lock(&self.of(module)).append(line, self.0.clock.now());
    }

    /// Up to `limit` of the 2,000 newest lines, at least this severe: the oldest after a number,
    /// or the newest where none is given. Oldest first.
    pub fn tail(
        &self,
        module: &ModuleName,
        after: Option<u64>,
        level: Option<Level>,
        limit: usize,
    ) -> Vec<LogLine> {
        let log = self.of(module);
        let mut log = lock(&log);
        log.tell_dropped(self.0.clock.now());
        log.tail(after, level, limit)
    }

    /// Lines from now on. A follower that is too slow is told how many it missed.
    pub fn subscribe(&self, module: &ModuleName) -> broadcast::Receiver<Arc<LogLine>> {
        lock(&self.of(module)).follow()
    }

    /// What must not appear in the module's lines from now on.
    pub fn set_secrets(&self, module: &ModuleName, secrets: Vec<String>) {
        lock(&self.of(module)).set_secrets(secrets);
    }

    /// Closes the logs of modules that are not there any more. Their files stay, and are read again when
    /// somebody asks; one that is swept and comes back begins a new file.
    pub fn close_others(&self, is_there: impl Fn(&ModuleName) -> bool) {
        lock(&self.0.modules).retain(|module, _| is_there(module));
    }

    /// Forgets a module's lines and removes its files.
    pub fn remove(&self, module: &ModuleName) {
        let log = self.of(module);
        lock(&log).remove();
        lock(&self.0.modules).remove(module);
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::clock::FixedClock;
    use crate::logs::LogSource;

    fn name() -> ModuleName {
        ModuleName::new("talker").unwrap()
    }

    fn say(logs: &LogStore, message: &str) {
        logs.append(
            &name(),
            NewLine::new(Level::Info, LogSource::Stdout, message),
        );
    }

    #[test]
    fn lines_are_read_back_after_a_restart_and_numbers_go_on() {
        let dir = tempfile::tempdir().unwrap();
        let logs = LogStore::new(dir.path(), FixedClock::at(0));
        say(&logs, "one");
        say(&logs, "two");
        drop(logs);
        let file = dir.path().join("logs/talker/current.ndjson");
        let mut text = fs::read(&file).unwrap();
        text.extend_from_slice(br#"{"seq":3,"ti"#);
        fs::write(&file, text).unwrap();

        let logs = LogStore::new(dir.path(), FixedClock::at(0));
        say(&logs, "three");

        drop(logs);
        let logs = LogStore::new(dir.path(), FixedClock::at(0));
        let lines = logs.tail(&name(), None, None, 10);
        let said: Vec<_> = lines
            .iter()
            .map(|line| (line.seq, line.message.as_str()))
            .collect();
        assert_eq!(said, [(1, "one"), (2, "two"), (3, "three")]);
    }

    #[test]
    fn a_log_whose_files_were_swept_begins_anew() {
        let dir = tempfile::tempdir().unwrap();
        let logs = LogStore::new(dir.path(), FixedClock::at(0));
        say(&logs, "before");
        logs.close_others(|_| false);
        fs::remove_dir_all(dir.path().join("logs/talker")).unwrap();

        say(&logs, "after");

        let text = fs::read_to_string(dir.path().join("logs/talker/current.ndjson")).unwrap();
        assert!(text.contains("after") && !text.contains("before"), "{text}");
    }

    #[test]
    fn a_flood_is_cut_and_every_dropped_line_is_counted() {
        let dir = tempfile::tempdir().unwrap();
        let logs = LogStore::new(dir.path(), FixedClock::at(0));
        for number in 0..20_000 {
            say(&logs, &format!("line {number}"));
        }

        let notices = logs.tail(&name(), None, Some(Level::Warn), 2000);

        // A slow machine lets some lines through in between: then there are several notices.
        let newest = logs.tail(&name(), None, None, 1)[0].seq;
        let dropped = |line: &LogLine| line.fields["log.dropped"].as_u64().unwrap();
        let missing: u64 = notices.iter().map(dropped).sum();
        assert!(missing > 0);
        assert_eq!(newest - notices.len() as u64 + missing, 20_000);
    }

    #[test]
    fn files_turn_over_and_stay_bounded() {
        let dir = tempfile::tempdir().unwrap();
        let logs = LogStore::new(dir.path(), FixedClock::at(0));
        for _ in 0..1000 {
            say(&logs, &"x".repeat(12 << 10));
        }
        let sizes: Vec<u64> = fs::read_dir(dir.path().join("logs/talker"))
            .unwrap()
            .map(|file| file.unwrap().metadata().unwrap().len())
            .collect();
        assert_eq!(sizes.len(), 2);
        assert!(sizes.iter().all(|size| *size < 5 << 20));
        logs.remove(&name());
        assert!(!dir.path().join("logs/talker").exists());
    }

    #[tokio::test]
    async fn a_follower_sees_redacted_lines() {
        let dir = tempfile::tempdir().unwrap();
        let logs = LogStore::new(dir.path(), FixedClock::at(0));
        logs.set_secrets(&name(), vec!["hunter2".to_owned()]);
        let mut lines = logs.subscribe(&name());
        say(&logs, "the password is hunter2");
        assert_eq!(
            lines.recv().await.unwrap().message,
            "the password is [redacted]"
        );
        let kept = fs::read_to_string(dir.path().join("logs/talker/current.ndjson")).unwrap();
        assert!(!kept.contains("hunter2"));
    }
}
