//! What a module's process has, and what it leaves behind: nothing.

use std::time::{Duration, Instant};

use bllvm_node::model::{Grant, IsolationState, ObservedState, Outgoing};
use serde_json::json;

use crate::harness::{Host, digest, module, name, processes_in};

#[tokio::test]
async fn a_module_sees_its_own_environment_and_descriptors_only() {
    let host = Host::start().await;
    let clock = host.install(module("well_behaved").listening()).await;
    host.load(&clock).await;
    let seen = host.call(&clock, "environment", json!({})).await.unwrap();
    let names: Vec<&String> = seen["env"].as_object().unwrap().keys().collect();
    let allowed = [
        "PATH",
        "HOME",
        "TMPDIR",
        "LANG",
        "TZ",
        "LISTEN_FDS",
        "LISTEN_FDNAMES",
        "LISTEN_PID",
        "BLLVM_MODULE",
        "BLLVM_DATA_DIR",
    ];
    assert!(
        names.iter().all(|name| allowed.contains(&name.as_str())),
        "{names:?}"
    );
    assert_eq!(seen["env"]["LISTEN_FDS"], "2");
    assert_eq!(seen["env"]["LISTEN_FDNAMES"], "bllvm:http");
    assert_eq!(seen["env"]["LISTEN_PID"], seen["pid"].to_string());
    assert_eq!(seen["descriptors"], 5);
    let data_dir = host.dir.path().join("module-data/well-behaved");
    assert_eq!(seen["env"]["HOME"], data_dir.display().to_string());
}

#[tokio::test]
async fn a_layer_that_is_not_needed_is_told_from_one_that_is_missing() {
    let host = Host::start().await;
    let mut recipe = module("well_behaved");
    recipe.grant.outgoing = Outgoing::Any;
    let online = host.install(recipe).await;
    host.load(&online).await;
    host.until_state(&online, ObservedState::Running).await;
    let run = host.runs(&online).await.remove(0);
    let state = |name: &str| {
        let found = run.isolation.iter().find(|layer| layer.layer == name);
        found.map(|layer| layer.state)
    };
    assert_eq!(state("network_namespace"), Some(IsolationState::NotNeeded));
    let user = state("user_namespace");
    let superuser = rustix::process::geteuid().is_root();
    assert_eq!(
        user == Some(IsolationState::NotNeeded),
        superuser,
        "{user:?}"
    );
}

async fn daemons_end(namespaces: bool) {
    let host = Host::with(|settings| settings.namespaces = namespaces).await;
    let bad = host
        .install(module("double_forks").starting_programs())
        .await;
    host.load(&bad).await;
    host.until_state(&bad, ObservedState::Running).await;
    let with_daemon = processes_in(&host.dir.path().join("module-data"));
    assert!(with_daemon.len() >= 2, "{with_daemon:?}");

    host.unload(&bad).await;

    host.has_no_processes().await;
}

#[tokio::test]
async fn daemons_end_with_their_module() {
    daemons_end(true).await;
}

#[tokio::test]
async fn daemons_end_with_their_module_also_without_a_namespace() {
    daemons_end(false).await;
}

/// A host of its own for the next tests to kill.
#[test]
#[ignore = "started by the tests that kill it"]
fn a_host_to_be_killed() {
    let Ok(namespaces) = std::env::var("TEST_NAMESPACES") else {
        return;
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let host = Host::with(|settings| settings.namespaces = namespaces == "true").await;
        for behaviour in ["well_behaved", "double_forks", "hangs"] {
            let recipe = module(behaviour).starting_programs();
            let module = host.install(recipe).await;
            host.load(&module).await;
        }
        println!("home: {}", host.dir.path().display());
        std::future::pending::<()>().await;
    });
}

fn a_killed_host_leaves_no_orphan(namespaces: bool) {
    use std::io::BufRead;
    let mut host = std::process::Command::new(std::env::current_exe().unwrap())
        .args([
            "--ignored",
            "--exact",
            "--nocapture",
            "isolation::a_host_to_be_killed",
        ])
        .env("TEST_NAMESPACES", namespaces.to_string())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let lines = std::io::BufReader::new(host.stdout.take().unwrap()).lines();
    let home = lines
        .map_while(Result::ok)
        .find_map(|line| line.split_once("home: ").map(|(_, home)| home.to_owned()))
        .unwrap();
    let home = std::path::PathBuf::from(home);
    assert!(processes_in(&home).len() >= 4);

    host.kill().unwrap();
    host.wait().unwrap();

    let killed = Instant::now();
    while !processes_in(&home).is_empty() {
        assert!(
            killed.elapsed() < Duration::from_secs(5),
            "{:?}",
            processes_in(&home)
        );
        std::thread::sleep(Duration::from_millis(1));
    }
    println!("all gone after {:?}", killed.elapsed());
    std::fs::remove_dir_all(home).unwrap();
}

