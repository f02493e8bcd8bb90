//! Attacks on a package, each refused with a code of its own. Every row starts from a package that
//! is taken, so that a refusal is the attack's and nothing else's.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use bllvm_manifest::{Digest, ModuleName, RelativePath};
use bllvm_package::{
    Floor, Publisher, Purpose, Release, SecretKey, Signatures, Trust, assemble, verify,
};

const MANIFEST: &str = "name = \"hello\"\nversion = \"0.1.0\"\nentry_point = \"hello\"\n";
const TARGET: &str = "x86_64-unknown-linux-gnu";

fn key(seed: u8) -> SecretKey {
    SecretKey::from_seed([seed; 32])
}

/// A signed package and a host that takes it: 2 of 3 keys.
struct Case {
    dir: tempfile::TempDir,
    trust: Trust,
}

impl Case {
    fn new() -> Self {
        let case = Self {
            dir: tempfile::tempdir().unwrap(),
            trust: trust(&[1, 2, 3], 2),
        };
        case.pack(MANIFEST, 5);
        case
    }

    fn folder(&self) -> PathBuf {
        self.dir.path().join("hello")
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder().join(name)
    }

    fn pack(&self, manifest: &str, release_seq: u64) {
        let _ = fs::remove_dir_all(self.folder());
        let program = self.dir.path().join("program");
        fs::write(&program, format!("the program of release {release_seq}")).unwrap();
        let files = [
            (RelativePath::new("hello").unwrap(), program.clone()),
            (RelativePath::new("lib/part.txt").unwrap(), program),
        ];
        let release = Release {
            publisher: "example.org".to_owned(),
            release_seq,
            target: TARGET.to_owned(),
            expires: Some("2027-01-01T00:00:00Z".parse().unwrap()),
        };
        assemble(manifest, &files, &release, &self.folder()).unwrap();
        self.sign(&[1, 2]);
    }

    /// Signs whatever `module.toml` is there now.
    fn sign(&self, seeds: &[u8]) {
        let manifest = fs::read(self.file("module.toml")).unwrap();
        let mut signatures = Signatures::default();
        for seed in seeds {
            signatures
                .add(&key(*seed), Purpose::Manifest, &manifest)
                .unwrap();
        }
        fs::write(self.file("module.sig"), signatures.to_string()).unwrap();
    }

    /// Changes the manifest as its publisher could, with signatures that fit.
    fn rewrite(&self, from: &str, to: &str) {
        let text = fs::read_to_string(self.file("module.toml")).unwrap();
        assert!(text.contains(from), "{from} is in {text}");
        fs::write(self.file("module.toml"), text.replacen(from, to, 1)).unwrap();
        self.sign(&[1, 2]);
    }

    fn flip(&self, name: &str, at: usize) {
        let mut bytes = fs::read(self.file(name)).unwrap();
        bytes[at] ^= 1;
        fs::write(self.file(name), bytes).unwrap();
    }

    fn floor(&mut self, release_seq: u64, digest: Digest, installed: bool) {
        let floor = Floor {
            publisher: "example.org".to_owned(),
            release_seq,
            digest,
            installed,
        };
        self.trust
            .floors
            .insert(ModuleName::new("hello").unwrap(), floor);
    }

    fn outcome(&self) -> &'static str {
        match verify(&self.folder(), &self.trust) {
            Ok(_) => "taken",
            Err(refusal) => {
                let text = refusal.to_string();
                assert!(!text.is_empty() && !text.contains('\0'), "{text:?}");
                refusal.code()
            }
        }
    }
}

fn trust(seeds: &[u8], threshold: usize) -> Trust {
    let keys: Vec<_> = seeds.iter().map(|seed| key(*seed).public()).collect();
    let publisher = Publisher::new(&keys, threshold).unwrap();
    Trust {
        publishers: BTreeMap::from([("example.org".to_owned(), publisher)]),
        floors: BTreeMap::new(),
        now: "2026-06-01T00:00:00Z".parse().unwrap(),
        latest_seen: "2026-06-01T00:00:00Z".parse().unwrap(),
        target: TARGET.to_owned(),
        protocol: 1,
        name: None,
    }
}

type Attack = (&'static str, &'static str, fn(&mut Case));

