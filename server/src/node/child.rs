//! The embedded base node's own process: the engine on one side, the host's channel on the other.
//!
//! The channel is standard input. When it ends, the host is gone: the engine closes cleanly and
//! the process leaves.

use std::os::fd::AsFd;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::time::Duration;

use bllvm_ipc::connection::encode_event;
use bllvm_ipc::handshake::{self, Goodbye, Hello};
use bllvm_ipc::method as m;
use bllvm_ipc::types as t;
use bllvm_ipc::{
    Connection, ErrorReply, EventClass, EventEnvelope, Handler, Incoming, Method, Raw, Reply,
    Stream,
};
use bllvm_kernel_node::bitcoin::Network;
use bllvm_kernel_node::{
    Chain, ChainEvent, Engine, EngineError, Settings, anyone_can_spend, parse_address,
};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::answers::{
    self, block, chain_since, fault, filter, hash_out, header, headers, no_height, params, spent,
    submit, tip, transaction, utxo, utxo_now, verify,
};
use super::peers::{self, Net};
use super::wire::{
    self, ChainSince, CheckBlock, Close, EntryOf, HashAt, MEMPOOL, MINED, MOVED, Mine,
    StatusOfChain, StatusOfMempool, SubmitBlocks, TIP,
};
use super::{EmbeddedChain, NodeError, PeerSettings, spent_pages, unconfirmed};

const MAX_MINED_AT_ONCE: u32 = 1000;
/// How long a template that the caller has is waited out.
const LONGPOLL: Duration = Duration::from_secs(30);
/// How long one stands that only its transactions would change. Anybody can send those, and each would
/// cost a template for everybody who waits.
const CALM: Duration = Duration::from_secs(1);

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
pub fn run(dir: PathBuf, chain: EmbeddedChain, peers: PeerSettings) -> Result<(), ChildError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime
        .map_err(ChildError::NoChannel)?
        .block_on(serve(dir, chain, peers))
}

