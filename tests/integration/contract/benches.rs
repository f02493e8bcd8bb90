//! The backends under test, each fresh and on regtest.

use std::sync::Arc;
use std::time::Duration;

use bllvm_node::node::{
    CoreNode, CoreSettings, Credentials, EmbeddedNode, EmbeddedSettings, NodeState, ReadNode,
    SubmitNode,
};
use bllvm_tests::programs::program;
use bllvm_tests::wait::until;
use bllvm_tests::{Bitcoind, TestServer};
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
    // The relay fee of Bitcoin Core from 30 on; older ones ask for ten times as much.
    let today = ["-minrelaytxfee=0.000001", "-incrementalrelayfee=0.000001"];
    benches.extend(Bitcoind::start(&today).map(core_on_bitcoind));
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
        challenge: None,
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

fn core_on_bitcoind(bitcoind: Bitcoind) -> Bench {
    let settings = CoreSettings {
        url: bitcoind.url(),
        chain: "regtest".to_owned(),
        challenge: None,
        credentials: Credentials::Cookie(bitcoind.cookie()),
        poll: Duration::from_millis(20),
        call_deadline: Duration::from_mins(1),
        zmq: None,
    };
    core(settings, "core on bitcoind", vec![Box::new(bitcoind)])
}
