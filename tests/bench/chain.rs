//! The embedded base node: mempool, template, coins, blocks, peers and the Core-compatible face.
//!
//! Everything is measured on one regtest chain that is made once: a few thousand taproot outputs, each
//! with a signed transaction that spends it, and a few thousand empty blocks.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use bllvm_ipc::types::{Txid, UtxoRequest};
use bllvm_kernel_node::bitcoin::consensus::{deserialize, serialize};
use bllvm_kernel_node::bitcoin::hashes::Hash as _;
use bllvm_kernel_node::bitcoin::key::{Keypair, Secp256k1, TapTweak as _, UntweakedPublicKey};
use bllvm_kernel_node::bitcoin::secp256k1::{All, Message};
use bllvm_kernel_node::bitcoin::sighash::{Prevouts, SighashCache};
use bllvm_kernel_node::bitcoin::{
    Amount, Block, OutPoint, ScriptBuf, Sequence, TapSighashType, Transaction, TxIn, TxOut,
    Witness, absolute, transaction,
};
use bllvm_kernel_node::mempool::Room;
use bllvm_kernel_node::{Engine, Settings};
use bllvm_node::node::{EmbeddedNode, EmbeddedSettings, NodeState, ReadNode as _};
use bllvm_tests::programs::program;
use bllvm_tests::wait::until;
use bllvm_tests::{Dice, TestServer};
use serde_json::json;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::fifty::BareAxum;
use crate::http::{self, rate};
use crate::parts::runtime;
use crate::stats::{Row, median, quantile, ratio};

const ROUNDS: usize = 5;
const CONNECTIONS: usize = 8;
const ROUND: Duration = Duration::from_secs(3);

/// How much is measured; `BLLVM_BENCH_QUICK=1` only shows that it can be.
struct Size {
    /// Transactions that wait, in thousands.
    thousands: u32,
    /// Transactions in a block.
    in_block: usize,
    /// Blocks that come from a peer.
    blocks: u32,
    /// Coins that are asked for.
    asked: u32,
}

fn size() -> Size {
    if std::env::var_os("BLLVM_BENCH_QUICK").is_some() {
        return Size {
            thousands: 1,
            in_block: 300,
            blocks: 100,
            asked: 200,
        };
    }
    Size {
        thousands: 6,
        in_block: 2000,
        blocks: 3000,
        asked: 20_000,
    }
}

/// Who owns every coin here.
struct Owner {
    secp: Secp256k1<All>,
    keys: Keypair,
    script: ScriptBuf,
}

impl Owner {
    fn new() -> anyhow::Result<Self> {
        let secp = Secp256k1::new();
        let keys = Keypair::from_seckey_slice(&secp, &[7; 32])?;
        let (key, _) = UntweakedPublicKey::from_keypair(&keys);
        let script = ScriptBuf::new_p2tr(&secp, key, None);
        Ok(Self { secp, keys, script })
    }

    /// Spends one output into so many, and leaves a fee.
    fn spend(
        &self,
        from: OutPoint,
        value: Amount,
        into: u64,
        fee: u64,
    ) -> anyhow::Result<Transaction> {
        let each = Amount::from_sat((value.to_sat() - fee) / into);
        let output = TxOut {
            value: each,
            script_pubkey: self.script.clone(),
        };
        let mut spending = Transaction {
            version: transaction::Version::TWO,
            lock_time: absolute::LockTime::ZERO,
            input: vec![TxIn {
                previous_output: from,
                script_sig: ScriptBuf::new(),
                sequence: Sequence::MAX,
                witness: Witness::new(),
            }],
            output: vec![output; usize::try_from(into)?],
        };
        let spent = [self.coin(value)];
        let digest = SighashCache::new(&spending).taproot_key_spend_signature_hash(
            0,
            &Prevouts::All(&spent),
            TapSighashType::Default,
        )?;
        let tweaked = self.keys.tap_tweak(&self.secp, None).to_keypair();
        let message = Message::from_digest(digest.to_byte_array());
        let signature = self.secp.sign_schnorr_no_aux_rand(&message, &tweaked);
        spending.input[0].witness.push(signature.as_ref());
        Ok(spending)
    }

