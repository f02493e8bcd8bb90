//! The layers together: what wins, what is refused, and that the sample is true.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::load::keys;
use super::*;

fn with(file: &str, variables: &[(&str, &str)], flags: &[&str]) -> Result<Config, ConfigError> {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join(FILE_NAME), file).unwrap();
    let overrides = Overrides {
        data_dir: Some(dir.path().to_owned()),
        file: None,
        assignments: flags.iter().map(|f| ("--set", (*f).to_owned())).collect(),
    };
    load(&overrides, &around(variables))
}

fn around(variables: &[(&str, &str)]) -> Surroundings {
    let variables: BTreeMap<String, String> = variables
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    Surroundings {
        variables,
        root: false,
    }
}

fn refusal(file: &str, variables: &[(&str, &str)], flags: &[&str]) -> String {
    with(file, variables, flags).unwrap_err().to_string()
}

#[test]
fn flags_win_over_variables_and_variables_over_the_file() {
    let file = "[http]\nlisten = \"127.0.0.1:1\"\n[limits]\nsubmissions_per_minute = 1\n";
    let variables = [
        ("BLLVM__HTTP__LISTEN", "127.0.0.1:2"),
        ("BLLVM__TELEMETRY__LEVEL", "debug"),
    ];
    let config = with(file, &variables, &["http.listen=127.0.0.1:3"]).unwrap();
    assert_eq!(config.http.listen.port(), 3);
    assert_eq!(config.telemetry.level, "debug");
    assert_eq!(config.limits.submissions_per_minute, 1);
    assert_eq!(config.node.dir, config.data_dir.join("node"));
}

#[test]
fn an_unknown_key_is_refused_with_its_place_and_what_was_meant() {
    let error = refusal("[http]\nlistne = \"127.0.0.1:1\"\n", &[], &[]);
    assert!(
        error.contains("bllvm-node.toml:2: `http.listne`"),
        "{error}"
    );
    assert!(error.contains("did you mean `http.listen`?"), "{error}");

    let error = refusal("", &[("BLLVM__NODE__BACKENT", "none")], &[]);
    assert!(
        error.starts_with("environment variable BLLVM__NODE__BACKENT"),
        "{error}"
    );
    assert!(error.contains("did you mean `node.backend`?"), "{error}");

    let error = refusal("", &[], &["listen=127.0.0.1:1"]);
    assert!(error.starts_with("flag --set: `listen`"), "{error}");
    assert!(error.contains("did you mean `http.listen`?"), "{error}");

    let error = refusal("[modules.block-clock]\nenabeld = true\n", &[], &[]);
    assert!(error.contains("did you mean `enabled`?"), "{error}");

    let error = refusal("[colours]\nsky = \"blue\"\n", &[], &[]);
    assert!(
        error.contains("`bllvm-node config sample` prints them all"),
        "{error}"
    );
}

#[test]
fn every_problem_is_told_at_once() {
    let file = "[http]\nlisten = 8480\nallowed_hosts = [\"http://x\"]\n[limits]\nshutdown_deadline = 20\nmodule_storage = \"many\"\n[node]\nchain = \"moon\"\nbackend = \"corn\"\n[telemetry]\nlevel = \"loud=very\"\nformat = \"xml\"\n";
    let error = refusal(file, &[], &[]);
    for part in [
        "`http.listen` must be a text, not a whole number",
        "`http.allowed_hosts` has `http://x`",
        "`limits.shutdown_deadline` must be a time with its unit",
        "`limits.module_storage` must be a size with its unit",
        "`node.chain` must be ",
        "`node.backend` must be \"embedded\", \"core\" or \"none\"",
        "`telemetry.level` must be error, warn",
        "`telemetry.format` must be \"text\" or \"json\"",
    ] {
        assert!(error.contains(part), "{part} is missing in\n{error}");
    }
    assert_eq!(error.lines().count(), 8, "{error}");
}

#[test]
fn the_embedded_node_runs_test_networks_and_says_what_it_does_not() {
    let node = |flags: &[&str]| with("", &[], flags).unwrap().node;
    assert!(node(&[]).dir.ends_with("node"));
    let signet = node(&["node.chain=signet"]);
    assert!(signet.dir.ends_with("node-signet") && signet.chain.challenge().is_none());
    let own = ["node.chain=signet", "node.signet_challenge=\"51\""];
    assert!(node(&own).dir.ends_with("node-signet-54d26fbd"));
    assert_eq!(node(&["node.chain=testnet4"]).chain.name(), "testnet4");

    let refusals: [(&[&str], &str); 4] = [
        (
            &["node.chain=main"],
            "`node.chain` \"main\" is Bitcoin Core's",
        ),
        (
            &["node.chain=test"],
            "`node.chain` must be \"regtest\", \"signet\" or \"testnet4\"",
        ),
        (
            &["node.signet_challenge=\"51\""],
            "`node.chain` is \"regtest\"; leave it out",
        ),
        (
            &["node.chain=signet", "node.signet_challenge=\"5x\""],
            "\"5x\" is no hex",
        ),
    ];
    for (flags, part) in refusals {
        let error = refusal("", &[], flags);
        assert!(error.contains(part), "{part} is missing in\n{error}");
    }
}

