//! Archives of our own making and of others'.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;

use tar::{Builder, EntryType};

use super::archive::{CONTENTS, HEADER};
use super::{
    BackupError, FORMAT, Header, Lock, LockedBy, Opener, copy_data, list, new_identity, restore,
    verify, write,
};
use crate::model::UtcTime;
use crate::store::testing::TestStore;
use crate::store::{DATABASE_FILE, Holdings, newest_migration};

struct World {
    dir: tempfile::TempDir,
    lock: Lock,
}

fn header() -> Header {
    Header {
        format: FORMAT,
        made_by: "bllvm-node 0.1.0".to_owned(),
        made_at: UtcTime::from_unix_ms(0),
        data_dir: "/old".into(),
        modules_dir: "/old/modules".into(),
        database: Holdings {
            migration: newest_migration(),
            ..Holdings::default()
        },
        publishers: Vec::new(),
        modules: Vec::new(),
        left_out: Vec::new(),
    }
}

impl World {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let public = new_identity(&dir.path().join("key")).unwrap();
        Self {
            lock: Lock::recipients([public.as_str()]).unwrap(),
            dir,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn opener(&self) -> Opener {
        Opener::from_key_file(&self.path("key")).unwrap()
    }

    /// A data directory as it is put together, with a database and a module's data.
    async fn folder(&self) -> PathBuf {
        let test = TestStore::new().await;
        let data = self.path("from/data");
        fs::create_dir_all(data.join("module-data/m/deep")).unwrap();
        test.store.copy_to(&data.join(DATABASE_FILE)).await.unwrap();
        fs::write(data.join("secret.key"), [7; 32]).unwrap();
        fs::write(data.join("module-data/m/deep/file"), "precious").unwrap();
        let long = "n".repeat(120);
        fs::write(data.join("module-data/m").join(long), vec![5; 200_000]).unwrap();
        symlink("deep/file", data.join("module-data/m/link")).unwrap();
        self.path("from")
    }

    fn write(&self, folder: &Path, header: &Header) -> PathBuf {
        let target = self.path("bllvm-1.age");
        let _ = fs::remove_file(&target);
        let done = AtomicU64::new(0);
        write(folder, header, &self.lock, &target, &done, &|| false).unwrap();
        target
    }

    async fn restore(&self, file: &Path, opener: Opener) -> Result<(), BackupError> {
        let to = self.path("to/data");
        let outcome = restore(file, opener, &to, false).await.map(drop);
        if outcome.is_err() {
            let left = fs::read_dir(self.path("to")).unwrap().count();
            assert_eq!(left, 0, "something is half-done");
        }
        outcome
    }

    /// An archive by hand: a header, these entries, and whatever list of them.
    fn forged(&self, entries: &[(EntryType, &str, &[u8])], contents: bool) -> PathBuf {
        let path = self.path("forged.age");
        let file = fs::File::create(&path).unwrap();
        let encrypted = self.lock.encryptor().unwrap().wrap_output(file).unwrap();
        let mut tar = Builder::new(encrypted);
        let mut add = |kind: EntryType, name: &str, bytes: &[u8]| {
            let mut head = tar::Header::new_gnu();
            head.set_entry_type(kind);
            head.set_mode(0o755);
            head.set_uid(0);
            head.set_gid(0);
            // Names that a well-meant library would not write.
            head.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
            if kind == EntryType::Symlink {
                head.set_size(0);
                head.as_old_mut().linkname[..bytes.len()].copy_from_slice(bytes);
                head.set_cksum();
                tar.append(&head, std::io::empty()).unwrap();
            } else {
                head.set_size(bytes.len() as u64);
                head.set_cksum();
                tar.append(&head, bytes).unwrap();
            }
        };
        let head = serde_json::to_vec(&header()).unwrap();
        add(EntryType::Regular, HEADER, &head);
        for (kind, name, bytes) in entries {
            add(*kind, name, bytes);
        }
        if contents {
            add(EntryType::Regular, CONTENTS, b"[]");
        }
        tar.into_inner().unwrap().finish().unwrap();
        path
    }
}

#[tokio::test]
async fn what_goes_in_comes_out() {
    let world = World::new();
    let folder = world.folder().await;
    let file = world.write(&folder, &header());

    let verified = verify(&file, &world.opener()).unwrap();
    assert_eq!((verified.header, verified.files), (header(), 4));
    let found = list(world.dir.path()).unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].locked_by, LockedBy::Keys);
    let bytes = fs::read(&file).unwrap();
    assert!(!bytes.windows(8).any(|part| part == b"precious"));

    fs::create_dir(world.path("to")).unwrap();
    let to = world.path("to/data");
    let dry = restore(&file, world.opener(), &to, true).await.unwrap();
    assert_eq!(dry.verified.files, 4);
    assert!(!to.exists());
    world.restore(&file, world.opener()).await.unwrap();
    let data = to.join("module-data/m");
    assert_eq!(fs::read(data.join("link")).unwrap(), b"precious");
    assert_eq!(fs::read(data.join("n".repeat(120))).unwrap().len(), 200_000);
    assert_eq!(fs::read(to.join("secret.key")).unwrap(), [7; 32]);
    let again = restore(&file, world.opener(), &to, false).await;
    assert_eq!(again.unwrap_err().code(), "not_empty");
}