#[test]
fn a_host_killed_with_its_namespaces_leaves_no_orphan() {
    a_killed_host_leaves_no_orphan(true);
}

#[test]
fn a_host_killed_without_namespaces_leaves_no_orphan() {
    a_killed_host_leaves_no_orphan(false);
}

#[tokio::test]
async fn one_that_ignores_every_word_is_killed() {
    let host = Host::with(|settings| {
        settings.drain_deadline = Duration::from_millis(200);
        settings.term_deadline = Duration::from_millis(200);
    })
    .await;
    let bad = host.install(module("ignores_shutdown")).await;
    host.load(&bad).await;
    host.unload(&bad).await;
    let reason = "stop_deadline".to_owned();
    assert_eq!(
        host.last_ended(&bad).await.exit,
        Some(bllvm_node::model::Exit::Killed { reason })
    );
    host.has_no_processes().await;
}

#[tokio::test]
async fn memory_is_limited() {
    let host = Host::start().await;
    let recipe = module("well_behaved").with("[resources]\nmemory = \"64MiB\"");
    let clock = host.install(recipe).await;
    host.load(&clock).await;
    let ask = async |bytes: u64| host.call(&clock, "memory", json!({ "bytes": bytes })).await;
    assert_eq!(ask(1 << 20).await.unwrap(), true);
    assert_eq!(ask(1 << 30).await.unwrap(), false);
}

#[tokio::test]
async fn a_flood_of_output_is_drained_and_disturbs_nobody() {
    let host = Host::start().await;
    let bad = host.install(module("floods_logs")).await;
    let good = host.install(module("well_behaved")).await;
    host.configure(&bad, "megabytes = 20").await;
    host.load(&good).await;
    host.load(&bad).await;
    let asked = Instant::now();
    assert!(host.call(&good, "echo", json!(1)).await.is_ok());
    assert!(asked.elapsed() < Duration::from_secs(10));
    // It could only go on because everything it wrote was read.
    assert!(host.call(&bad, "echo", json!(1)).await.is_ok());
}

#[tokio::test]
async fn usage_is_sampled() {
    let host = Host::with(|settings| settings.sample = Duration::from_millis(100)).await;
    let busy = host.install(module("hangs")).await;
    host.load(&busy).await;
    host.eventually("a sample", async || {
        let observed = host.supervisor.observed(&busy)?;
        (observed.cpu_percent > 5.0 && observed.memory_bytes > 100_000).then_some(())
    })
    .await;
    let layers = host.supervisor.observed(&busy).unwrap().isolation;
    assert!(
        layers.iter().any(|layer| layer.layer == "pid_namespace"),
        "{layers:?}"
    );
}

/// Installs a Python script as a module.
async fn install_script(host: &Host, text: &str) -> bllvm_manifest::ModuleName {
    let script = name("script");
    let folder = host.folder(&script);
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("main.py");
    std::fs::write(&path, text).unwrap();
    let manifest = "name = \"script\"\nversion = \"0.1.0\"\nentry_point = \"main.py\"\n\
                    [runtime]\ninterpreter = \"python3\"\n";
    host.found(manifest.parse().unwrap(), &path).await;
    host.confirm(&script, digest(&path), Some(Grant::default()))
        .await;
    host.supervisor.wake_all();
    script
}

#[tokio::test]
async fn a_script_runs_from_its_verified_copy() {
    let host = Host::start().await;
    let text = "import sys, time\nprint('hello from', sys.argv[0], flush=True)\nsys.exit(4)\n";
    let script = install_script(&host, text).await;

    let failure = host.load(&script).await.failure.unwrap();

    assert!(failure.detail.contains("exit code 4"), "{failure:?}");
    host.eventually("the script's output", async || {
        let store = host.dir.path().join("store");
        let words = format!("hello from {}", store.display());
        host.log(&script).contains(&words).then_some(())
    })
    .await;
}

#[tokio::test]
async fn an_interpreter_that_nobody_allowed_is_refused() {
    let host = Host::with(|settings| settings.interpreters.clear()).await;
    let script = install_script(&host, "pass").await;
    let failure = host.load(&script).await.failure.unwrap();
    assert_eq!(failure.code, "interpreter_not_allowed");
}
