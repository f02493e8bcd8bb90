//! The backends under test, each fresh and on regtest.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use bllvm_node::node::{
    CoreNode, CoreSettings, Credentials, EmbeddedNode, EmbeddedSettings, NodeState, ReadNode,
    SubmitNode,
};
use bllvm_tests::TestServer;
use bllvm_tests::programs::program;
use bllvm_tests::wait::until;
use tempfile::TempDir;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

/// A backend, and what keeps it alive.
pub struct Bench {
    pub name: &'static str,
    pub read: Arc<dyn ReadNode>,
    pub submit: Arc<dyn SubmitNode>,
    _stop: DropGuard,
    _beneath: Vec<Box<dyn Send>>,
}

impl Bench {
    pub async fn ready(&self) {
        until("the base node is ready", async || {
            (self.read.state() == NodeState::Ready).then_some(())
        })
        .await;
    }
}

/// Every backend that can be had here.
pub async fn all() -> Vec<Bench> {
    let mut benches = vec![embedded(), core_on_face().await];
    match std::env::var_os("BITCOIND_EXE") {
        Some(path) => benches.push(core_on_bitcoind(path.into())),
        None => eprintln!("SKIPPED: no real bitcoind; name one by BITCOIND_EXE"),
    }
    for bench in &benches {
        bench.ready().await;
    }
    benches
}

fn embedded() -> Bench {
    let dir = tempfile::tempdir().unwrap();
    let settings = EmbeddedSettings::new(program("bllvm-node"), dir.path().join("node"));
    let (tracker, stop) = (TaskTracker::new(), CancellationToken::new());
    let node = Arc::new(EmbeddedNode::start(settings, &tracker, stop.clone()));
    Bench {
        name: "embedded",
        read: node.clone(),
        submit: node,
        _stop: stop.drop_guard(),
        _beneath: vec![Box::new(dir)],
    }
}

/// Settings for the face of a server.
pub fn settings_for(server: &TestServer) -> CoreSettings {
    CoreSettings {
        url: server.face("").url,
        chain: "regtest".to_owned(),
        credentials: Credentials::Cookie(server.data_dir().join(".cookie")),
        poll: Duration::from_millis(20),
        call_deadline: Duration::from_mins(1),
        zmq: None,
    }
}

/// A server with an embedded node, whose face is Bitcoin Core for others.
pub async fn face_server() -> TestServer {
    let server = TestServer::builder().set("node.backend=embedded");
    server.start().await
}

pub fn core(settings: CoreSettings, name: &'static str, beneath: Vec<Box<dyn Send>>) -> Bench {
    let (tracker, stop) = (TaskTracker::new(), CancellationToken::new());
    let node = Arc::new(CoreNode::start(settings, &tracker, stop.clone()));
    Bench {
        name,
        read: node.clone(),
        submit: node,
        _stop: stop.drop_guard(),
        _beneath: beneath,
    }
}

async fn core_on_face() -> Bench {
    let server = face_server().await;
    core(
        settings_for(&server),
        "core on our face",
        vec![Box::new(server)],
    )
}

/// A bitcoind that ends with the test.
struct Bitcoind {
    child: Child,
    _dir: TempDir,
}

impl Drop for Bitcoind {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn core_on_bitcoind(path: PathBuf) -> Bench {
    let dir = tempfile::tempdir().unwrap();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    let child = Command::new(path)
        .args([
            "-regtest",
            "-server",
            "-listen=0",
            "-txindex",
            "-fallbackfee=0.0001",
        ])
        .arg(format!("-datadir={}", dir.path().display()))
        .arg(format!("-rpcport={port}"))
        .stdout(Stdio::null())
        .spawn()
        .expect("BITCOIND_EXE starts");
    let settings = CoreSettings {
        url: format!("http://127.0.0.1:{port}"),
        chain: "regtest".to_owned(),
        credentials: Credentials::Cookie(dir.path().join("regtest/.cookie")),
        poll: Duration::from_millis(20),
        call_deadline: Duration::from_mins(1),
        zmq: None,
    };
    core(
        settings,
        "core on bitcoind",
        vec![Box::new(Bitcoind { child, _dir: dir })],
    )
}