#[tokio::test]
async fn keys_and_passphrases_are_told_apart() {
    let mut world = World::new();
    let folder = world.folder().await;
    fs::create_dir(world.path("to")).unwrap();
    let file = world.write(&folder, &header());
    new_identity(&world.path("other")).unwrap();
    let other = Opener::from_key_file(&world.path("other")).unwrap();
    let refused = world.restore(&file, other).await.unwrap_err();
    assert_eq!(refused.code(), "wrong_key");
    let refused = world
        .restore(&file, Opener::passphrase("a passphrase"))
        .await;
    assert!(refused.unwrap_err().to_string().contains("keys"));

    assert_eq!(
        Lock::passphrase("short").unwrap_err().code(),
        "short_passphrase"
    );
    world.lock = Lock::passphrase("correct horse battery").unwrap();
    let file = world.write(&folder, &header());
    assert_eq!(
        list(world.dir.path()).unwrap()[0].locked_by,
        LockedBy::Passphrase
    );
    let refused = world
        .restore(&file, Opener::passphrase("wrong horse battery"))
        .await;
    assert_eq!(refused.unwrap_err().code(), "wrong_key");
    let refused = world.restore(&file, world.opener()).await.unwrap_err();
    assert!(refused.to_string().contains("a passphrase"), "{refused}");
    let right = Opener::passphrase("correct horse battery");
    world.restore(&file, right).await.unwrap();

    let none: [&str; 0] = [];
    assert_eq!(Lock::recipients(none).unwrap_err().code(), "no_recipient");
    assert_eq!(
        Lock::recipients(["age1x"]).unwrap_err().code(),
        "bad_recipient"
    );
    fs::write(world.path("odd"), "no key\n").unwrap();
    let odd = Opener::from_key_file(&world.path("odd")).unwrap_err();
    assert_eq!(odd.code(), "bad_identity");
}

#[tokio::test]
async fn what_is_cut_short_or_changed_anywhere_is_refused() {
    let world = World::new();
    let folder = world.folder().await;
    fs::create_dir(world.path("to")).unwrap();
    let file = world.write(&folder, &header());
    let whole = fs::read(&file).unwrap();
    let damaged = world.path("damaged.age");
    let step = whole.len() / 23;
    for at in (step..whole.len()).step_by(step) {
        fs::write(&damaged, &whole[..at]).unwrap();
        let refused = world.restore(&damaged, world.opener()).await.unwrap_err();
        assert_eq!(refused.code(), "backup_truncated", "cut at {at}: {refused}");
        let mut changed = whole.clone();
        changed[at] ^= 1;
        fs::write(&damaged, &changed).unwrap();
        let refused = world.restore(&damaged, world.opener()).await.unwrap_err();
        let code = refused.code();
        // What is wrong in the last piece may as well be missing there.
        let in_last_piece = whole.len() - at < 70_000;
        assert!(
            code == "backup_corrupt" || (in_last_piece && code == "backup_truncated"),
            "changed at {at}: {refused}"
        );
    }
    fs::write(&damaged, "-- a dump\n").unwrap();
    let refused = world.restore(&damaged, world.opener()).await.unwrap_err();
    assert_eq!(refused.code(), "not_a_backup");
    let mut file = fs::File::create(&damaged).unwrap();
    let lock = world.lock.encryptor().unwrap();
    let mut inner = lock.wrap_output(&mut file).unwrap();
    inner.write_all(b"a letter").unwrap();
    inner.finish().unwrap();
    let refused = world.restore(&damaged, world.opener()).await.unwrap_err();
    assert_eq!(refused.code(), "not_a_backup", "{refused}");
}

