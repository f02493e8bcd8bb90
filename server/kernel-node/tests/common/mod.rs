//! What the tests share: a directory, an engine, and the events it told.
#![allow(
    dead_code,
    clippy::unwrap_used,
    reason = "each test binary uses its part, and fails by panicking"
)]

use std::{
    path::Path,
    sync::{Arc, Mutex, atomic::AtomicBool},
};

use bllvm_kernel_node::{
    ChainEvent, Engine, OpenReport, Settings, anyone_can_spend, bitcoin::BlockHash,
};

/// The events an engine told, oldest first.
#[derive(Debug, Clone, Default)]
pub struct Heard(Arc<Mutex<Vec<ChainEvent>>>);

impl Heard {
    /// Takes what was told since the last time.
    pub fn take(&self) -> Vec<ChainEvent> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

/// An engine on this directory, its report, and its events.
pub fn open(dir: &Path) -> (Engine, OpenReport, Heard) {
    open_with(Settings::regtest(dir))
}

/// As [`open`], with other settings.
pub fn open_with(settings: Settings) -> (Engine, OpenReport, Heard) {
    let heard = Heard::default();
    let tell = heard.clone();
    let (engine, report) = Engine::open(
        settings,
        Box::new(move |event| tell.0.lock().unwrap().push(event)),
    )
    .unwrap();
    (engine, report, heard)
}

/// Mines to anyone.
pub fn mine(engine: &Engine, count: u32) -> Vec<BlockHash> {
    engine
        .mine(
            count,
            &anyone_can_spend(),
            &AtomicBool::new(false),
            &mut |_| {},
        )
        .unwrap()
}

/// An event as `+height` or `-height` with its hash: enough to compare order.
pub fn signed(event: &ChainEvent) -> (char, u32, BlockHash) {
    match event {
        ChainEvent::Connected { height, hash, .. } => ('+', *height, *hash),
        ChainEvent::Disconnected { height, hash, .. } => ('-', *height, *hash),
    }
}