    fn coin(&self, value: Amount) -> TxOut {
        TxOut {
            value,
            script_pubkey: self.script.clone(),
        }
    }
}

/// A directory with a chain, and transactions on it that nobody sent yet.
struct Ground {
    dir: TempDir,
    owner: Owner,
    /// Each with the value of the output that it spends.
    waiting: Vec<(Transaction, Amount)>,
}

fn open(dir: &Path) -> anyhow::Result<Engine> {
    Ok(Engine::open(Settings::regtest(dir), Box::new(drop))?.0)
}

fn mine(engine: &Engine, owner: &Owner, count: u32) -> anyhow::Result<()> {
    engine.mine(count, &owner.script, &AtomicBool::new(false), &mut |_| {})?;
    Ok(())
}

impl Ground {
    fn make(size: &Size) -> anyhow::Result<Self> {
        let (dir, owner) = (tempfile::tempdir()?, Owner::new()?);
        let engine = open(dir.path())?;
        mine(&engine, &owner, 100 + size.thousands)?;
        let mut waiting = Vec::new();
        for height in 1..=size.thousands {
            let hash = engine.block_hash_at(height)?.context("a block")?;
            let raw = engine.block(&hash)?.context("a block")?;
            let block: Block = deserialize(&raw)?;
            let coinbase = &block.txdata[0];
            let from = OutPoint::new(coinbase.compute_txid(), 0);
            let fan = owner.spend(from, coinbase.output[0].value, 1000, 100_000)?;
            let verdicts = engine.submit_transactions(std::slice::from_ref(&fan))?;
            verdicts[0]
                .1
                .as_ref()
                .map_err(|no| anyhow::anyhow!("{no}"))?;
            let txid = fan.compute_txid();
            for (vout, output) in (0..).zip(&fan.output) {
                let fee = 200 + u64::from(vout);
                let spending = owner.spend(OutPoint::new(txid, vout), output.value, 1, fee)?;
                waiting.push((spending, output.value));
            }
        }
        mine(&engine, &owner, 1)?;
        engine.close()?;
        Ok(Self {
            dir,
            owner,
            waiting,
        })
    }

    /// An engine on a copy of the chain.
    fn engine(&self) -> anyhow::Result<(Engine, TempDir)> {
        let dir = tempfile::tempdir()?;
        copy(self.dir.path(), dir.path())?;
        Ok((open(dir.path())?, dir))
    }

    /// How long the kernel alone takes for the scripts of these.
    fn verify(&self, engine: &Engine, some: &[(Transaction, Amount)]) -> anyhow::Result<f64> {
        let raw: Vec<_> = some
            .iter()
            .map(|(one, value)| (serialize(one), *value))
            .collect();
        let begin = Instant::now();
        for (raw, value) in &raw {
            let holds = engine.verify_script(raw, 0, &[self.owner.coin(*value)])?;
            anyhow::ensure!(holds, "a signature does not hold");
        }
        Ok(begin.elapsed().as_secs_f64())
    }
}

fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

/// All rows.
pub fn measure() -> anyhow::Result<Vec<Row>> {
    let size = size();
    let ground = Ground::make(&size)?;
    let mut rows = mempool(&ground)?;
    rows.push(connect(&ground, &size)?);
    rows.push(reopen(&ground)?);
    rows.push(coins(&ground, &size)?);
    rows.push(face()?);
    rows.push(peer(&Mined::make(&size)?)?);
    Ok(rows)
}

/// Blocks from files.
pub fn imports() -> anyhow::Result<Vec<Row>> {
    Ok(vec![import(&Mined::make(&size())?)?])
}

