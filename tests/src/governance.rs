//! bllvm-governance as people install it, keys as people make them, deliveries as GitHub sends them.

use std::path::{Path, PathBuf};
use std::process::Command;

use reqwest::Method;
use serde_json::{Value, json};

use crate::programs::program;
use crate::webhook::signature;
use crate::{Answer, Rest, TestServer};

/// Its name.
pub const GOVERNANCE: &str = "bllvm-governance";
/// The secret between GitHub and the node.
const SECRET: &str = "a secret between two";

/// The folder that a person would make: the module's files and the program that cargo built.
fn folder(server: &TestServer) -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../modules/bllvm-governance");
    let folder = server.folder().join("incoming").join(GOVERNANCE);
    let release = folder.join("target/release");
    std::fs::create_dir_all(&release).expect("the module's folder");
    std::fs::copy(program(GOVERNANCE), release.join(GOVERNANCE)).expect("the module's program");
    for file in ["module.toml", "config.schema.json"] {
        let copied = std::fs::copy(source.join(file), folder.join(file));
        copied.expect("the module's files");
    }
    folder
}

/// Makes the node's source of deliveries, installs the module, loads and configures it.
pub async fn run(server: &TestServer, config: Value) {
    let source =
        json!({ "name": "github", "scheme": "github", "secret": SECRET, "rate_per_minute": 0 });
    server
        .rest
        .post("/api/v1/webhooks/sources", &source)
        .await
        .done();
    install(server, config).await;
}

/// Installs the module, loads and configures it.
pub async fn install(server: &TestServer, config: Value) {
    let folder = folder(server);
    let installed = server
        .rest
        .post("/api/v1/modules", &json!({ "path": folder }))
        .await;
    server.succeeded(&installed.done()).await;
    server.load(GOVERNANCE).await;
    let done = server.configure(GOVERNANCE, config).await;
    assert_eq!(done["status"], "succeeded", "{done:#}");
}

/// Sends a body as GitHub does; none where the node is gone.
pub async fn deliver(rest: &Rest, id: &str, body: &Value) -> Option<Answer> {
    deliver_text(rest, id, body.to_string()).await
}

/// The same with any text as body.
pub async fn deliver_text(rest: &Rest, id: &str, body: String) -> Option<Answer> {
    let request = rest
        .anonymous(Method::POST, "/webhooks/github")
        .header("x-hub-signature-256", signature(SECRET, body.as_bytes()))
        .header("x-github-delivery", id)
        .body(body);
    rest.try_send(request).await
}

/// Somebody with a key, who signs with the module's own commands.
#[derive(Clone, Debug)]
pub struct Signer {
    file: PathBuf,
    /// The public key.
    pub key: String,
}

impl Signer {
    /// A new key in a folder.
    pub fn new(folder: &Path, name: &str) -> Self {
        let file = folder.join(format!("{name}.key"));
        let key = output(Command::new(program(GOVERNANCE)).arg("keygen").arg(&file));
        Self { file, key }
    }

    /// The comment that says something: `options` as in `--number 7 --head …`.
    pub fn says(&self, options: &[(&str, &str)]) -> String {
        let mut command = Command::new(program(GOVERNANCE));
        command.arg("sign").arg("--key-file").arg(&self.file);
        for (name, value) in options {
            command.arg(format!("--{name}")).arg(value);
        }
        output(&mut command)
    }
}

fn output(command: &mut Command) -> String {
    let done = command.output().expect("the module's program runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    assert!(done.status.success(), "{}", text(&done.stderr));
    text(&done.stdout)
}

/// The body of an event about a pull request of `example/node`.
pub fn pull_request(number: u64, head: &str, minute: u32) -> Value {
    json!({
        "action": "opened", "number": number,
        "repository": { "full_name": "example/node" },
        "pull_request": {
            "number": number, "title": format!("Change {number}"), "state": "open",
            "user": { "login": "author" }, "head": { "sha": head }, "base": { "ref": "main" },
            "labels": [], "created_at": stamp(0), "updated_at": stamp(minute),
            "merged": false, "merged_at": null, "merge_commit_sha": null
        }
    })
}

/// The body of an event about a comment there.
pub fn comment(number: u64, id: u64, login: &str, text: &str, minute: u32) -> Value {
    json!({
        "action": "created",
        "repository": { "full_name": "example/node" },
        "issue": { "number": number, "pull_request": { "url": "https://example.org/7" } },
        "comment": { "id": id, "user": { "login": login }, "body": text,
            "created_at": stamp(minute), "updated_at": stamp(minute) }
    })
}

/// A time of one day, as GitHub writes it.
pub fn stamp(minute: u32) -> String {
    format!("2026-01-02T{:02}:{:02}:00Z", minute / 60 % 24, minute % 60)
}