const ATTACKS: &[Attack] = &[
    (
        "1a one bit of the program",
        "file_digest_mismatch",
        |case| case.flip("hello", 3),
    ),
    ("1b one bit of the manifest", "signature_invalid", |case| {
        // The version's first digit: still a manifest.
        case.flip("module.toml", MANIFEST.find("0.1.0").unwrap());
    }),
    ("1c one bit of a signature", "signature_invalid", |case| {
        let text = fs::read_to_string(case.file("module.sig")).unwrap();
        let last = text.chars().rev().nth(1).unwrap();
        let other = if last == '0' { "1\n" } else { "0\n" };
        fs::write(
            case.file("module.sig"),
            format!("{}{other}", &text[..text.len() - 2]),
        )
        .unwrap();
    }),
    (
        "1d one bit of the signatures' head",
        "signature_malformed",
        |case| case.flip("module.sig", 0),
    ),
    ("1e no signatures", "signature_missing", |case| {
        fs::remove_file(case.file("module.sig")).unwrap();
    }),
    ("2 another package's program", "size_mismatch", |case| {
        fs::write(case.file("hello"), "the program of somebody else's package").unwrap();
    }),
    ("3 one signature too few", "threshold_not_met", |case| {
        case.sign(&[1]);
    }),
    ("4 one key under two names", "signature_malformed", |case| {
        case.sign(&[1]);
        let text = fs::read_to_string(case.file("module.sig")).unwrap();
        let line = text.lines().nth(1).unwrap();
        fs::write(case.file("module.sig"), format!("{text}{line}\n")).unwrap();
    }),
    ("5 unknown keys", "key_unknown", |case| case.sign(&[8, 9])),
    (
        "6 a publisher that only the package knows",
        "publisher_unknown",
        |case| {
            case.rewrite("\"example.org\"", "\"evil.example\"");
        },
    ),
    ("8a expired", "package_expired", |case| {
        case.trust.now = "2027-01-01T00:00:00Z".parse().unwrap();
    }),
    (
        "8b expired, and the clock set back",
        "package_expired",
        |case| {
            case.trust.latest_seen = "2027-06-01T00:00:00Z".parse().unwrap();
        },
    ),
    ("9a an older release", "release_rollback", |case| {
        case.floor(6, Digest::of("newer"), true);
    }),
    (
        "9b the same number for other bytes",
        "release_conflict",
        |case| {
            case.floor(5, Digest::of("first"), true);
        },
    ),
    (
        "10 an older release after uninstall",
        "release_below_floor",
        |case| {
            case.floor(6, Digest::of("newer"), false);
        },
    ),
    (
        "10b another publisher takes the name",
        "publisher_changed",
        |case| {
            case.floor(5, Digest::of("first"), false);
            let floor = case.trust.floors.values_mut().next().unwrap();
            "first.example".clone_into(&mut floor.publisher);
        },
    ),
    ("11a another system's program", "wrong_target", |case| {
        "aarch64-unknown-linux-gnu".clone_into(&mut case.trust.target);
    }),
    ("11b another module", "wrong_name", |case| {
        case.trust.name = Some(ModuleName::new("other").unwrap());
    }),
    ("11c another protocol", "wrong_protocol", |case| {
        case.trust.protocol = 2;
    }),
    ("12a a link instead of the program", "link", |case| {
        fs::rename(case.file("hello"), case.dir.path().join("real")).unwrap();
        symlink("../real", case.file("hello")).unwrap();
    }),
    ("12b a link instead of a folder", "link", |case| {
        fs::rename(case.file("lib"), case.dir.path().join("lib")).unwrap();
        symlink("../lib", case.file("lib")).unwrap();
    }),
    (
        "12c a link instead of the package",
        "not_a_folder",
        |case| {
            fs::rename(case.folder(), case.dir.path().join("real")).unwrap();
            symlink("real", case.folder()).unwrap();
        },
    ),
    (
        "12d a pipe, which would be waited for",
        "special_file",
        |case| {
            fs::remove_file(case.file("hello")).unwrap();
            rustix::fs::mkfifoat(rustix::fs::CWD, case.file("hello"), 0o644.into()).unwrap();
        },
    ),
    ("13a a path out of the folder", "path_forbidden", |case| {
        case.rewrite("\"lib/part.txt\"", "\"../part.txt\"");
    }),
    ("13b an absolute path", "path_forbidden", |case| {
        case.rewrite("\"lib/part.txt\"", "\"/etc/passwd\"");
    }),
    ("13c NUL in a path", "path_forbidden", |case| {
        case.rewrite("\"lib/part.txt\"", "\"a\\u0000b\"");
    }),
    ("13d 300 characters", "path_forbidden", |case| {
        case.rewrite("\"lib/part.txt\"", &format!("\"{}\"", "a".repeat(300)));
    }),
    (
        "13e a name in look-alike letters",
        "path_forbidden",
        |case| case.rewrite("\"lib/part.txt\"", "\"lib/p\u{430}rt.txt\""),
    ),
    ("13f a twin in capitals", "path_twin", |case| {
        case.rewrite("\"lib/part.txt\"", "\"HELLO\"");
    }),
    (
        "13g the host's own configuration",
        "path_forbidden",
        |case| case.rewrite("\"lib/part.txt\"", "\"config.toml\""),
    ),
    ("13h a file that nobody listed", "file_unlisted", |case| {
        fs::write(case.file("extra"), "").unwrap();
    }),
    (
        "13i a listed file that is not there",
        "file_missing",
        |case| fs::remove_file(case.file("lib/part.txt")).unwrap(),
    ),
    ("14a a file larger than it says", "size_mismatch", |case| {
        let file = fs::OpenOptions::new()
            .write(true)
            .open(case.file("hello"))
            .unwrap();
        // 10 GB that take no room; only one byte too many is read.
        file.set_len(10_000_000_000).unwrap();
    }),
    (
        "14b a file that says it is larger than anything",
        "package_too_large",
        |case| {
            let size = format!("size = {}", fs::metadata(case.file("hello")).unwrap().len());
            case.rewrite(&size, "size = 10000000000");
        },
    ),
    ("a manifest beyond the limit", "manifest_invalid", |case| {
        fs::write(case.file("module.toml"), "#".repeat(70_000)).unwrap();
    }),
    ("no manifest", "manifest_missing", |case| {
        fs::remove_file(case.file("module.toml")).unwrap();
    }),
    ("a module that nobody packed", "not_a_package", |case| {
        fs::write(case.file("module.toml"), MANIFEST).unwrap();
    }),
    ("no program", "program_not_listed", |case| {
        case.rewrite("entry_point = \"hello\"", "entry_point = \"other\"");
    }),
    (
        "more files than any package has",
        "too_many_files",
        |case| {
            for number in 0..1100 {
                fs::write(case.file(&format!("f{number}")), "").unwrap();
            }
        },
    ),
];