/// Into the mempool, and out of it into a template.
#[expect(clippy::cast_precision_loss, reason = "a few thousand")]
fn mempool(ground: &Ground) -> anyhow::Result<Vec<Row>> {
    let count = ground.waiting.len();
    let (mut taken, mut verified) = (Vec::new(), Vec::new());
    let (mut chosen, mut assembled) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let (engine, _dir) = ground.engine()?;
        verified.push(ground.verify(&engine, &ground.waiting)?);
        let begin = Instant::now();
        for (one, _) in &ground.waiting {
            let verdicts = engine.submit_transactions(std::slice::from_ref(one))?;
            verdicts[0]
                .1
                .as_ref()
                .map_err(|no| anyhow::anyhow!("{no}"))?;
        }
        taken.push(begin.elapsed().as_secs_f64());
        let begin = Instant::now();
        let template = engine.template(Room::default())?;
        chosen.push(begin.elapsed().as_secs_f64() * 1e3);
        let found = template.selection.transactions;
        anyhow::ensure!(found.len() == count, "{} of {count} chosen", found.len());
        let found = found.iter().map(|(one, _)| (**one).clone()).collect();
        let plan = template.plan;
        let begin = Instant::now();
        let coinbase = plan.coinbase(plan.subsidy(), &ground.owner.script, 0, None);
        let block = plan.assemble(coinbase, found);
        assembled.push(begin.elapsed().as_secs_f64() * 1e3);
        anyhow::ensure!(block.txdata.len() == count + 1, "a whole block");
    }
    let speed = count as f64 / median(&mut taken);
    let template = median(&mut chosen);
    Ok(vec![
        Row {
            what: format!("{count} P2TR transactions into the mempool, one by one, one thread"),
            ours: format!("{speed:.0}/s"),
            yardstick: format!(
                "the kernel's verification alone {:.0}/s",
                count as f64 / median(&mut verified)
            ),
            ratio: Some(ratio(&taken, &verified)),
            goal: "≥ 10,000/s",
            reached: Some(speed >= 10_000.0),
        },
        Row {
            what: format!("template of {count} transactions"),
            ours: format!("{template:.1} ms"),
            yardstick: format!(
                "hashing the same block together {:.1} ms",
                median(&mut assembled)
            ),
            ratio: Some(ratio(&chosen, &assembled)),
            goal: "≤ 30 ms",
            reached: Some(template <= 30.0),
        },
    ])
}

/// A block of many transactions, synced, with the index at its tip when the call returns.
fn connect(ground: &Ground, size: &Size) -> anyhow::Result<Row> {
    let (engine, dir) = ground.engine()?;
    let (mut ours, mut verified, mut synced) = (Vec::new(), Vec::new(), Vec::new());
    for some in ground.waiting.chunks_exact(size.in_block) {
        let plan = engine.template(Room::default())?.plan;
        let coinbase = plan.coinbase(plan.subsidy(), &ground.owner.script, 0, None);
        let inside = some.iter().map(|(one, _)| one.clone()).collect();
        let mut block = plan.assemble(coinbase, inside);
        let target = block.header.target();
        while block.header.validate_pow(target).is_err() {
            block.header.nonce += 1;
        }
        let raw = serialize(&block);
        verified.push(ground.verify(&engine, some)? * 1e3);
        let mut file = File::create(dir.path().join("bare"))?;
        let begin = Instant::now();
        file.write_all(&raw)?;
        file.sync_data()?;
        synced.push(begin.elapsed().as_secs_f64() * 1e3);
        let begin = Instant::now();
        engine.submit_block(&raw)?;
        ours.push(begin.elapsed().as_secs_f64() * 1e3);
        anyhow::ensure!(engine.tip()?.hash == block.block_hash(), "it is the tip");
    }
    let took = median(&mut ours);
    Ok(Row {
        what: format!(
            "connect of a block of {} P2TR transactions, synced and indexed",
            size.in_block
        ),
        ours: format!("{took:.1} ms"),
        yardstick: format!(
            "the kernel's verification alone {:.1} ms; the same bytes written and synced {:.1} ms",
            median(&mut verified),
            median(&mut synced)
        ),
        ratio: Some(ratio(&ours, &verified)),
        goal: "≤ 40 ms",
        reached: Some(took <= 40.0),
    })
}

