//! Bitcoin Core's block files, `blk00000.dat` and on: where each block lies in them, and its bytes.
//!
//! A file is a row of blocks: four bytes that name the network, the block's size, the block. Core
//! writes them in the order in which they came, takes room ahead (zeros), and, where `xor.dat` lies
//! beside them, mixes every byte with its eight. Everything is looked at before the first block is
//! handed out, so that what is cut off or of another network is refused as a whole, by name.

use std::collections::{HashMap, HashSet, VecDeque};
use std::fs::{self, File};
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use bitcoin::block::Header;
use bitcoin::consensus::deserialize;
use bitcoin::{BlockHash, ScriptBuf};

use super::embedded_chain::magic;

const HEADER_BYTES: u32 = 80;
/// The most that a block takes on the wire.
const MAX_BLOCK_BYTES: u32 = 4_000_000;
const KEY: &str = "xor.dat";

/// Why the files are not taken.
#[derive(Debug, thiserror::Error)]
pub enum BlockFilesError {
    /// A file or folder cannot be read.
    #[error("{} cannot be read: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// There is nothing to take.
    #[error("{} holds no block file; name a `blk00000.dat`, or the folder that it lies in", path.display())]
    NoFiles {
        /// The folder.
        path: PathBuf,
    },
    /// It was written for other consensus rules.
    #[error("{} is of {network}, and this node is on `{expected}`", path.display())]
    ForeignNetwork {
        /// The file.
        path: PathBuf,
        /// The network it belongs to.
        network: &'static str,
        /// The network of this node.
        expected: String,
    },
    /// The last block is not whole.
    #[error("{} is cut off: a block of {size} bytes begins at byte {offset}, and the file ends before it does", path.display())]
    Truncated {
        /// The file.
        path: PathBuf,
        /// Where the block begins.
        offset: u64,
        /// How large it says that it is.
        size: u32,
    },
    /// Something else than a block.
    #[error("{} holds no block at byte {offset}: it is damaged, is no block file, is of another signet, or lacks its `{KEY}`", path.display())]
    NoBlock {
        /// The file.
        path: PathBuf,
        /// Where a block should begin.
        offset: u64,
    },
    /// The key has another length.
    #[error("{} must hold 8 bytes, and holds {found}", path.display())]
    Key {
        /// The key's file.
        path: PathBuf,
        /// What is there.
        found: usize,
    },
    /// It was cancelled.
    #[error("it was cancelled")]
    Cancelled,
}

fn unreadable(path: &Path) -> impl FnOnce(io::Error) -> BlockFilesError {
    let path = path.to_owned();
    move |source| BlockFilesError::Io { path, source }
}

/// A block in one of the files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Its hash.
    pub hash: BlockHash,
    /// The block before it.
    pub prev: BlockHash,
    /// Which of the files.
    file: usize,
    /// Where its bytes begin.
    offset: u64,
    size: u32,
}

impl Place {
    /// How many bytes the block has.
    pub fn size(&self) -> usize {
        self.size as usize
    }
}

/// Block files that were found, in the order of their names.
#[derive(Debug)]
pub struct BlockFiles {
    files: Vec<PathBuf>,
    key: [u8; 8],
}

impl BlockFiles {
    /// Finds them: one file, or those in a folder or in its `blocks`.
    ///
    /// # Errors
    /// Where there are none, or the key beside them is none.
    pub fn find(path: &Path) -> Result<Self, BlockFilesError> {
        let about = fs::metadata(path).map_err(unreadable(path))?;
        let mut files = if about.is_file() {
            vec![path.to_owned()]
        } else {
            let mut found = list(path)?;
            if found.is_empty() && path.join("blocks").is_dir() {
                found = list(&path.join("blocks"))?;
            }
            found
        };
        files.sort();
        let first = files.first().ok_or_else(|| BlockFilesError::NoFiles {
            path: path.to_owned(),
        })?;
        let key = key(&first.with_file_name(KEY))?;
        Ok(Self { files, key })
    }

    /// How many files.
    pub fn count(&self) -> usize {
        self.files.len()
    }

    /// The file in which a block lies.
    pub fn file_of(&self, place: &Place) -> &Path {
        self.files
            .get(place.file)
            .map_or(Path::new(""), PathBuf::as_path)
    }

    /// Every block, each after the one that it stands on as far as that is in the files, too.
    ///
    /// # Errors
    /// Where one of the files is cut off, damaged, or of another network.
    pub fn blocks(
        &self,
        chain: &str,
        challenge: Option<&ScriptBuf>,
        cancelled: impl Fn() -> bool,
    ) -> Result<Vec<Place>, BlockFilesError> {
        let expected = Expected {
            chain,
            magic: magic(chain, challenge).to_bytes(),
        };
        let mut found = Vec::new();
        for (number, path) in self.files.iter().enumerate() {
            if cancelled() {
                return Err(BlockFilesError::Cancelled);
            }
            self.look_through(number, path, &expected, &mut found)?;
        }
        Ok(parents_first(found))
    }

