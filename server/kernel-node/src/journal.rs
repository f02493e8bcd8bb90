//! The block journal: what makes an accepted block survive an abort of the kernel.
//!
//! A header (magic, genesis hash), then records `length u32 ‖ kind u8 ‖ checksum 8 ‖ payload`, written in
//! one piece, alone or several of a batch, and synced before anybody hears of them. The last record may be
//! torn; anything else that does not check out is copied aside before it is cut off: it is damage, or, near
//! the end, a batch of which a power cut kept some later pages and lost an earlier one. When to replay and
//! when to empty it is `recovery`'s business.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufReader, Read, Seek, SeekFrom},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use bitcoin::{
    BlockHash,
    hashes::{Hash, HashEngine, sha256},
};

use crate::EngineError;

const MAGIC: &[u8; 8] = b"bllvmbj1";
const HEADER_BYTES: usize = 40;
const HEADER: u64 = HEADER_BYTES as u64;
const PREFIX: usize = 13;
/// Above any valid block (4,000,000 weight), so that a damaged length is seen as such.
const MAX_PAYLOAD: u32 = 8 << 20;
/// The most that is written in one piece: a batch, with room for one block above its bound.
const MAX_BATCH: u64 = 16 << 20;
const BLOCK: u8 = 1;
const CLOSED: u8 = 2;

/// A record, as a scan finds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry {
    /// A block; read it with [`Journal::block`].
    Block {
        /// Where its bytes start.
        offset: u64,
        /// How many they are.
        len: u32,
    },
    /// The kernel was closed cleanly with this tip.
    Closed(BlockHash),
}

/// What a journal holds.
#[derive(Debug, Default)]
pub struct Scan {
    /// The records, oldest first.
    pub entries: Vec<Entry>,
    /// What had to be cut off, in words.
    pub warning: Option<String>,
}

impl Scan {
    /// The tip of a clean close that nothing followed.
    pub fn closed_tip(&self) -> Option<BlockHash> {
        match self.entries.last() {
            Some(Entry::Closed(tip)) => Some(*tip),
            _ => None,
        }
    }
}

/// The open journal; one per engine, behind its directory lock.
#[derive(Debug)]
pub struct Journal {
    file: File,
    path: PathBuf,
    len: u64,
    /// Set when the file may hold more than `len`; nothing is appended any more.
    broken: bool,
}

