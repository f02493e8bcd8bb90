//! The embedded base node's own process: the engine on one side, the host's channel on the other.
//!
//! The channel is standard input. When it ends, the host is gone: the engine closes cleanly and
//! the process leaves.

use std::os::fd::AsFd;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use bllvm_ipc::connection::encode_event;
use bllvm_ipc::handshake::{self, Goodbye, Hello};
use bllvm_ipc::method as m;
use bllvm_ipc::types as t;
use bllvm_ipc::{
    Connection, ErrorReply, EventClass, EventEnvelope, Handler, Incoming, Limits, Method, Raw,
    Reply, Stream,
};
use bllvm_kernel_node::bitcoin::consensus::encode::deserialize;
use bllvm_kernel_node::bitcoin::hashes::Hash as _;
use bllvm_kernel_node::bitcoin::{self, bip158};
use bllvm_kernel_node::{
    BlockId, ChainEvent, Engine, EngineError, HeaderInfo, Settings, SpentOutput, Verdict,
    anyone_can_spend, parse_address,
};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::wire::{self, ChainSince, Close, EntryOf, HashAt, MEMPOOL, MINED, MOVED, Mine};
use super::{ChainStep, NodeError, unconfirmed};

const MAX_MINED_AT_ONCE: u32 = 1000;
/// How long a template that the caller has is waited out.
const LONGPOLL: Duration = Duration::from_secs(30);

/// Why the process ended badly.
#[derive(Debug, thiserror::Error)]
pub enum ChildError {
    /// It was started by hand.
    #[error(
        "standard input is not the host's channel; `bllvm-node run` starts the base node itself"
    )]
    NoChannel(#[source] std::io::Error),
    /// The host did not answer as it should.
    #[error("the host's channel failed: {0}")]
    Wire(#[from] bllvm_ipc::WireError),
    /// The engine did not open or close.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The work for the engine's thread was lost.
    #[error("the engine's thread ended early")]
    Lost,
}

/// Serves the engine in `dir` until the host goes, on a runtime of its own.
///
/// # Errors
/// [`ChildError`]; the host was told by a goodbye where it could be.
pub fn run(dir: PathBuf) -> Result<(), ChildError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.map_err(ChildError::NoChannel)?.block_on(serve(dir))
}

/// Serves the engine in `dir` until the host goes.
///
/// # Errors
/// [`ChildError`]; the host was told by a goodbye where it could be.
pub async fn serve(dir: PathBuf) -> Result<(), ChildError> {
    let stdin = std::io::stdin()
        .as_fd()
        .try_clone_to_owned()
        .map_err(ChildError::NoChannel)?;
    let stream = Stream::from_fd(stdin).map_err(ChildError::NoChannel)?;
    let limits = Limits::default();
    let hello = Hello::new("base-node", env!("CARGO_PKG_VERSION"));
    handshake::greet(&stream, &limits, &hello).await?;
    let server = Arc::new(Server::default());
    let connection = Connection::start(stream, limits, server.clone());

    let (step_sender, mut steps) = tokio::sync::mpsc::unbounded_channel();
    let opened = tokio::task::spawn_blocking(move || {
        // The observer runs in the middle of the engine's work: it copies out and sends.
        let observer = Box::new(move |_: ChainEvent| {
            // A host that is gone needs no news.
            let _ = step_sender.send(());
        });
        Engine::open(Settings::regtest(dir), observer)
    })
    .await
    .map_err(|_| ChildError::Lost)?;
    let (engine, report) = match opened {
        Ok(opened) => opened,
        Err(error) => {
            connection.close(&Goodbye::new("open", error.to_string()));
            return Err(error.into());
        }
    };
    tracing::info!(how = ?report.how, height = report.height, elapsed_ms = report.elapsed.as_millis(), "base node open");
    for warning in &report.warnings {
        tracing::warn!("{warning}");
    }
    // Set once, here.
    let _ = server.engine.set(engine.clone());
    let _ = server.own.set(Arc::downgrade(&server));
    let opened = serde_json::json!({ "warnings": report.warnings });
    server.announce(&connection, MOVED, opened);
    loop {
        tokio::select! {
            _ = connection.closed() => break,
            () = server.closing.cancelled() => break,
            Some(()) = steps.recv() => {
                while steps.try_recv().is_ok() {}
                server.moved(&connection, &engine);
                server.announce(&connection, MOVED, serde_json::json!({}));
            }
        }
    }
    server.cancel_mining.store(true, Ordering::SeqCst);
    let closed = tokio::task::spawn_blocking(move || engine.close()).await;
    server.closed.cancel();
    // The host's request for this very close is answered before the process leaves.
    tokio::time::sleep(Duration::from_millis(20)).await;
    closed
        .map_err(|_| ChildError::Lost)?
        .map_err(ChildError::from)
}

