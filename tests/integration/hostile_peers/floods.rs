//! Too much of everything: headers with nothing behind them, blocks that nobody asked for, the largest
//! messages, questions without end. Memory is bounded, and the honest peer is served.

use bllvm_kernel_node::bitcoin::constants::genesis_block;
use bllvm_kernel_node::bitcoin::hashes::Hash as _;
use bllvm_kernel_node::bitcoin::p2p::message::NetworkMessage;
use bllvm_kernel_node::bitcoin::p2p::message_blockdata::GetHeadersMessage;
use bllvm_kernel_node::bitcoin::{BlockHash, CompactTarget, Network};
use bllvm_tests::chain::{block, mine, same_tip};
use bllvm_tests::stranger::{Stranger, empty_promises, frame, headers};
use bllvm_tests::wait::until;
use serde_json::json;

use super::super::peers::listening;
use super::{Place, with_work};

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_headers_without_work_are_not_kept() {
    let place = Place::with(&[]).await;
    let before = place.peak_memory();
    let promised = empty_promises(10_000);
    // Without their work, with a target of their own, and not in a row.
    let idle = headers(10_000, |header| {
        while header.validate_pow(header.target()).is_ok() {
            header.nonce += 1;
        }
    });
    let own_target = headers(10_000, |header| {
        header.bits = CompactTarget::from_consensus(0x207f_fffe);
        with_work(header);
    });
    let mut torn = promised.clone();
    for chunk in torn.chunks_mut(2000) {
        chunk.swap(1000, 1001);
    }
    for (headers, why) in [
        (idle, "high-hash"),
        (own_target, "bad-diffbits"),
        (torn, "do not follow each other"),
    ] {
        let mut stranger = place.stranger().await;
        for part in headers.chunks(2000) {
            stranger.say(NetworkMessage::Headers(part.to_vec())).await;
        }
        stranger.is_left().await;
        place.told(why, 1).await;
    }
    // Ones that lead to nothing that is known: asked about a few times, then the line is closed.
    let mut lost = place.stranger().await;
    for part in promised[2000..].chunks(500) {
        lost.say(NetworkMessage::Headers(part.to_vec())).await;
    }
    lost.is_left().await;
    let grown = place.peak_memory() - before;
    eprintln!(
        "the base node's memory grew by {} KiB at the most",
        grown >> 10
    );
    assert!(grown < 32 << 20, "{grown} bytes");
    place.is_whole().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn peers_that_promise_ten_thousand_blocks_and_stall_hold_nobody_up() {
    let place = Place::with(&["node.peer_patience=2 s"]).await;
    let before = place.peak_memory();
    let promised = empty_promises(10_000);
    let mut stalling = Vec::new();
    for _ in 0..5 {
        let mut stranger = place.stranger().await;
        for part in promised.chunks(2000) {
            stranger.say(NetworkMessage::Headers(part.to_vec())).await;
        }
        stalling.push(stranger);
    }
    // All of them have said what they have; one of them is asked for it.
    for stranger in &mut stalling {
        stranger.say(NetworkMessage::Ping(1)).await;
        stranger
            .hears(|message| *message == NetworkMessage::Pong(1))
            .await;
    }
    let mined = mine(&place.honest, 1).await.remove(0);
    assert_eq!(same_tip(&place.node, &place.honest).await, mined);
    for mut stranger in stalling {
        stranger.is_left().await;
    }
    let grown = place.peak_memory() - before;
    eprintln!(
        "the base node's memory grew by {} KiB at the most",
        grown >> 10
    );
    assert!(grown < 32 << 20, "{grown} bytes");
    place.is_whole().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn blocks_that_nobody_asked_for_are_not_taken() {
    let place = Place::with(&[]).await;
    let tip = place.node.done("getbestblockhash", json!([])).await;
    let mut next = block(&place.node, &tip).await;
    next.header.prev_blockhash = next.block_hash();
    next.header.time += 1;
    with_work(&mut next.header);
    let mut stranger = place.stranger().await;
    let before = place.peak_memory();
    for _ in 0..10_000 {
        stranger.say(NetworkMessage::Block(next.clone())).await;
    }
    // It stays, and is heard: its blocks cost itself more than us.
    stranger.say(NetworkMessage::Ping(7)).await;
    let pong = stranger.hears(|message| *message == NetworkMessage::Pong(7));
    assert!(pong.await.is_some());
    let hash = json!(next.block_hash());
    let known = place.node.call("getblockheader", json!([hash])).await;
    assert_eq!(known.unwrap_err().0, -5);
    let grown = place.peak_memory() - before;
    assert!(grown < 32 << 20, "{grown} bytes");
    place.is_whole().await;
}

/// The largest messages that are read, from every line that strangers may have, as fast as they go.
#[tokio::test(flavor = "multi_thread")]
async fn floods_from_all_lines_are_bounded_and_the_honest_peer_is_served() {
    let place = Place::with(&["node.max_peers=9"]).await;
    let before = place.peak_memory();
    // Nearly 4 MB that take the most memory when read: a transaction of empty outputs.
    let outputs = 440_000_u32;
    let count = [&[0xfe][..], &outputs.to_le_bytes()].concat();
    let input = [&[1][..], &[7; 36], &[0], &[0xff; 4]].concat();
    let body = [0; 9].repeat(outputs as usize);
    let payload = [&[2, 0, 0, 0][..], &input, &count, &body, &[0; 4]].concat();
    assert!(payload.len() < 4_000_000);
    let flood = frame("tx", &payload);
    let mut floods = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let (mut stranger, flood) = (place.stranger().await, flood.clone());
        floods.spawn(async move {
            for _ in 0..12 {
                stranger.send(&flood).await;
            }
            stranger.say(NetworkMessage::Ping(3)).await;
            let pong = stranger.hears(|message| *message == NetworkMessage::Pong(3));
            pong.await.expect("its messages were read");
        });
    }
    floods.join_all().await;
    let grown = place.peak_memory() - before;
    eprintln!(
        "the base node's memory grew by {} MiB at the most",
        grown >> 20
    );
    assert!(grown < 512 << 20, "{} MiB", grown >> 20);
    place.is_whole().await;
}

/// Who asks and does not read is left; what waits for it is bounded.
#[tokio::test(flavor = "multi_thread")]
async fn who_asks_without_end_and_reads_nothing_is_left() {
    let place = Place::with(&[]).await;
    let tip = place.node.done("getbestblockhash", json!([])).await;
    let before = place.peak_memory();
    let mut deaf = place.stranger().await;
    let pings = frame("ping", &[1; 8]).repeat(100_000);
    // Ends when the line is closed on the other side.
    for _ in 0..100 {
        if tokio::io::AsyncWriteExt::write_all(&mut deaf.line, &pings)
            .await
            .is_err()
        {
            break;
        }
    }
    until("it is left", async || {
        place
            .server
            .log()
            .contains("it does not read")
            .then_some(())
    })
    .await;
    let grown = place.peak_memory() - before;
    assert!(grown < 32 << 20, "{grown} bytes");
    assert_eq!(place.node.done("getbestblockhash", json!([])).await, tip);
    place.is_whole().await;
}

/// Answers are many times as large as their questions; who reads none of them is not read either.
#[tokio::test(flavor = "multi_thread")]
async fn questions_wait_until_the_answers_before_are_read() {
    const QUESTIONS: usize = 1000;
    let place = Place::with(&[]).await;
    mine(&place.node, 497).await;
    same_tip(&place.node, &place.honest).await;
    let mut deaf = place.stranger().await;
    let genesis = genesis_block(Network::Regtest).block_hash();
    let wanted = GetHeadersMessage::new(vec![genesis], BlockHash::all_zeros());
    for _ in 0..QUESTIONS {
        deaf.say(NetworkMessage::GetHeaders(wanted.clone())).await;
    }
    // It hears well after all, and nothing was lost.
    for _ in 0..QUESTIONS {
        let answer = deaf.hears(|message| matches!(message, NetworkMessage::Headers(_)));
        let Some(NetworkMessage::Headers(headers)) = answer.await else {
            panic!("the line was closed");
        };
        assert_eq!(headers.len(), 500);
    }
    place.is_whole().await;
}

/// Who called us and holds up the fetching of blocks gives way to whom we call.
#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_that_fetches_slowly_gives_way_to_a_peer_that_was_chosen() {
    let (_chosen_server, chosen, address) = listening(&[]).await;
    let connect = format!("node.connect={address}");
    let (_server, node, address) = listening(&[&connect, "node.peer_patience=10 m"]).await;
    let mut stranger = Stranger::greeted(&address).await;
    stranger
        .say(NetworkMessage::Headers(empty_promises(2000)))
        .await;
    stranger
        .hears(|message| matches!(message, NetworkMessage::GetData(_)))
        .await
        .expect("it is asked for the blocks");
    let mined = mine(&chosen, 5).await;
    assert_eq!(same_tip(&node, &chosen).await, mined[4]);
}
