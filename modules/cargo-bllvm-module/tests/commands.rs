//! The commands as a person runs them: arguments in, text or JSON and files out.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

const PROGRAM: &str = env!("CARGO_BIN_EXE_cargo-bllvm-module");
const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

fn run(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(PROGRAM);
    command
        .arg("bllvm-module")
        .args(arguments)
        .current_dir(folder);
    command.output().expect("it runs")
}

fn json(folder: &Path, arguments: &[&str]) -> Value {
    let output = run(folder, &[arguments, &["--json"]].concat());
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{arguments:?}: {error}: {output:?}"))
}

fn text(output: &Output) -> String {
    let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.push_str(&String::from_utf8_lossy(&output.stderr));
    text
}

/// Every file below a folder with its content.
fn tree(folder: &Path) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).expect("a folder").flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let content = fs::read_to_string(&path).expect("a text");
                let path = path.strip_prefix(folder).expect("below it").to_owned();
                found.push((path, content));
            }
        }
    }
    found.sort();
    found
}

/// The example is what `new` writes, and the workspace compiles and tests it: so what `new` writes
/// compiles and passes.
#[test]
fn new_writes_the_example_that_the_workspace_builds() {
    let dir = tempfile::tempdir().unwrap();
    let output = run(dir.path(), &["new", "hello"]);
    assert!(output.status.success(), "{}", text(&output));
    let sdk = Path::new(ROOT).join("bllvm-sdk").canonicalize().unwrap();
    let written: Vec<_> = tree(&dir.path().join("hello"))
        .into_iter()
        .map(|(path, content)| {
            let content = content.replace(&sdk.display().to_string(), "../../bllvm-sdk");
            (path, content)
        })
        .collect();
    let example = Path::new(ROOT).join("examples/hello");
    if std::env::var_os("UPDATE_EXAMPLE").is_some() {
        for (path, content) in &written {
            let path = example.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
    }
    assert_eq!(
        written,
        tree(&example),
        "run UPDATE_EXAMPLE=1 cargo test -p cargo-bllvm-module and look at the difference"
    );
}

#[test]
fn new_replaces_nothing_and_names_the_way_out() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("hello")).unwrap();
    let answer = json(dir.path(), &["new", "hello"]);
    assert_eq!(answer["error"]["code"], "folder_exists");
    let bad = run(dir.path(), &["new", "Hello World"]);
    assert_eq!(bad.status.code(), Some(64));
    assert!(
        text(&bad).contains("only a-z, 0-9 and - are allowed"),
        "{}",
        text(&bad)
    );
    let answer = json(dir.path(), &["new", "other", "--sdk", "/nonexistent"]);
    assert_eq!(answer["error"]["code"], "sdk_missing");
    assert!(!dir.path().join("other").exists());
}

#[test]
fn inside_a_workspace_a_new_module_stands_on_its_own() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("Cargo.toml"), "[workspace]\nmembers = []\n").unwrap();
    assert!(run(dir.path(), &["new", "hello"]).status.success());
    let manifest = fs::read_to_string(dir.path().join("hello/Cargo.toml")).unwrap();
    assert!(manifest.ends_with("[workspace]\n"), "{manifest}");
}

#[test]
fn check_finds_nothing_in_what_new_writes() {
    let dir = tempfile::tempdir().unwrap();
    run(dir.path(), &["new", "hello"]);
    let output = run(&dir.path().join("hello"), &["check"]);
    assert_eq!(text(&output), "All is well.\n");
    assert!(output.status.success());
}

