//! A registry from an empty folder to a package that was fetched: from the folder, over HTTP, with a
//! connection that breaks, and with a server that lies.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bllvm_manifest::RelativePath;
use bllvm_package::{Purpose, Release, SecretKey, Signatures, Trust, assemble, write_secret_key};
use serde_json::Value;

const PROGRAM: &str = env!("CARGO_BIN_EXE_cargo-bllvm-module");
const PROGRAM_BYTES: usize = 300_000;

fn key() -> SecretKey {
    SecretKey::from_seed([7; 32])
}

struct World {
    dir: tempfile::TempDir,
}

impl World {
    /// A registry with two releases of `hello`.
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        write_secret_key(&dir.path().join("registry.key"), &key()).unwrap();
        let world = Self { dir };
        for seq in [1, 2] {
            let package = world.package(seq);
            let output = world.publish(&[package.to_str().unwrap(), "--notes", "what is new"]);
            assert!(output.status.success(), "{output:?}");
        }
        world
    }

    fn at(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A signed package, as a publisher makes it.
    fn package(&self, seq: u64) -> PathBuf {
        let program = self.at("program");
        fs::write(&program, vec![u8::try_from(seq).unwrap(); PROGRAM_BYTES]).unwrap();
        let files = [(RelativePath::new("hello").unwrap(), program)];
        let release = Release {
            publisher: "me.example".to_owned(),
            release_seq: seq,
            target: Trust::own_target(),
            expires: None,
        };
        let folder = self.at(&format!("package-{seq}"));
        let text = format!(
            "name = \"hello\"\nversion = \"0.{seq}.0\"\nentry_point = \"hello\"\ndescription = \"Says it.\"\n"
        );
        assemble(&text, &files, &release, &folder).unwrap();
        let manifest = fs::read(folder.join("module.toml")).unwrap();
        let mut signatures = Signatures::default();
        let own = SecretKey::from_seed([1; 32]);
        signatures.add(&own, Purpose::Manifest, &manifest).unwrap();
        fs::write(folder.join("module.sig"), signatures.to_string()).unwrap();
        folder
    }

    fn publish(&self, more: &[&str]) -> Output {
        let index = self.at("registry");
        let key = self.at("registry.key");
        let common = [
            "publish",
            "--index",
            index.to_str().unwrap(),
            "--registry",
            "example.org",
            "--key",
            key.to_str().unwrap(),
        ];
        run(&[&common, more].concat())
    }

    /// `fetch` or `search` by a cache of its own.
    fn ask(&self, command: &[&str], index: &str, cache: &str) -> Value {
        let (cache, public) = (self.at(cache), key().public().to_string());
        let common = [
            "--index",
            index,
            "--registry",
            "example.org",
            "--index-key",
            public.as_str(),
            "--cache",
            cache.to_str().unwrap(),
            "--json",
        ];
        let output = run(&[command, &common].concat());
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
    }

    fn folder(&self) -> String {
        self.at("registry").display().to_string()
    }
}

fn run(arguments: &[&str]) -> Output {
    let mut command = Command::new(PROGRAM);
    command.args(arguments).output().expect("it runs")
}

/// Serves a folder; the first answers of files larger than `break_at` end there.
fn serve(folder: PathBuf, break_at: u64, breaks: u64) -> (String, Arc<AtomicU64>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let (left, sent) = (AtomicU64::new(breaks), Arc::new(AtomicU64::new(0)));
    let counted = Arc::clone(&sent);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let breaks = left
                .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
                    left.checked_sub(1)
                })
                .is_ok();
            let limit = if breaks { break_at } else { u64::MAX };
            let whole = answer(&stream, &folder, limit, &counted);
            if whole && breaks {
                left.fetch_add(1, Ordering::SeqCst);
            }
        }
    });
    (address, sent)
}

/// Answers one request; whether nothing was cut off.
fn answer(mut stream: &TcpStream, folder: &Path, limit: u64, sent: &AtomicU64) -> bool {
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    let first = lines.next().unwrap_or_default();
    let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
    let mut from = 0;
    for line in lines.take_while(|line| !line.is_empty()) {
        let line = line.to_ascii_lowercase();
        if let Some(range) = line.strip_prefix("range: bytes=") {
            from = range.trim_end_matches('-').parse().unwrap_or(0);
        }
    }
    let Ok(bytes) = fs::read(folder.join(path.trim_start_matches('/'))) else {
        let _ = stream
            .write_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        return true;
    };
    let rest = &bytes[from.min(bytes.len())..];
    let status = if from > 0 {
        "206 Partial Content"
    } else {
        "200 OK"
    };
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        rest.len()
    );
    let shown = rest.len().min(usize::try_from(limit).unwrap_or(usize::MAX));
    let _ = stream.write_all(head.as_bytes());
    let _ = stream.write_all(&rest[..shown]);
    sent.fetch_add(shown as u64, Ordering::SeqCst);
    shown == rest.len()
}

