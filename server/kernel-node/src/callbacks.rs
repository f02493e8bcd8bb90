//! What the kernel tells us while it works. Everything here may run under the kernel's main lock:
//! it copies out, sends without waiting, and takes no lock of ours.

use std::{
    cell::RefCell,
    sync::{
        OnceLock,
        mpsc::{Receiver, Sender, SyncSender, channel, sync_channel},
    },
    thread,
};

use bitcoin::{BlockHash, hashes::Hash};
use bitcoinkernel::{
    Block, BlockValidationStateRef, Context, Log, Logger, ValidationMode, prelude::*,
};

use crate::{Chain, EngineError};

/// One thing the kernel said.
#[derive(Debug, PartialEq, Eq)]
pub enum Report {
    /// A block was validated, as far as it went.
    Checked {
        /// The block.
        hash: BlockHash,
        /// What came out.
        mode: Mode,
    },
    /// The kernel can't go on.
    Fatal(String),
}

/// The outcome of a validation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// The rules hold.
    Valid,
    /// A rule is broken.
    Invalid,
    /// The kernel could not tell, because something else failed.
    Internal,
}

/// Makes the kernel's context and the channel its callbacks send on.
pub fn context(chain: &Chain) -> Result<(Context, Receiver<Report>), EngineError> {
    start_log()?;
    let (checked, reports) = channel();
    let (fatal, flush) = (checked.clone(), checked.clone());
    let context = chain
        .of_context(Context::builder())
        .with_block_checked_validation(move |block: Block, state: BlockValidationStateRef<'_>| {
            let mode = match state.mode() {
                ValidationMode::Valid => Mode::Valid,
                ValidationMode::Invalid => Mode::Invalid,
                ValidationMode::InternalError => Mode::Internal,
            };
            let hash = BlockHash::from_byte_array(block.hash().to_bytes());
            send(&checked, Report::Checked { hash, mode });
        })
        .with_fatal_error_notification(move |message: String| send(&fatal, Report::Fatal(message)))
        .with_flush_error_notification(move |message: String| send(&flush, Report::Fatal(message)))
        .build()
        .map_err(|error| EngineError::Open {
            detail: error.to_string(),
        })?;
    Ok((context, reports))
}

fn send(to: &Sender<Report>, report: Report) {
    // The receiver is gone only while the engine ends; nobody asks then.
    let _ = to.send(report);
}

thread_local! {
    static CAPTURED: RefCell<Option<Vec<String>>> = const { RefCell::new(None) };
}

/// Runs a kernel call and returns the log lines that this thread wrote during it. The kernel logs
/// synchronously on the calling thread, so neither other threads nor other engines mix in.
pub fn capture<T>(call: impl FnOnce() -> T) -> (T, Vec<String>) {
    CAPTURED.with_borrow_mut(|lines| *lines = Some(Vec::new()));
    let result = call();
    let lines = CAPTURED.with_borrow_mut(Option::take).unwrap_or_default();
    (result, lines)
}

struct KernelLog {
    forward: SyncSender<String>,
}

impl Log for KernelLog {
    fn log(&self, message: &str) {
        let line = message.trim_end();
        let _ = CAPTURED.try_with(|captured| {
            if let Ok(mut captured) = captured.try_borrow_mut()
                && let Some(lines) = captured.as_mut()
            {
                lines.push(line.to_owned());
            }
        });
        // When the reader is behind, lines are lost rather than the kernel held up.
        let _ = self.forward.try_send(line.to_owned());
    }
}

/// Connects the kernel's log, once per process, to the thread capture and to `tracing`.
fn start_log() -> Result<(), EngineError> {
    static STARTED: OnceLock<Result<(), String>> = OnceLock::new();
    STARTED
        .get_or_init(|| {
            let (forward, lines) = sync_channel::<String>(1024);
            thread::Builder::new()
                .name("kernel-log".to_owned())
                .spawn(move || {
                    for line in lines {
                        tracing::debug!(target: "bllvm_kernel_node::log", "{line}");
                    }
                })
                .map_err(|error| error.to_string())?;
            let logger = Logger::new(KernelLog { forward }).map_err(|error| error.to_string())?;
            // It serves every engine until the process ends.
            std::mem::forget(logger);
            Ok(())
        })
        .clone()
        .map_err(|detail| EngineError::Open { detail })
}
