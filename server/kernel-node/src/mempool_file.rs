//! The mempool's file: written at a clean close, taken up and removed at the next open. A crash
//! leaves none, and the mempool then starts empty.

use std::{fs, io::Write, path::Path};

use bitcoin::{
    Transaction,
    consensus::{deserialize, serialize},
    hashes::{Hash, sha256},
};
use bllvm_mempool::Pool;

use crate::EngineError;

/// The file's name in the node's directory.
pub const NAME: &str = "mempool.dat";
const MAGIC: &[u8; 8] = b"bllvmmp1";
const CHECKSUM: usize = 32;

/// Writes all transactions, those first that others spend of.
pub fn write(path: &Path, pool: &Pool) -> Result<(), EngineError> {
    let mut bytes = MAGIC.to_vec();
    for entry in pool.in_order() {
        let raw = serialize(&*entry.transaction);
        bytes.extend_from_slice(&entry.time.to_le_bytes());
        bytes.extend_from_slice(&u32::try_from(raw.len()).unwrap_or(0).to_le_bytes());
        bytes.extend_from_slice(&raw);
    }
    let checksum = sha256::Hash::hash(&bytes).to_byte_array();
    bytes.extend_from_slice(&checksum);
    let new = path.with_extension("new");
    fs::File::create(&new)
        .and_then(|mut file| file.write_all(&bytes).and_then(|()| file.sync_all()))
        .and_then(|()| fs::rename(&new, path))
        .map_err(EngineError::io("write", path))
}

/// Reads the transactions with the times they came at, and removes the file. A damaged file is worth
/// a warning, not a failed start: everything in it is somebody's to send again.
pub fn take(path: &Path) -> Result<Vec<(Transaction, u64)>, EngineError> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(EngineError::io("read", path)(error)),
    };
    fs::remove_file(path).map_err(EngineError::io("remove", path))?;
    Ok(parse(&bytes).unwrap_or_else(|| {
        tracing::warn!(path = %path.display(), "the mempool's file is damaged; the mempool starts empty");
        Vec::new()
    }))
}

fn parse(bytes: &[u8]) -> Option<Vec<(Transaction, u64)>> {
    let (body, checksum) = bytes.split_at_checked(bytes.len().checked_sub(CHECKSUM)?)?;
    if sha256::Hash::hash(body).as_byte_array() != checksum {
        return None;
    }
    let mut rest = body.strip_prefix(MAGIC)?;
    let mut all = Vec::new();
    while !rest.is_empty() {
        let (time, after) = rest.split_first_chunk::<8>()?;
        let (length, after) = after.split_first_chunk::<4>()?;
        let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
        let (raw, after) = after.split_at_checked(length)?;
        all.push((deserialize(raw).ok()?, u64::from_le_bytes(*time)));
        rest = after;
    }
    Some(all)
}
