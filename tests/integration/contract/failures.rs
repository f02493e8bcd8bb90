//! Bitcoin Core away, back, reset, on another chain, with another cookie, too slow: each is told,
//! and none ends the host.

use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bllvm_node::node::{Credentials, NodeError, NodeState};
use bllvm_tests::wait::until;
use bllvm_tests::{Fixture, TestServer, times};
use reqwest::Method;
use serde_json::json;
use tokio::io::AsyncWriteExt as _;

use super::benches::{Bench, core, face_server, settings_for};

async fn unavailable(bench: &Bench) -> String {
    until("it is told to be away", async || match bench.read.state() {
        NodeState::Unavailable { why } => Some(why),
        _ => None,
    })
    .await
}

/// The scripts that two chains pay, so that their blocks are never the same.
const ANYONE: &str = "raw(51)#8lvh9jxk";
const SOMEONE: &str = "addr(bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080)";

async fn mine(server: &TestServer, count: u32, descriptor: &str) {
    let core = server.face(&server.rest.cookie.1);
    until("the chain is there", async || {
        core.call("getblockcount", json!([])).await.ok()
    })
    .await;
    core.done("generatetodescriptor", json!([count, descriptor]))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_cookie_and_a_wrong_password_are_told_with_the_way_out() {
    let server = face_server().await;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("cookie");
    let mut settings = settings_for(&server);
    settings.credentials = Credentials::Cookie(file.clone());
    let bench = core(settings.clone(), "no cookie", Vec::new());
    let why = unavailable(&bench).await;
    assert!(
        why.contains("cannot be read") && why.contains("node.core_cookie"),
        "{why}"
    );
    let refused = bench.read.tip().await.unwrap_err();
    assert!(
        matches!(refused, NodeError::Unavailable { retry_ms: 1.., .. }),
        "{refused:?}"
    );

    std::fs::write(&file, "__cookie__:0000").unwrap();
    until("the wrong cookie is told", async || {
        unavailable(&bench)
            .await
            .contains("is not the one of this Bitcoin Core")
            .then_some(())
    })
    .await;
    // The right one is taken as soon as it is there.
    std::fs::copy(server.data_dir().join(".cookie"), &file).unwrap();
    bench.ready().await;

    std::fs::write(&file, "guessed").unwrap();
    settings.credentials = Credentials::User {
        name: "bllvm".to_owned(),
        password_file: file,
    };
    let why = unavailable(&core(settings, "wrong password", Vec::new())).await;
    assert!(
        why.contains("node.core_password_file") && !why.contains("guessed"),
        "{why}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn another_chain_is_refused_and_never_asked_for_blocks() {
    let server = face_server().await;
    let mut settings = settings_for(&server);
    settings.chain = "main".to_owned();
    let bench = core(settings, "another chain", Vec::new());
    until("the other chain is told", async || {
        let why = unavailable(&bench).await;
        why.contains("is on the chain `regtest`, and `node.chain` says `main`")
            .then_some(())
    })
    .await;
    assert!(matches!(
        bench.read.block_hash_at(0).await,
        Err(NodeError::Unavailable { .. })
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_bitcoin_core_is_given_up_after_its_deadline() {
    // It accepts connections, and says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let server = TestServer::start().await;
    let mut settings = settings_for(&server);
    settings.url = format!("http://{}", silent.local_addr().unwrap());
    settings.call_deadline = Duration::from_millis(200);
    let why = unavailable(&core(settings, "silent", Vec::new())).await;
    assert!(why.contains("did not answer within"), "{why}");
}

#[tokio::test(flavor = "multi_thread")]
async fn silence_and_nonsense_by_zmq_cost_nothing_but_the_wait_for_the_poll() {
    // One says nothing, one what no publisher says; nobody is behind the third.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let odd = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let odd_address = odd.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut line, _)) = odd.accept().await {
            // Who is left does not mind.
            let _ = line.write_all(&[0x5a; 4096]).await;
        }
    });
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap();
    let gone = nobody.local_addr().unwrap();
    drop(nobody);
    let server = face_server().await;
    for (height, address) in (1_u32..).zip([silent.local_addr().unwrap(), odd_address, gone]) {
        let mut settings = settings_for(&server);
        settings.zmq = Some(address.to_string());
        let bench = core(settings, "useless zmq", Vec::new());
        bench.ready().await;
        mine(&server, 1, ANYONE).await;
        until("the block is noticed", async || {
            let tip = bench.read.tip().await.ok()?;
            (tip.height == height).then_some(())
        })
        .await;
    }
}

/// An address that stays, whatever becomes of the Bitcoin Core behind it.
struct Relay {
    address: SocketAddr,
    target: Arc<Mutex<Option<String>>>,
}

impl Relay {
    async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let target = Arc::new(Mutex::new(None::<String>));
        let to = target.clone();
        tokio::spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                let to = to.lock().unwrap().clone();
                tokio::spawn(async move {
                    // Without a target, or with one that is gone, the caller finds a closed line.
                    let Some(to) = to else { return };
                    if let Ok(mut far) = tokio::net::TcpStream::connect(to).await {
                        let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
                    }
                });
            }
        });
        Self { address, target }
    }

    fn lead_to(&self, server: &TestServer) {
        let address = server.face("").url.trim_start_matches("http://").to_owned();
        *self.target.lock().unwrap() = Some(address);
    }
}

