//! A backup of a running node, brought back into an empty directory, from which another node starts.

use std::path::{Path, PathBuf};

use bllvm_tests::programs::program;
use bllvm_tests::wait::until;
use bllvm_tests::{Dice, Fixture, TestServer, times};
use serde_json::{Value, json};

const STOPPED: &str = "fixture-well";
const COPIED: &str = "fixture-well-2";

/// A node with a key for its backups beside it.
async fn with_key() -> (TestServer, PathBuf) {
    let server = TestServer::start().await;
    let key = server.folder().join("key");
    let (code, out, err) = server
        .cli(&["backup", "keygen", key.to_str().unwrap()])
        .await;
    assert_eq!(code, 0, "{out}{err}");
    (server, key)
}

fn public(key: &Path) -> String {
    let text = std::fs::read_to_string(key).unwrap();
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("# public key: "));
    line.unwrap().to_owned()
}

async fn create(server: &TestServer, key: &Path) -> Value {
    let body = json!({ "recipients": [public(key)] });
    let begun = server.rest.post("/api/v1/backups", &body).await.done();
    server.succeeded(&begun).await
}

/// Runs `backup restore` into a data directory; status, stdout and stderr.
async fn restore(data_dir: &Path, args: &[&str]) -> (i32, String, String) {
    let mut command = tokio::process::Command::new(program("bllvm-node"));
    command.args(["backup", "restore"]).args(args);
    let output = command
        .arg("--data-dir")
        .arg(data_dir)
        .output()
        .await
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let code = output.status.code().unwrap_or(-1);
    (code, text(&output.stdout), text(&output.stderr))
}

/// Whether any file below a folder has these bytes.
fn holds(dir: &Path, bytes: &[u8]) -> bool {
    std::fs::read_dir(dir).unwrap().flatten().any(|entry| {
        let path = entry.path();
        if path.is_dir() {
            return holds(&path, bytes);
        }
        let found = std::fs::read(path).unwrap_or_default();
        found.windows(bytes.len()).any(|part| part == bytes)
    })
}

