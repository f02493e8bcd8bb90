//! A manifest inside a program: put there by [`embed_manifest!`](crate::embed_manifest),
//! found again by [`read`] without running anything. The program may be hostile;
//! of its bytes only the section table and one small section are looked at.

use std::fs::File;
use std::path::{Path, PathBuf};

use object::elf::{FileHeader32, FileHeader64};
use object::read::elf::{FileHeader, SectionHeader};
use object::{Endianness, FileKind, ReadCache, ReadRef};

use crate::error::ManifestError;
use crate::manifest::{MAX_MANIFEST_BYTES, Manifest};

/// The name of the ELF section.
pub const SECTION: &str = ".bllvm.manifest";

/// Linked programs have some 40 sections.
const MAX_SECTIONS: u32 = 4096;

/// Why no manifest was found in a program.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EmbeddedError {
    /// The file could not be opened.
    #[error("{path} could not be read: {source}")]
    Io {
        /// What was looked at.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Not a regular file.
    #[error("{path} is not a regular file")]
    NotAFile {
        /// What was looked at.
        path: PathBuf,
    },
    /// Not an ELF program: a script, a text, a program of another system.
    #[error("this is no ELF program, so it cannot carry a manifest")]
    NotElf,
    /// An ELF program whose tables make no sense.
    #[error("the program's section table cannot be read: {0}")]
    Damaged(String),
    /// An ELF program without the section: not a module.
    #[error("the program has no section {SECTION}; it is no module, or was stripped of it")]
    Absent,
    /// The section is larger than any manifest.
    #[error(
        "the program's section {SECTION} has {size} bytes; at most {MAX_MANIFEST_BYTES} are read"
    )]
    TooLarge {
        /// The size the section claims.
        size: u64,
    },
    /// The section holds no valid manifest.
    #[error("the manifest inside the program: {0}")]
    Manifest(#[from] ManifestError),
}

/// Reads the manifest a program carries, without running the program.
///
/// # Errors
/// See [`EmbeddedError`].
pub fn read(path: &Path) -> Result<Manifest, EmbeddedError> {
    Ok(Manifest::parse_bytes(&read_bytes(path)?)?)
}

/// The exact bytes of the manifest a program carries.
///
/// # Errors
/// See [`EmbeddedError`].
pub fn read_bytes(path: &Path) -> Result<Vec<u8>, EmbeddedError> {
    let io = |source| EmbeddedError::Io {
        path: path.to_path_buf(),
        source,
    };
    if !path.metadata().map_err(io)?.is_file() {
        return Err(EmbeddedError::NotAFile {
            path: path.to_path_buf(),
        });
    }
    section(&ReadCache::new(File::open(path).map_err(io)?))
}

/// The exact bytes of the manifest a program in memory carries.
///
/// # Errors
/// See [`EmbeddedError`].
pub fn bytes_in(program: &[u8]) -> Result<Vec<u8>, EmbeddedError> {
    section(program)
}

fn section<'data, R: ReadRef<'data>>(data: R) -> Result<Vec<u8>, EmbeddedError> {
    match FileKind::parse(data) {
        Ok(FileKind::Elf64) => section_of::<FileHeader64<Endianness>, R>(data),
        Ok(FileKind::Elf32) => section_of::<FileHeader32<Endianness>, R>(data),
        _ => Err(EmbeddedError::NotElf),
    }
}

fn section_of<'data, Elf, R>(data: R) -> Result<Vec<u8>, EmbeddedError>
where
    Elf: FileHeader<Endian = Endianness>,
    R: ReadRef<'data>,
{
    let damaged = |error: object::read::Error| EmbeddedError::Damaged(error.to_string());
    let header = Elf::parse(data).map_err(damaged)?;
    let endian = header.endian().map_err(damaged)?;
    let count = header.shnum(endian, data).map_err(damaged)?;
    if count > MAX_SECTIONS {
        return Err(EmbeddedError::Damaged(format!(
            "it claims {count} sections"
        )));
    }
    let sections = header.sections(endian, data).map_err(damaged)?;
    let (_, found) = sections
        .section_by_name(endian, SECTION.as_bytes())
        .ok_or(EmbeddedError::Absent)?;
    let size: u64 = found.sh_size(endian).into();
    if size > MAX_MANIFEST_BYTES as u64 {
        return Err(EmbeddedError::TooLarge { size });
    }
    Ok(found.data(endian, data).map_err(damaged)?.to_vec())
}