struct Server {
    engine: OnceLock<Engine>,
    /// Itself, for work that outlives a call.
    own: OnceLock<Weak<Server>>,
    /// Counts up when chain or mempool move.
    moves: watch::Sender<u64>,
    events: AtomicU64,
    cancel_mining: AtomicBool,
    closing: CancellationToken,
    closed: CancellationToken,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            engine: OnceLock::new(),
            own: OnceLock::new(),
            moves: watch::Sender::new(0),
            events: AtomicU64::new(0),
            cancel_mining: AtomicBool::new(false),
            closing: CancellationToken::new(),
            closed: CancellationToken::new(),
        }
    }
}

impl Server {
    fn announce(&self, connection: &Connection, kind: &str, data: serde_json::Value) {
        let event = EventEnvelope {
            seq: self.events.fetch_add(1, Ordering::Relaxed) + 1,
            kind: kind.to_owned(),
            class: EventClass::Latest,
            publisher: "base-node".to_owned(),
            time: String::new(),
            data,
        };
        if let Ok(frame) = encode_event(&event) {
            // A host that is gone needs no news.
            let _ = connection.try_send_events(&[frame]);
        }
    }

    /// Runs work on the engine away from the reader.
    fn on_engine<M: Method>(
        &self,
        request: &Incoming,
        work: impl FnOnce(Engine, M::Request) -> Result<M::Response, NodeError> + Send + 'static,
    ) -> Reply
    where
        M::Request: Send + 'static,
        M::Response: Send + 'static,
    {
        let request = match request.decode::<M>() {
            Ok(request) => request,
            Err(error) => return Reply::refuse(error),
        };
        let Some(engine) = self.engine.get().cloned() else {
            return Reply::refuse(ErrorReply::unavailable(
                "the base node is opening its data",
                100,
            ));
        };
        Reply::later::<M>(async move {
            let done = tokio::task::spawn_blocking(move || work(engine, request)).await;
            done.map_err(|_| ErrorReply::internal("the engine's thread ended early"))?
                .map_err(ErrorReply::from)
        })
    }

    /// Tells everybody who waits that chain or mempool moved.
    fn moved(&self, connection: &Connection, engine: &Engine) {
        self.moves.send_modify(|count| *count += 1);
        let data = serde_json::to_value(unconfirmed::info(engine)).unwrap_or_default();
        self.announce(connection, MEMPOOL, data);
    }

    fn broadcast(&self, connection: &Connection, request: &Incoming) -> Reply {
        let reply = self.on_engine::<m::TxBroadcast>(request, |engine, wanted| {
            unconfirmed::broadcast(&engine, &wanted)
        });
        let (Some(server), connection) =
            (self.own.get().and_then(Weak::upgrade), connection.clone())
        else {
            return reply;
        };
        match reply {
            Reply::Later(work) => Reply::Later(Box::pin(async move {
                let answer = work.await;
                if let Some(engine) = server.engine.get() {
                    server.moved(&connection, engine);
                }
                answer
            })),
            refused @ Reply::Now(_) => refused,
        }
    }

