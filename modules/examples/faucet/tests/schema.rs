//! The schema file is what the program prints.

use std::process::Command;

use serde_json::Value;

#[test]
fn the_schema_file_is_what_the_program_prints_and_its_defaults_fit() {
    let program = env!("CARGO_BIN_EXE_faucet");
    let printed = Command::new(program).arg("--config-schema").output();
    let printed = printed.expect("it runs").stdout;
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/config.schema.json");
    if std::env::var_os("UPDATE_SCHEMA").is_some() {
        std::fs::write(path, &printed).expect("it can be written");
    }
    let file = std::fs::read(path).expect("config.schema.json is there");
    let json = |text: &[u8]| serde_json::from_slice::<Value>(text).expect("it is JSON");
    assert_eq!(
        json(&file),
        json(&printed),
        "run UPDATE_SCHEMA=1 cargo test -p faucet"
    );
    let schema = bllvm_manifest::ConfigSchema::parse(&file).expect("it is a schema for forms");
    assert!(schema.defaults().contains("fee_sat_per_vb = 2"));
}
