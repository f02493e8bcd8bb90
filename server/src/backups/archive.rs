//! What an archive says of itself, and how one is written.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use bllvm_manifest::ModuleName;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tar::{Builder, EntryType};
use utoipa::ToSchema;

use super::error::at;
use super::tree::Kept;
use super::{BackupError, Lock};
use crate::model::{DesiredState, TrustClass, UtcTime};
use crate::store::Holdings;

/// The newest form of archives that is known here.
pub const FORMAT: u32 = 1;
/// The first entry.
pub(super) const HEADER: &str = "backup.json";
/// The last entry.
pub(super) const CONTENTS: &str = "contents.json";
/// What goes into the data directory lies below this.
pub(super) const MEMBER_DATA: &str = "data";

/// What a backup holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Header {
    /// The form of the archive.
    pub format: u32,
    /// The program that made it, with its version.
    pub made_by: String,
    /// When.
    pub made_at: UtcTime,
    /// The data directory that it was made from.
    #[schema(value_type = String)]
    pub data_dir: PathBuf,
    /// Where modules lay.
    #[schema(value_type = String)]
    pub modules_dir: PathBuf,
    /// The database, in numbers.
    pub database: Holdings,
    /// The publishers that are trusted.
    pub publishers: Vec<String>,
    /// The modules.
    pub modules: Vec<ModuleInBackup>,
    /// What is missing, and why.
    pub left_out: Vec<String>,
}

/// A module in a backup.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ModuleInBackup {
    /// Its name.
    #[schema(value_type = String)]
    pub name: ModuleName,
    /// Its version.
    #[schema(value_type = String)]
    pub version: semver::Version,
    /// What was wanted of it.
    pub desired: DesiredState,
    /// How far the host vouched for it.
    pub trust: TrustClass,
    /// The capabilities that it had.
    pub granted: Vec<String>,
    /// How its data was copied.
    pub data: Kept,
}

/// One entry below `data/`, in the order of the archive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Listed {
    /// Its name, as far as it is text.
    pub path: String,
    /// Bytes.
    pub size: u64,
    /// Of its contents, or of where a link leads; folders have none.
    pub sha256: Option<String>,
}

/// Writes the archive of a folder's `data`, encrypted, to a new file, and fsyncs it. Blocks; `done`
/// counts the bytes of files that are in.
///
/// # Errors
/// See [`BackupError`]; the file is of no use then.
pub fn write(
    folder: &Path,
    header: &Header,
    lock: &Lock,
    target: &Path,
    done: &AtomicU64,
    cancelled: &dyn Fn() -> bool,
) -> Result<(), BackupError> {
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(target)
        .map_err(at(target))?;
    let encrypted = lock
        .encryptor()?
        .wrap_output(BufWriter::new(file))
        .map_err(at(target))?;
    let mut writer = Writer {
        tar: Builder::new(encrypted),
        target,
        listed: Vec::new(),
        done,
        cancelled,
    };
    writer.text(HEADER, header)?;
    writer.tree(&folder.join(MEMBER_DATA), Path::new(MEMBER_DATA))?;
    let listed = std::mem::take(&mut writer.listed);
    writer.text(CONTENTS, &listed)?;
    let file = writer
        .tar
        .into_inner()
        .and_then(age::stream::StreamWriter::finish)
        .and_then(|buffer| buffer.into_inner().map_err(io::IntoInnerError::into_error))
        .map_err(at(target))?;
    file.sync_all().map_err(at(target))
}

struct Writer<'a, W: Write> {
    tar: Builder<W>,
    target: &'a Path,
    listed: Vec<Listed>,
    done: &'a AtomicU64,
    cancelled: &'a dyn Fn() -> bool,
}

impl<W: Write> Writer<'_, W> {
    fn text(&mut self, name: &str, value: &impl Serialize) -> Result<(), BackupError> {
        let bytes = serde_json::to_vec_pretty(value)
            .map_err(io::Error::from)
            .map_err(at(self.target))?;
        let mut head = head_of(EntryType::Regular, bytes.len() as u64, 0o600);
        self.tar
            .append_data(&mut head, name, bytes.as_slice())
            .map_err(at(self.target))
    }

    fn tree(&mut self, from: &Path, name: &Path) -> Result<(), BackupError> {
        let found = fs::symlink_metadata(from).map_err(at(from))?;
        let mode = found.mode() & 0o777;
        let mut listed = Listed {
            path: name.to_string_lossy().into_owned(),
            size: 0,
            sha256: None,
        };
        if found.is_dir() {
            let mut head = owned(head_of(EntryType::Directory, 0, mode), &found);
            self.tar
                .append_data(&mut head, name, io::empty())
                .map_err(at(from))?;
            self.listed.push(listed);
            let mut below: Vec<_> = fs::read_dir(from)
                .map_err(at(from))?
                .collect::<Result<_, _>>()
                .map_err(at(from))?;
            below.sort_by_key(fs::DirEntry::file_name);
            for entry in below {
                self.tree(&entry.path(), &name.join(entry.file_name()))?;
            }
            return Ok(());
        }
        if found.is_symlink() {
            let led = fs::read_link(from).map_err(at(from))?;
            let mut head = owned(head_of(EntryType::Symlink, 0, 0o777), &found);
            self.tar
                .append_link(&mut head, name, &led)
                .map_err(at(from))?;
            listed.sha256 = Some(hex::encode(Sha256::digest(led.as_os_str().as_bytes())));
        } else {
            listed.size = found.len();
            let mut head = owned(head_of(EntryType::Regular, found.len(), mode), &found);
            let mut reader = Hashed {
                inner: File::open(from).map_err(at(from))?.take(found.len()),
                hash: Sha256::new(),
                done: self.done,
                cancelled: self.cancelled,
            };
            if let Err(error) = self.tar.append_data(&mut head, name, &mut reader) {
                return Err(if (self.cancelled)() {
                    BackupError::Cancelled
                } else {
                    at(from)(error)
                });
            }
            listed.sha256 = Some(hex::encode(reader.hash.finalize()));
        }
        self.listed.push(listed);
        Ok(())
    }
}

fn head_of(kind: EntryType, size: u64, mode: u32) -> tar::Header {
    let mut head = tar::Header::new_gnu();
    head.set_entry_type(kind);
    head.set_size(size);
    head.set_mode(mode);
    head
}

fn owned(mut head: tar::Header, found: &fs::Metadata) -> tar::Header {
    head.set_uid(found.uid().into());
    head.set_gid(found.gid().into());
    head.set_mtime(u64::try_from(found.mtime()).unwrap_or(0));
    head
}

/// Hashes and counts what passes.
struct Hashed<'a> {
    inner: io::Take<File>,
    hash: Sha256,
    done: &'a AtomicU64,
    cancelled: &'a dyn Fn() -> bool,
}

impl Read for Hashed<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if (self.cancelled)() {
            return Err(io::Error::other("cancelled"));
        }
        let read = self.inner.read(buffer)?;
        self.hash.update(&buffer[..read]);
        let bytes = u64::try_from(read).unwrap_or(u64::MAX);
        self.done.fetch_add(bytes, Ordering::Relaxed);
        Ok(read)
    }
}