fn is_whole(answer: &Value, seq: u8) {
    let package = PathBuf::from(
        answer["package"]
            .as_str()
            .unwrap_or_else(|| panic!("{answer}")),
    );
    let program = fs::read(package.join("hello")).unwrap();
    assert!(program == vec![seq; PROGRAM_BYTES]);
    for file in ["module.toml", "module.sig"] {
        assert!(package.join(file).is_file(), "{file}");
    }
}

#[test]
fn a_package_comes_from_a_folder_and_over_http() {
    let world = World::new();
    is_whole(&world.ask(&["fetch", "hello"], &world.folder(), "a"), 2);
    let older = ["fetch", "hello", "--version", "0.1.0"];
    is_whole(&world.ask(&older, &world.folder(), "a"), 1);
    let (address, _) = serve(world.at("registry"), 0, 0);
    is_whole(&world.ask(&["fetch", "hello"], &address, "b"), 2);
    let found = world.ask(&["search", "says"], &address, "b");
    assert_eq!(found["releases"].as_array().unwrap().len(), 2);
    assert_eq!(found["releases"][1]["notes"], "what is new");
}

#[test]
fn a_download_that_broke_off_goes_on_where_it_was() {
    let world = World::new();
    let (address, sent) = serve(world.at("registry"), 100_000, 1);
    let fetched = world.ask(&["fetch", "hello"], &address, "a");
    is_whole(&fetched, 2);
    let all = sent.load(Ordering::SeqCst);
    assert!(all < PROGRAM_BYTES as u64 + 50_000, "{all} bytes came");

    // What an earlier command left half-done is gone on with, too.
    let package = PathBuf::from(fetched["package"].as_str().unwrap());
    fs::remove_file(package.join("module.toml")).unwrap();
    let half = fs::OpenOptions::new()
        .write(true)
        .open(package.join("hello"));
    half.unwrap().set_len(PROGRAM_BYTES as u64 / 2).unwrap();
    is_whole(&world.ask(&["fetch", "hello"], &address, "a"), 2);
    let again = sent.load(Ordering::SeqCst) - all;
    assert!(
        again < PROGRAM_BYTES as u64,
        "{again} bytes came the second time"
    );
}

#[test]
fn a_server_that_lies_is_told_apart() {
    let world = World::new();
    let code = |answer: &Value| {
        answer["error"]["code"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    };
    let registry = world.at("registry");
    is_whole(&world.ask(&["fetch", "hello"], &world.folder(), "a"), 2);
    let old: Vec<(PathBuf, Vec<u8>)> = ["index.json", "index.sig"]
        .map(|name| registry.join(name))
        .map(|path| (path.clone(), fs::read(&path).unwrap()))
        .into();

    // A release that was taken back, then the state before shown again.
    let digest = {
        let index: Value = serde_json::from_slice(&old[0].1).unwrap();
        index["releases"][1]["digest"].as_str().unwrap().to_owned()
    };
    let revoked = world.publish(&["--revoke", &digest, "--reason", "it lost payments"]);
    assert!(revoked.status.success(), "{revoked:?}");
    let newest = ["fetch", "hello", "--version", "0.2.0"];
    assert_eq!(
        code(&world.ask(&newest, &world.folder(), "a")),
        "release_revoked"
    );
    is_whole(&world.ask(&["fetch", "hello"], &world.folder(), "a"), 1);
    for (path, bytes) in &old {
        fs::write(path, bytes).unwrap();
    }
    let shown = world.ask(&["fetch", "hello"], &world.folder(), "a");
    assert_eq!(code(&shown), "index_rollback");

    // Files of one release under the name of another.
    let place = |seq: u8| {
        let name = format!("0.{seq}.0-{seq}-{}", Trust::own_target());
        registry.join("packages/hello").join(name)
    };
    fs::copy(place(1).join("hello"), place(2).join("hello")).unwrap();
    let mixed = world.ask(&newest, &world.folder(), "b");
    assert_eq!(code(&mixed), "file_digest_mismatch");
    fs::copy(place(1).join("module.toml"), place(2).join("module.toml")).unwrap();
    let mixed = world.ask(&newest, &world.folder(), "c");
    assert_eq!(code(&mixed), "package_not_as_listed");

    // A byte of the index.
    let mut bytes = old[0].1.clone();
    bytes[4] = b'\'';
    fs::write(registry.join("index.json"), bytes).unwrap();
    let changed = world.ask(&["search"], &world.folder(), "d");
    assert_eq!(code(&changed), "index_signature_invalid");
    fs::write(registry.join("index.json"), vec![b' '; 9 << 20]).unwrap();
    let huge = world.ask(&["search"], &world.folder(), "d");
    assert_eq!(code(&huge), "index_too_large");
}

#[test]
fn a_release_never_changes_and_only_packages_are_published() {
    let world = World::new();
    let again = world.publish(&[world.at("package-1").to_str().unwrap()]);
    assert!(!again.status.success());
    let unsigned = world.package(3);
    fs::remove_file(unsigned.join("module.sig")).unwrap();
    let refused = world.publish(&[unsigned.to_str().unwrap(), "--json"]);
    let answer: Value = serde_json::from_slice(&refused.stdout).unwrap();
    assert_eq!(answer["error"]["code"], "signature_missing");
}
