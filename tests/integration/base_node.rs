//! The embedded base node as a child process: blocks, reorganisations, refusals, kills.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use bllvm_ipc::EventClass;
use bllvm_ipc::types::{
    BlockHash, FeeRequest, Hex, PageRequest, TemplateRequest, TransactionRequest, Transactions,
    Txid, UtxoRequest,
};
use bllvm_kernel_node::bitcoin::hashes::Hash as _;
use bllvm_kernel_node::testing::{BlockBuilder, extend, spend};
use bllvm_kernel_node::{BlockId, Engine, Settings, anyone_can_spend, bitcoin};
use bllvm_node::clock::SystemClock;
use bllvm_node::journal::{FeedItem, Journal};
use bllvm_node::model::kinds;
use bllvm_node::node::{
    EmbeddedNode, EmbeddedSettings, MineRequest, NodeError, NodeState, ReadNode, SubmitNode,
    announce,
};
use bllvm_node::store::Store;
use bllvm_tests::programs::program;
use bllvm_tests::times;
use bllvm_tests::wait::until;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// A block factory: an engine of its own, whose blocks are then submitted to the node under test.
struct Factory {
    engine: Engine,
    _dir: TempDir,
}

impl Factory {
    fn with_blocks(count: u32) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (engine, _) = Engine::open(Settings::regtest(dir.path()), Box::new(|_| {})).unwrap();
        engine
            .mine(
                count,
                &anyone_can_spend(),
                &AtomicBool::new(false),
                &mut |_| {},
            )
            .unwrap();
        Self { engine, _dir: dir }
    }

    fn raw(&self, height: u32) -> bytes::Bytes {
        let hash = self.engine.block_hash_at(height).unwrap().unwrap();
        self.engine.block(&hash).unwrap().unwrap().into()
    }

    fn raw_of(&self, hash: &bitcoin::BlockHash) -> bytes::Bytes {
        self.engine.block(hash).unwrap().unwrap().into()
    }
}

struct Host {
    node: EmbeddedNode,
    journal: Journal,
    store: Store,
    stop: CancellationToken,
    tracker: TaskTracker,
    _dir: TempDir,
}

impl Host {
    async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), Arc::new(SystemClock))
            .await
            .unwrap();
        let (tracker, stop) = (TaskTracker::new(), CancellationToken::new());
        let settings = EmbeddedSettings {
            // It is killed over and over; nobody waits half a minute for the next round.
            longest_pause: Duration::from_millis(50),
            ..EmbeddedSettings::new(program("bllvm-node"), dir.path().join("node"))
        };
        let node = EmbeddedNode::start(settings, &tracker, stop.clone());
        let journal = Journal::new(store.clone());
        tracker.spawn(announce(
            store.clone(),
            journal.clone(),
            Arc::new(node.clone()),
            stop.clone(),
        ));
        let host = Self {
            node,
            journal,
            store,
            stop,
            tracker,
            _dir: dir,
        };
        host.ready().await;
        host
    }

    async fn ready(&self) {
        until("the base node is ready", async || {
            (self.node.state() == NodeState::Ready).then_some(())
        })
        .await;
    }

    async fn chain_events(&self) -> Vec<(String, u64, String)> {
        let events = self
            .store
            .events_after(0, &["chain.*".to_owned()], 100_000)
            .await
            .unwrap();
        events
            .into_iter()
            .map(|event| {
                let hash = event.data["hash"].as_str().unwrap_or_default().to_owned();
                (event.kind, event.data["height"].as_u64().unwrap_or(0), hash)
            })
            .collect()
    }

    async fn announced(&self, hash: BlockHash) {
        let hash = hash.to_string();
        until("the block is announced", async || {
            let events = self.chain_events().await;
            events
                .last()
                .is_some_and(|(kind, _, last)| kind == kinds::BLOCK_CONNECTED && *last == hash)
                .then_some(())
        })
        .await;
    }

    async fn stop(self) {
        self.stop.cancel();
        self.tracker.close();
        self.tracker.wait().await;
    }
}