    /// A block's bytes.
    ///
    /// # Errors
    /// Where the file cannot be read any more.
    pub fn read(&self, place: &Place) -> Result<Vec<u8>, BlockFilesError> {
        let path = self.file_of(place);
        let read = || {
            let mut file = File::open(path)?;
            let mut bytes = vec![0; place.size as usize];
            file.seek(SeekFrom::Start(place.offset))?;
            file.read_exact(&mut bytes)?;
            Ok(bytes)
        };
        let mut bytes = read().map_err(unreadable(path))?;
        self.unmix(&mut bytes, place.offset);
        Ok(bytes)
    }

    fn unmix(&self, bytes: &mut [u8], offset: u64) {
        let start = usize::try_from(offset % 8).unwrap_or(0);
        let key = self.key.iter().cycle().skip(start);
        for (byte, key) in bytes.iter_mut().zip(key) {
            *byte ^= key;
        }
    }

    fn look_through(
        &self,
        number: usize,
        path: &Path,
        expected: &Expected<'_>,
        found: &mut Vec<Place>,
    ) -> Result<(), BlockFilesError> {
        let file = File::open(path).map_err(unreadable(path))?;
        let length = file.metadata().map_err(unreadable(path))?.len();
        let mut file = BufReader::new(file);
        let mut at = 0;
        while at < length {
            let mut start = [0; 8];
            let got = fill(&mut file, &mut start).map_err(unreadable(path))?;
            if start == [0; 8] && only_zeros(&mut file).map_err(unreadable(path))? {
                return Ok(());
            }
            self.unmix(&mut start, at);
            let (magic, size) = start.split_at(4);
            if got >= 4 && magic != expected.magic {
                return Err(foreign(path, at, magic, expected.chain));
            }
            let size = size.try_into().map_or(0, u32::from_le_bytes);
            if got == 8 && !(HEADER_BYTES..=MAX_BLOCK_BYTES).contains(&size) {
                return Err(no_block(path, at));
            }
            let offset = at + 8;
            if got < 8 || offset + u64::from(size) > length {
                let path = path.to_owned();
                return Err(BlockFilesError::Truncated {
                    path,
                    offset: at,
                    size,
                });
            }
            let mut header = [0; HEADER_BYTES as usize];
            fill(&mut file, &mut header).map_err(unreadable(path))?;
            self.unmix(&mut header, offset);
            let header: Header = deserialize(&header).map_err(|_| no_block(path, at))?;
            found.push(Place {
                hash: header.block_hash(),
                prev: header.prev_blockhash,
                file: number,
                offset,
                size,
            });
            let rest = i64::from(size - HEADER_BYTES);
            file.seek_relative(rest).map_err(unreadable(path))?;
            at = offset + u64::from(size);
        }
        Ok(())
    }
}

fn list(folder: &Path) -> Result<Vec<PathBuf>, BlockFilesError> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(unreadable(folder))? {
        let path = entry.map_err(unreadable(folder))?.path();
        let name = path.file_name().and_then(|name| name.to_str());
        let number = name.and_then(|name| name.strip_prefix("blk")?.strip_suffix(".dat"));
        if number.is_some_and(|digits| digits.bytes().all(|digit| digit.is_ascii_digit())) {
            found.push(path);
        }
    }
    Ok(found)
}

/// The key that the files are mixed with; zeros where they are not.
fn key(path: &Path) -> Result<[u8; 8], BlockFilesError> {
    match fs::read(path) {
        Ok(bytes) => bytes
            .try_into()
            .map_err(|bytes: Vec<u8>| BlockFilesError::Key {
                path: path.to_owned(),
                found: bytes.len(),
            }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok([0; 8]),
        Err(error) => Err(unreadable(path)(error)),
    }
}

/// Reads as much as there is; the count is less than asked for at the end of the file only.
fn fill(file: &mut impl Read, into: &mut [u8]) -> io::Result<usize> {
    let mut got = 0;
    while let Some(rest) = into.get_mut(got..).filter(|rest| !rest.is_empty()) {
        match file.read(rest)? {
            0 => break,
            count => got += count,
        }
    }
    Ok(got)
}

/// Whether nothing but room that was taken ahead follows.
fn only_zeros(file: &mut impl Read) -> io::Result<bool> {
    let mut piece = vec![0; 64 << 10];
    loop {
        let got = fill(file, &mut piece)?;
        if piece.iter().take(got).any(|byte| *byte != 0) {
            return Ok(false);
        }
        if got < piece.len() {
            return Ok(true);
        }
    }
}

/// What the files must be of.
struct Expected<'a> {
    chain: &'a str,
    magic: [u8; 4],
}

fn magic_of(chain: &str) -> [u8; 4] {
    magic(chain, None).to_bytes()
}

