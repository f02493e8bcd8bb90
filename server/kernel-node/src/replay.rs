//! Replaying the journal: each block that the kernel may have lost goes to it again.
//!
//! An assertion in the kernel ends the whole process. A block that causes one would do so again at
//! each open, and nobody could use the chain any more; so the block that is being replayed is noted
//! beside the journal, and one under which the process ended several times in a row is set aside.

use std::{
    collections::HashSet,
    fs::{self, File},
    io::{ErrorKind, Write},
    path::{Path, PathBuf},
    sync::mpsc::Receiver,
};

use bitcoin::{BlockHash, hashes::Hash};
use bitcoinkernel::{Block, ChainstateManager, ProcessBlockResult, prelude::*};

use crate::{
    EngineError,
    callbacks::{Mode, Report, capture},
    journal::{Entry, Journal, Scan},
    kernel,
};

/// How often the process may end under one block before the block is set aside.
const PATIENCE: u32 = 3;

/// The blocks that are kept out of the replay, and the note of the one that is in it.
#[derive(Debug)]
pub struct Guard {
    note: PathBuf,
    dir: PathBuf,
    /// Under which block the process ended last, and how often in a row.
    ended_under: Option<(BlockHash, u32)>,
    aside: HashSet<BlockHash>,
}

impl Guard {
    /// Reads what the processes before left in the engine's directory.
    pub fn open(dir: &Path) -> Result<Self, EngineError> {
        let (note, dir) = (dir.join("blocks.replaying"), dir.join("set-aside"));
        let ended_under = fs::read_to_string(&note).ok().and_then(|text| {
            let (hash, times) = text.trim().split_once(' ')?;
            Some((hash.parse().ok()?, times.parse().ok()?))
        });
        let mut aside = HashSet::new();
        match fs::read_dir(&dir) {
            Ok(entries) => {
                let names = entries.flatten().map(|entry| entry.file_name());
                let names = names.filter_map(|name| name.into_string().ok());
                aside.extend(
                    names.filter_map(|name| name.strip_suffix(".block")?.parse::<BlockHash>().ok()),
                );
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(EngineError::io("read", &dir)(error)),
        }
        Ok(Self {
            note,
            dir,
            ended_under,
            aside,
        })
    }

    /// Whether a block is kept out of the replay. Otherwise it is noted, until the next one is. The
    /// note is not synced: the end of a process loses nothing of it, and after a power cut one end
    /// less is counted.
    fn keeps_out(&mut self, hash: BlockHash, raw: &[u8]) -> Result<bool, EngineError> {
        if self.aside.contains(&hash) {
            return Ok(true);
        }
        let ends = match self.ended_under {
            Some((under, ends)) if under == hash => ends,
            _ => 0,
        };
        if ends >= PATIENCE {
            self.set_aside(hash, raw)?;
            return Ok(true);
        }
        fs::write(&self.note, format!("{hash} {}\n", ends + 1))
            .map_err(EngineError::io("write", &self.note))?;
        Ok(false)
    }

    fn set_aside(&mut self, hash: BlockHash, raw: &[u8]) -> Result<(), EngineError> {
        if self.aside.contains(&hash) {
            return Ok(());
        }
        let path = self.path_of(hash);
        fs::create_dir_all(&self.dir)
            .and_then(|()| {
                let mut file = File::create(&path)?;
                file.write_all(raw)?;
                file.sync_all()?;
                File::open(&self.dir)?.sync_all()
            })
            .map_err(EngineError::io("write", &path))?;
        self.aside.insert(hash);
        Ok(())
    }

    /// The kernel judged a block without ending the process: it need not be kept out any more.
    pub fn survived(&mut self, hash: BlockHash) {
        if self.aside.remove(&hash) {
            let path = self.path_of(hash);
            let forgotten = fs::remove_file(&path).and_then(|()| File::open(&self.dir)?.sync_all());
            if let Err(error) = forgotten {
                tracing::error!(path = %path.display(), %error, "a block that is in the chain again could not be taken out of those set aside: remove its file");
            }
        }
    }

    /// The replay is over.
    pub fn done(&mut self) {
        self.ended_under = None;
        // What stays is a note about a block that is in the chain: harmless.
        let _ = fs::remove_file(&self.note);
    }

    fn path_of(&self, hash: BlockHash) -> PathBuf {
        self.dir.join(format!("{hash}.block"))
    }
}

/// What a replay brought.
#[derive(Debug, Default)]
pub struct Replayed {
    /// Blocks that the kernel had lost.
    pub restored: u32,
    /// Blocks without a known parent.
    pub orphans: u32,
    /// What was kept out, in words.
    pub warning: Option<String>,
}

/// Gives every journaled block to the kernel again.
pub fn replay(
    chain: &ChainstateManager,
    journal: &Journal,
    scan: &Scan,
    reports: &Receiver<Report>,
    guard: &mut Guard,
) -> Result<Replayed, EngineError> {
    let mut done = Replayed::default();
    // Those that are kept out, and those that build on them.
    let mut missing: HashSet<BlockHash> = HashSet::new();
    let mut cause = None;
    for entry in &scan.entries {
        let Entry::Block { offset, len } = *entry else {
            continue;
        };
        let raw = journal.block(offset, len)?;
        let Ok(block) = Block::new(&raw) else {
            continue;
        };
        let hash = BlockHash::from_byte_array(block.hash().to_bytes());
        if missing.contains(&kernel::parent(&raw)) {
            // The journal may be emptied while it is out of the chain.
            guard.set_aside(hash, &raw)?;
            missing.insert(hash);
            continue;
        }
        if guard.keeps_out(hash, &raw)? {
            cause.get_or_insert(hash);
            missing.insert(hash);
            continue;
        }
        let (result, log) = capture(|| chain.process_block(&block));
        let mut refused = false;
        for report in reports.try_iter() {
            match report {
                Report::Fatal(detail) => return Err(EngineError::Fatal { detail }),
                Report::Checked { mode, .. } => refused |= mode != Mode::Valid,
            }
        }
        match result {
            ProcessBlockResult::NewBlock => done.restored += u32::from(!refused),
            ProcessBlockResult::Duplicate => {}
            ProcessBlockResult::Rejected => {
                // Refused before, refused again: only a missing parent means that we lost something.
                if log.iter().any(|line| line.contains("prev-blk-not-found")) {
                    done.orphans += 1;
                }
            }
        }
    }
    done.warning = cause.map(|cause| {
        format!(
            "{} blocks are kept out of the chain: the process ended {PATIENCE} times while {cause} was brought back, and the others build on it; they are in {} and can be submitted again",
            missing.len(),
            guard.dir.display()
        )
    });
    guard.done();
    Ok(done)
}

#[cfg(test)]
#[path = "replay_tests.rs"]
mod tests;