#[test]
fn each_attack_is_refused_with_its_code() {
    println!("{:<55} refused with", "attack");
    for (name, expected, attack) in ATTACKS {
        let mut case = Case::new();
        assert_eq!(case.outcome(), "taken", "before: {name}");
        attack(&mut case);
        let outcome = case.outcome();
        println!("{name:<55} {outcome}");
        assert_eq!(outcome, *expected, "{name}");
    }
}

#[test]
fn more_signatures_than_needed_and_unknown_ones_do_no_harm() {
    let case = Case::new();
    for signers in [&[1, 2, 3][..], &[1, 3, 9], &[2, 3]] {
        case.sign(signers);
        assert_eq!(case.outcome(), "taken", "{signers:?}");
    }
}

#[test]
fn the_same_release_may_come_again_and_a_newer_one_too() {
    let mut case = Case::new();
    let digest = verify(&case.folder(), &case.trust).unwrap().digest;
    case.floor(5, digest, false);
    assert_eq!(case.outcome(), "taken");
    case.pack(MANIFEST, 6);
    assert_eq!(case.outcome(), "taken");
}

#[test]
fn a_file_that_changes_after_the_look_is_caught_while_it_is_copied() {
    let case = Case::new();
    let verified = verify(&case.folder(), &case.trust).unwrap();
    let program = verified.program().clone();
    let evil = vec![b'x'; usize::try_from(program.size).unwrap()];
    fs::write(case.file("hello"), &evil).unwrap();

    let copied = verified.copy(&program, &mut Vec::new(), &|| false);

    assert_eq!(copied.unwrap_err().code(), "file_digest_mismatch");
}

#[test]
fn a_folder_that_is_exchanged_after_the_look_is_not_read() {
    let case = Case::new();
    let verified = verify(&case.folder(), &case.trust).unwrap();
    fs::rename(case.folder(), case.dir.path().join("away")).unwrap();
    fs::create_dir(case.folder()).unwrap();
    fs::write(case.file("hello"), "evil").unwrap();

    let mut copy = Vec::new();
    verified
        .copy(&verified.program().clone(), &mut copy, &|| false)
        .unwrap();

    assert_eq!(copy, b"the program of release 5");
}

#[test]
fn packing_leaves_nothing_where_it_fails() {
    let dir = tempfile::tempdir().unwrap();
    let to = dir.path().join("package");
    let release = Release {
        publisher: "example.org".to_owned(),
        release_seq: 1,
        target: "any".to_owned(),
        expires: None,
    };
    let missing = [(
        RelativePath::new("hello").unwrap(),
        PathBuf::from("/nonexistent"),
    )];
    assert!(assemble(MANIFEST, &missing, &release, &to).is_err());
    assert!(!Path::new(&to).exists());
    let twice = format!("{MANIFEST}[package]\n");
    assert!(assemble(&twice, &[], &release, &to).is_err());
}