    /// Answers a template, at once or when there is another than the one that the caller has.
    fn template(&self, request: &Incoming) -> Reply {
        let request = match request.decode::<m::MiningTemplate>() {
            Ok(request) => request,
            Err(error) => return Reply::refuse(error),
        };
        let room = match unconfirmed::room(&request) {
            Ok(room) => room,
            Err(error) => return Reply::refuse(error.into()),
        };
        let Some(engine) = self.engine.get().cloned() else {
            return Reply::refuse(ErrorReply::unavailable(
                "the base node is opening its data",
                100,
            ));
        };
        let mut moves = self.moves.subscribe();
        Reply::later::<m::MiningTemplate>(async move {
            let deadline = tokio::time::Instant::now() + LONGPOLL;
            while let Some(known) = &request.longpoll_id {
                moves.mark_unchanged();
                let now = engine.template_id().map_err(fault)?;
                if now != *known {
                    break;
                }
                match tokio::time::timeout_at(deadline, moves.changed()).await {
                    Ok(Ok(())) => {}
                    // The same one again, so that the caller knows that we live.
                    Ok(Err(_)) | Err(_) => break,
                }
            }
            let chosen = tokio::task::spawn_blocking(move || unconfirmed::template(&engine, room));
            let chosen = chosen
                .await
                .map_err(|_| ErrorReply::internal("the engine's thread ended early"))?;
            chosen.map_err(ErrorReply::from)
        })
    }

    fn mine(&self, connection: &Connection, request: &Incoming) -> Reply {
        let (connection, cancelled) = (connection.clone(), CancelOnDrop::default());
        let flag = cancelled.0.clone();
        let reply = self.on_engine::<Mine>(
            request,
            move |engine, wire::MineNumbered { number, request }| {
                if !(1..=MAX_MINED_AT_ONCE).contains(&request.count) {
                    return Err(params(format!(
                        "`count` is {}; use 1 to {MAX_MINED_AT_ONCE}",
                        request.count
                    )));
                }
                let script = match &request.address {
                    Some(address) => {
                        parse_address(address).map_err(|e| params(format!("`address`: {e}")))?
                    }
                    None => anyone_can_spend(),
                };
                let mut progress = |done: u32| {
                    let data = serde_json::json!({ "number": number, "done": done });
                    let event = EventEnvelope {
                        seq: u64::from(done),
                        kind: MINED.to_owned(),
                        class: EventClass::Latest,
                        publisher: "base-node".to_owned(),
                        time: String::new(),
                        data,
                    };
                    if let Ok(frame) = encode_event(&event) {
                        let _ = connection.try_send_events(&[frame]);
                    }
                };
                let mark = Some(request.mark.0.to_bytes());
                let mined = engine
                    .mine_marked(request.count, &script, mark, &flag, &mut progress)
                    .map_err(fault)?;
                Ok(wire::Mined {
                    hashes: mined.into_iter().map(hash_out).collect(),
                })
            },
        );
        match reply {
            Reply::Later(work) => Reply::Later(Box::pin(async move {
                // A cancelled or lost call drops this, which stops the mining thread.
                let _cancelled = cancelled;
                work.await
            })),
            refused @ Reply::Now(_) => refused,
        }
    }
}

#[derive(Default)]
struct CancelOnDrop(Arc<AtomicBool>);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

