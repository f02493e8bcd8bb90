//! The embedded base node on libbitcoinkernel: Bitcoin Core's own consensus code behind one
//! synchronous handle, [`Engine`].
//!
//! Three properties of the kernel shape this crate:
//!
//! 1. **It forgets.** Between clean shutdowns its index lives in memory; an abort loses every block
//!    since the last one. So each block goes to our own journal, synced, before the kernel sees it,
//!    and the journal is replayed at the next open. It is emptied only after a reopened kernel has
//!    shown the tip it was closed with.
//! 2. **Its callbacks run under its main lock.** They copy out and send on an unbounded channel,
//!    and never lock or wait. Chain events don't come from callbacks at all: they are the difference
//!    between the tip before and after, so a reorganisation that fails half-way announces nothing.
//! 3. **It says why only in its log.** A verdict joins the result, the `block_checked` callback
//!    and the log lines that the submitting thread wrote meanwhile, so a refused block comes back
//!    with Core's own words.
//!
//! A failed assertion in the kernel aborts the process: wrap the engine in a child process. What the
//! engine leaves to others: peers, IPC. What is decided about unconfirmed transactions is in
//! `bllvm-mempool`; here it is tied to the kernel and to the index.
//!
//! ```no_run
//! use bllvm_kernel_node::{Engine, Settings, anyone_can_spend};
//! use std::sync::atomic::AtomicBool;
//!
//! let settings = Settings::regtest("/var/lib/bllvm/node");
//! let (engine, report) = Engine::open(settings, Box::new(|event| println!("{event:?}")))?;
//! println!("{:?} in {:?}", report.how, report.elapsed);
//! engine.mine(1, &anyone_can_spend(), &AtomicBool::new(false), &mut |_done| {})?;
//! engine.close()?;
//! # Ok::<(), bllvm_kernel_node::EngineError>(())
//! ```

mod callbacks;
mod engine;
mod error;
mod fee;
mod follow;
mod index;
mod journal;
mod kernel;
mod lock;
mod mempool_file;
mod mining;
mod model;
mod pool;
mod proposal;
mod reads;
mod recovery;
mod replay;
mod rules;
pub mod testing;
mod verdict;
mod works;
mod writer;

pub use bitcoin;
pub use bllvm_mempool as mempool;
pub use bllvm_mempool::Coin;

pub use engine::{Engine, Observer};
pub use error::EngineError;
pub use mining::{BlockPlan, Mark, anyone_can_spend, parse_address};
pub use model::{
    BlockId, ChainDelta, ChainEvent, HeaderInfo, Info, OpenReport, Opening, Settings, SpentOutput,
    Tip,
};
pub use pool::BlockTemplate;
pub use rules::{Chain, Difficulty, HeaderFault, Standing};
pub use verdict::Verdict;
