//! A module's two log files: the one being written, and the one before it.

use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

use super::LogLine;

/// A file of this size makes room for the next one.
const MAX_BYTES: u64 = 4 << 20;
const CURRENT: &str = "current.ndjson";
const PREVIOUS: &str = "previous.ndjson";

/// Appends lines, and turns the files over.
#[derive(Debug)]
pub(super) struct Files {
    dir: PathBuf,
    file: Option<File>,
    bytes: u64,
    /// Said once, not with each line.
    failed: bool,
}

impl Files {
    pub(super) fn new(dir: PathBuf) -> Self {
        Self {
            dir,
            file: None,
            bytes: 0,
            failed: false,
        }
    }

    /// The newest `limit` lines of both files, oldest first. A line that was cut off by a power
    /// cut is skipped.
    pub(super) fn reload(&self, limit: usize) -> VecDeque<LogLine> {
        let mut lines = VecDeque::with_capacity(limit);
        for name in [PREVIOUS, CURRENT] {
            let Ok(file) = File::open(self.dir.join(name)) else {
                continue;
            };
            for text in BufReader::new(file).split(b'\n').map_while(Result::ok) {
                let Ok(line) = serde_json::from_slice(&text) else {
                    continue;
                };
                if lines.len() == limit {
                    lines.pop_front();
                }
                lines.push_back(line);
            }
        }
        lines
    }

    /// Writes a line. A disk that takes nothing costs the file, never the module.
    pub(super) fn append(&mut self, line: &LogLine) {
        let result = self.try_append(line);
        if let Err(error) = &result
            && !self.failed
        {
            tracing::warn!(path = %self.dir.display(), %error, "log lines are kept in memory only");
        }
        self.failed = result.is_err();
    }

    fn try_append(&mut self, line: &LogLine) -> io::Result<()> {
        if self.file.is_none() || self.bytes >= MAX_BYTES {
            self.turn_over()?;
        }
        let mut text = serde_json::to_vec(line)?;
        text.push(b'\n');
        if let Some(file) = &mut self.file {
            file.write_all(&text)?;
            self.bytes += text.len() as u64;
        }
        Ok(())
    }

    fn turn_over(&mut self) -> io::Result<()> {
        fs::create_dir_all(&self.dir)?;
        let current = self.dir.join(CURRENT);
        if self.bytes >= MAX_BYTES {
            self.file = None;
            fs::rename(&current, self.dir.join(PREVIOUS))?;
        }
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&current)?;
        self.bytes = end_line(&file, &current)?;
        self.file = Some(file);
        Ok(())
    }

    /// Removes both files.
    pub(super) fn remove(&mut self) {
        self.file = None;
        self.bytes = 0;
        if let Err(error) = fs::remove_dir_all(&self.dir)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(path = %self.dir.display(), %error, "logs could not be removed");
        }
    }
}

/// Ends a line that a power cut left open, so that the next one stands alone; gives the size.
fn end_line(mut file: &File, path: &Path) -> io::Result<u64> {
    let text = fs::read(path)?;
    let mut bytes = text.len() as u64;
    if text.last().is_some_and(|last| *last != b'\n') {
        file.write_all(b"\n")?;
        bytes += 1;
    }
    Ok(bytes)
}