/// A clean directory, opened.
fn reopen(ground: &Ground) -> anyhow::Result<Row> {
    let (engine, dir) = ground.engine()?;
    engine.close()?;
    let (mut ours, mut bare) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let begin = Instant::now();
        drop(redb::Database::open(dir.path().join("index.redb"))?);
        bare.push(begin.elapsed().as_secs_f64() * 1e3);
        let begin = Instant::now();
        let engine = open(dir.path())?;
        ours.push(begin.elapsed().as_secs_f64() * 1e3);
        engine.close()?;
    }
    let took = median(&mut ours);
    Ok(Row {
        what: "open of a clean regtest directory".to_owned(),
        ours: format!("{took:.1} ms"),
        yardstick: format!("its index alone, by redb {:.1} ms", median(&mut bare)),
        ratio: Some(ratio(&ours, &bare)),
        goal: "≤ 100 ms",
        reached: Some(took <= 100.0),
    })
}

/// An unspent output, at the trait: through the base node's process and back.
fn coins(ground: &Ground, size: &Size) -> anyhow::Result<Row> {
    let (engine, dir) = ground.engine()?;
    let known: Vec<OutPoint> = engine.coins()?.into_iter().map(|(at, _)| at).collect();
    let mut dice = Dice::new(1);
    let mut pick = || {
        let index = usize::try_from(dice.below(known.len() as u64)).unwrap_or(0);
        known[index]
    };
    let mut inside = Vec::new();
    for _ in 0..size.asked {
        let at = pick();
        let begin = Instant::now();
        anyhow::ensure!(engine.coin(&at)?.0.is_some(), "a coin");
        inside.push(begin.elapsed().as_secs_f64() * 1e6);
    }
    engine.close()?;
    let mut bare = redb_gets(size)?;
    let mut ours = runtime()?.block_on(async {
        let settings = EmbeddedSettings::new(program("bllvm-node"), dir.path().to_owned());
        let (tracker, stop) = (TaskTracker::new(), CancellationToken::new());
        let node = EmbeddedNode::start(settings, &tracker, stop.clone());
        until("the base node is ready", async || {
            (node.state() == NodeState::Ready).then_some(())
        })
        .await;
        let mut took = Vec::new();
        for _ in 0..size.asked {
            let at = pick();
            let request = UtxoRequest {
                txid: Txid(at.txid.to_byte_array()),
                vout: at.vout,
                include_mempool: false,
            };
            let begin = Instant::now();
            anyhow::ensure!(node.utxo(request).await?.coin.is_some(), "a coin");
            took.push(begin.elapsed().as_secs_f64() * 1e6);
        }
        stop.cancel();
        tracker.close();
        tracker.wait().await;
        anyhow::Ok(took)
    })?;
    let share = ratio(&ours, &bare);
    let slow = quantile(&mut ours, 0.99);
    let took = median(&mut ours);
    Ok(Row {
        what: format!("an unspent output at the trait, {} coins", known.len()),
        ours: format!("{took:.1} µs (p99 {slow:.1} µs)"),
        yardstick: format!(
            "a get of redb {:.1} µs; in the base node's process {:.1} µs",
            median(&mut bare),
            median(&mut inside)
        ),
        ratio: Some(share),
        goal: "≤ 20 µs",
        reached: Some(took <= 20.0),
    })
}