#[test]
fn check_names_each_mistake_with_the_way_out() {
    let dir = tempfile::tempdir().unwrap();
    run(dir.path(), &["new", "hello"]);
    let folder = dir.path().join("hello");
    let manifest = fs::read_to_string(folder.join("module.toml")).unwrap();
    let changed = manifest
        .replace("\"ui\", ", "\"chain.raed\", \"storage\", ")
        .replace("version = \"0.1.0\"", "version = \"0.2.0\"")
        .replace("entry_point = \"hello\"", "entry_point = \"hallo\"")
        .replace(
            "license = \"MIT OR Apache-2.0\"",
            "license = \"MIT/Apache\"",
        );
    fs::write(folder.join("module.toml"), changed).unwrap();
    fs::write(folder.join("config.schema.json"), "{").unwrap();
    fs::remove_file(folder.join("README.md")).unwrap();

    let output = run(&folder, &["check"]);

    let text = text(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    for part in [
        "did you mean `chain.read`",
        "src/module.rs: `.ui()…` needs the capability `ui`",
        "asks for `storage`, and no use of it is seen",
        "says version 0.2.0, and Cargo.toml says 0.1.0",
        "cargo builds no program `hallo`",
        "`MIT/Apache` is no SPDX expression",
        "config.schema.json",
        "there is no README.md",
    ] {
        assert!(text.contains(part), "{part} is in\n{text}");
    }
    // `test` does not begin with them.
    assert_eq!(run(&folder, &["test"]).status.code(), Some(1));
}

/// A module's folder with a program that cargo does not have to build.
fn packable(dir: &Path) -> PathBuf {
    run(dir, &["new", "hello"]);
    let folder = dir.join("hello");
    fs::write(dir.join("program"), "the program").expect("it can be written");
    folder
}

#[test]
fn a_package_is_made_signed_by_two_and_verified() {
    let dir = tempfile::tempdir().unwrap();
    let folder = packable(dir.path());
    let keys: Vec<String> = ["a.key", "b.key"]
        .iter()
        .map(|file| {
            let made = json(&folder, &["keygen", file]);
            made["public_key"].as_str().unwrap().to_owned()
        })
        .collect();
    let packed = json(
        &folder,
        &[
            "package",
            "--publisher",
            "example.org",
            "--release-seq",
            "3",
            "--program",
            "../program",
            "--key",
            "a.key",
            "--expires",
            "2100-01-01T00:00:00Z",
        ],
    );
    let package = packed["folder"].as_str().unwrap().to_owned();
    assert_eq!(
        packed["package"]["files"].as_array().unwrap().len(),
        3,
        "{packed}"
    );
    let verify = [
        "verify",
        &package,
        "--publisher",
        "example.org",
        "--key",
        &keys[0],
        "--key",
        &keys[1],
        "--threshold",
        "2",
    ];
    assert_eq!(json(&folder, &verify)["error"]["code"], "threshold_not_met");

    let signed = run(&folder, &["sign", &package, "--key", "b.key"]);

    assert!(signed.status.success(), "{}", text(&signed));
    let verified = json(&folder, &verify);
    assert_eq!(verified["digest"], packed["digest"], "{verified}");
    assert_eq!(verified["signed_by"].as_array().unwrap().len(), 2);
    fs::write(folder.join(&package).join("hello"), "THE program").unwrap();
    assert_eq!(
        json(&folder, &verify)["error"]["code"],
        "file_digest_mismatch"
    );
    let later = [&verify[..], &["--at", "2100-01-01T00:00:00Z"]].concat();
    assert_eq!(json(&folder, &later)["error"]["code"], "package_expired");
}

#[test]
fn what_cannot_be_packed_or_signed_says_why() {
    let dir = tempfile::tempdir().unwrap();
    let folder = packable(dir.path());
    let code = |arguments: &[&str]| json(&folder, arguments)["error"]["code"].clone();
    let package = [
        "package",
        "--release-seq",
        "1",
        "--program",
        "../program",
        "--publisher",
    ];
    assert_eq!(
        code(&[&package[..], &["x", "--include", "none.txt"]].concat()),
        "file_missing"
    );
    assert_eq!(code(&[&package[..], &["Example Org"]].concat()), "failed");
    assert!(run(&folder, &["keygen", "a.key"]).status.success());
    assert_eq!(
        code(&["keygen", "a.key"]),
        "failed",
        "a key is never replaced"
    );
    assert_eq!(code(&["sign", ".", "--key", "a.key"]), "not_a_package");
    assert_eq!(code(&["sign", ".", "--key", "module.toml"]), "failed");
    assert_eq!(
        json(dir.path(), &["check"])["error"]["code"],
        "manifest_missing"
    );
    let zero = run(
        &folder,
        &["package", "--publisher", "x", "--release-seq", "0"],
    );
    assert_eq!(zero.status.code(), Some(64));
}

#[test]
fn new_keys_are_written_and_signed() {
    let dir = tempfile::tempdir().unwrap();
    let made = json(dir.path(), &["keygen", "a.key"]);
    let key = made["public_key"].as_str().unwrap();
    let keys = [
        "keys",
        "--publisher",
        "example.org",
        "--key",
        key,
        "--out",
        "new.keys",
        "--version",
        "2",
    ];
    assert!(run(dir.path(), &keys).status.success());
    assert!(
        run(dir.path(), &["sign", "new.keys", "--key", "a.key"])
            .status
            .success()
    );
    assert!(dir.path().join("new.keys.sig").is_file());
    let never = [&keys[..], &["--threshold", "2"]].concat();
    assert_eq!(
        json(dir.path(), &never)["error"]["code"],
        "threshold_invalid"
    );
}

#[test]
fn shells_get_completions() {
    for shell in ["bash", "zsh", "fish"] {
        let script = text(&run(Path::new("."), &["completion", shell]));
        assert!(script.contains("keygen"), "{shell}");
    }
}

/// Everything in a fresh directory, as the README has it. It compiles the SDK anew, because a
/// module of its own has other features than the workspace; so `./test` leaves it to `--full`, by the
/// filter in `.config/nextest.toml`.
#[test]
fn a_new_module_compiles_and_passes_its_tests() {
    let dir = tempfile::tempdir().unwrap();
    run(dir.path(), &["new", "hello"]);
    let folder = dir.path().join("hello");
    let lock = Path::new(ROOT).join("../Cargo.lock");
    fs::copy(lock, folder.join("Cargo.lock")).unwrap();
    let mut command = Command::new(PROGRAM);
    command
        .args(["test", "--path"])
        .arg(&folder)
        .args(["--", "--offline"]);
    command.env("CARGO_TARGET_DIR", dir.path().join("target"));
    let output = command.output().expect("it runs");
    assert!(output.status.success(), "{}", text(&output));
    assert!(
        text(&output).contains("it_counts_the_blocks_that_it_sees ... ok"),
        "{}",
        text(&output)
    );
}
