//! A registry that the tools build, read by the node: from a folder and over HTTP with a connection
//! that breaks; searched, shown, installed, upgraded, taken back.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bllvm_tests::programs::program;
use bllvm_tests::registry::Maker;
use bllvm_tests::{Answer, Browser, TestServer};
use serde_json::{Value, json};

const REFRESH: &str = "/api/v1/registries/example.org/refresh";
const HELLO: &str = "/api/v1/catalog/example.org/hello";

/// Serves a folder; the first answers of files larger than `break_at` end there.
fn serve(folder: PathBuf, break_at: usize, breaks: u64) -> (String, Arc<AtomicU64>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/", listener.local_addr().unwrap());
    let sent = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&sent);
    std::thread::spawn(move || {
        let mut left = breaks;
        for stream in listener.incoming().flatten() {
            let limit = if left > 0 { break_at } else { usize::MAX };
            if !answer(&stream, &folder, limit, &counted) {
                left -= 1;
            }
        }
    });
    (address, sent)
}

/// Answers one request; whether nothing was cut off.
fn answer(mut stream: &TcpStream, folder: &Path, limit: usize, sent: &AtomicU64) -> bool {
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    let first = lines.next().unwrap_or_default();
    let from: usize = lines
        .take_while(|line| !line.is_empty())
        .find_map(|line| {
            let range = line.to_lowercase();
            let range = range.strip_prefix("range: bytes=")?.to_owned();
            range.strip_suffix('-')?.parse().ok()
        })
        .unwrap_or(0);
    let path = first.split(' ').nth(1).unwrap_or_default();
    let Ok(bytes) = fs::read(folder.join(path.trim_start_matches('/'))) else {
        let _ = stream.write_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n");
        return true;
    };
    let rest = &bytes[from.min(bytes.len())..];
    let head = if from > 0 {
        let (last, all) = (bytes.len() - 1, bytes.len());
        format!("206 Partial Content\r\ncontent-range: bytes {from}-{last}/{all}")
    } else {
        "200 OK".to_owned()
    };
    let head = format!("HTTP/1.1 {head}\r\ncontent-length: {}\r\n\r\n", rest.len());
    let cut = &rest[..rest.len().min(limit)];
    let _ = stream.write_all(head.as_bytes());
    let _ = stream.write_all(cut);
    sent.fetch_add(cut.len() as u64, Ordering::SeqCst);
    cut.len() == rest.len()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_module_comes_over_http_through_a_connection_that_breaks() {
    let server = TestServer::start().await;
    let maker = Maker::new();
    maker.release(1);
    maker.trusted(&server).await;
    let (dead, _) = serve(PathBuf::from("/nowhere"), 0, 0);
    let (address, sent) = serve(maker.folder(), 200_000, 2);
    maker.add(&server, &[&dead, &address]).await;

    let registry = server.rest.post(REFRESH, &json!(null)).await.done();
    assert_eq!(registry["seen"]["releases"], 1);
    let found = server.rest.get("/api/v1/catalog?search=HELLO").await.done();
    let entry = &found["items"][0];
    assert_eq!(
        (
            &entry["module"],
            &entry["state"],
            &entry["publisher_trusted"]
        ),
        (&json!("hello"), &json!("available"), &json!(true))
    );
    let other = server.rest.get("/api/v1/catalog?search=nothing-such").await;
    assert_eq!(other.done()["items"], json!([]));
    let shown = server.rest.get(HELLO).await.done();
    assert_eq!(shown["releases"][0]["notes"], "News of 1.");
    assert!(shown["asks"].is_array(), "{shown}");
    assert_eq!(shown["problem"], json!(null));

    let begun = server
        .rest
        .post(&format!("{HELLO}/install"), &json!({}))
        .await;
    let ended = server.succeeded(&begun.done()).await;

    assert_eq!(
        ended["result"]["vouched_for"],
        "release 1 signed by me.example (1 key)"
    );
    let size = fs::metadata(program("hello")).unwrap().len();
    let all = sent.load(Ordering::SeqCst);
    assert!(
        all < size + 200_000,
        "{all} bytes were sent for a program of {size}"
    );
    assert_eq!(server.module("hello").await["trust"], "signed");
    let downloads = server.data_dir().join("downloads");
    assert_eq!(
        fs::read_dir(downloads).unwrap().count(),
        0,
        "nothing is left"
    );
    let found = server.rest.get("/api/v1/catalog").await.done();
    assert_eq!(found["items"][0]["state"], "installed");
    let again = server
        .rest
        .post(&format!("{HELLO}/install"), &json!({}))
        .await;
    assert_eq!(again.refused()["code"], "module_exists");
}

/// Presses a button of a page, whose form leads elsewhere.
async fn submit(browser: &Browser, page: &str, to: &str, fields: &[(&str, &str)]) -> Answer {
    let page = browser.get(page, &[]).await.text;
    let token = page.split("name=\"_csrf\" value=\"").nth(1).unwrap();
    let token = token.split('"').next().unwrap();
    let fields = [fields, &[("_csrf", token)]].concat();
    browser.post(to, &fields).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_dashboard_adds_a_registry_installs_from_it_and_tells_what_was_taken_back() {
    let server = TestServer::start().await;
    let maker = Maker::new();
    let first = maker.release(1);
    maker.trusted(&server).await;
    let (address, _) = serve(maker.folder(), usize::MAX, 0);
    let browser = Browser::log_in(&server).await;
    let empty = browser.get("/catalog", &[]).await;
    assert!(
        empty.text.contains("No registry was added yet"),
        "{}",
        empty.text
    );
    let mut fields = vec![
        ("name", "example.org"),
        ("addresses", address.as_str()),
        ("keys", "no key"),
        ("threshold", "1"),
    ];
    let refused = submit(&browser, "/catalog", "/catalog/add", &fields).await;
    assert_eq!(refused.status, 422);
    assert!(
        refused.text.contains("Public keys: no key"),
        "{}",
        refused.text
    );
    fields[2] = ("keys", maker.registry.as_str());
    let added = submit(&browser, "/catalog", "/catalog/add", &fields).await;
    assert_eq!(added.status, 303, "{}", added.text);

    let list = browser.get("/catalog", &[("search", "hello")]).await;
    assert!(list.text.contains("1 release, index 1"), "{}", list.text);
    let page = "/catalog/example.org/hello";
    let shown = browser.get(page, &[]).await;
    for part in [
        "me.example, trusted here",
        "News of 1.",
        "Fetch and install 0.1.0",
    ] {
        assert!(shown.text.contains(part), "{part}: {}", shown.text);
    }
    let begun = submit(&browser, page, &format!("{page}/install"), &[]).await;
    let operation = begun.headers["location"].to_str().unwrap().to_owned();
    let id = operation.rsplit('/').next().unwrap();
    server.succeeded(&json!({ "id": id })).await;
    let done = browser.get(&operation, &[]).await;
    assert!(done.text.contains("/modules/hello/review"), "{}", done.text);
    let review = browser.get("/modules/hello/review", &[]).await;
    assert!(
        review.text.contains("me.example signed it"),
        "{}",
        review.text
    );
    server.load("hello").await;

    maker.release(2);
    maker.publish(&["--revoke", &first, "--reason", "it miscounted"]);
    let refreshed = submit(&browser, "/catalog", "/catalog/refresh", &[]).await;
    assert_eq!(refreshed.status, 303);
    let module = browser.get("/modules/hello", &[]).await;
    assert!(
        module
            .text
            .contains("took this release back: It miscounted."),
        "{}",
        module.text
    );
    let begun = submit(&browser, page, &format!("{page}/fetch"), &[]).await;
    let operation = begun.headers["location"].to_str().unwrap().to_owned();
    let id = operation.rsplit('/').next().unwrap();
    server.succeeded(&json!({ "id": id })).await;
    let done = browser.get(&operation, &[]).await;
    assert!(
        done.text.contains("/modules/hello/versions?path="),
        "{}",
        done.text
    );
    let path = server
        .rest
        .get(&format!("/api/v1/operations/{id}"))
        .await
        .done();
    let path = path["result"]["path"].as_str().unwrap();
    let plan = browser
        .get("/modules/hello/versions", &[("path", path)])
        .await;
    assert!(plan.text.contains("0.1.0 → 0.2.0"), "{}", plan.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_installs_from_a_folder_upgrades_and_hears_what_was_taken_back() {
    let server = TestServer::start().await;
    let maker = Maker::new();
    let first = maker.release(1);
    let folder = maker.folder().display().to_string();
    let key = maker.registry.clone();

    let (code, said, error) = server
        .cli(&["catalog", "add", "example.org", &folder, "--key", &key])
        .await;
    assert_eq!(code, 0, "{error}");
    assert!(said.starts_with("example.org has 1 releases"), "{said}");
    let (code, _, error) = server.cli(&["catalog", "install", "hello"]).await;
    assert_eq!(code, 1);
    assert!(error.contains("publisher_unknown"), "{error}");
    let (_, said, _) = server.cli(&["catalog", "search"]).await;
    assert!(said.contains("me.example (not trusted)"), "{said}");
    maker.trusted(&server).await;
    let (code, said, error) = server.cli(&["catalog", "install", "hello"]).await;
    assert_eq!(code, 0, "{error}");
    assert!(said.starts_with("hello is installed"), "{said}");
    server.load("hello").await;
    server.in_state("hello", "running").await;

    maker.release(2);
    maker.publish(&["--revoke", &first, "--reason", "it miscounted"]);
    let (code, _, error) = server.cli(&["catalog", "refresh"]).await;
    assert_eq!(code, 0, "{error}");
    let (_, said, _) = server.cli(&["catalog", "search", "hello"]).await;
    assert!(said.contains("TAKEN BACK: it miscounted"), "{said}");
    let events = server
        .rest
        .get("/api/v1/events?types=module.revoked")
        .await
        .done();
    assert_eq!(events["items"][0]["data"]["reason"], "it miscounted");
    let (_, said, _) = server.cli(&["catalog", "show", "hello"]).await;
    assert!(said.contains("News of 2."), "{said}");

    let (code, said, error) = server.cli(&["catalog", "upgrade", "hello"]).await;
    assert_eq!(code, 0, "{said}{error}");
    assert_eq!(server.module("hello").await["version"], "0.2.0");
    server.in_state("hello", "running").await;
    let (_, said, _) = server.cli(&["catalog", "search"]).await;
    assert!(
        said.contains("installed") && !said.contains("TAKEN BACK"),
        "{said}"
    );
    let (code, _, _) = server.cli(&["catalog", "remove", "example.org"]).await;
    assert_eq!(code, 0);
    let (_, said, _) = server.cli(&["catalog", "list"]).await;
    assert!(said.starts_with("No registry was added"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_author_installs_by_a_bare_name_from_the_registries_of_the_node() {
    let server = TestServer::start().await;
    let maker = Maker::new();
    let first = maker.release(1);
    maker.trusted(&server).await;
    maker
        .add(&server, &[&maker.folder().display().to_string()])
        .await;
    server.rest.post(REFRESH, &json!(null)).await.done();
    let install = async || {
        let output = tokio::process::Command::new(program("cargo-bllvm-module"))
            .args(["install", "hello", "--json"])
            .env("BLLVM__DATA_DIR", server.data_dir())
            .current_dir(maker.work.path())
            .output()
            .await
            .unwrap();
        serde_json::from_slice::<Value>(&output.stdout).unwrap()
    };

    maker.publish(&["--revoke", &first, "--reason", "it miscounted"]);
    server.rest.post(REFRESH, &json!(null)).await.done();
    let refused = install().await;
    let detail = refused["error"]["detail"].as_str().unwrap();
    assert!(
        detail.contains("release_revoked"),
        "cargo is not asked for it: {detail}"
    );

    maker.release(2);
    server.rest.post(REFRESH, &json!(null)).await.done();
    let installed = install().await;
    assert_eq!(
        (&installed["module"], &installed["version"]),
        (&json!("hello"), &json!("0.2.0"))
    );
    assert_eq!(server.module("hello").await["waiting"], json!(true));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_that_is_old_mixed_or_of_another_is_refused_by_its_own_code() {
    let mut server = TestServer::start().await;
    let maker = Maker::new();
    maker.release(1);
    let folder = maker.folder();
    let old = [
        fs::read(folder.join("index.json")),
        fs::read(folder.join("index.sig")),
    ];
    maker.publish(&[]);
    let bad = json!({ "name": "example.org", "addresses": ["ftp://x/"], "keys": [maker.registry] });
    let refused = server.rest.post("/api/v1/registries", &bad).await.refused();
    assert_eq!(
        (&refused["code"], &refused["reason"]),
        (&json!("registry_refused"), &json!("invalid_address"))
    );
    maker.add(&server, &[&folder.display().to_string()]).await;
    server.rest.post(REFRESH, &json!(null)).await.done();

    let [json, signature] = old.map(Result::unwrap);
    let present = fs::read(folder.join("index.sig")).unwrap();
    fs::write(folder.join("index.json"), &json).unwrap();
    let mixed = server.rest.post(REFRESH, &json!(null)).await.refused();
    assert_eq!(mixed["reason"], "index_signature_invalid");
    fs::write(folder.join("index.sig"), signature).unwrap();
    let older = server.rest.post(REFRESH, &json!(null)).await.refused();
    assert_eq!(older["reason"], "index_rollback");
    fs::write(folder.join("index.sig"), present).unwrap();

    // The kept index still lists, also after a restart and without the folder.
    fs::remove_file(folder.join("index.json")).unwrap();
    server.restart().await;
    let gone = server.rest.post(REFRESH, &json!(null)).await.refused();
    assert_eq!(gone["reason"], "registry_files");
    let found = server.rest.get("/api/v1/catalog").await.done();
    assert_eq!(found["items"][0]["module"], "hello");
    let kept = server.data_dir().join("registries");
    let index = fs::read_dir(kept).unwrap().next().unwrap().unwrap().path();
    fs::write(&index, json).unwrap();
    let changed = server.rest.get(HELLO).await.refused();
    assert_eq!(changed["reason"], "index_changed");
}