/// Microseconds that redb takes for keys and values as large as ours.
fn redb_gets(size: &Size) -> anyhow::Result<Vec<f64>> {
    use redb::ReadableDatabase as _;

    const TABLE: redb::TableDefinition<'_, &[u8], &[u8]> = redb::TableDefinition::new("coins");
    const KEYS: u64 = 6000;
    let dir = tempfile::tempdir()?;
    let database = redb::Database::create(dir.path().join("bare.redb"))?;
    let key = |number: u64| {
        let mut key = [0x5a; 36];
        key[..8].copy_from_slice(&number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes());
        key
    };
    let write = database.begin_write()?;
    {
        let mut table = write.open_table(TABLE)?;
        for number in 0..KEYS {
            table.insert(key(number).as_slice(), [7; 48].as_slice())?;
        }
    }
    write.commit()?;
    let (mut dice, mut took) = (Dice::new(2), Vec::new());
    for _ in 0..size.asked {
        let wanted = key(dice.below(KEYS));
        let begin = Instant::now();
        let table = database.begin_read()?.open_table(TABLE)?;
        anyhow::ensure!(table.get(wanted.as_slice())?.is_some(), "a value");
        took.push(begin.elapsed().as_secs_f64() * 1e6);
    }
    Ok(took)
}

/// `getbestblockhash` at the face.
fn face() -> anyhow::Result<Row> {
    runtime()?.block_on(async {
        let (server, tip) = server_with(&[]).await?;
        let core = server.face(&server.rest.cookie.1);
        let asked = r#"{"id":1,"method":"getbestblockhash","params":[]}"#;
        let ask = http::post_basic("/", &core.password, asked);
        let address = core.url.trim_start_matches("http://").to_owned();
        let body = http::Client::connect(&address)
            .await?
            .ask(&ask)
            .await?
            .to_vec();
        anyhow::ensure!(String::from_utf8_lossy(&body).contains(&tip), "the tip");
        let (bare, bare_address) = BareAxum::start(&body)?;
        let (mut ours, mut floor) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            floor.push(rate(&bare_address, &ask, CONNECTIONS, ROUND).await?);
            ours.push(rate(&address, &ask, CONNECTIONS, ROUND).await?);
        }
        bare.end()?;
        let share = ratio(&ours, &floor);
        Ok(Row {
            what: "getbestblockhash at the face, requests a second, 8 connections".to_owned(),
            ours: format!("{:.0}/s", median(&mut ours)),
            yardstick: format!("bare axum, same bytes, no auth {:.0}/s", median(&mut floor)),
            ratio: Some(share),
            goal: "≥ 0.7×",
            reached: Some(share >= 0.7),
        })
    })
}

/// A host with a base node that answers, and its tip.
async fn server_with(settings: &[&str]) -> anyhow::Result<(TestServer, String)> {
    let mut builder = TestServer::builder().set("node.backend=embedded");
    for setting in settings {
        builder = builder.set(setting);
    }
    let server = builder.start().await;
    let tip = until("the base node answers", async || best(&server).await).await;
    Ok((server, tip))
}

async fn best(server: &TestServer) -> Option<String> {
    let core = server.face(&server.rest.cookie.1);
    let hash = core.call("getbestblockhash", json!([])).await.ok()?;
    hash.as_str().map(str::to_owned)
}

/// Empty blocks, and the directory of the node that mined them.
struct Mined {
    dir: TempDir,
    raw: Vec<Vec<u8>>,
    last: String,
}

impl Mined {
    fn make(size: &Size) -> anyhow::Result<Self> {
        let dir = tempfile::tempdir()?;
        let engine = open(dir.path())?;
        mine(&engine, &Owner::new()?, size.blocks)?;
        let block = |height: u32| {
            let hash = engine.block_hash_at(height)?.context("a block")?;
            engine.block(&hash)?.context("a block")
        };
        let raw = (1..=size.blocks)
            .map(block)
            .collect::<anyhow::Result<_>>()?;
        let last = engine.tip()?.hash.to_string();
        engine.close()?;
        Ok(Self { dir, raw, last })
    }

