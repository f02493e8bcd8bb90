//! The kernel's files in the hands of another program.

mod common;

use bllvm_kernel_node::{Engine, EngineError, Settings};
use common::{mine, open};

#[test]
fn files_that_another_program_holds_are_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let (engine, _, _) = open(dir.path());
    let hashes = mine(&engine, 5);
    engine.close().expect("a clean close");
    let data = dir.path().join("regtest");
    let context = bitcoinkernel::Context::builder()
        .chain_type(bitcoinkernel::ChainType::Regtest)
        .build()
        .expect("a context");
    let (data, blocks) = (
        data.display().to_string(),
        data.join("blocks").display().to_string(),
    );
    let other = bitcoinkernel::ChainstateManager::new(&context, &data, &blocks).expect("a chain");

    let error = Engine::open(Settings::regtest(dir.path()), Box::new(|_| {})).expect_err("busy");
    assert!(
        matches!(error, EngineError::Busy { pid: None, .. }),
        "{error}"
    );
    drop(other);
    let (engine, report, _) = open(dir.path());
    assert_eq!(engine.tip().expect("a tip").hash, hashes[4], "{report:?}");
}