impl Journal {
    /// Opens or makes the journal, and cuts off what is torn or damaged.
    pub fn open(path: &Path, genesis: BlockHash) -> Result<(Self, Scan), EngineError> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .map_err(EngineError::io("open", path))?;
        let mut journal = Self {
            file,
            path: path.to_owned(),
            len: HEADER,
            broken: false,
        };
        journal.check_header(genesis)?;
        let scan = journal.scan().map_err(EngineError::io("read", path))?;
        Ok((journal, scan))
    }

    /// The file's size in bytes.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether it holds no record.
    pub fn is_empty(&self) -> bool {
        self.len == HEADER
    }

    /// Makes a block durable.
    ///
    /// # Errors
    /// The system's reason; the journal is then as it was before.
    pub fn append_block(&mut self, raw: &[u8]) -> Result<(), EngineError> {
        self.append_blocks(&[raw]).map(drop)
    }

    /// Makes blocks durable, all of them by one sync. Tells where each record starts, for
    /// [`Journal::take_back`].
    ///
    /// # Errors
    /// The system's reason; the journal is then as it was before.
    pub fn append_blocks(&mut self, blocks: &[&[u8]]) -> Result<Vec<u64>, EngineError> {
        if blocks.is_empty() {
            return Ok(Vec::new());
        }
        let records: Vec<_> = blocks.iter().map(|raw| (BLOCK, *raw)).collect();
        self.append(&records)
    }

    /// Records that the kernel was closed cleanly with this tip.
    pub fn append_closed(&mut self, tip: BlockHash) -> Result<(), EngineError> {
        self.append(&[(CLOSED, tip.as_byte_array())]).map(drop)
    }

    /// Takes back the record that starts here, and all after it: its block was refused, and theirs
    /// were not looked at.
    pub fn take_back(&mut self, start: u64) -> Result<(), EngineError> {
        self.cut(start)
    }

    /// Forgets everything: the kernel has shown that it kept it.
    pub fn clear(&mut self) -> Result<(), EngineError> {
        self.cut(HEADER)
    }

    /// Reads a block that a scan found.
    pub fn block(&self, offset: u64, len: u32) -> Result<Vec<u8>, EngineError> {
        let mut raw = vec![0; len as usize];
        self.file
            .read_exact_at(&mut raw, offset)
            .map_err(EngineError::io("read", &self.path))?;
        Ok(raw)
    }

    /// Reads all records, and cuts off what follows the last good one.
    pub fn scan(&mut self) -> io::Result<Scan> {
        let end = self.file.metadata()?.len();
        let mut reader = BufReader::with_capacity(1 << 16, &self.file);
        reader.seek(SeekFrom::Start(HEADER))?;
        let mut scan = Scan::default();
        let mut at = HEADER;
        let mut payload = Vec::new();
        let mut torn = true;
        while at < end {
            let left = end - at;
            if left < PREFIX as u64 {
                break;
            }
            let mut prefix = [0; PREFIX];
            reader.read_exact(&mut prefix)?;
            let (len, kind) = (length(&prefix), prefix[4]);
            if len <= MAX_PAYLOAD && u64::from(len) > left - PREFIX as u64 {
                break;
            }
            if len > MAX_PAYLOAD {
                // A torn append may leave zeros, but never a wrong length.
                torn = false;
                break;
            }
            payload.resize(len as usize, 0);
            reader.read_exact(&mut payload)?;
            let next = at + PREFIX as u64 + u64::from(len);
            if prefix[5..] != checksum(kind, &payload) {
                torn = next == end || rest_is_zero(&mut reader, &prefix, &payload)?;
                break;
            }
            match kind {
                BLOCK => scan.entries.push(Entry::Block {
                    offset: at + PREFIX as u64,
                    len,
                }),
                CLOSED if payload.len() == 32 => {
                    let mut tip = [0; 32];
                    tip.copy_from_slice(&payload);
                    scan.entries
                        .push(Entry::Closed(BlockHash::from_byte_array(tip)));
                }
                _ => {
                    torn = false;
                    break;
                }
            }
            at = next;
        }
        self.len = at;
        if at < end {
            let lost = end - at;
            scan.warning = Some(if torn {
                format!(
                    "the journal ended in the middle of a record; its last {lost} bytes were never acknowledged and are cut off"
                )
            } else {
                let aside = self.path.with_extension("damaged");
                fs::copy(&self.path, &aside)?;
                let why = if lost <= MAX_BATCH {
                    ", or the power went while several blocks were written, none of which was acknowledged"
                } else {
                    ""
                };
                format!(
                    "the journal is damaged at byte {at}{why}; {lost} bytes are cut off, a copy is kept in {}",
                    aside.display()
                )
            });
            self.file.set_len(at)?;
            self.file.sync_data()?;
        }
        Ok(scan)
    }

    fn check_header(&mut self, genesis: BlockHash) -> Result<(), EngineError> {
        let mut wanted = [0; HEADER_BYTES];
        wanted[..8].copy_from_slice(MAGIC);
        wanted[8..].copy_from_slice(genesis.as_byte_array());
        let mut found = Vec::new();
        (&self.file)
            .take(HEADER)
            .read_to_end(&mut found)
            .map_err(EngineError::io("read", &self.path))?;
        if found == wanted {
            return Ok(());
        }
        if found.len() == wanted.len() {
            let reason = if found.starts_with(MAGIC) {
                "is of another chain"
            } else {
                "is not a block journal of this version"
            };
            return Err(EngineError::ForeignJournal {
                path: self.path.clone(),
                reason,
            });
        }
        // New, or torn while it was made: nothing was acknowledged yet.
        self.file
            .write_all_at(&wanted, 0)
            .and_then(|()| self.file.set_len(HEADER))
            .and_then(|()| self.file.sync_all())
            .map_err(EngineError::io("write", &self.path))?;
        let dir = self.path.parent().unwrap_or(Path::new("."));
        File::open(dir)
            .and_then(|dir| dir.sync_all())
            .map_err(EngineError::io("sync", dir))
    }

    fn append(&mut self, records: &[(u8, &[u8])]) -> Result<Vec<u64>, EngineError> {
        let written = if self.broken {
            Err(io::Error::other(
                "an earlier failed write could not be taken back",
            ))
        } else {
            self.write(records)
        };
        written.map_err(|source| EngineError::JournalWrite {
            path: self.path.clone(),
            source,
        })
    }

    fn write(&mut self, records: &[(u8, &[u8])]) -> io::Result<Vec<u64>> {
        let payloads = records.iter().map(|(_, payload)| PREFIX + payload.len());
        let mut bytes = Vec::with_capacity(payloads.sum());
        let mut starts = Vec::with_capacity(records.len());
        for (kind, payload) in records {
            let len = u32::try_from(payload.len())
                .ok()
                .filter(|len| *len <= MAX_PAYLOAD)
                .ok_or(io::ErrorKind::FileTooLarge)?;
            starts.push(self.len + bytes.len() as u64);
            bytes.extend_from_slice(&len.to_le_bytes());
            bytes.push(*kind);
            bytes.extend_from_slice(&checksum(*kind, payload));
            bytes.extend_from_slice(payload);
        }
        let written = self
            .file
            .write_all_at(&bytes, self.len)
            .and_then(|()| self.file.sync_data());
        if let Err(error) = written {
            // After a failed sync the kernel may have dropped pages; the cut makes both agree.
            let undone = self
                .file
                .set_len(self.len)
                .and_then(|()| self.file.sync_data());
            self.broken = undone.is_err();
            return Err(error);
        }
        self.len += bytes.len() as u64;
        Ok(starts)
    }

    fn cut(&mut self, to: u64) -> Result<(), EngineError> {
        if to == self.len {
            return Ok(());
        }
        let cut = self.file.set_len(to).and_then(|()| self.file.sync_data());
        if cut.is_ok() {
            self.len = to;
        } else {
            self.broken = true;
        }
        cut.map_err(EngineError::io("cut", &self.path))
    }
}

fn length(prefix: &[u8; PREFIX]) -> u32 {
    u32::from_le_bytes([prefix[0], prefix[1], prefix[2], prefix[3]])
}

fn checksum(kind: u8, payload: &[u8]) -> [u8; 8] {
    let mut engine = sha256::Hash::engine();
    engine.input(&[kind]);
    engine.input(payload);
    let digest = sha256::Hash::from_engine(engine).to_byte_array();
    let mut short = [0; 8];
    short.copy_from_slice(&digest[..8]);
    short
}

/// Whether a power cut explains what is left: the file grew, but no data reached it.
fn rest_is_zero(reader: &mut impl Read, prefix: &[u8; PREFIX], payload: &[u8]) -> io::Result<bool> {
    let mut rest = Vec::new();
    reader.read_to_end(&mut rest)?;
    Ok(prefix
        .iter()
        .chain(payload)
        .chain(&rest)
        .all(|byte| *byte == 0))
}

#[cfg(test)]
#[path = "journal_tests.rs"]
mod tests;