    /// How long an engine of its own in `dir` takes for them, one by one.
    fn submitted(&self, dir: &Path) -> anyhow::Result<f64> {
        let bare = open(dir)?;
        let begin = Instant::now();
        for block in &self.raw {
            bare.submit_block(block)?;
        }
        let took = begin.elapsed().as_secs_f64();
        bare.close()?;
        Ok(took)
    }

    /// How long writing and syncing them takes, one by one, and nothing else.
    fn synced(&self) -> anyhow::Result<f64> {
        let dir = tempfile::tempdir()?;
        let mut file = File::create(dir.path().join("bare"))?;
        let begin = Instant::now();
        for block in &self.raw {
            file.write_all(block)?;
            file.sync_data()?;
        }
        Ok(begin.elapsed().as_secs_f64())
    }
}

/// Empty blocks from block files, by the whole host: files read, operation recorded, blocks announced.
fn import(mined: &Mined) -> anyhow::Result<Row> {
    let count = f64::from(u32::try_from(mined.raw.len())?);
    let disk = tempfile::tempdir()?;
    let memory = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir())?;
    let one_by_one = mined.submitted(disk.path())?;
    let without_disk = mined.submitted(memory.path())?;
    let synced = mined.synced()?;
    let files = mined.dir.path().join("regtest/blocks");
    let mut took = Vec::new();
    for _ in 0..3 {
        let seconds = runtime()?.block_on(async {
            let (server, _) = server_with(&[]).await?;
            let begin = Instant::now();
            let asked = json!({ "path": files });
            let begun = server.rest.post("/api/v1/node/import", &asked).await.done();
            let ended = server.finished(&begun).await;
            anyhow::ensure!(ended["status"] == "succeeded", "{ended}");
            anyhow::ensure!(best(&server).await.as_ref() == Some(&mined.last), "the tip");
            anyhow::Ok(begin.elapsed().as_secs_f64())
        })?;
        took.push(seconds);
    }
    let took = median(&mut took);
    Ok(Row {
        what: format!("{count} empty blocks imported from block files, by the whole host"),
        ours: format!("{:.0} blocks/s", count / took),
        yardstick: format!(
            "one by one at the engine, a sync each {:.0}/s; the same in memory, no disk {:.0}/s; bytes written and synced one by one {:.0}/s",
            count / one_by_one,
            count / without_disk,
            count / synced
        ),
        ratio: Some(one_by_one / took),
        goal: "≥ 1× of one by one",
        reached: Some(took <= one_by_one),
    })
}

/// Empty blocks from a peer, beside the same blocks from memory.
fn peer(mined: &Mined) -> anyhow::Result<Row> {
    let alone = tempfile::tempdir()?;
    let submitted = mined.submitted(alone.path())?;
    let (dir, last) = (&mined.dir, mined.last.clone());
    let took = runtime()?.block_on(async {
        let from = format!("node.dir={}", dir.path().display());
        let (far, _) = server_with(&[&from, "node.p2p_listen=127.0.0.1:0"]).await?;
        let address = until("it listens for peers", async || {
            let view = far.rest.get("/api/v1/node").await.json();
            view["network"]["p2p_address"].as_str().map(str::to_owned)
        })
        .await;
        let begin = Instant::now();
        let (near, _) = server_with(&[&format!("node.connect={address}")]).await?;
        until("all blocks are there", async || {
            best(&near).await.filter(|tip| *tip == last)
        })
        .await;
        anyhow::Ok(begin.elapsed().as_secs_f64())
    })?;
    Ok(Row {
        what: format!(
            "{} blocks from a peer, the start of the node included",
            mined.raw.len()
        ),
        ours: format!("{took:.2} s"),
        yardstick: format!("the same blocks from memory {submitted:.2} s"),
        ratio: Some(took / submitted),
        goal: "≤ 5 s",
        reached: Some(took <= 5.0),
    })
}