#[tokio::test]
async fn a_newer_programs_backup_is_refused_by_its_name() {
    let world = World::new();
    let folder = world.folder().await;
    fs::create_dir(world.path("to")).unwrap();
    let form = Header {
        format: FORMAT + 1,
        ..header()
    };
    let mut database = header();
    database.database.migration = newest_migration() + 1;
    for newer in [form, database] {
        let file = world.write(&folder, &newer);
        let refused = world.restore(&file, world.opener()).await.unwrap_err();
        assert_eq!(refused.code(), "backup_newer", "{refused}");
        assert!(refused.to_string().contains("newer bllvm-node"));
    }
}

#[tokio::test]
async fn nothing_leaves_the_data_directory() {
    use EntryType::{Char, Directory, Link, Regular, Symlink};
    let world = World::new();
    fs::create_dir(world.path("to")).unwrap();
    let data = (Directory, "data", &b""[..]);
    let cases: [&[(EntryType, &str, &[u8])]; 9] = [
        &[data, (Regular, "data/../../evil", b"x")],
        &[data, (Regular, "/etc/evil", b"x")],
        &[data, (Regular, "evil", b"x")],
        &[data, (Regular, "data/no/folder", b"x")],
        &[
            data,
            (Symlink, "data/out", b"/tmp"),
            (Regular, "data/out/evil", b"x"),
        ],
        &[data, (Regular, "data/a", b"x"), (Regular, "data/a", b"y")],
        &[
            data,
            (Symlink, "data/a", b"/etc/passwd"),
            (Regular, "data/a", b"y"),
        ],
        &[data, (Link, "data/a", b"")],
        &[data, (Char, "data/a", b"")],
    ];
    for case in cases {
        let file = world.forged(case, true);
        let refused = world.restore(&file, world.opener()).await.unwrap_err();
        assert_eq!(refused.code(), "backup_corrupt", "{case:?}: {refused}");
    }
    let unlisted = world.forged(&[data, (Regular, "data/secret.key", b"x")], true);
    let refused = world.restore(&unlisted, world.opener()).await.unwrap_err();
    assert_eq!(refused.code(), "backup_corrupt");
    let endless = world.forged(&[data], false);
    let refused = world.restore(&endless, world.opener()).await.unwrap_err();
    assert_eq!(refused.code(), "backup_truncated");
    assert!(!world.path("evil").exists() && !world.path("to/evil").exists());
}

#[test]
fn what_a_manifest_excludes_is_not_copied() {
    let world = World::new();
    let from = world.path("module");
    fs::create_dir_all(from.join("cache/deep")).unwrap();
    fs::create_dir_all(from.join("kept/cache")).unwrap();
    for file in ["cache/deep/x", "kept/cache/y", "kept/z", "w"] {
        fs::write(from.join(file), file).unwrap();
    }
    let excluded = ["cache", "kept/z"].map(|path| path.parse().unwrap());
    let to = world.path("copy");
    copy_data(&from, &to, &excluded, &|| false).unwrap();
    assert!(!to.join("cache").exists() && !to.join("kept/z").exists());
    assert_eq!(fs::read(to.join("kept/cache/y")).unwrap(), b"kept/cache/y");
    assert_eq!(fs::read(to.join("w")).unwrap(), b"w");
    let cancelled = copy_data(&from, &world.path("again"), &[], &|| true);
    assert_eq!(cancelled.unwrap_err().code(), "cancelled");
}
