//! The log of one module.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;

use bllvm_ipc::log::Level;
use serde_json::Map;
use tokio::sync::broadcast;
use tokio::time::Instant;

use super::files::Files;
use super::line::forms;
use super::{LogLine, LogSource, NewLine};
use crate::model::UtcTime;

/// Lines in memory.
const RING: usize = 2000;
/// Lines that a module may say in a second, and at once.
const RATE: f64 = 1000.0;
const BURST: f64 = 4000.0;
/// Lines that a reader may be behind before it is told how many it missed.
const FOLLOW: usize = 1024;

#[derive(Debug)]
pub(super) struct ModuleLog {
    ring: VecDeque<Arc<LogLine>>,
    next: u64,
    files: Files,
    /// None before the first one: room for as many lines is made with it.
    followers: Option<broadcast::Sender<Arc<LogLine>>>,
    secrets: Vec<String>,
    allowance: f64,
    counted_at: Instant,
    dropped: u64,
}

impl ModuleLog {
    /// Reads back what the files have.
    pub(super) fn open(dir: PathBuf) -> Self {
        let files = Files::new(dir);
        let ring: VecDeque<_> = files.reload(RING).into_iter().map(Arc::new).collect();
        Self {
            next: ring.back().map_or(1, |line| line.seq + 1),
            ring,
            files,
            followers: None,
            secrets: Vec::new(),
            allowance: BURST,
            counted_at: Instant::now(),
            dropped: 0,
        }
    }

    /// Takes a line, or counts it as dropped.
    pub(super) fn append(&mut self, line: NewLine, time: UtcTime) {
        let now = Instant::now();
        let earned = (now - self.counted_at).as_secs_f64() * RATE;
        self.allowance = (self.allowance + earned).min(BURST);
        self.counted_at = now;
        // The host says little, and what it says explains the rest.
        if line.source != LogSource::Host {
            if self.allowance < 1.0 {
                self.dropped += 1;
                return;
            }
            self.allowance -= 1.0;
        }
        self.tell_dropped(time);
        let line = line.fit(&self.secrets);
        self.keep(line, time);
    }

    /// Accounts for dropped lines, once there is something to stand behind.
    pub(super) fn tell_dropped(&mut self, time: UtcTime) {
        let dropped = std::mem::take(&mut self.dropped);
        if dropped == 0 {
            return;
        }
        let message = format!("{dropped} lines were dropped: more than {RATE} came in a second");
        let mut line = NewLine::new(Level::Warn, LogSource::Host, message);
        line.fields = Map::from_iter([("log.dropped".to_owned(), dropped.into())]);
        self.keep(line, time);
    }

    fn keep(&mut self, line: NewLine, time: UtcTime) {
        let line = Arc::new(LogLine {
            seq: self.next,
            time,
            level: line.level,
            source: line.source,
            message: line.message,
            fields: line.fields,
        });
        self.next += 1;
        self.files.append(&line);
        if self.ring.len() == RING {
            self.ring.pop_front();
        }
        self.ring.push_back(line.clone());
        // The last follower takes the room with it.
        if let Some(followers) = &self.followers
            && followers.send(line).is_err()
        {
            self.followers = None;
        }
    }

    /// The oldest lines after a number, or the newest ones.
    pub(super) fn tail(
        &self,
        after: Option<u64>,
        level: Option<Level>,
        limit: usize,
    ) -> Vec<LogLine> {
        let wanted = |line: &&Arc<LogLine>| level.is_none_or(|level| line.level >= level);
        let lines = self.ring.iter();
        let lines = lines.filter(|line| after.is_none_or(|after| line.seq > after));
        let lines = lines.filter(wanted).map(|line| LogLine::clone(line));
        if after.is_some() {
            return lines.take(limit).collect();
        }
        let mut newest: Vec<_> = lines.rev().take(limit).collect();
        newest.reverse();
        newest
    }

    pub(super) fn follow(&mut self) -> broadcast::Receiver<Arc<LogLine>> {
        self.followers
            .get_or_insert_with(|| broadcast::Sender::new(FOLLOW))
            .subscribe()
    }

    pub(super) fn set_secrets(&mut self, secrets: Vec<String>) {
        self.secrets = forms(secrets);
    }

    pub(super) fn remove(&mut self) {
        self.ring.clear();
        self.files.remove();
    }
}