/// Puts a manifest's bytes into the section [`SECTION`](crate::embedded::SECTION)
/// of the program and returns them as `&'static [u8]`. The path is relative to the
/// source file that calls, as with `include_bytes!`. Use it once in a program, and
/// use what it returns: a linker drops what nothing refers to.
///
/// ```
/// let manifest: &'static [u8] = bllvm_manifest::embed_manifest!("../tests/fixtures/module.toml");
/// assert!(bllvm_manifest::Manifest::parse_bytes(manifest).is_ok());
/// ```
#[macro_export]
macro_rules! embed_manifest {
    ($path:expr $(,)?) => {{
        // `allow`, because `expect` would itself warn where the calling crate
        // does not lint unsafe code.
        #[allow(
            unsafe_code,
            reason = "naming a section is all it does: plain bytes in a section of their own, \
                      which no other code claims"
        )]
        #[used]
        #[cfg_attr(
            all(unix, not(target_vendor = "apple")),
            unsafe(link_section = ".bllvm.manifest")
        )]
        static MANIFEST: [u8; include_bytes!($path).len()] = *include_bytes!($path);
        // A read the optimiser must believe in keeps the section through
        // the linker's garbage collection.
        ::std::hint::black_box(&MANIFEST as &'static [u8])
    }};
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const FIXTURE: &[u8] = include_bytes!("../tests/fixtures/module.toml");

    fn own_program() -> Vec<u8> {
        std::fs::read(std::env::current_exe().unwrap()).unwrap()
    }

    #[test]
    fn this_test_program_carries_the_manifest_it_embeds() {
        assert_eq!(
            crate::embed_manifest!("../tests/fixtures/module.toml"),
            FIXTURE
        );
        let found = read_bytes(&std::env::current_exe().unwrap()).unwrap();
        assert_eq!(found, FIXTURE);
        assert_eq!(bytes_in(&own_program()).unwrap(), FIXTURE);
        assert_eq!(
            read(&std::env::current_exe().unwrap())
                .unwrap()
                .name
                .as_str(),
            "block-clock"
        );
    }

    #[test]
    fn what_carries_none_is_told_apart() {
        assert!(matches!(
            bytes_in(b"#!/bin/sh\n"),
            Err(EmbeddedError::NotElf)
        ));
        assert!(matches!(bytes_in(b""), Err(EmbeddedError::NotElf)));
        assert!(matches!(
            read(Path::new("/dev/zero")),
            Err(EmbeddedError::NotAFile { .. })
        ));
        assert!(matches!(
            read(Path::new("/nowhere")),
            Err(EmbeddedError::Io { .. })
        ));
        assert!(matches!(
            read(Path::new("/bin/sh")),
            Err(EmbeddedError::Absent)
        ));
    }

    #[test]
    fn a_cut_program_is_an_error() {
        let program = own_program();
        for part in [1, 16, 64, 100, program.len() / 2] {
            assert!(bytes_in(&program[..part]).is_err(), "{part}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(mut bytes in any::<Vec<u8>>(), class in 1_u8..=2, order in 1_u8..=2) {
            let mut program = vec![0x7f, b'E', b'L', b'F', class, order, 1, 0];
            program.append(&mut bytes);
            program.resize(program.len().max(128), 0);
            let _ = bytes_in(&program);
        }

        #[test]
        fn a_damaged_header_never_panics(at in 0_usize..64, value in any::<u8>()) {
            let mut program = std::fs::read("/bin/sh").unwrap();
            program[at] = value;
            let _ = bytes_in(&program);
        }
    }
}