impl Handler for Server {
    fn request(&self, connection: &Connection, request: Incoming) -> Reply {
        let request = &request;
        match request.method {
            m::ChainTip::ID => self.on_engine::<m::ChainTip>(request, |engine, _| tip(&engine)),
            m::ChainHeader::ID => {
                self.on_engine::<m::ChainHeader>(request, |engine, block| header(&engine, &block))
            }
            m::ChainHeaders::ID => self
                .on_engine::<m::ChainHeaders>(request, |engine, wanted| headers(&engine, &wanted)),
            m::ChainBlock::ID => self.on_engine::<m::ChainBlock>(request, |engine, wanted| {
                block(&engine, wanted.hash).map(|bytes| Raw(bytes.into()))
            }),
            m::ChainFilter::ID => self.on_engine::<m::ChainFilter>(request, |engine, wanted| {
                filter(&engine, wanted.hash)
            }),
            m::ChainTransaction::ID => self
                .on_engine::<m::ChainTransaction>(request, |engine, wanted| {
                    transaction(&engine, &wanted)
                }),
            m::ChainUtxo::ID => {
                self.on_engine::<m::ChainUtxo>(request, |engine, wanted| utxo(&engine, &wanted))
            }
            m::ChainSpentOutputs::ID => self
                .on_engine::<m::ChainSpentOutputs>(request, |engine, wanted| {
                    spent(&engine, wanted.hash)
                }),
            m::ChainVerifyScript::ID => self
                .on_engine::<m::ChainVerifyScript>(request, |engine, wanted| {
                    verify(&engine, &wanted)
                }),
            m::MempoolInfo::ID => self
                .on_engine::<m::MempoolInfo>(request, |engine, _| Ok(unconfirmed::info(&engine))),
            m::MempoolList::ID => self.on_engine::<m::MempoolList>(request, |engine, page| {
                unconfirmed::list(&engine, &page)
            }),
            m::MempoolTransaction::ID => self
                .on_engine::<m::MempoolTransaction>(request, |engine, wanted| {
                    unconfirmed::transaction(&engine, &wanted)
                }),
            m::MempoolTestAccept::ID => self
                .on_engine::<m::MempoolTestAccept>(request, |engine, wanted| {
                    unconfirmed::test_accept(&engine, &wanted)
                }),
            m::FeeEstimate::ID => self.on_engine::<m::FeeEstimate>(request, |engine, wanted| {
                unconfirmed::fee(&engine, &wanted)
            }),
            m::TxBroadcast::ID => self.broadcast(connection, request),
            m::MiningTemplate::ID => self.template(request),
            m::NetworkInfo::ID => {
                self.on_engine::<m::NetworkInfo>(request, |engine, _| Ok(info(&engine)))
            }
            m::MiningSubmitBlock::ID => self
                .on_engine::<m::MiningSubmitBlock>(request, |engine, block| {
                    submit(&engine, &block.0)
                }),
            ChainSince::ID => {
                self.on_engine::<ChainSince>(request, |engine, wanted| chain_since(&engine, wanted))
            }
            EntryOf::ID => self.on_engine::<EntryOf>(request, |engine, wanted| {
                unconfirmed::entry(&engine, wanted.txid)
            }),
            HashAt::ID => self.on_engine::<HashAt>(request, |engine, wanted| {
                let found = engine.block_hash_at(wanted.height).map_err(fault)?;
                let hash = found.ok_or_else(|| no_height(wanted.height))?;
                Ok(wire::Hash {
                    hash: hash_out(hash),
                })
            }),
            Mine::ID => self.mine(connection, request),
            Close::ID => {
                self.closing.cancel();
                let closed = self.closed.clone();
                Reply::later::<Close>(async move {
                    closed.cancelled().await;
                    Ok(t::Empty {})
                })
            }
            other => Reply::refuse(ErrorReply::unsupported(format!(
                "the base node has no method {other:#06x}"
            ))),
        }
    }
}

fn hash_in(hash: t::BlockHash) -> bitcoin::BlockHash {
    bitcoin::BlockHash::from_byte_array(hash.0)
}

pub(super) fn hash_out(hash: bitcoin::BlockHash) -> t::BlockHash {
    t::BlockHash(hash.to_byte_array())
}

pub(super) fn params(message: String) -> NodeError {
    NodeError::Invalid {
        code: "params".to_owned(),
        message,
    }
}

pub(super) fn fault(error: EngineError) -> NodeError {
    match error {
        EngineError::Closed => NodeError::Unavailable {
            why: error.to_string(),
            retry_ms: 500,
        },
        EngineError::UndecodableBlock { .. } | EngineError::ScriptCheck { .. } => {
            params(error.to_string())
        }
        EngineError::NeverConnected { .. } | EngineError::UnknownCursor => {
            NodeError::NotFound(error.to_string())
        }
        other => NodeError::Internal(other.to_string()),
    }
}

fn no_block(hash: t::BlockHash) -> NodeError {
    NodeError::NotFound(format!("there is no block {hash}"))
}

fn no_height(height: u32) -> NodeError {
    NodeError::NotFound(format!("the best chain has no block at height {height}"))
}

fn tip(engine: &Engine) -> Result<t::Tip, NodeError> {
    let tip = engine.tip().map_err(fault)?;
    Ok(t::Tip {
        hash: hash_out(tip.hash),
        height: tip.height,
        time: tip.time,
        median_time: tip.median_time_past,
        header: t::Hex(tip.header.to_vec()),
    })
}

fn header_out(found: &HeaderInfo) -> Result<t::HeaderInfo, NodeError> {
    let parsed: bitcoin::block::Header =
        deserialize(&found.header).map_err(|error| NodeError::Internal(error.to_string()))?;
    Ok(t::HeaderInfo {
        hash: hash_out(found.hash),
        prev: hash_out(parsed.prev_blockhash),
        height: found.height,
        time: parsed.time,
        in_best_chain: found.in_best_chain,
        header: t::Hex(found.header.to_vec()),
    })
}