/// Replays events and gives the resulting chain, checking that each step fits the one before.
fn replay(events: &[(String, u64, String)]) -> Vec<String> {
    let mut chain: Vec<String> = Vec::new();
    for (kind, height, hash) in events {
        if kind == kinds::BLOCK_CONNECTED {
            chain.push(hash.clone());
            assert_eq!(chain.len() as u64, *height, "connected out of order");
        } else if kind == kinds::BLOCK_DISCONNECTED {
            assert_eq!(chain.len() as u64, *height, "disconnected out of order");
            assert_eq!(
                chain.pop().as_deref(),
                Some(&hash[..]),
                "another block was disconnected"
            );
        }
    }
    chain
}

/// The index has the newest block's coinbase, and says that it stands at the tip.
async fn indexed(host: &Host, factory: &Factory, height: u32) {
    let block: bitcoin::Block = bitcoin::consensus::deserialize(&factory.raw(height)).unwrap();
    let coinbase = &block.txdata[0];
    let txid = Txid(coinbase.compute_txid().to_byte_array());
    let unspent = host
        .node
        .utxo(UtxoRequest {
            txid,
            vout: 0,
            include_mempool: false,
        })
        .await
        .unwrap();
    let coin = unspent.coin.unwrap();
    assert_eq!(
        (coin.height, coin.coinbase, coin.value_sat),
        (height, true, coinbase.output[0].value.to_sat())
    );
    assert_eq!(unspent.tip, hash_of(block.block_hash()));
    let by_id = TransactionRequest { txid, block: None };
    let found = host.node.transaction(by_id).await.unwrap();
    assert_eq!(found.raw.0, bitcoin::consensus::serialize(coinbase));
    assert_eq!(found.block, Some(unspent.tip));
}

fn hash_of(hash: bitcoin::BlockHash) -> BlockHash {
    BlockHash(hash.to_byte_array())
}

