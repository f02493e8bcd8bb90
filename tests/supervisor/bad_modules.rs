//! Modules that never get to run, each with its reason and the way out.

use std::os::unix::fs::PermissionsExt;

use bllvm_node::model::{Exit, ObservedState, OperationStatus};

use crate::harness::{Host, digest, millis, module};

async fn is_refused(behaviour: &str, code: &str, words: &str) {
    let host = Host::start().await;
    let bad = host.install(module(behaviour)).await;

    let failed = host.load(&bad).await;

    assert_eq!(failed.status, OperationStatus::Failed);
    let failure = failed.failure.unwrap();
    assert_eq!(failure.code, code, "{failure:?}");
    assert!(failure.detail.contains(words), "{failure:?}");
    let observed = host.until_state(&bad, ObservedState::Failed).await;
    assert!(observed.reason.is_some() && observed.way_out.is_some());
    host.has_no_processes().await;
}

#[tokio::test]
async fn a_malformed_hello_is_refused() {
    is_refused("malformed_hello", "handshake_refused", "bllvm-sdk").await;
}

#[tokio::test]
async fn a_huge_hello_is_refused() {
    is_refused("huge_hello", "handshake_refused", "outside").await;
}

#[tokio::test]
async fn another_frame_than_a_hello_is_refused() {
    is_refused("wrong_kind_first", "handshake_refused", "hello").await;
}

#[tokio::test]
async fn an_unknown_protocol_is_refused_with_the_side_to_update() {
    is_refused("wrong_version", "handshake_refused", "update bllvm-node").await;
}

#[tokio::test]
async fn another_modules_name_is_refused() {
    is_refused("wrong_name", "handshake_refused", "calls itself").await;
}

#[tokio::test]
async fn a_refused_configuration_names_the_key() {
    is_refused("refuses_config", "config_refused", "`bad`").await;
}

async fn is_killed(behaviour: &str, reason: &str) {
    let host = Host::with(|settings| {
        settings.hello_deadline = millis(300);
        settings.ready_deadline = millis(300);
    })
    .await;
    let bad = host.install(module(behaviour)).await;

    let failed = host.load(&bad).await;

    assert_eq!(failed.status, OperationStatus::Failed);
    let exit = host.last_ended(&bad).await.exit;
    let reason = reason.to_owned();
    assert_eq!(exit, Some(Exit::Killed { reason }));
    host.unload(&bad).await;
    host.has_no_processes().await;
}

#[tokio::test]
async fn a_module_that_never_says_hello_is_killed() {
    is_killed("silent", "handshake_timeout").await;
}

#[tokio::test]
async fn a_module_that_says_half_a_hello_is_killed() {
    is_killed("half_hello", "handshake_timeout").await;
}

#[tokio::test]
async fn a_module_that_is_never_ready_is_killed() {
    is_killed("never_ready", "not_ready").await;
}

#[tokio::test]
async fn other_bytes_than_the_confirmed_ones_do_not_run() {
    let host = Host::start().await;
    let clock = host.install(module("well_behaved")).await;
    let program = host.folder(&clock).join("well_behaved");
    let confirmed = digest(&program);
    std::fs::remove_file(&program).unwrap();
    std::fs::copy("/bin/true", &program).unwrap();

    let failure = host.load(&clock).await.failure.unwrap();

    assert_eq!(failure.code, "digest_mismatch");
    for part in [confirmed.to_string(), digest(&program).to_string()] {
        assert!(failure.detail.contains(&part), "{failure:?}");
    }
    assert!(
        failure.detail.contains("module load well-behaved --digest"),
        "{failure:?}"
    );

    // Confirmed, it is executed: /bin/true says no hello.
    host.confirm(&clock, digest(&program), None).await;
    let failure = host.load(&clock).await.failure.unwrap();
    assert_eq!(failure.code, "module_crashed");
}

#[tokio::test]
async fn a_program_that_is_missing_or_not_executable_names_the_way_out() {
    let host = Host::start().await;
    let clock = host.install(module("well_behaved")).await;
    let program = host.folder(&clock).join("well_behaved");
    let bytes = std::fs::read(&program).unwrap();
    std::fs::remove_file(&program).unwrap();
    let failure = host.load(&clock).await.failure.unwrap();
    assert_eq!(failure.code, "program_missing");

    std::fs::write(&program, bytes).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o600)).unwrap();
    let failure = host.load(&clock).await.failure.unwrap();
    assert_eq!(failure.code, "not_executable");
    assert!(failure.detail.contains("chmod +x"), "{failure:?}");
}

#[tokio::test]
async fn bytes_that_are_no_program_are_not_executed() {
    let host = Host::start().await;
    let clock = host.install(module("well_behaved")).await;
    let program = host.folder(&clock).join("well_behaved");
    std::fs::remove_file(&program).unwrap();
    std::fs::write(&program, "just text").unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    host.confirm(&clock, digest(&program), None).await;

    let failure = host.load(&clock).await.failure.unwrap();

    assert_eq!(failure.code, "not_executable");
    assert!(
        failure.detail.contains("not a program for this machine"),
        "{failure:?}"
    );
    let exit = host.last_ended(&clock).await.exit;
    assert!(matches!(exit, Some(Exit::NotStarted { .. })), "{exit:?}");
}

#[tokio::test]
async fn a_port_in_use_names_its_holder() {
    let host = Host::start().await;
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut recipe = module("well_behaved");
    let address = taken.local_addr().unwrap();
    recipe.grant.listeners.insert("http".to_owned(), address);
    let clock = host.install(recipe).await;

    let failure = host.load(&clock).await.failure.unwrap();

    assert_eq!(failure.code, "port_in_use");
    let own = format!("process {}", std::process::id());
    assert!(failure.detail.contains(&own), "{failure:?}");
    drop(taken);
    assert_eq!(host.load(&clock).await.status, OperationStatus::Succeeded);
}