fn header(engine: &Engine, wanted: &t::BlockRef) -> Result<t::HeaderInfo, NodeError> {
    let (id, missing) = match (wanted.hash, wanted.height) {
        (Some(hash), None) => (BlockId::Hash(hash_in(hash)), no_block(hash)),
        (None, Some(height)) => (BlockId::Height(height), no_height(height)),
        _ => return Err(params("give either `hash` or `height`".to_owned())),
    };
    header_out(&engine.header(id).map_err(fault)?.ok_or(missing)?)
}

fn headers(engine: &Engine, wanted: &t::HeadersRequest) -> Result<t::Headers, NodeError> {
    let locator: Vec<_> = wanted.locator.iter().copied().map(hash_in).collect();
    let found = engine
        .headers(&locator, wanted.max.min(2000))
        .map_err(fault)?;
    Ok(t::Headers {
        headers: found.iter().map(header_out).collect::<Result<_, _>>()?,
    })
}

fn block(engine: &Engine, hash: t::BlockHash) -> Result<Vec<u8>, NodeError> {
    engine
        .block(&hash_in(hash))
        .map_err(fault)?
        .ok_or_else(|| no_block(hash))
}

fn parsed_block(engine: &Engine, hash: t::BlockHash) -> Result<bitcoin::Block, NodeError> {
    deserialize(&block(engine, hash)?).map_err(|error| NodeError::Internal(error.to_string()))
}

fn spent_of(engine: &Engine, hash: t::BlockHash) -> Result<Vec<Vec<SpentOutput>>, NodeError> {
    let all = engine.spent_outputs(&hash_in(hash)).map_err(fault)?;
    let all = all.ok_or_else(|| no_block(hash))?;
    // The engine lists the coinbase, too, which spends nothing.
    Ok(all.into_iter().skip(1).collect())
}

fn spent(engine: &Engine, hash: t::BlockHash) -> Result<t::SpentOutputs, NodeError> {
    let coin = |spent: SpentOutput| t::Coin {
        value_sat: spent.value_sat,
        script_pubkey: t::Hex(spent.script_pubkey.into_bytes()),
        height: spent.height,
        coinbase: spent.coinbase,
    };
    let transactions = spent_of(engine, hash)?;
    let transactions = transactions
        .into_iter()
        .map(|inputs| inputs.into_iter().map(coin).collect());
    Ok(t::SpentOutputs {
        transactions: transactions.collect(),
    })
}

fn filter(engine: &Engine, hash: t::BlockHash) -> Result<t::BlockFilter, NodeError> {
    let block = parsed_block(engine, hash)?;
    let mut scripts = std::collections::HashMap::new();
    let spent = if block.txdata.len() > 1 {
        spent_of(engine, hash)?
    } else {
        Vec::new()
    };
    for (transaction, outputs) in block.txdata.iter().skip(1).zip(spent) {
        for (input, output) in transaction.input.iter().zip(outputs) {
            scripts.insert(input.previous_output, output.script_pubkey);
        }
    }
    let filter = bip158::BlockFilter::new_script_filter(&block, |outpoint| {
        scripts
            .get(outpoint)
            .cloned()
            .ok_or(bip158::Error::UtxoMissing(*outpoint))
    });
    let filter = filter.map_err(|error| NodeError::Internal(error.to_string()))?;
    Ok(t::BlockFilter {
        hash,
        filter: t::Hex(filter.content),
    })
}

fn transaction(
    engine: &Engine,
    wanted: &t::TransactionRequest,
) -> Result<t::TransactionInfo, NodeError> {
    let Some(hash) = wanted.block else {
        if let Some(unconfirmed) = unconfirmed::find(engine, wanted.txid) {
            return Ok(unconfirmed);
        }
        let txid = bitcoin::Txid::from_byte_array(wanted.txid.0);
        let found = engine.transaction(&txid).map_err(fault)?;
        let (transaction, block) = found.ok_or_else(|| {
            NodeError::NotFound(format!(
                "neither mempool nor best chain have a transaction {}",
                wanted.txid
            ))
        })?;
        return Ok(t::TransactionInfo {
            txid: wanted.txid,
            raw: t::Hex(bitcoin::consensus::serialize(&transaction)),
            block: Some(hash_out(block)),
        });
    };
    let block = parsed_block(engine, hash)?;
    let found = block
        .txdata
        .iter()
        .find(|tx| tx.compute_txid().to_byte_array() == wanted.txid.0);
    let found = found.ok_or_else(|| {
        NodeError::NotFound(format!("block {hash} has no transaction {}", wanted.txid))
    })?;
    let raw = bitcoin::consensus::serialize(found);
    Ok(t::TransactionInfo {
        txid: wanted.txid,
        raw: t::Hex(raw),
        block: Some(hash),
    })
}

