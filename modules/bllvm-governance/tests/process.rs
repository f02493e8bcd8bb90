//! The program itself: what it says of itself without a host.

use std::process::{Command, Output};

use serde_json::Value;

const PROGRAM: &str = env!("CARGO_BIN_EXE_bllvm-governance");
const FOLDER: &str = env!("CARGO_MANIFEST_DIR");

fn ask(flag: &str) -> Output {
    Command::new(PROGRAM).arg(flag).output().expect("it runs")
}

#[test]
fn the_program_carries_the_manifest_that_a_host_finds() {
    let file = std::fs::read(format!("{FOLDER}/module.toml")).expect("module.toml is there");
    assert_eq!(ask("--manifest").stdout, file);
    let found = bllvm_manifest::embedded::read_bytes(PROGRAM.as_ref()).expect("it carries one");
    assert_eq!(found, file);
}

#[test]
fn the_schema_file_is_what_the_program_prints() {
    let printed = ask("--config-schema").stdout;
    let path = format!("{FOLDER}/config.schema.json");
    if std::env::var_os("UPDATE_SCHEMA").is_some() {
        std::fs::write(&path, &printed).expect("it can be written");
    }
    let file = std::fs::read(&path).expect("config.schema.json is there");
    let json = |text: &[u8]| serde_json::from_slice::<Value>(text).expect("it is JSON");
    let renew = "run UPDATE_SCHEMA=1 cargo test -p bllvm-governance";
    assert_eq!(json(&file), json(&printed), "{renew}");
    bllvm_manifest::ConfigSchema::parse(&file).expect("it is a schema for forms");
}