fn foreign(path: &Path, offset: u64, magic: &[u8], chain: &str) -> BlockFilesError {
    let known = ["main", "test", "testnet4", "signet", "regtest"];
    match known.into_iter().find(|other| magic_of(other) == magic) {
        Some(network) => BlockFilesError::ForeignNetwork {
            path: path.to_owned(),
            network,
            expected: chain.to_owned(),
        },
        None => no_block(path, offset),
    }
}

fn no_block(path: &Path, offset: u64) -> BlockFilesError {
    BlockFilesError::NoBlock {
        path: path.to_owned(),
        offset,
    }
}

/// Each block once, after its parent; among brothers, and for those without a parent here, as they
/// lie.
fn parents_first(found: Vec<Place>) -> Vec<Place> {
    let known: HashSet<BlockHash> = found.iter().map(|place| place.hash).collect();
    let mut children: HashMap<BlockHash, Vec<Place>> = HashMap::new();
    let mut queue = VecDeque::new();
    let mut taken = HashSet::with_capacity(found.len());
    for place in found {
        if !taken.insert(place.hash) {
            continue;
        }
        if known.contains(&place.prev) {
            children.entry(place.prev).or_default().push(place);
        } else {
            queue.push_back(place);
        }
    }
    let mut ordered = Vec::with_capacity(taken.len());
    while let Some(place) = queue.pop_front() {
        queue.extend(children.remove(&place.hash).into_iter().flatten());
        ordered.push(place);
    }
    ordered
}

#[cfg(test)]
mod tests {
    use bitcoin::Network;
    use bitcoin::consensus::serialize;
    use bitcoin::constants::genesis_block;
    use bitcoin::hashes::Hash as _;

    use super::*;

    /// Three blocks on each other, the last two in the wrong order, and room taken ahead.
    fn file(magic: [u8; 4], key: [u8; 8]) -> Vec<u8> {
        let mut blocks = vec![genesis_block(Network::Regtest)];
        for nonce in 1..=2 {
            let mut next = blocks[0].clone();
            next.header.prev_blockhash = blocks[blocks.len() - 1].block_hash();
            next.header.nonce = nonce;
            blocks.push(next);
        }
        blocks.swap(1, 2);
        let mut bytes = Vec::new();
        for block in blocks {
            let block = serialize(&block);
            bytes.extend_from_slice(&magic);
            bytes.extend_from_slice(&u32::try_from(block.len()).unwrap().to_le_bytes());
            bytes.extend_from_slice(&block);
        }
        for (byte, key) in bytes.iter_mut().zip(key.iter().cycle()) {
            *byte ^= key;
        }
        bytes.resize(bytes.len() + 100_000, 0);
        bytes
    }

    fn look(bytes: &[u8], key: Option<&[u8]>) -> Result<Vec<Place>, BlockFilesError> {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("blk00000.dat"), bytes).unwrap();
        fs::write(dir.path().join("blkother.dat"), b"nothing").unwrap();
        if let Some(key) = key {
            fs::write(dir.path().join(KEY), key).unwrap();
        }
        let files = BlockFiles::find(dir.path())?;
        assert_eq!(files.count(), 1);
        let blocks = files.blocks("regtest", None, || false)?;
        for place in &blocks {
            let block: bitcoin::Block = deserialize(&files.read(place)?).unwrap();
            assert_eq!(block.block_hash(), place.hash);
        }
        Ok(blocks)
    }

    #[test]
    fn blocks_come_after_their_parents_with_and_without_a_key() {
        let magic = magic_of("regtest");
        let plain = look(&file(magic, [0; 8]), None).unwrap();
        assert_eq!(plain.len(), 3);
        assert_eq!(plain[0].prev, BlockHash::all_zeros());
        assert!(plain.windows(2).all(|two| two[1].prev == two[0].hash));
        let key = [1, 2, 3, 4, 5, 6, 7, 8];
        let mixed = look(&file(magic, key), Some(&key)).unwrap();
        assert_eq!(mixed, plain);
    }

    #[test]
    fn what_is_no_block_file_of_this_chain_is_refused_by_name() {
        let whole = file(magic_of("regtest"), [0; 8]);
        let used = whole.len() - 100_000;
        let refused = |bytes: &[u8]| look(bytes, None).unwrap_err().to_string();
        for cut in [1, 100, 200] {
            let why = refused(&whole[..used - cut]);
            assert!(why.contains("blk00000.dat is cut off"), "{cut}: {why}");
        }
        let why = refused(&file(magic_of("signet"), [0; 8]));
        assert!(why.contains("blk00000.dat is of signet"), "{why}");
        assert!(refused(b"GIF89a and more").contains("at byte 0"));
        let mut garbage = whole.clone();
        garbage[used + 50_000] = 1;
        assert!(refused(&garbage).contains("no block at byte"));
        let why = look(&whole, Some(b"short")).unwrap_err().to_string();
        assert!(why.contains("must hold 8 bytes, and holds 5"), "{why}");
        let empty = tempfile::tempdir().unwrap();
        let why = BlockFiles::find(empty.path()).unwrap_err().to_string();
        assert!(why.contains("holds no block file"), "{why}");
    }
}