#[tokio::test(flavor = "multi_thread")]
async fn reorganisations_of_1_3_and_6_blocks_are_announced_in_order() {
    let factory = Factory::with_blocks(10);
    let host = Host::start().await;
    for height in 1..=10 {
        assert!(
            host.node
                .submit_block(factory.raw(height))
                .await
                .unwrap()
                .accepted
        );
    }
    for depth in [1, 3, 6] {
        let tip = factory.engine.tip().unwrap();
        // A block that was never announced would need no undoing.
        host.announced(hash_of(tip.hash)).await;
        let fork = factory
            .engine
            .block_hash_at(tip.height - depth)
            .unwrap()
            .unwrap();
        let branch = extend(&factory.engine, fork, depth + 1, depth).unwrap();
        for hash in &branch {
            assert!(
                host.node
                    .submit_block(factory.raw_of(hash))
                    .await
                    .unwrap()
                    .accepted
            );
        }
        host.announced(hash_of(*branch.last().unwrap())).await;
        let events = host.chain_events().await;
        let undone = events
            .iter()
            .filter(|(kind, ..)| kind == kinds::BLOCK_DISCONNECTED)
            .count();
        assert!(undone >= depth as usize);
        let chain = replay(&events);
        assert_eq!(
            chain.last(),
            branch.last().map(ToString::to_string).as_ref()
        );
    }
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_newest_tip_is_there_for_whoever_comes_later() {
    let factory = Factory::with_blocks(3);
    let host = Host::start().await;
    for height in 1..=3 {
        host.node.submit_block(factory.raw(height)).await.unwrap();
    }
    let tip = hash_of(factory.engine.tip().unwrap().hash);
    host.announced(tip).await;

    let mut feed = host.journal.live(vec!["chain.tip".to_owned()], None);
    let newest = async {
        loop {
            let Some(FeedItem::Event(event)) = feed.next().await.unwrap() else {
                panic!("neither a gap nor a reset belongs here");
            };
            assert_eq!(event.class, EventClass::Latest);
            assert_eq!(event.publisher, "host");
            if event.data["hash"] == tip.to_string() {
                assert_eq!(event.data["height"], 3);
                return;
            }
        }
    };
    let found = tokio::time::timeout(bllvm_tests::wait::DEADLINE, newest).await;
    found.expect("the tip comes");
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_kept_tip_is_never_behind_an_answer() {
    const BLOCKS: u32 = 300;
    let factory = Factory::with_blocks(BLOCKS);
    let height_of = |hash: BlockHash| {
        let hash = bitcoin::BlockHash::from_byte_array(hash.0);
        let found = factory.engine.header(BlockId::Hash(hash)).unwrap();
        found.map_or(0, |found| found.height)
    };
    let host = Host::start().await;
    let submitted = async {
        for height in 1..=BLOCKS {
            let verdict = host.node.submit_block(factory.raw(height)).await.unwrap();
            assert!(verdict.accepted);
            assert_eq!(host.node.tip().await.unwrap().height, height);
        }
    };
    // Somebody else asks all the time, and never goes back in time either.
    let request = UtxoRequest {
        txid: Txid([7; 32]),
        vout: 0,
        include_mempool: true,
    };
    let asked = async {
        let mut last = 0;
        while last < BLOCKS {
            let wanted = TemplateRequest {
                coinbase_weight: 4000,
                longpoll_id: None,
            };
            let template = host.node.template(wanted).await.unwrap();
            let tip = host.node.tip().await.unwrap();
            assert!(tip.height + 1 >= template.height);
            assert!(tip.height >= last);
            last = tip.height;
            let coins_of = host.node.utxo(request.clone()).await.unwrap().tip;
            // The coins are there a moment before the mempool, and the tip is told with both.
            assert!(host.node.tip().await.unwrap().height + 1 >= height_of(coins_of));
        }
    };
    tokio::join!(submitted, asked);

    // A process that is gone has no tip, and the next one has the same.
    let pid = i32::try_from(host.node.pid().unwrap()).unwrap();
    let pid = rustix::process::Pid::from_raw(pid).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    until("another process took over", async || {
        let now = i32::try_from(host.node.pid()?).ok()?;
        (rustix::process::Pid::from_raw(now)? != pid).then_some(())
    })
    .await;
    until("the tip is back", async || {
        let tip = host.node.tip().await.ok()?;
        (tip.height == BLOCKS).then_some(())
    })
    .await;
}

/// On one thread, so that nobody notes the end of the process between a lost call and the next one.
#[tokio::test]
async fn who_lost_a_call_is_not_told_the_tip_of_the_process_that_ended() {
    for _ in 0..times(100) {
        let factory = Factory::with_blocks(1);
        let host = Host::start().await;
        let submitted = host.node.submit_block(factory.raw(1)).await.unwrap();
        assert!(submitted.accepted);
        assert_eq!(host.node.tip().await.unwrap().height, 1);
        let pid = i32::try_from(host.node.pid().unwrap()).unwrap();
        let pid = rustix::process::Pid::from_raw(pid).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
        while host.node.block_hash_at(1).await.is_ok() {}
        let told = host.node.tip().await;
        assert!(
            matches!(told, Err(NodeError::Unavailable { .. })),
            "{told:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_block_carries_cores_reason_and_is_never_announced() {
    let factory = Factory::with_blocks(1);
    let host = Host::start().await;
    host.node.submit_block(factory.raw(1)).await.unwrap();
    let tip = factory.engine.tip().unwrap().hash;
    let bad = [
        (BlockBuilder::on(tip).overpaid(), "bad-cb-amount"),
        (
            BlockBuilder::on(tip).with_wrong_merkle_root(),
            "bad-txnmrklroot",
        ),
    ];
    for (block, reason) in bad {
        let raw = block.raw(&factory.engine).unwrap();
        let verdict = host.node.submit_block(raw.into()).await.unwrap();
        assert!(!verdict.accepted);
        assert_eq!(verdict.reason.as_deref(), Some(reason));
    }
    host.announced(hash_of(tip)).await;
    assert_eq!(replay(&host.chain_events().await).len(), 1);
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_base_node_comes_back_with_every_announced_block() {
    let rounds = times(100);
    let per_round = 20;
    let factory = Factory::with_blocks(rounds * per_round);
    let host = Host::start().await;
    let mut height = 0;
    for round in 0..rounds {
        let pid = until("the base node has a process", async || host.node.pid()).await;
        // Kill it at a moment that differs in each round, in the middle of its work.
        let kill_after = round * 7 % per_round;
        for step in 0..per_round {
            let accepted = host.node.submit_block(factory.raw(height + 1)).await;
            match accepted {
                Ok(verdict) => {
                    assert!(
                        verdict.accepted || verdict.reason.as_deref() == Some("duplicate"),
                        "{verdict:?}"
                    );
                    height += 1;
                }
                Err(_) => break,
            }
            if step == kill_after {
                let pid = rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
                rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
            }
        }
        until("another process took over", async || {
            host.node.pid().filter(|now| *now != pid)
        })
        .await;
        host.ready().await;
        let tip = host.node.tip().await.unwrap();
        let events = host.chain_events().await;
        let announced = replay(&events).len();
        assert!(
            tip.height as usize >= announced,
            "tip {} behind {announced} announced blocks",
            tip.height
        );
        assert!(
            tip.height >= height,
            "tip {} behind {height} acknowledged blocks",
            tip.height
        );
        indexed(&host, &factory, tip.height).await;
        height = tip.height;
    }
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_was_down_learns_of_the_reorganisation_it_missed() {
    let factory = Factory::with_blocks(5);
    let dir = tempfile::tempdir().unwrap();
    let settings = EmbeddedSettings::new(program("bllvm-node"), dir.path().join("node"));
    let store = Store::open(dir.path(), Arc::new(SystemClock))
        .await
        .unwrap();

    let start = |announcing: bool| {
        let (tracker, stop) = (TaskTracker::new(), CancellationToken::new());
        let journal = Journal::new(store.clone());
        let node = EmbeddedNode::start(settings.clone(), &tracker, stop.clone());
        if announcing {
            tracker.spawn(announce(
                store.clone(),
                journal.clone(),
                Arc::new(node.clone()),
                stop.clone(),
            ));
        }
        Host {
            node,
            journal,
            store: store.clone(),
            stop,
            tracker,
            _dir: tempfile::tempdir().unwrap(),
        }
    };

    let host = start(true);
    host.ready().await;
    for height in 1..=5 {
        host.node.submit_block(factory.raw(height)).await.unwrap();
    }
    host.announced(hash_of(factory.engine.tip().unwrap().hash))
        .await;
    host.stop().await;

    // The chain is reorganised while nobody announces.
    let silent = start(false);
    silent.ready().await;
    let fork = factory.engine.block_hash_at(2).unwrap().unwrap();
    let branch = extend(&factory.engine, fork, 4, 7).unwrap();
    for hash in &branch {
        silent
            .node
            .submit_block(factory.raw_of(hash))
            .await
            .unwrap();
    }
    silent.stop().await;

    let host = start(true);
    host.announced(hash_of(*branch.last().unwrap())).await;
    let chain = replay(&host.chain_events().await);
    assert_eq!(chain.len(), 6);
    host.stop().await;
}

/// Pays to a script by witness that anybody satisfies by showing it.
fn to_anyone() -> bitcoin::ScriptBuf {
    bitcoin::ScriptBuf::new_p2wsh(&anyone_can_spend().wscript_hash())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_is_taken_templated_mined_and_found() {
    let host = Host::start().await;
    let node = &host.node;
    let address = bitcoin::Address::p2wsh(&anyone_can_spend(), bitcoin::Network::Regtest);
    let mine = async |count| {
        let request = MineRequest {
            count,
            address: Some(address.to_string()),
            mark: "01J00000000000000000000000".parse().unwrap(),
        };
        let (progress, _heard) = tokio::sync::mpsc::channel(1);
        let mined = node.mine(request, progress, CancellationToken::new()).await;
        mined.unwrap()
    };
    let first = mine(101).await[0];
    let block: bitcoin::Block =
        bitcoin::consensus::deserialize(&node.block(first).await.unwrap()).unwrap();
    let coinbase = &block.txdata[0];
    let from = bitcoin::OutPoint::new(coinbase.compute_txid(), 0);
    let fee = bitcoin::Amount::from_sat(12_345);
    let mut payment = spend(
        from,
        coinbase.output[0].value - fee,
        bitcoin::ScriptBuf::new(),
    );
    payment.output[0].script_pubkey = to_anyone();
    payment.input[0].witness.push([0x51]);
    let raw = Hex(bitcoin::consensus::serialize(&payment));
    let txid = Txid(payment.compute_txid().to_byte_array());
    let list = Transactions {
        transactions: vec![raw.clone()],
    };

    let tested = node.test_accept(list.clone()).await.unwrap();
    assert!(tested.results[0].accepted, "{tested:?}");
    assert_eq!(node.mempool_info().await.unwrap().transactions, 0);
    let wanted = TemplateRequest {
        coinbase_weight: 4000,
        longpoll_id: None,
    };
    let empty = node.template(wanted.clone()).await.unwrap();
    assert!(empty.transactions.is_empty());
    let other = TemplateRequest {
        longpoll_id: Some(empty.longpoll_id),
        ..wanted
    };
    let waiting = {
        let node = node.clone();
        tokio::spawn(async move { node.template(other).await })
    };
    let taken = node.broadcast(list.clone()).await.unwrap();
    assert!(
        taken.results[0].accepted && taken.results[0].txid == txid,
        "{taken:?}"
    );
    assert!(
        node.broadcast(list).await.unwrap().results[0].accepted,
        "known is taken"
    );
    let template = waiting.await.unwrap().unwrap();
    assert_eq!(template.transactions, std::slice::from_ref(&raw));
    assert_eq!(template.coinbase_value_sat, 50 * 100_000_000 + fee.to_sat());
    assert_eq!(
        (template.height, template.prev),
        (102, node.tip().await.unwrap().hash)
    );

    let mut sizes = node.mempool_changes();
    let told = sizes.wait_for(|size| size.as_ref().is_some_and(|size| size.transactions == 1));
    assert_eq!(
        told.await.unwrap().as_ref().unwrap().vsize,
        payment.vsize() as u64
    );
    let ids = node
        .mempool_list(PageRequest {
            cursor: None,
            limit: None,
        })
        .await
        .unwrap();
    assert_eq!((ids.items, ids.next), (vec![txid], None));
    let by_id = TransactionRequest { txid, block: None };
    assert_eq!(
        node.mempool_transaction(by_id.clone()).await.unwrap().raw,
        raw
    );
    assert_eq!(node.transaction(by_id.clone()).await.unwrap().block, None);

    let mined = mine(1).await[0];
    assert_eq!(
        node.transaction(by_id.clone()).await.unwrap().block,
        Some(mined)
    );
    assert!(matches!(
        node.mempool_transaction(by_id).await,
        Err(NodeError::NotFound(_))
    ));
    // The coinbase spends nothing and is left out; the filter matches what the payment spent.
    let spent = node.spent_outputs(mined).await.unwrap().transactions;
    assert_eq!(spent.iter().map(Vec::len).collect::<Vec<_>>(), [1]);
    assert_eq!(
        spent[0][0].value_sat,
        coinbase.output[0].value.to_sat(),
        "{spent:?}"
    );
    let filter = node.filter(mined).await.unwrap().filter;
    let hash = bitcoin::BlockHash::from_byte_array(mined.0);
    let spent_script = coinbase.output[0].script_pubkey.as_bytes();
    let matches = bitcoin::bip158::BlockFilter::new(&filter.0)
        .match_any(&hash, &mut std::iter::once(spent_script));
    assert!(matches.unwrap());

    let fee = node.fee(FeeRequest { target_blocks: 6 }).await.unwrap();
    assert_eq!(fee.sat_per_kvb, None);
    assert!(fee.basis.contains("too few"), "{}", fee.basis);
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_submissions_name_the_field() {
    let host = Host::start().await;
    let cases = [
        (vec![], "`transactions` is empty"),
        (
            vec![Hex(vec![1, 2, 3])],
            "`transactions[0]` is no transaction",
        ),
    ];
    for (transactions, said) in cases {
        let refused = host
            .node
            .broadcast(Transactions { transactions })
            .await
            .unwrap_err();
        assert!(refused.to_string().contains(said), "{refused}");
    }
    let page = PageRequest {
        cursor: Some("x".to_owned()),
        limit: None,
    };
    assert!(
        host.node
            .mempool_list(page)
            .await
            .unwrap_err()
            .to_string()
            .contains("`cursor`")
    );
    let page = PageRequest {
        cursor: None,
        limit: Some(0),
    };
    assert!(
        host.node
            .mempool_list(page)
            .await
            .unwrap_err()
            .to_string()
            .contains("`limit`")
    );
    let huge = TemplateRequest {
        coinbase_weight: 4_000_000,
        longpoll_id: None,
    };
    assert!(
        host.node
            .template(huge)
            .await
            .unwrap_err()
            .to_string()
            .contains("`coinbase_weight`")
    );
    host.stop().await;
}
