//! Measures what the engine costs on this machine: opening, mining, journaling, replaying.
//!
//! `cargo run -p bllvm-kernel-node --example figures -- <empty directory>`

use std::{
    path::PathBuf,
    sync::atomic::AtomicBool,
    time::{Duration, Instant},
};

use bllvm_kernel_node::{
    Engine, EngineError, Settings, anyone_can_spend,
    bitcoin::consensus::serialize,
    testing::{BlockBuilder, extend},
};

fn main() -> Result<(), EngineError> {
    let dir: PathBuf = std::env::args_os()
        .nth(1)
        .map_or_else(|| "figures".into(), PathBuf::from);
    let open = || Engine::open(Settings::regtest(&dir), Box::new(drop));
    let mine = |engine: &Engine, count: u32| {
        let start = Instant::now();
        let cancel = AtomicBool::new(false);
        engine
            .mine(count, &anyone_can_spend(), &cancel, &mut |_| {})
            .map(|_| start.elapsed())
    };

    let (engine, report) = open()?;
    println!("open fresh             {:?}", report.elapsed);
    let took = mine(&engine, 1000)?;
    println!(
        "mine 1000              {took:?}, {:.0} blocks/s",
        1000.0 / took.as_secs_f64()
    );
    let bytes = engine.journal_bytes()?;
    println!("journal per block      {} bytes", (bytes - 40) / 1000);
    let start = Instant::now();
    engine.close()?;
    println!("close                  {:?}", start.elapsed());

    let (engine, report) = open()?;
    println!("open clean at {}     {:?}", report.height, report.elapsed);
    mine(&engine, 500)?;
    let start = Instant::now();
    engine.checkpoint()?;
    println!("checkpoint             {:?}", start.elapsed());

    let tip = engine.tip()?;
    let mut submits = Vec::new();
    let mut parent = tip.hash;
    for _ in 0..200 {
        let block = BlockBuilder::on(parent).build(&engine)?;
        let raw = serialize(&block);
        let start = Instant::now();
        engine.submit_block(&raw)?;
        submits.push(start.elapsed());
        parent = block.block_hash();
    }
    submits.sort_unstable();
    println!(
        "submit, p50 and p99    {:?} {:?}",
        submits[100], submits[198]
    );

    let start = Instant::now();
    extend(&engine, tip.hash, 201, 9)?;
    println!("reorganise 200         {:?}", start.elapsed());
    let start = Instant::now();
    let delta = engine.chain_since(&[(0, engine.info().genesis)], 1000)?;
    println!(
        "chain_since, 1000      {:?}, {} events",
        start.elapsed(),
        delta.events.len()
    );
    let reads = Instant::now();
    let mut tips = 0_u32;
    while reads.elapsed() < Duration::from_millis(200) {
        engine.tip()?;
        tips += 1;
    }
    println!("tip                    {:?}", reads.elapsed() / tips);
    engine.close()
}
