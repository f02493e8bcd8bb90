//! Which registry is read, what was seen of it, and where its packages are kept.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use bllvm_manifest::{Digest, ModuleName};
use bllvm_package::{Index, IndexTrust, Listed, PublicKey, Publisher, Trust};
use bllvm_registry::{RegistryError, Source, download, open};
use clap::Args;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::error::Failure;

/// Which registry.
#[derive(Args, Clone, Debug)]
pub struct Registry {
    /// A registry's address or folder
    #[arg(
        long,
        value_name = "URL|DIR",
        requires = "registry",
        requires = "index_keys"
    )]
    pub index: Option<String>,
    /// The registry's name
    #[arg(id = "registry", long = "registry", value_name = "NAME")]
    pub named: Option<String>,
    /// A public key of the registry; may be repeated
    #[arg(long = "index-key", value_name = "KEY")]
    pub index_keys: Vec<PublicKey>,
    /// How many of its keys must have signed the index
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    pub index_threshold: usize,
    /// Where downloads and what was seen of registries are kept
    #[arg(long, value_name = "DIR")]
    pub cache: Option<PathBuf>,
}

/// The newest index that was seen of a registry.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Seen {
    seq: u64,
    digest: Digest,
    /// The greatest time that was seen with it.
    at: Timestamp,
}

/// A registry whose index was checked.
pub struct Opened {
    sources: Vec<Source>,
    /// What it has.
    pub index: Index,
    cache: PathBuf,
}

impl Registry {
    /// Fetches the index and checks it.
    ///
    /// # Errors
    /// Where it cannot be read, or is not believed.
    pub async fn open(&self, now: Timestamp) -> Result<Opened> {
        let (Some(at), Some(name)) = (&self.index, &self.named) else {
            return Err(Failure::because(
                "no_registry",
                "no registry is named: give --index, --registry and --index-key",
            ));
        };
        let source = at.parse::<Source>().map_err(|error| failed(&error))?;
        let cache = self.cache.clone().map_or_else(default_cache, Ok)?;
        fs::create_dir_all(&cache).with_context(|| cache.display().to_string())?;
        let keys = Publisher::new(&self.index_keys, self.index_threshold)
            .map_err(|error| Failure::because("threshold_invalid", error.to_string()))?;
        let memory = cache.join("seen.json");
        let mut all: BTreeMap<String, Seen> = match fs::read(&memory) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .with_context(|| format!("{}: remove it to begin anew", memory.display()))?,
            Err(_) => BTreeMap::new(),
        };
        let seen = all.get(name);
        let trust = IndexTrust {
            registry: name.clone(),
            keys,
            seen: seen.map(|seen| (seen.seq, seen.digest)),
            moment: seen.map_or(now, |seen| seen.at.max(now)),
        };
        let sources = vec![source];
        let opened = open(&sources, &trust)
            .await
            .map_err(|error| failed(&error))?;
        let index = opened.index;
        let now_seen = Seen {
            seq: index.seq,
            digest: Digest::of(&opened.bytes),
            at: trust.moment,
        };
        all.insert(name.clone(), now_seen);
        write_whole(&memory, &serde_json::to_vec_pretty(&all)?)?;
        Ok(Opened {
            sources,
            index,
            cache,
        })
    }
}

impl Opened {
    /// Copies a release to this machine, checked file by file; gives the package's folder.
    ///
    /// # Errors
    /// Where it is not listed, was taken back, or is not what the index lists.
    pub async fn fetch(
        &self,
        module: &ModuleName,
        version: Option<&semver::Version>,
        quiet: bool,
    ) -> Result<PathBuf> {
        let listed = self
            .index
            .find(module, version, &Trust::own_target())
            .map_err(|refusal| Failure::because(refusal.code(), refusal.to_string()))?;
        let folder = self.cache.join("packages").join(listed.digest.to_hex());
        let progress = Progress::new(listed, quiet);
        let moved = |done, total| progress.show(done, total);
        let copied = download(&self.sources, listed, &folder, &moved).await;
        progress.end();
        copied.map_err(|error| failed(&error))?;
        Ok(folder)
    }
}

fn failed(error: &RegistryError) -> anyhow::Error {
    Failure::because(error.code(), error.to_string())
}

/// A line of progress, where somebody looks.
struct Progress {
    what: String,
    shown: bool,
}

impl Progress {
    fn new(listed: &Listed, quiet: bool) -> Self {
        Self {
            what: format!("{} {}", listed.module, listed.version),
            shown: !quiet && std::io::stderr().is_terminal(),
        }
    }

    fn show(&self, done: u64, total: u64) {
        if self.shown {
            let percent = done.saturating_mul(100) / total.max(1);
            eprint!("\r{}: {percent} % of {} KiB ", self.what, total >> 10);
        }
    }

    fn end(&self) {
        if self.shown {
            eprintln!();
        }
    }
}

fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    let beside = PathBuf::from(name);
    let mut file = File::create(&beside).with_context(|| beside.display().to_string())?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&beside, path).with_context(|| path.display().to_string())
}

fn default_cache() -> Result<PathBuf> {
    let variable = |name| std::env::var_os(name).map(PathBuf::from);
    variable("XDG_CACHE_HOME")
        .or_else(|| Some(variable("HOME")?.join(".cache")))
        .map(|dir| dir.join("bllvm"))
        .context("there is no home directory: name a folder with --cache")
}

/// The system's time, for a command at a prompt.
#[expect(
    clippy::disallowed_methods,
    reason = "a command at a prompt asks the system; the server's Clock is not ours"
)]
pub fn now() -> Timestamp {
    Timestamp::now()
}