/// A server that stands on another's face, as on a Bitcoin Core.
async fn standing_on(beneath: &TestServer, relay: &Relay) -> TestServer {
    relay.lead_to(beneath);
    let cookie = beneath.data_dir().join(".cookie");
    let server = TestServer::builder()
        .set("node.backend=core")
        .set("node.core_poll=20 ms")
        .set(&format!("node.core_url=http://{}", relay.address))
        .set(&format!("node.core_cookie={}", cookie.display()));
    server.start().await
}

async fn height(server: &TestServer) -> Option<u64> {
    let request = server.rest.request(Method::GET, "/api/v1/node/tip");
    server.rest.send(request).await.json()["height"].as_u64()
}

async fn kinds(server: &TestServer) -> Vec<String> {
    let path = "/api/v1/events?types=chain.*,node.*&limit=200";
    let events = server
        .rest
        .send(server.rest.request(Method::GET, path))
        .await
        .done();
    let items = events["items"].as_array().unwrap();
    items
        .iter()
        .map(|event| event["type"].as_str().unwrap().to_owned())
        .collect()
}

async fn announced(server: &TestServer, kind: &str, count: usize) {
    until("the events are there", async || {
        let kinds = kinds(server).await;
        (kinds.iter().filter(|one| *one == kind).count() >= count).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_survives_bitcoin_core_going_and_coming_back_with_a_new_cookie() {
    let mut beneath = face_server().await;
    mine(&beneath, 3, ANYONE).await;
    let relay = Relay::start().await;
    let server = standing_on(&beneath, &relay).await;
    announced(&server, "chain.block_connected", 3).await;
    assert_eq!(height(&server).await, Some(3));
    let module = Fixture::new("well").capabilities(&["chain.read", "module.register"]);
    server.run(&module).await;
    let pid = server.module_pid("fixture-well").await;
    let asked = async || {
        let params = json!({ "method": "chain.tip" });
        let answer = server.call("fixture-well", "ask", params).await;
        answer["code"].as_str().unwrap_or_default().to_owned()
    };
    assert_eq!(asked().await, "ok");

    let status = beneath.stop().await;
    assert!(status.success());
    let ready = || server.rest.anonymous(Method::GET, "/readyz");
    until("the host says so", async || {
        (server.rest.send(ready()).await.status.as_u16() == 503).then_some(())
    })
    .await;
    announced(&server, "node.state_changed", 2).await;
    // A module is told, each time it asks, and goes on: for a minute at full count.
    let away = Instant::now();
    while away.elapsed() < Duration::from_secs(times(60).into()) {
        assert_eq!(asked().await, "unavailable");
        assert_eq!(server.rest.send(ready()).await.status.as_u16(), 503);
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    assert_eq!(asked().await, "unavailable");
    // It comes back with a new cookie and two blocks more.
    beneath.start_again().await;
    relay.lead_to(&beneath);
    mine(&beneath, 2, ANYONE).await;
    announced(&server, "chain.block_connected", 5).await;
    assert_eq!(height(&server).await, Some(5));
    assert!(server.rest.send(ready()).await.status.is_success());
    assert_eq!(asked().await, "ok");
    assert_eq!(server.module_pid("fixture-well").await, pid);
    assert_eq!(server.runs("fixture-well").await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reset_of_bitcoin_cores_data_is_announced_and_followed() {
    let mut beneath = face_server().await;
    mine(&beneath, 4, ANYONE).await;
    let relay = Relay::start().await;
    let mut server = standing_on(&beneath, &relay).await;
    announced(&server, "chain.block_connected", 4).await;
    assert!(server.stop().await.success());

    assert!(beneath.stop().await.success());
    std::fs::remove_dir_all(beneath.data_dir().join("node")).unwrap();
    beneath.start_again().await;
    relay.lead_to(&beneath);
    mine(&beneath, 2, SOMEONE).await;
    server.start_again().await;
    announced(&server, "chain.reset", 1).await;
    announced(&server, "chain.block_connected", 6).await;
    until("the new chain is served", async || {
        (height(&server).await == Some(2)).then_some(())
    })
    .await;
}