/// A server to be, whose data directory is not there yet.
fn empty_place() -> bllvm_tests::server::Builder {
    let builder = TestServer::builder();
    std::fs::remove_dir_all(builder.data_dir()).unwrap();
    builder
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_comes_back_in_an_empty_directory_with_everything() {
    let (server, key) = with_key().await;
    server
        .run(&Fixture::new("well").subscribe("module.*"))
        .await;
    let table = "[data]\nbackup = \"copy\"\nexclude = [\"cache\"]";
    server.run(&Fixture::new("well-2").last(table)).await;
    server
        .configure(STOPPED, json!({ "greeting": "mine", "secret": "hush" }))
        .await;
    std::fs::write(server.module_data(STOPPED).join("precious"), "one").unwrap();
    let cache = server.module_data(COPIED).join("cache");
    std::fs::create_dir(&cache).unwrap();
    std::fs::write(cache.join("x"), "x").unwrap();
    std::fs::write(server.module_data(COPIED).join("precious"), "two").unwrap();
    server.unload(COPIED).await;
    server.load(COPIED).await;
    let pid = server.module_pid(COPIED).await;
    let runs = server.runs(STOPPED).await.len();
    let grants = |name: &str| format!("/api/v1/modules/{name}/grants");
    let granted = server.rest.get(&grants(STOPPED)).await.done();

    let key_text = key.to_str().unwrap();
    let recipient = public(&key);
    let (code, out, err) = server
        .cli(&["backup", "create", "--recipient", &recipient])
        .await;
    assert_eq!(code, 0, "{out}{err}");
    assert!(out.contains("The backup is made"), "{out}");
    // Whoever had to stand still runs again, the others never stopped.
    server.in_state(STOPPED, "running").await;
    assert_eq!(server.runs(STOPPED).await.len(), runs + 1);
    assert_eq!(server.module_pid(COPIED).await, pid);
    let audit = server.audit("action=create_backup").await;
    assert_eq!(audit.len(), 1);
    assert!(audit[0]["detail"].as_str().unwrap().contains(&recipient));

    let listed = server.rest.get("/api/v1/backups").await.done();
    let file = listed["items"][0]["path"].as_str().unwrap().to_owned();
    assert_eq!(listed["items"][0]["locked_by"], "keys");
    let (code, out, err) = server
        .cli(&["backup", "verify", &file, "--identity", key_text])
        .await;
    assert_eq!(code, 0, "{out}{err}");
    assert!(
        out.contains(STOPPED) && out.contains("copied while it stood still"),
        "{out}"
    );

    let place = empty_place();
    let data = place.data_dir();
    let args = [&file, "--identity", key_text];
    let (code, out, err) = restore(&data, &[&args[..], &["--dry-run"]].concat()).await;
    assert_eq!(code, 0, "{out}{err}");
    assert!(out.contains("would be restored"), "{out}");
    assert!(!data.exists(), "a dry run writes nothing");
    let (code, out, err) = restore(&data, &args).await;
    assert_eq!(code, 0, "{out}{err}");

    let before = server.applied(STOPPED);
    let events = server.events("module.*").await;
    drop(server);
    let other = place.start().await;
    for name in [STOPPED, COPIED] {
        other.in_state(name, "running").await;
        other.answers(name).await;
        let module = other.module(name).await;
        assert_eq!(module["digest"], module["confirmed"], "{module:#}");
    }
    assert_eq!(other.rest.get(&grants(STOPPED)).await.done(), granted);
    let config = other.call(STOPPED, "config", json!({})).await;
    assert_eq!(config["greeting"], "mine");
    let has = other.call(STOPPED, "secret", json!({})).await;
    assert_eq!(has["has_secret"], true, "secrets come with their key");
    let read = |name: &str, file: &str| std::fs::read(other.module_data(name).join(file));
    assert_eq!(read(STOPPED, "precious").unwrap(), b"one");
    assert_eq!(read(COPIED, "precious").unwrap(), b"two");
    assert!(read(COPIED, "cache/x").is_err(), "the manifest excludes it");
    // The journal goes on where it was, and so does whoever reads it.
    let there = other.events("module.*").await;
    let common = events
        .iter()
        .zip(&there)
        .take_while(|(a, b)| a == b)
        .count();
    assert!(common > 5, "{common} events are the same");
    let first = before[0].seq;
    until("every event was applied once", async || {
        let wanted = other.event_numbers("module.*").await;
        let wanted: Vec<u64> = wanted.into_iter().filter(|seq| *seq >= first).collect();
        let applied = other.applied(STOPPED);
        let applied: Vec<u64> = applied.iter().map(|event| event.seq).collect();
        (applied == wanted).then_some(())
    })
    .await;
    // The backup that was under way when the database was copied is told from one that was made.
    let open = other.rest.get("/api/v1/operations?limit=100").await.done();
    let backup = open["items"].as_array().unwrap().iter();
    let backup = backup.clone().find(|one| one["kind"] == "backup").unwrap();
    assert_eq!(backup["failure"]["code"], "interrupted");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_brought_back_says_why_and_leaves_nothing() {
    let (server, key) = with_key().await;
    server.run(&Fixture::new("well")).await;
    let none = server.rest.post("/api/v1/backups", &json!({})).await;
    let none = none.refused();
    assert_eq!(none["code"], "invalid_request");
    assert!(none["detail"].as_str().unwrap().contains("backup keygen"));
    let short = json!({ "passphrase": "short" });
    let short = server.rest.post("/api/v1/backups", &short).await.refused();
    assert!(short["detail"].as_str().unwrap().contains("at least 12"));
    let made = create(&server, &key).await;
    let file = made["result"]["path"].as_str().unwrap().to_owned();
    let phrase = server.folder().join("phrase");
    std::fs::write(&phrase, "correct horse battery\n").unwrap();
    let phrase = phrase.to_str().unwrap();
    let (code, out, err) = server
        .cli(&["backup", "create", "--passphrase-file", phrase])
        .await;
    assert_eq!(code, 0, "{out}{err}");

    assert!(!holds(&server.data_dir(), b"correct horse"), "it is kept");
    assert!(!server.log().contains("correct horse"), "it is logged");

    let other_key = server.folder().join("other");
    let other_key = other_key.to_str().unwrap();
    server.cli(&["backup", "keygen", other_key]).await;
    let whole = std::fs::read(&file).unwrap();
    let place = server.folder().join("place");
    let damaged = server.folder().join("damaged.age");
    let damaged = damaged.to_str().unwrap();
    let key_text = key.to_str().unwrap();
    let (half, mut flipped) = (whole.len() / 2, whole.clone());
    flipped[half] ^= 1;
    let cases = [
        (&whole[..], "--identity", other_key, "wrong_key"),
        (&whole[..], "--passphrase-file", phrase, "wrong_key"),
        (&whole[..half], "--identity", key_text, "backup_truncated"),
        (&flipped[..], "--identity", key_text, "backup_corrupt"),
        (b"nothing", "--identity", key_text, "not_a_backup"),
    ];
    for (bytes, how, with, code) in cases {
        std::fs::write(damaged, bytes).unwrap();
        let place = place.join("data");
        let (exit, out, err) = restore(&place, &[damaged, how, with]).await;
        assert_eq!(exit, 1, "{code}: {out}{err}");
        assert!(err.contains(code), "{code}: {err}");
        let left = std::fs::read_dir(place.parent().unwrap()).map_or(0, Iterator::count);
        assert_eq!(left, 0, "{code}: something is half-done");
    }
    // Over a node that is there, nothing is ever restored.
    let (exit, _, err) = restore(&server.data_dir(), &[&file, "--identity", key_text]).await;
    assert_eq!(exit, 1);
    assert!(err.contains("not_empty"), "{err}");
    server.answers(STOPPED).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_that_was_cut_off_leaves_no_backup_and_no_module_at_rest() {
    let (mut server, key) = with_key().await;
    server.run(&Fixture::new("well")).await;
    let data = server.module_data(STOPPED);
    for file in 0..40 {
        let bytes = vec![file; 256 << 10];
        std::fs::write(data.join(format!("file-{file}")), bytes).unwrap();
    }
    let mut dice = Dice::new(23);
    for _ in 0..times(40) {
        let body = json!({ "recipients": [public(&key)] });
        let begun = server.rest.post("/api/v1/backups", &body).await.done();
        tokio::time::sleep(std::time::Duration::from_millis(dice.below(600))).await;
        server.kill9();
        server.start_again().await;
        let ended = server.finished(&begun).await;
        let succeeded = ended["status"] == "succeeded";
        assert!(
            succeeded || ended["failure"]["code"] == "interrupted",
            "{ended:#}"
        );
        server.in_state(STOPPED, "running").await;
        server.answers(STOPPED).await;
        let left = std::fs::read_dir(server.data_dir().join("backups"));
        for entry in left.into_iter().flatten().flatten() {
            let path = entry.path();
            let name = entry.file_name().into_string().unwrap();
            assert!(name.starts_with("bllvm-"), "{name} is left");
            let args = ["backup", "verify", path.to_str().unwrap(), "--identity"];
            let args = [&args[..], &[key.to_str().unwrap()]].concat();
            let (code, out, err) = server.cli(&args).await;
            assert_eq!(code, 0, "{out}{err}");
            std::fs::remove_file(path).unwrap();
        }
    }
    let begun = server
        .rest
        .post("/api/v1/backups", &json!({ "recipients": [public(&key)] }))
        .await
        .done();
    let id = begun["id"].as_str().unwrap();
    let cancel = format!("/api/v1/operations/{id}/cancel");
    let cancelled = server.rest.post(&cancel, &json!({})).await;
    let ended = server.finished(&begun).await;
    if cancelled.status.is_success() {
        assert_eq!(ended["status"], "cancelled");
        until("nothing of it to be left", async || {
            let left = std::fs::read_dir(server.data_dir().join("backups")).unwrap();
            (left.count() == 0).then_some(())
        })
        .await;
        server.in_state(STOPPED, "running").await;
    }
}