/// Serves the engine in `dir` until the host goes.
///
/// # Errors
/// [`ChildError`]; the host was told by a goodbye where it could be.
pub async fn serve(
    dir: PathBuf,
    chain: EmbeddedChain,
    peers: PeerSettings,
) -> Result<(), ChildError> {
    let stdin = std::io::stdin()
        .as_fd()
        .try_clone_to_owned()
        .map_err(ChildError::NoChannel)?;
    let stream = Stream::from_fd(stdin).map_err(ChildError::NoChannel)?;
    let limits = wire::limits();
    let hello = Hello::new("base-node", env!("CARGO_PKG_VERSION"));
    handshake::greet(&stream, &limits, &hello).await?;
    let server = Arc::new(Server::new(chain.clone()));
    let connection = Connection::start(stream, limits, server.clone());

    let (step_sender, mut steps) = tokio::sync::mpsc::unbounded_channel();
    let opened = tokio::task::spawn_blocking(move || {
        // The observer runs in the middle of the engine's work: it copies out and sends.
        let observer = Box::new(move |_: ChainEvent| {
            // A host that is gone needs no news.
            let _ = step_sender.send(());
        });
        Engine::open(Settings::of(engine_chain(chain), dir), observer)
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
    let _ = server.own.set(Arc::downgrade(&server));
    let _ = server.host.set(connection.clone());
    let stop = CancellationToken::new();
    let _ends_with_us = stop.clone().drop_guard();
    let failed = CancellationToken::new();
    let fails = failed.clone();
    engine.on_failure(Box::new(move || fails.cancel()));
    let net = start_peers(&server, &connection, &engine, peers, &stop).await;
    let _ = server.engine.set(engine.clone());
    server.tell_tip(&engine);
    let opened = serde_json::json!({ "warnings": report.warnings });
    server.announce(&connection, MOVED, opened);
    loop {
        tokio::select! {
            _ = connection.closed() => break,
            () = server.closing.cancelled() => break,
            // The host starts another process, which brings back what the journal has.
            () = failed.cancelled() => break,
            Some(()) = steps.recv() => {
                while steps.try_recv().is_ok() {}
                server.tell_tip(&engine);
                net.chain_moved();
                server.moved(&connection, &engine);
                server.announce(&connection, MOVED, serde_json::json!({}));
            }
        }
    }
    stop.cancel();
    server.cancel_mining.store(true, Ordering::SeqCst);
    let failure = engine.failure();
    if let Some(error) = &failure {
        connection.close(&Goodbye::new("failed", error.to_string()));
    }
    let closed = tokio::task::spawn_blocking(move || engine.close()).await;
    server.closed.cancel();
    // The host's request for this very close is answered before the process leaves.
    tokio::time::sleep(Duration::from_millis(20)).await;
    closed
        .map_err(|_| ChildError::Lost)?
        .map_err(ChildError::from)?;
    failure.map_or(Ok(()), |error| Err(error.into()))
}

/// Calls and listens. An address that cannot be had is told, and is no reason to have no base node.
async fn start_peers(
    server: &Arc<Server>,
    connection: &Connection,
    engine: &Engine,
    settings: PeerSettings,
    stop: &CancellationToken,
) -> Arc<Net> {
    let (told, connection) = (Arc::downgrade(server), connection.clone());
    let of = engine.clone();
    let pool_moved = Box::new(move || {
        if let Some(server) = told.upgrade() {
            server.moved(&connection, &of);
        }
    });
    let listen = settings.listen;
    let magic = server.chain.magic();
    let net = Net::new(engine.clone(), settings, magic, nonce(), pool_moved);
    match peers::start(&net, stop).await {
        Ok(Some(address)) => {
            tracing::info!(%address, "listening for peers");
            let _ = server.p2p_address.set(address.to_string());
        }
        Ok(None) => {}
        Err(error) => {
            tracing::error!(address = ?listen, %error, "could not listen for peers; set `node.p2p_listen` to a free address");
        }
    }
    let _ = server.net.set(net.clone());
    net
}

fn engine_chain(chain: EmbeddedChain) -> Chain {
    match chain {
        EmbeddedChain::Regtest => Chain::Regtest,
        EmbeddedChain::Signet { challenge } => Chain::Signet { challenge },
        EmbeddedChain::Testnet4 => Chain::Testnet4,
    }
}

/// By it we know ourselves among those who call. Without randomness, nobody is known.
fn nonce() -> u64 {
    getrandom::u64().unwrap_or_default()
}

struct Server {
    chain: EmbeddedChain,
    engine: OnceLock<Engine>,
    /// The peers.
    net: OnceLock<Arc<Net>>,
    /// Where peers may call.
    p2p_address: OnceLock<String>,
    /// Itself, for work that outlives a call.
    own: OnceLock<Weak<Server>>,
    /// Who asks.
    host: OnceLock<Connection>,
    /// The tip that the host knows.
    told: Mutex<Option<t::Tip>>,
    /// Counts up when chain or mempool move.
    moves: watch::Sender<u64>,
    events: AtomicU64,
    cancel_mining: AtomicBool,
    closing: CancellationToken,
    closed: CancellationToken,
}

impl Server {
    fn new(chain: EmbeddedChain) -> Self {
        Self {
            chain,
            engine: OnceLock::new(),
            net: OnceLock::new(),
            p2p_address: OnceLock::new(),
            own: OnceLock::new(),
            host: OnceLock::new(),
            told: Mutex::default(),
            moves: watch::Sender::new(0),
            events: AtomicU64::new(0),
            cancel_mining: AtomicBool::new(false),
            closing: CancellationToken::new(),
            closed: CancellationToken::new(),
        }
    }

    fn event(&self, kind: &str, data: serde_json::Value) -> EventEnvelope {
        EventEnvelope {
            seq: self.events.fetch_add(1, Ordering::Relaxed) + 1,
            kind: kind.to_owned(),
            class: EventClass::Latest,
            publisher: "base-node".to_owned(),
            time: String::new(),
            data,
        }
    }

    fn announce(&self, connection: &Connection, kind: &str, data: serde_json::Value) {
        if let Ok(frame) = encode_event(&self.event(kind, data)) {
            // A host that is gone needs no news.
            let _ = connection.try_send_events(&[frame]);
        }
    }

    /// Tells the host of the tip, unless it knows. Comes before every answer, so that what the host keeps
    /// is never behind something that it was answered.
    fn tell_tip(&self, engine: &Engine) {
        // Taken first: nobody else tells of an older one meanwhile.
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let tip = tip(engine).ok();
        if *told == tip {
            return;
        }
        if let (Some(host), Ok(data)) = (self.host.get(), serde_json::to_value(&tip)) {
            // A host that is gone needs no news.
            let _ = host.send_event(&self.event(TIP, data));
        }
        *told = tip;
    }

    /// Answers at once what takes no time, and as [`Server::on_engine`] where that has to wait.
    fn at_once<M: Method>(
        &self,
        request: &Incoming,
        quick: impl FnOnce(&Engine, &M::Request) -> Option<Result<M::Response, NodeError>>,
        work: impl FnOnce(Engine, M::Request) -> Result<M::Response, NodeError> + Send + 'static,
    ) -> Reply
    where
        M::Request: Send + 'static,
        M::Response: Send + 'static,
    {
        let answer = self.engine.get().and_then(|engine| {
            let answer = quick(engine, &request.decode::<M>().ok()?)?;
            self.tell_tip(engine);
            Some(answer)
        });
        match answer {
            Some(answer) => Reply::now::<M>(answer.map_err(ErrorReply::from)),
            None => self.on_engine::<M>(request, work),
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
        let own = self.own.get().and_then(Weak::upgrade);
        Reply::later::<M>(async move {
            let told = engine.clone();
            let work = move || {
                let done = work(engine, request);
                if let Some(server) = own {
                    server.tell_tip(&told);
                }
                done
            };
            let done = tokio::task::spawn_blocking(work).await;
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
                if let Some(net) = server.net.get() {
                    net.pool_moved();
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
        let own = self.own.get().and_then(Weak::upgrade);
        Reply::later::<m::MiningTemplate>(async move {
            let asked = tokio::time::Instant::now();
            let deadline = asked + LONGPOLL;
            while let Some(known) = &request.longpoll_id {
                moves.mark_unchanged();
                let now = engine.template_id().map_err(fault)?;
                // It begins with the hash of the block beneath.
                let same_block = now.get(..64) == known.get(..64);
                let until = if now == *known {
                    deadline
                } else if same_block && asked.elapsed() < CALM {
                    asked + CALM
                } else {
                    break;
                };
                match tokio::time::timeout_at(until, moves.changed()).await {
                    Ok(Ok(())) => {}
                    Err(_) if until < deadline => {}
                    // The same one again, so that the caller knows that we live.
                    Ok(Err(_)) | Err(_) => break,
                }
            }
            let chosen = tokio::task::spawn_blocking(move || {
                let chosen = unconfirmed::template(&engine, room);
                if let Some(server) = own {
                    server.tell_tip(&engine);
                }
                chosen
            });
            let chosen = chosen
                .await
                .map_err(|_| ErrorReply::internal("the engine's thread ended early"))?;
            chosen.map_err(ErrorReply::from)
        })
    }

    fn mine(&self, connection: &Connection, request: &Incoming) -> Reply {
        let (connection, cancelled) = (connection.clone(), CancelOnDrop::default());
        let flag = cancelled.0.clone();
        let chain = self.chain.name();
        let reply = self.on_engine::<Mine>(
            request,
            move |engine, wire::MineNumbered { number, request }| {
                if !(1..=MAX_MINED_AT_ONCE).contains(&request.count) {
                    return Err(params(format!(
                        "`count` is {}; use 1 to {MAX_MINED_AT_ONCE}",
                        request.count
                    )));
                }
                if chain != "regtest" {
                    return Err(params(format!(
                        "blocks are mined at once on regtest only; this is {chain}"
                    )));
                }
                let script = match &request.address {
                    Some(address) => parse_address(address, Network::Regtest)
                        .map_err(|e| params(format!("`address`: {e}")))?,
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
    /// Once the kernel has failed nothing is answered any more: this process ends, the next one brings back
    /// what the journal has, and who asks again is answered by that one.
    fn request(&self, connection: &Connection, request: Incoming) -> Reply {
        let engine = self.engine.get().cloned();
        let failed = move || {
            let engine = engine.as_ref();
            engine.is_some_and(|engine| engine.failure().is_some())
        };
        match self.answer(connection, &request) {
            Reply::Now(_) if failed() => Reply::Later(Box::pin(std::future::pending())),
            now @ Reply::Now(_) => now,
            Reply::Later(work) => Reply::Later(Box::pin(async move {
                let answer = work.await;
                if failed() {
                    std::future::pending().await
                } else {
                    answer
                }
            })),
        }
    }
}

impl Server {
    fn answer(&self, connection: &Connection, request: &Incoming) -> Reply {
        match request.method {
            m::ChainTip::ID => {
                let now = |engine: &Engine, _: &_| Some(tip(engine));
                self.at_once::<m::ChainTip>(request, now, |engine, _| tip(&engine))
            }
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
                self.at_once::<m::ChainUtxo>(request, utxo_now, |engine, wanted| {
                    utxo(&engine, &wanted)
                })
            }
            m::ChainSpentOutputs::ID => self
                .on_engine::<m::ChainSpentOutputs>(request, |engine, wanted| {
                    spent_pages::page(spent(&engine, wanted.hash)?, &wanted)
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
                let count = self.net.get().map_or(0, |net| net.peers().len());
                let count = u32::try_from(count).unwrap_or(u32::MAX);
                let address = self.p2p_address.get().cloned();
                let chain = self.chain.clone();
                self.on_engine::<m::NetworkInfo>(request, move |engine, _| {
                    Ok(answers::info(&engine, &chain, count, address))
                })
            }
            m::NetworkPeers::ID => {
                let peers = self.net.get().map(|net| net.peers()).unwrap_or_default();
                self.on_engine::<m::NetworkPeers>(request, move |_, _| Ok(t::Peers { peers }))
            }
            CheckBlock::ID => self.on_engine::<CheckBlock>(request, |engine, block| {
                answers::check(&engine, &block.0)
            }),
            StatusOfChain::ID => {
                let offered = self.net.get().map_or(0, |net| net.best_offer());
                self.on_engine::<StatusOfChain>(request, move |engine, _| {
                    answers::chain_status(&engine, offered)
                })
            }
            StatusOfMempool::ID => self.on_engine::<StatusOfMempool>(request, |engine, _| {
                Ok(unconfirmed::status(&engine))
            }),
            m::MiningSubmitBlock::ID => self
                .on_engine::<m::MiningSubmitBlock>(request, |engine, block| {
                    submit(&engine, &block.0)
                }),
            SubmitBlocks::ID => self.on_engine::<SubmitBlocks>(request, |engine, wanted| {
                answers::submit_all(&engine, &wanted.blocks)
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
