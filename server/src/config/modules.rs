//! `[modules]`: where modules are, how long they may take, and what is said of each by name.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bllvm_manifest::ModuleName;

use super::reader::{self, Key, Reader};
use crate::control::ModuleEntry;

const DIR: Key = Key::derived(
    "modules.dir",
    "\"/var/lib/bllvm/modules\"",
    "Where modules are looked for, each in a folder with its name. Default: `modules` in the\ndata directory.",
);
const LAUNCH: Key = Key::derived(
    "modules.launch",
    "\"/usr/lib/bllvm/bllvm-launch\"",
    "The program that starts module processes. Default: `bllvm-launch` beside bllvm-node.",
);
const CARGO_BIN: Key = Key::derived(
    "modules.cargo_bin",
    "\"/home/me/.cargo/bin\"",
    "Where `cargo install` puts programs; modules among them are found without being run.\nDefault: $CARGO_INSTALL_ROOT/bin, $CARGO_HOME/bin or ~/.cargo/bin. An empty text looks nowhere.",
);
const HELLO: Key = Key::new(
    "modules.hello_deadline",
    "\"5 s\"",
    "How long a new process may take to say hello.",
);
const READY: Key = Key::new(
    "modules.ready_deadline",
    "\"30 s\"",
    "How long each step from hello to ready may take.",
);
const DRAIN: Key = Key::new(
    "modules.drain_deadline",
    "\"10 s\"",
    "How long a module that is asked to end may take to finish what is open.",
);
const TERM: Key = Key::new(
    "modules.term_deadline",
    "\"5 s\"",
    "How long it may take after SIGTERM, before it is killed.",
);
const HEARTBEAT: Key = Key::new(
    "modules.heartbeat",
    "\"2 s\"",
    "How often a running module is asked for a sign of life.",
);
const MISSES: Key = Key::new(
    "modules.heartbeat_misses",
    "3",
    "Missed signs of life in a row that make a module `unresponsive`.",
);

pub(super) const KEYS: &[Key] = &[
    DIR, LAUNCH, CARGO_BIN, HELLO, READY, DRAIN, TERM, HEARTBEAT, MISSES,
];

/// The sample's part for keys that are not fixed.
pub(super) const SAMPLE_TABLES: &str = r#"# Interpreters that modules may ask for by name. None is allowed until you name it here; the
# node verifies a script, not its interpreter.
# [modules.interpreters]
# python3 = "/usr/bin/python3"

# One table a module. `enabled = true` with `grant = "requested"` stands for an operator's load:
# it confirms the program as found at this start and grants what its module.toml asks for.
# `enabled = false` keeps it from being loaded. `config` replaces single keys of its config.toml
# at each start of the node.
# [modules.block-clock]
# enabled = true
# grant = "requested"
# config = { greeting = "hello" }
"#;

/// The settings of modules.
#[derive(Clone, Debug, PartialEq)]
pub struct Modules {
    /// Where they are looked for.
    pub dir: PathBuf,
    /// `bllvm-launch`, where it is not beside us.
    pub launch: Option<PathBuf>,
    /// Cargo's bin folder, where one is looked at.
    pub cargo_bin: Option<PathBuf>,
    /// Allowed interpreters by name.
    pub interpreters: BTreeMap<String, PathBuf>,
    /// From spawn to hello.
    pub hello_deadline: Duration,
    /// Each step from hello to ready.
    pub ready_deadline: Duration,
    /// To finish what is open.
    pub drain_deadline: Duration,
    /// From SIGTERM to SIGKILL.
    pub term_deadline: Duration,
    /// Between two signs of life.
    pub heartbeat: Duration,
    /// Missed ones that make it unresponsive.
    pub heartbeat_misses: u32,
    /// What is said of single modules.
    pub by_name: BTreeMap<ModuleName, ModuleEntry>,
}

impl Modules {
    pub(super) fn read(reader: &mut Reader, data_dir: &Path, cargo_bin: Option<PathBuf>) -> Self {
        let cargo_bin = match reader.path(CARGO_BIN.path) {
            Some(path) if path.as_os_str().is_empty() => None,
            Some(path) => Some(path),
            None => cargo_bin,
        };
        Self {
            dir: reader
                .path(DIR.path)
                .unwrap_or_else(|| data_dir.join("modules")),
            launch: reader.path(LAUNCH.path),
            cargo_bin,
            interpreters: read_interpreters(reader),
            hello_deadline: reader.get(&HELLO, reader::duration),
            ready_deadline: reader.get(&READY, reader::duration),
            drain_deadline: reader.get(&DRAIN, reader::duration),
            term_deadline: reader.get(&TERM, reader::duration),
            heartbeat: reader.get(&HEARTBEAT, reader::duration),
            heartbeat_misses: reader.get(&MISSES, reader::count),
            by_name: read_entries(reader),
        }
    }
}

fn read_interpreters(reader: &mut Reader) -> BTreeMap<String, PathBuf> {
    let mut interpreters = BTreeMap::new();
    for (name, _) in reader.below("modules.interpreters") {
        let key = format!("modules.interpreters.{name}");
        let Some(path) = reader.path(&key) else {
            continue;
        };
        if path.is_absolute() {
            interpreters.insert(name, path);
        } else {
            reader.refuse(
                &key,
                "must be a full path, so that nobody can put another program before it",
            );
        }
    }
    interpreters
}

fn read_entries(reader: &mut Reader) -> BTreeMap<ModuleName, ModuleEntry> {
    let mut entries: BTreeMap<ModuleName, ModuleEntry> = BTreeMap::new();
    for (rest, setting) in reader.below("modules") {
        let key = format!("modules.{rest}");
        let Some((name, field)) = rest.split_once('.') else {
            continue;
        };
        if name == "interpreters"
            || KEYS
                .iter()
                .any(|known| known.path == format!("modules.{name}"))
        {
            continue;
        }
        let name = match ModuleName::new(name) {
            Ok(name) => name,
            Err(error) => {
                reader.known(&key);
                reader.refuse(&key, error.to_string());
                continue;
            }
        };
        let entry = entries.entry(name).or_default();
        match field {
            "enabled" => entry.enabled = reader.optional(&key, reader::boolean),
            "grant" => {
                entry.grant_requested = reader.optional(&key, requested).is_some();
            }
            _ => {
                reader.known(&key);
                if let Some(inner) = field.strip_prefix("config.") {
                    insert_dotted(&mut entry.config, inner, setting.value);
                } else {
                    let meant = bllvm_manifest::nearest(field, ["enabled", "grant", "config"])
                        .map(|near| format!("; did you mean `{near}`?"))
                        .unwrap_or_default();
                    reader.refuse(
                        &key,
                        format!(
                            "is not a key of a module: `enabled`, `grant` and `config` are{meant}"
                        ),
                    );
                }
            }
        }
    }
    entries
}

fn requested(value: &toml::Value) -> Result<(), String> {
    match reader::text(value)?.as_str() {
        "requested" => Ok(()),
        other => Err(format!(
            "must be \"requested\" (what the module's manifest asks for), not \"{}\"; finer grants are given by `bllvm-node module grant`",
            other.escape_debug()
        )),
    }
}

fn insert_dotted(table: &mut toml::Table, path: &str, value: toml::Value) {
    match path.split_once('.') {
        None => {
            table.insert(path.to_owned(), value);
        }
        Some((first, rest)) => {
            let inner = table
                .entry(first)
                .or_insert_with(|| toml::Value::Table(toml::Table::new()));
            if let toml::Value::Table(inner) = inner {
                insert_dotted(inner, rest, value);
            }
        }
    }
}
