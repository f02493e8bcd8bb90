//! Which loader an ELF program asks for: the one other file that its start executes.

use std::ffi::OsString;
use std::fs::File;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

const HEADER: usize = 64;
const SEGMENT: usize = 56;
const PT_INTERP: u32 = 3;
const CLASS_64: u8 = 2;
/// Longer than any path that the system takes.
const MOST: u64 = 4096;

/// The loader; none of a static program, a script, or what is no program for a 64-bit machine.
pub fn loader(file: &File) -> Option<PathBuf> {
    let mut head = [0; HEADER];
    file.read_exact_at(&mut head, 0).ok()?;
    if !head.starts_with(b"\x7fELF") || head[4] != CLASS_64 {
        return None;
    }
    let table = u64::from_ne_bytes(head[32..40].try_into().ok()?);
    let size = u64::from(u16::from_ne_bytes(head[54..56].try_into().ok()?));
    let count = u64::from(u16::from_ne_bytes(head[56..58].try_into().ok()?));
    for index in 0..count {
        let mut segment = [0; SEGMENT];
        let at = table.checked_add(index.checked_mul(size)?)?;
        file.read_exact_at(&mut segment, at).ok()?;
        if u32::from_ne_bytes(segment[0..4].try_into().ok()?) != PT_INTERP {
            continue;
        }
        let from = u64::from_ne_bytes(segment[8..16].try_into().ok()?);
        let length = u64::from_ne_bytes(segment[32..40].try_into().ok()?).min(MOST);
        let mut path = vec![0; usize::try_from(length).ok()?];
        file.read_exact_at(&mut path, from).ok()?;
        path.truncate(path.iter().position(|byte| *byte == 0)?);
        return Some(PathBuf::from(OsString::from_vec(path)));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_very_program_names_its_loader_or_none() {
        let own = File::open("/proc/self/exe").unwrap();
        if let Some(loader) = loader(&own) {
            assert!(loader.is_file(), "{}", loader.display());
        }
    }

    #[test]
    fn what_is_no_program_has_no_loader() {
        let mut path = std::env::temp_dir();
        path.push(format!("bllvm-elf-{}", std::process::id()));
        for bytes in [
            &b"#!/bin/sh\n"[..],
            &[0x7f, b'E', b'L', b'F', 2],
            &[0xff; 300],
        ] {
            std::fs::write(&path, bytes).unwrap();
            assert_eq!(loader(&File::open(&path).unwrap()), None);
        }
        std::fs::remove_file(path).unwrap();
    }
}
