//! Peers that send what is broken, too large, too much, or nothing: each loses its own line, costs a
//! bounded amount of memory, and an honest peer beside it is served as before.

mod falsified;
mod floods;

use bllvm_kernel_node::bitcoin::Block;
use bllvm_kernel_node::bitcoin::block::Header;
use bllvm_kernel_node::bitcoin::consensus::encode::serialize;
use bllvm_kernel_node::bitcoin::p2p::message::NetworkMessage;
use bllvm_tests::chain::{block, mine, same_tip};
use bllvm_tests::stranger::{Stranger, frame, version};
use bllvm_tests::wait::until;
use bllvm_tests::{CoreRpc, TestServer, processes};
use serde_json::json;

use super::peers::{calling, listening};

/// A node that strangers call, an honest one beside them, and how the two still get on.
struct Place {
    server: TestServer,
    node: CoreRpc,
    address: String,
    honest_server: TestServer,
    honest: CoreRpc,
}

impl Place {
    async fn with(settings: &[&str]) -> Self {
        let (server, node, address) = listening(settings).await;
        mine(&node, 3).await;
        let (honest_server, honest) = calling(&address).await;
        same_tip(&node, &honest).await;
        Self {
            server,
            node,
            address,
            honest_server,
            honest,
        }
    }

    async fn stranger(&self) -> Stranger {
        Stranger::greeted(&self.address).await
    }

    /// A block from each side arrives at the other.
    /// The log says why somebody was left, at least so many times.
    async fn told(&self, why: &str, times: usize) {
        let log = || self.server.log();
        until(why, async || {
            (log().matches(why).count() >= times).then_some(())
        })
        .await;
    }

    async fn goes_on(&self) {
        for miner in [&self.node, &self.honest] {
            let mined = mine(miner, 1).await.remove(0);
            assert_eq!(same_tip(&self.node, &self.honest).await, mined);
        }
    }

    /// The most memory that the base node's own process ever had, in bytes.
    fn peak_memory(&self) -> u64 {
        let children = processes::descendants(self.server.pid());
        let peaks = children
            .iter()
            .filter_map(|one| processes::peak_memory(one.pid));
        peaks.max().expect("the base node is a child")
    }

    /// The node that strangers call lost nothing that it had.
    async fn is_whole(&self) {
        self.goes_on().await;
        let runs = self.server.log().matches("base node open").count();
        assert_eq!(runs, 1, "the base node was started again");
        let runs = self.honest_server.log().matches("a peer was left").count();
        assert_eq!(runs, 0, "the honest node was treated badly");
    }
}

/// The same bytes with the count at their beginning written in three bytes where one is enough.
fn oddly_counted(payload: &[u8]) -> Vec<u8> {
    [&[0xfd, payload[0], 0], &payload[1..]].concat()
}

fn announcing(mut frame: Vec<u8>, size: u32) -> Vec<u8> {
    frame[16..20].copy_from_slice(&size.to_le_bytes());
    frame
}

fn with_work(header: &mut Header) {
    while header.validate_pow(header.target()).is_err() {
        header.nonce += 1;
    }
}

/// Everything that costs a greeted stranger its line, and what the log says of it.
fn broken(good: &Block) -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let raw = serialize(good);
    let transaction = serialize(&good.txdata[0]);
    let inventory = [&[1, 1, 0, 0, 0][..], &[7; 32]].concat();
    let header = serialize(&good.header);
    let ping = frame("ping", &[1; 8]);
    let mut torn = ping.clone();
    torn[20] ^= 1;
    let mut elsewhere = ping.clone();
    elsewhere[0] ^= 1;
    let many_headers = [
        &[0xfd, 0xd1, 0x07][..],
        &[&header[..], &[0]].concat().repeat(2001),
    ]
    .concat();
    let many_items = [&[0xfd, 0x51, 0xc3][..], &[7; 36].repeat(50_001)].concat();
    let unreadable = "cannot be read";
    vec![
        (
            "a message of 4,000,001 bytes",
            announcing(ping.clone(), 4_000_001),
            "are the most",
        ),
        (
            "a message of 4 GiB",
            announcing(ping.clone(), u32::MAX),
            "are the most",
        ),
        ("a wrong checksum", torn, unreadable),
        ("another network", elsewhere, "another network"),
        (
            "a block that is cut off",
            frame("block", &raw[..raw.len() - 1]),
            unreadable,
        ),
        (
            "a block's header alone",
            frame("block", &raw[..80]),
            unreadable,
        ),
        (
            "a transaction that is cut off",
            frame("tx", &transaction[..transaction.len() / 2]),
            unreadable,
        ),
        ("no transaction at all", frame("tx", &[]), unreadable),
        (
            "a block of 2^64 transactions",
            frame("block", &[&raw[..80], &[0xff; 9]].concat()),
            unreadable,
        ),
        (
            "an oddly written count of items",
            frame("inv", &oddly_counted(&inventory)),
            unreadable,
        ),
        (
            "an oddly written count of transactions",
            frame(
                "block",
                &[&raw[..80], &oddly_counted(&raw[80..])[..]].concat(),
            ),
            unreadable,
        ),
        (
            "an oddly written count of headers",
            frame(
                "headers",
                &oddly_counted(&[&[1][..], &header, &[0]].concat()),
            ),
            unreadable,
        ),
        (
            "2,001 headers",
            frame("headers", &many_headers),
            "more than 2000 headers",
        ),
        ("50,001 items", frame("inv", &many_items), "too long"),
        (
            "50,001 wishes",
            frame("getdata", &many_items),
            "too much at once",
        ),
        (
            "a second greeting",
            serialize_greeting("/again/"),
            "a second `version`",
        ),
    ]
}

fn serialize_greeting(agent: &str) -> Vec<u8> {
    match version(agent) {
        NetworkMessage::Version(version) => frame("version", &serialize(&version)),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_broken_costs_its_sender_the_line_and_nobody_else() {
    let place = Place::with(&[]).await;
    let tip = place.node.done("getbestblockhash", json!([])).await;
    let good = block(&place.node, &tip).await;
    for (what, bytes, why) in broken(&good) {
        let seen = place.server.log().matches(why).count();
        println!("{what}");
        let mut stranger = place.stranger().await;
        stranger.send(&bytes).await;
        stranger.is_left().await;
        place.told(why, seen + 1).await;
        place.goes_on().await;
    }
    place.is_whole().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_greets_wrongly_or_not_at_all_is_left() {
    let place = Place::with(&["node.peer_patience=2 s"]).await;
    let mut silent = Stranger::call(&place.address).await;
    let mut half = Stranger::call(&place.address).await;
    half.send(&serialize_greeting("/half/")).await;
    let mut cut = Stranger::call(&place.address).await;
    cut.send(&serialize_greeting("/cut/")[..30]).await;
    // A name that would fill every page and log line that shows it.
    let mut vain = Stranger::call(&place.address).await;
    vain.send(&serialize_greeting(&"v".repeat(1_000_000))).await;
    vain.say(NetworkMessage::Verack).await;
    vain.is_left().await;
    place.told("a name of 1000000 bytes", 1).await;
    for stranger in [&mut silent, &mut half, &mut cut] {
        stranger.is_left().await;
    }
    place.is_whole().await;
}