fn utxo(engine: &Engine, wanted: &t::UtxoRequest) -> Result<t::Utxo, NodeError> {
    let outpoint = bitcoin::OutPoint {
        txid: bitcoin::Txid::from_byte_array(wanted.txid.0),
        vout: wanted.vout,
    };
    if wanted.include_mempool
        && let Some(found) = unconfirmed::utxo(engine, &outpoint)?
    {
        return Ok(found);
    }
    let (coin, tip) = engine.coin(&outpoint).map_err(fault)?;
    Ok(t::Utxo {
        coin: coin.map(|coin| t::Coin {
            value_sat: coin.output.value.to_sat(),
            script_pubkey: t::Hex(coin.output.script_pubkey.into_bytes()),
            height: coin.height,
            coinbase: coin.coinbase,
        }),
        tip: hash_out(tip),
    })
}

fn verify(engine: &Engine, wanted: &t::VerifyScriptRequest) -> Result<t::ScriptVerdict, NodeError> {
    let spent: Vec<bitcoin::TxOut> = wanted
        .spent
        .iter()
        .map(|coin| bitcoin::TxOut {
            value: bitcoin::Amount::from_sat(coin.value_sat),
            script_pubkey: coin.script_pubkey.0.clone().into(),
        })
        .collect();
    let valid = engine
        .verify_script(&wanted.transaction.0, wanted.input, &spent)
        .map_err(fault)?;
    let reason = (!valid).then(|| "the script does not hold".to_owned());
    Ok(t::ScriptVerdict { valid, reason })
}

fn info(engine: &Engine) -> t::NetworkInfo {
    let info = engine.info();
    let unsupported = ["network.peers"];
    t::NetworkInfo {
        chain: "regtest".to_owned(),
        backend: "embedded".to_owned(),
        version: info.kernel.to_owned(),
        genesis: hash_out(info.genesis),
        unsupported: unsupported.map(str::to_owned).to_vec(),
        peers: 0,
    }
}

fn submit(engine: &Engine, raw: &[u8]) -> Result<t::BlockVerdict, NodeError> {
    let (accepted, new_tip, reason) = match engine.submit_block(raw).map_err(fault)? {
        Verdict::Accepted { tip_changed } => (true, tip_changed, None),
        Verdict::SideBranch => (true, false, Some("inconclusive".to_owned())),
        Verdict::Duplicate => (false, false, Some("duplicate".to_owned())),
        Verdict::Invalid { code, .. } => (false, false, Some(code)),
    };
    Ok(t::BlockVerdict {
        accepted,
        new_tip,
        reason,
    })
}

fn chain_since(
    engine: &Engine,
    wanted: wire::ChainSinceRequest,
) -> Result<Vec<ChainStep>, NodeError> {
    let mut known: Vec<_> = wanted
        .known
        .into_iter()
        .map(|(height, hash)| (height, hash_in(hash)))
        .collect();
    if known.is_empty() {
        known.push((0, engine.info().genesis));
    }
    let delta = engine.chain_since(&known, wanted.max).map_err(fault)?;
    let steps = delta.events.into_iter().map(|event| match event {
        ChainEvent::Connected {
            height,
            hash,
            prev,
            header,
            tx_count,
        } => {
            let time = u32::from_le_bytes([header[68], header[69], header[70], header[71]]);
            ChainStep::Connected {
                height,
                hash: hash_out(hash),
                prev: hash_out(prev),
                time,
                transactions: tx_count,
            }
        }
        ChainEvent::Disconnected { height, hash, prev } => ChainStep::Disconnected {
            height,
            hash: hash_out(hash),
            prev: hash_out(prev),
        },
    });
    Ok(steps.collect())
}
