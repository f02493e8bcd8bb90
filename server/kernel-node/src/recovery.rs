//! Bringing the kernel to the tip that was acknowledged: open, replay, rebuild.
//!
//! The journal holds every block since the kernel last *proved* that it kept them, so a clean close
//! leaves the journal in place, with a note of the tip; the next open compares and only then clears.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    sync::mpsc::Receiver,
};

use bitcoin::BlockHash;
use bitcoinkernel::{ChainstateManager, Context};

use crate::{
    Chain, EngineError, Opening,
    callbacks::{Report, capture},
    journal::{Journal, Scan},
    kernel,
    replay::{Guard, Replayed, replay},
};

/// Where the kernel keeps its files.
#[derive(Debug, Clone)]
pub struct Places {
    data: PathBuf,
    blocks: PathBuf,
}

impl Places {
    /// As Bitcoin Core lays out `<datadir>/<chain>`.
    pub fn of(chain: &Chain, dir: &Path) -> Self {
        let data = dir.join(chain.name());
        Self {
            blocks: data.join("blocks"),
            data,
        }
    }

    /// What the files of blocks take on disk.
    pub fn block_bytes(&self) -> io::Result<u64> {
        let mut bytes = 0;
        for file in fs::read_dir(&self.blocks)? {
            let meta = file?.metadata()?;
            if meta.is_file() {
                bytes += meta.len();
            }
        }
        Ok(bytes)
    }
}

/// An open kernel, and how it got there.
pub struct Recovered {
    /// The kernel.
    pub chain: ChainstateManager,
    /// What had to be done.
    pub how: Opening,
    /// What an operator should know.
    pub warnings: Vec<String>,
}

/// Opens the kernel and brings it to the journal's tip. The journal is emptied if the kernel shows
/// the tip that it was closed with.
pub fn recover(
    context: &Context,
    places: &Places,
    journal: &mut Journal,
    scan: &Scan,
    closed_with: Option<BlockHash>,
    reports: &Receiver<Report>,
    guard: &mut Guard,
) -> Result<Recovered, EngineError> {
    let fresh = !places.blocks.exists();
    fs::create_dir_all(&places.blocks).map_err(EngineError::io("make", &places.blocks))?;
    let mut warnings: Vec<String> = scan.warning.clone().into_iter().collect();

    let (mut chain, mut rebuilt) = match build(context, places, false) {
        Ok(chain) => (chain, None),
        Err(why) if is_locked(&why) => {
            return Err(EngineError::Busy {
                dir: places.data.clone(),
                pid: None,
            });
        }
        Err(why) => (rebuild(context, places)?, Some(why)),
    };
    if rebuilt.is_none() && (scan.entries.is_empty() || shows(&chain, closed_with)) {
        journal.clear()?;
        guard.done();
        let how = if fresh {
            Opening::Fresh
        } else {
            Opening::Clean
        };
        return Ok(Recovered {
            chain,
            how,
            warnings,
        });
    }

    let mut replayed = replay(&chain, journal, scan, reports, guard)?;
    if replayed.orphans > 0 && rebuilt.is_none() {
        drop(chain);
        rebuilt = Some("blocks before the journal's are missing".to_owned());
        chain = rebuild(context, places)?;
        let again = replay(&chain, journal, scan, reports, guard)?;
        replayed = Replayed {
            restored: replayed.restored + again.restored,
            ..again
        };
    }
    warnings.extend(replayed.warning.take());
    if replayed.orphans > 0 {
        warnings.push(format!(
            "{} journaled blocks have no known parent and could not be restored; they stay in the journal",
            replayed.orphans
        ));
    }
    if let Some(tip) = closed_with
        && !shows(&chain, closed_with)
    {
        warnings.push(format!(
            "the chain does not end in {tip}, as it did when it was closed"
        ));
    }
    if let Some(detail) = fatal(reports) {
        return Err(EngineError::Fatal { detail });
    }
    let blocks = replayed.restored;
    let how = match rebuilt {
        Some(why) => Opening::Reindexed { why, blocks },
        None => Opening::Replayed { blocks },
    };
    Ok(Recovered {
        chain,
        how,
        warnings,
    })
}

/// Whether the chain ends where it should.
fn shows(chain: &ChainstateManager, tip: Option<BlockHash>) -> bool {
    tip == Some(kernel::hash(kernel::tip(chain)))
}

/// The first fatal report, if there is one.
pub fn fatal(reports: &Receiver<Report>) -> Option<String> {
    reports.try_iter().find_map(|report| match report {
        Report::Fatal(detail) => Some(detail),
        Report::Checked { .. } => None,
    })
}

/// Rebuilds the databases from the block files; what these lack comes from the journal.
fn rebuild(context: &Context, places: &Places) -> Result<ChainstateManager, EngineError> {
    tracing::warn!("rebuilding the chain's databases from its block files");
    build(context, places, true).map_err(|detail| EngineError::Open { detail })
}

fn build(context: &Context, places: &Places, wipe: bool) -> Result<ChainstateManager, String> {
    let utf8 = |path: &Path| {
        path.to_str()
            .map(str::to_owned)
            .ok_or_else(|| format!("path {} is not UTF-8", path.display()))
    };
    let (data, blocks) = (utf8(&places.data)?, utf8(&places.blocks)?);
    let (built, log) = capture(|| {
        let chain = ChainstateManager::builder(context, &data, &blocks)?
            .worker_threads(1)
            .wipe_db(wipe, wipe)?
            .build()?;
        chain.import_blocks()?;
        Ok::<_, bitcoinkernel::KernelError>(chain)
    });
    sync_key(&places.blocks).map_err(|error| error.to_string())?;
    built.map_err(|error| {
        let said: Vec<&str> = log
            .iter()
            .map(String::as_str)
            .filter(|line| line.contains("[error]") || line.contains("Failed"))
            .collect();
        if said.is_empty() {
            error.to_string()
        } else {
            said.join("; ")
        }
    })
}

/// The kernel mixes its block files with a key that it writes once and never syncs. Should the power
/// go soon after, nothing of them could be read again.
fn sync_key(blocks: &Path) -> io::Result<()> {
    match File::open(blocks.join("xor.dat")) {
        Ok(key) => {
            key.sync_all()?;
            File::open(blocks)?.sync_all()
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// Whether another program (a Bitcoin Core on the same files, say) holds the databases.
fn is_locked(why: &str) -> bool {
    why.contains("IO error: lock ") || why.contains("Cannot obtain a lock")
}