#[test]
fn it_listens_beyond_this_machine_only_on_an_explicit_word() {
    let error = refusal("", &[], &["http.listen=0.0.0.0:8480"]);
    assert!(error.contains("allow_remote_without_tls"), "{error}");
    let flags = [
        "http.listen=0.0.0.0:8480",
        "http.allow_remote_without_tls=true",
    ];
    assert!(with("", &[], &flags).is_ok());
    assert!(with("", &[], &["http.listen=[::1]:0"]).is_ok());
}

#[test]
fn modules_are_configured_by_name() {
    let file = "[modules]\nheartbeat = \"1 s\"\n[modules.block-clock]\nenabled = true\ngrant = \"requested\"\nconfig = { greeting = \"hi\", clock = { utc = true } }\n[modules.interpreters]\npython3 = \"/usr/bin/python3\"\n";
    let variables = [("BLLVM__MODULES__BLOCK_LOG__ENABLED", "false")];
    let config = with(file, &variables, &[]).unwrap();
    let by_name = |name: &str| &config.modules.by_name[name];
    assert_eq!(by_name("block-clock").enabled, Some(true));
    assert!(by_name("block-clock").grant_requested);
    assert_eq!(
        by_name("block-clock").config.to_string().trim(),
        "greeting = \"hi\"\n\n[clock]\nutc = true"
    );
    assert_eq!(by_name("block-log").enabled, Some(false));
    assert_eq!(
        config.modules.interpreters["python3"],
        Path::new("/usr/bin/python3")
    );

    let error = refusal("[modules.Clock]\nenabled = true\n", &[], &[]);
    assert!(error.contains("only a-z, 0-9 and - are allowed"), "{error}");
    let error = refusal("[modules.clock]\ngrant = \"all\"\n", &[], &[]);
    assert!(error.contains("must be \"requested\""), "{error}");
    let error = refusal("", &[], &["modules.interpreters.python3=python3"]);
    assert!(error.contains("must be a full path"), "{error}");
}

#[test]
fn data_goes_where_the_system_keeps_it() {
    let home = [("HOME", "/home/me")];
    let data_home = [("HOME", "/home/me"), ("XDG_DATA_HOME", "/data")];
    let named = [("HOME", "/home/me"), ("BLLVM__DATA_DIR", "/here")];
    let root = Surroundings {
        root: true,
        ..around(&home)
    };
    let dir = |around: &Surroundings| default_data_dir(around).unwrap();
    assert_eq!(
        dir(&around(&home)),
        Path::new("/home/me/.local/share/bllvm")
    );
    assert_eq!(dir(&around(&data_home)), Path::new("/data/bllvm"));
    assert_eq!(dir(&around(&named)), Path::new("/here"));
    assert_eq!(dir(&root), Path::new("/var/lib/bllvm"));
    assert_eq!(default_data_dir(&around(&[])), None);
}

#[test]
fn a_named_file_must_be_there_and_its_paths_are_beside_it() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("own.toml");
    let overrides = Overrides {
        data_dir: Some(PathBuf::from("/data")),
        file: Some(file.clone()),
        assignments: Vec::new(),
    };
    let error = load(&overrides, &around(&[])).unwrap_err();
    assert!(
        error.to_string().contains("own.toml cannot be read"),
        "{error}"
    );
    std::fs::write(&file, "[modules]\ndir = \"mods\"\n").unwrap();
    let config = load(&overrides, &around(&[])).unwrap();
    assert_eq!(config.modules.dir, dir.path().join("mods"));
}

#[test]
fn the_sample_reads_as_the_defaults_and_mentions_every_key() {
    let text = sample();
    assert_eq!(
        with(&text, &[], &[]).unwrap().http,
        with("", &[], &[]).unwrap().http
    );

    // Uncommented, every line is a setting that the node knows, with its default.
    let uncommented: String = text
        .lines()
        .map(|line| match line.strip_prefix("# ") {
            Some(rest) if rest.contains(" = ") && !rest.contains('`') => format!("{rest}\n"),
            Some(rest) if rest.starts_with('[') => format!("{rest}\n"),
            _ => format!("{line}\n"),
        })
        .collect();
    let all = with(&uncommented, &[], &[]).unwrap_or_else(|e| panic!("{e}\n{uncommented}"));
    let none = with("", &[], &[]).unwrap();
    assert_eq!(all.http, none.http);
    assert_eq!(all.limits, none.limits);
    assert_eq!(all.telemetry, none.telemetry);
    assert_eq!(all.modules.heartbeat, none.modules.heartbeat);
    assert_eq!(all.node.backend, none.node.backend);
    assert_eq!(all.modules.by_name.len(), 1);
    for key in keys() {
        let (section, name) = key.path.split_once('.').unwrap();
        assert!(text.contains(&format!("\n[{section}]\n")), "{section}");
        assert!(text.contains(&format!("\n# {name} = ")), "{}", key.path);
    }
}
