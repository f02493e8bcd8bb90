//! What stays of a module that goes, what goes with it, and what is swept by the clock.

use std::fs;
use std::path::{Path, PathBuf};

use bllvm_tests::wait::until;
use bllvm_tests::{Fixture, TestServer};
use serde_json::{Value, json};

const NAME: &str = "fixture-well";

/// Two versions ran, the second on other data, so that there is a copy of it.
async fn upgraded(server: &TestServer) {
    server.run(&Fixture::new("well").version("1.0.0")).await;
    fs::write(server.module_data(NAME).join("precious"), "mine").unwrap();
    let newer = Fixture::new("well").version("2.0.0");
    let folder = newer.write_below(&server.folder().join("newer"));
    let path = format!("/api/v1/modules/{NAME}/upgrade");
    let begun = server.rest.post(&path, &json!({ "path": folder })).await;
    server.succeeded(&begun.done()).await;
    server.answers(NAME).await;
}

/// Everything in the data directory that has the module's name in its path.
fn traces(server: &TestServer) -> Vec<PathBuf> {
    let (mut found, mut open) = (Vec::new(), vec![server.data_dir()]);
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if entry.file_name().to_string_lossy().contains(NAME) {
                found.push(path);
            } else if path.is_dir() {
                open.push(path);
            }
        }
    }
    found
}

fn entries(folder: &Path) -> usize {
    fs::read_dir(folder).into_iter().flatten().count()
}

async fn uninstall(server: &TestServer, more: &[&str]) -> (i32, String, String) {
    let common = ["module", "uninstall", NAME];
    server.cli(&[&common, more].concat()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_purge_leaves_nothing_and_an_uninstall_says_what_it_leaves() {
    let server = TestServer::start().await;
    upgraded(&server).await;
    let (code, _, error) = uninstall(&server, &["--purge", "--confirm", "another"]).await;
    assert_eq!(code, 1, "{error}");
    assert!(error.contains("type the module's name"), "{error}");
    server.in_state(NAME, "running").await;

    let (code, said, error) = uninstall(&server, &["--confirm", NAME]).await;
    assert_eq!(code, 0, "{error}");
    assert!(
        said.contains("data, stored values and log are kept") && said.contains("--purge"),
        "{said}"
    );
    let precious = server.module_data(NAME).join("precious");
    assert_eq!(fs::read_to_string(&precious).unwrap(), "mine");
    assert!(server.data_dir().join("logs").join(NAME).is_dir());

    // It comes back to its data, and then goes with all of it.
    server.run(&Fixture::new("well").version("2.0.0")).await;
    assert_eq!(fs::read_to_string(&precious).unwrap(), "mine");
    server.unload(NAME).await;
    let (code, said, error) = uninstall(&server, &["--confirm", NAME, "--purge"]).await;
    assert_eq!(code, 0, "{error}");
    assert!(
        said.contains("with everything that was kept of it"),
        "{said}"
    );
    assert_eq!(traces(&server), Vec::<PathBuf>::new());
    assert_eq!(entries(&server.data_dir().join("store/sha256")), 0);
    let audit = server.audit("action=uninstall_module").await;
    let details: Vec<&Value> = audit.iter().map(|row| &row["detail"]).collect();
    assert!(
        details.iter().any(|one| one.to_string().contains("purged")),
        "{details:?}"
    );
    let (code, _, error) = uninstall(&server, &["--confirm", NAME, "--purge"]).await;
    assert_eq!(code, 1, "there is nothing more: {error}");
    assert!(error.contains("module_not_found"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_kept_of_a_module_can_be_purged_when_it_is_gone() {
    let server = TestServer::start().await;
    server.run(&Fixture::new("well")).await;
    server.unload(NAME).await;
    fs::write(server.module_data(NAME).join("precious"), "mine").unwrap();
    let (code, _, error) = uninstall(&server, &["--confirm", NAME]).await;
    assert_eq!(code, 0, "{error}");
    let (code, _, error) = uninstall(&server, &["--confirm", NAME]).await;
    assert_eq!(code, 1, "it is not installed any more: {error}");

    let (code, _, error) = uninstall(&server, &["--confirm", NAME, "--purge"]).await;

    assert_eq!(code, 0, "{error}");
    assert_eq!(traces(&server), Vec::<PathBuf>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nothing_refers_to_is_swept_by_the_clock_and_data_never() {
    let server = TestServer::builder()
        .set("limits.keep_leftovers=1 s")
        .start()
        .await;
    upgraded(&server).await;
    let data = server.data_dir();
    let orphans = [
        data.join("store/sha256").join("ab".repeat(32)),
        data.join("downloads").join("cd".repeat(32)),
        data.join("snapshots").join(NAME).join("0.5.0"),
        data.join("logs/long-gone"),
    ];
    for folder in &orphans {
        fs::create_dir_all(folder).unwrap();
        fs::write(folder.join("file"), "left").unwrap();
    }
    until("the orphans to be swept", async || {
        (!orphans.iter().any(|folder| folder.exists())).then_some(())
    })
    .await;
    // What a rollback needs is there.
    assert!(data.join("snapshots").join(NAME).join("1.0.0").is_dir());
    assert_eq!(entries(&data.join("store/sha256")), 2);
    let word = json!({ "restore_data": true });
    let path = format!("/api/v1/modules/{NAME}/rollback");
    let back = server.rest.post(&path, &word).await.done();
    server.succeeded(&back).await;
    server.answers(NAME).await;

    let (code, _, error) = uninstall(&server, &["--confirm", NAME]).await;
    assert_eq!(code, 0, "{error}");
    until("the trash and the log to be swept", async || {
        let left = [
            data.join("logs").join(NAME),
            data.join("snapshots").join(NAME),
        ];
        let gone = !left.iter().any(|folder| folder.exists());
        (gone && entries(&data.join("trash")) == 0).then_some(())
    })
    .await;
    let precious = server.module_data(NAME).join("precious");
    assert_eq!(fs::read_to_string(precious).unwrap(), "mine");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_module_is_held_by_either_word() {
    let server = TestServer::start().await;
    server.run(&Fixture::new("well")).await;
    let newer = Fixture::new("well").version("1.1.0");
    let newer = newer.write_below(&server.folder().join("newer"));
    let newer = newer.display().to_string();

    let (code, _, error) = server.cli(&["module", "hold", NAME]).await;
    assert_eq!(code, 0, "{error}");
    let (code, _, error) = server.cli(&["module", "upgrade", NAME, &newer]).await;
    assert_eq!(code, 1);
    assert!(error.contains("module_pinned"), "{error}");
    let (code, _, error) = server.cli(&["module", "unhold", NAME]).await;
    assert_eq!(code, 0, "{error}");
    let (code, _, error) = server.cli(&["module", "upgrade", NAME, &newer]).await;
    assert_eq!(code, 0, "{error}");
}
