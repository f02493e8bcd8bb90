//! Input that cannot be used: each is a named error with the way out, and nothing is half-done.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use bllvm_tests::wait::until;
use bllvm_tests::{Fixture, TestServer};
use serde_json::{Value, json};

/// A valid module's folder, and one change to it.
fn broken(
    server: &TestServer,
    number: usize,
    change: impl FnOnce(&Path),
) -> (String, std::path::PathBuf) {
    let fixture = Fixture::new(format!("well-{number}"));
    let folder = fixture.write_below(&server.folder().join("incoming"));
    change(&folder);
    (fixture.name().to_owned(), folder)
}

fn replace(folder: &Path, from: &str, to: &str) {
    let path = folder.join("module.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{text}");
    std::fs::write(path, text.replace(from, to)).unwrap();
}

type Change = fn(&Path);

/// What is broken, and the words that must name it.
const BROKEN: &[(Change, &str)] = &[
    (
        |folder| replace(folder, "entry_point", "entrypoint"),
        "entrypoint",
    ),
    (
        |folder| replace(folder, "version = \"1.0.0\"", "version = 1"),
        "version",
    ),
    (
        |folder| replace(folder, "version = \"1.0.0\"", "version = \"one\""),
        "version",
    ),
    (
        |folder| replace(folder, "\"fixture\"", "\"../fixture\""),
        "entry_point",
    ),
    (
        |folder| replace(folder, "config.schema.json", "../config.schema.json"),
        "schema",
    ),
    (
        |folder| replace(folder, "storage", "world.domination"),
        "world.domination",
    ),
    (|folder| replace(folder, "exclusive", "sideways"), "mode"),
    (
        |folder| std::fs::write(folder.join("module.toml"), "x".repeat(10 << 20)).unwrap(),
        "module.toml",
    ),
    (
        |folder| std::fs::write(folder.join("module.toml"), b"name = \"\xff\"").unwrap(),
        "UTF-8",
    ),
    (
        |folder| std::fs::remove_file(folder.join("module.toml")).unwrap(),
        "module.toml",
    ),
    (
        |folder| std::fs::remove_file(folder.join("fixture")).unwrap(),
        "target/release/fixture",
    ),
    (
        |folder| {
            let mode = std::fs::Permissions::from_mode(0o644);
            std::fs::set_permissions(folder.join("fixture"), mode).unwrap();
        },
        "execut",
    ),
    (
        |folder| {
            std::fs::remove_file(folder.join("fixture")).unwrap();
            std::os::unix::fs::symlink("/bin/true", folder.join("fixture")).unwrap();
        },
        "fixture",
    ),
    (
        |folder| std::fs::write(folder.join("config.schema.json"), "{").unwrap(),
        "config.schema.json",
    ),
    (
        |folder| std::fs::remove_file(folder.join("config.schema.json")).unwrap(),
        "config.schema.json",
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_module_is_not_installed_and_nothing_of_it_stays() {
    let server = TestServer::start().await;
    for (number, (change, words)) in BROKEN.iter().enumerate() {
        let (name, folder) = broken(&server, number, change);
        let answer = server
            .rest
            .post("/api/v1/modules", &json!({ "path": folder }))
            .await;
        let said = if answer.status.is_success() {
            server.failed(&answer.json()).await["failure"]["detail"].clone()
        } else {
            answer.refused()["detail"].clone()
        };
        assert!(
            said.to_string().contains(words),
            "{number}: `{words}` is not in {said}"
        );
        assert!(
            !server.modules_dir().join(&name).exists(),
            "{number}: {said}"
        );
        let found = server.rest.get(&format!("/api/v1/modules/{name}")).await;
        assert_eq!(found.code(), "module_not_found", "{number}");
    }
    let left: Vec<_> = std::fs::read_dir(server.modules_dir())
        .unwrap()
        .flatten()
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_module_that_was_put_there_by_hand_says_what_is_wrong() {
    let server = TestServer::start().await;
    for (number, (change, words)) in BROKEN.iter().enumerate() {
        let fixture = Fixture::new(format!("well-{number}"));
        let staged = fixture.write_below(&server.folder().join("incoming"));
        change(&staged);
        std::fs::rename(&staged, server.modules_dir().join(fixture.name())).unwrap();
        let name = fixture.name();
        if *words == "module.toml" && number == 9 {
            // Without a manifest it is no module, and is told as a stray at the most.
            continue;
        }
        let host_knows = until(
            &format!("{number}, {words}: the host says what is wrong"),
            async || {
                let module = server.rest.get(&format!("/api/v1/modules/{name}")).await;
                let host = server.rest.get("/api/v1/host").await;
                let said = format!("{} {}", module.json()["problem"], host.json());
                said.contains(words).then_some(said)
            },
        )
        .await;
        assert!(host_knows.contains(words));
        let load = server.verb(name, "load").await;
        assert!(!load.status.is_success(), "{number}: {}", load.text);
        assert!(server.runs_or_none(name).await.is_empty(), "{number}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_module_of_one_name_is_refused() {
    let server = TestServer::start().await;
    let fixture = Fixture::new("well");
    server.run(&fixture).await;
    let folder = fixture.write_below(&server.folder().join("again"));
    let answer = server
        .rest
        .post("/api/v1/modules", &json!({ "path": folder }))
        .await;
    let refused = answer.refused();
    assert_eq!(refused["code"], "module_exists");
    assert!(
        refused["detail"].to_string().contains("fixture-well"),
        "{refused:#}"
    );
    server.answers("fixture-well").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_changed_after_it_was_confirmed_is_not_run() {
    let server = TestServer::start().await;
    let fixture = Fixture::new("well");
    server.run(&fixture).await;
    server.unload("fixture-well").await;
    let folder = server.modules_dir().join("fixture-well");
    let program = ["fixture", "bin/fixture", "target/release/fixture"]
        .map(|place| folder.join(place))
        .into_iter()
        .find(|path| path.is_file())
        .unwrap();
    let mut bytes = std::fs::read(&program).unwrap();
    bytes.extend_from_slice(b"one more byte");
    std::fs::remove_file(&program).unwrap();
    std::fs::write(&program, bytes).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();

    let refused = server.verb("fixture-well", "load").await.refused();

    assert_eq!(refused["code"], "digest_mismatch", "{refused:#}");
    let found = until("the new digest is seen", async || {
        let module = server.module("fixture-well").await;
        (module["digest"] != module["confirmed"]).then(|| module["digest"].clone())
    })
    .await;
    let path = "/api/v1/modules/fixture-well/load";
    let load = server
        .rest
        .post(path, &json!({ "digest": found }))
        .await
        .done();
    server.succeeded(&load).await;
    server.answers("fixture-well").await;
}

/// Starts a server that must not come up; its words and exit code.
async fn refuses_to_start(builder: bllvm_tests::server::Builder) -> (Option<i32>, String) {
    let mut server = builder.spawn();
    let status = server.ended().await;
    (status.code(), server.log())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_in_use_is_told_with_who_uses_it() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let builder = TestServer::builder().set(&format!("http.listen={address}"));
    let (code, log) = refuses_to_start(builder).await;
    assert_eq!(code, Some(1), "{log}");
    assert!(log.contains(&address.to_string()), "{log}");
    assert!(
        log.contains(&format!("process {}", std::process::id())),
        "{log}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unusable_setting_is_told_with_its_key() {
    for (setting, key) in [
        ("http.lisen=127.0.0.1:0", "http.lisen"),
        ("modules.heartbeat=soon", "modules.heartbeat"),
        ("http.listen=0.0.0.0:0", "http.allow_remote_without_tls"),
    ] {
        let (code, log) = refuses_to_start(TestServer::builder().set(setting)).await;
        assert_eq!(code, Some(64), "{log}");
        assert!(log.contains(key), "{setting}: {log}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_node_on_one_data_directory_is_refused_and_the_first_goes_on() {
    let server = TestServer::start().await;
    server.run(&Fixture::new("well")).await;
    let again = [
        "run",
        "--set",
        "http.listen=127.0.0.1:0",
        "--set",
        "node.backend=none",
    ];
    let (code, _, err) = server.cli(&again).await;
    assert_eq!(code, 1, "{err}");
    let dir = server.data_dir().display().to_string();
    assert!(err.contains(&dir) || err.contains("another"), "{err}");
    server.answers("fixture-well").await;
    let (code, out, err) = server.cli(&["status"]).await;
    assert_eq!(
        code, 0,
        "its address and cookie are still those of the first: {out}{err}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_of_a_newer_version_is_left_alone() {
    let mut server = TestServer::start().await;
    server.stop().await;
    let file = server.data_dir().join("bllvm.sqlite");
    alter(&file, "UPDATE _sqlx_migrations SET version = 99990101000000 WHERE version = (SELECT max(version) FROM _sqlx_migrations)").await;
    let before = std::fs::read(&file).unwrap();
    server.respawn();
    let status = server.ended().await;
    assert_eq!(status.code(), Some(1));
    let log = server.log();
    assert!(log.contains("newer"), "{log}");
    assert_eq!(std::fs::read(&file).unwrap(), before, "nothing was written");
}

async fn alter(file: &Path, statement: &'static str) {
    use sqlx::{ConnectOptions as _, Connection as _};
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(file);
    let mut database = options.connect().await.unwrap();
    sqlx::query(statement).execute(&mut database).await.unwrap();
    database.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_cannot_be_read_are_problems_too() {
    let server = TestServer::start().await;
    server.run(&Fixture::new("well")).await;
    let post = |path: &str, kind: &str, body: Vec<u8>| {
        server
            .rest
            .request(reqwest::Method::POST, path)
            .header("content-type", kind)
            .body(body)
    };
    let path = "/api/v1/modules";
    for (request, code) in [
        (
            post(path, "application/json", b"{".to_vec()),
            "invalid_json",
        ),
        (
            post(path, "application/json", b"{}".to_vec()),
            "invalid_body",
        ),
        (
            post(
                path,
                "application/json",
                b"{\"path\":\"/x\",\"y\":1}".to_vec(),
            ),
            "invalid_body",
        ),
        (
            post(path, "text/plain", b"{}".to_vec()),
            "unsupported_media_type",
        ),
        (
            post(path, "application/json", vec![b' '; 4 << 20]),
            "payload_too_large",
        ),
        (
            post(
                "/api/v1/modules/../../etc/load",
                "application/json",
                b"{}".to_vec(),
            ),
            "route_not_found",
        ),
        (
            post(
                "/api/v1/modules/A B/load",
                "application/json",
                b"{}".to_vec(),
            ),
            "invalid_parameter",
        ),
        (
            post("/api/v1/nothing", "application/json", b"{}".to_vec()),
            "route_not_found",
        ),
        (
            server.rest.request(reqwest::Method::DELETE, path),
            "method_not_allowed",
        ),
    ] {
        let refused = server.rest.send(request).await.refused();
        assert_eq!(refused["code"], code, "{refused:#}");
        assert_ne!(refused["detail"], Value::Null);
    }
    let unknown = server
        .try_call("fixture-well", "no_such_method", &json!({}))
        .await;
    assert_eq!(unknown.refused()["code"], "method_not_found");
    server.answers("fixture-well").await;
}

/// Closed at once with bytes unread, a connection is reset, and the answer may be lost with it.
#[tokio::test(flavor = "multi_thread")]
async fn who_is_refused_early_and_goes_on_sending_still_gets_the_answer() {
    let server = TestServer::start().await;
    let listens = server.rest.base.trim_start_matches("http://").to_owned();
    let body = vec![b' '; 24 << 20];
    for (path, status) in [
        ("/api/v1/modules", "401"),
        ("/webhooks/nobody", "413"),
        ("/nowhere", "404"),
    ] {
        let (listens, body) = (listens.clone(), body.clone());
        let sent = tokio::task::spawn_blocking(move || {
            let mut line = TcpStream::connect(&listens).unwrap();
            let length = body.len();
            write!(
                line,
                "POST {path} HTTP/1.1\r\nHost: {listens}\r\nContent-Length: {length}\r\n\r\n"
            )
            .unwrap();
            line.write_all(&body).unwrap();
            let mut answer = String::new();
            line.read_to_string(&mut answer).unwrap();
            answer
        });
        let answer = sent.await.unwrap();
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{path}: {answer}"
        );
        // Not told, a caller would send its next request into the closing line.
        assert!(answer.contains("\r\nconnection: close\r\n"), "{answer}");
    }
}
