//! A registry, read: its index checked against keys and what was seen before, its packages copied so
//! that what broke off goes on where it was.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{IsTerminal as _, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use bllvm_manifest::{Digest, Manifest, ModuleName, RelativePath, layout};
use bllvm_package::{
    INDEX_FILE, INDEX_SIGNATURE_FILE, Index, IndexTrust, Listed, MAX_INDEX_BYTES,
    MAX_PACKAGE_BYTES, MAX_SIGNATURE_BYTES, PublicKey, Publisher, Trust, check_listing,
    verify_index,
};
use clap::Args;
use jiff::Timestamp;
use reqwest::StatusCode;
use reqwest::header::RANGE;
use serde::{Deserialize, Serialize};

use crate::error::Failure;

/// How long one piece of an answer may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// A `module.toml` is not larger.
const MAX_MANIFEST: u64 = 1 << 20;

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

/// Where a registry's files are.
enum Source {
    Folder(PathBuf),
    Web { http: reqwest::Client, base: String },
}

/// A registry whose index was checked.
pub struct Opened {
    source: Source,
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
        let source = Source::of(at)?;
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
        let bytes = source.read(INDEX_FILE, MAX_INDEX_BYTES).await?;
        let signatures = source
            .read(INDEX_SIGNATURE_FILE, MAX_SIGNATURE_BYTES as u64)
            .await?;
        let index = verify_index(&bytes, &signatures, &trust)
            .map_err(|refusal| Failure::because(refusal.code(), refusal.to_string()))?;
        let now_seen = Seen {
            seq: index.seq,
            digest: Digest::of(&bytes),
            at: trust.moment,
        };
        all.insert(name.clone(), now_seen);
        write_whole(&memory, &serde_json::to_vec_pretty(&all)?)?;
        Ok(Opened {
            source,
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
        let place = |file: &str| format!("{}/{file}", listed.path);
        let manifest = self
            .source
            .read(&place(layout::MANIFEST_FILE), MAX_MANIFEST)
            .await?;
        listed
            .check(&manifest)
            .map_err(|refusal| Failure::because(refusal.code(), refusal.to_string()))?;
        let signature = self
            .source
            .read(&place(layout::SIGNATURE_FILE), MAX_SIGNATURE_BYTES as u64)
            .await?;
        let parsed = Manifest::parse_bytes(&manifest)?;
        let package = parsed
            .package
            .context("the package's module.toml has no [package]")?;
        check_listing(&package)?;
        let size = package
            .files
            .iter()
            .fold(0_u64, |sum, file| sum.saturating_add(file.size));
        if size > MAX_PACKAGE_BYTES {
            bail!("the package has {size} bytes; at most {MAX_PACKAGE_BYTES} are taken");
        }
        let folder = self.cache.join("packages").join(listed.digest.to_hex());
        let mut progress = Progress::new(listed, size, quiet);
        for file in &package.files {
            let path = RelativePath::new(file.path.as_str())?;
            let target = folder.join(path.as_str());
            if let Some(parent) = target.parent() {
                fs::create_dir_all(parent)?;
            }
            self.copy(
                &place(path.as_str()),
                &target,
                (file.size, file.sha256),
                &mut progress,
            )
            .await?;
        }
        write_whole(&folder.join(layout::SIGNATURE_FILE), &signature)?;
        // Last: with it, the package is whole.
        write_whole(&folder.join(layout::MANIFEST_FILE), &manifest)?;
        progress.end();
        Ok(folder)
    }

    /// Copies one file, from where an earlier attempt broke off; what does not fit begins anew once.
    async fn copy(
        &self,
        from: &str,
        to: &Path,
        (size, digest): (u64, Digest),
        progress: &mut Progress,
    ) -> Result<()> {
        for attempt in 0..2 {
            let mut file = OpenOptions::new()
                .create(true)
                .truncate(false)
                .read(true)
                .write(true)
                .open(to)
                .with_context(|| to.display().to_string())?;
            let mut have = file.metadata()?.len();
            if have > size {
                file.set_len(0)?;
                have = 0;
            }
            progress.add(have);
            if have < size {
                self.source
                    .append(from, &mut file, have, size, progress)
                    .await?;
            }
            file.sync_all()?;
            file.seek(SeekFrom::Start(0))?;
            let found = Digest::of_reader(&file)?;
            if found == digest && file.metadata()?.len() == size {
                return Ok(());
            }
            file.set_len(0)?;
            progress.back(size);
            if attempt == 1 {
                return Err(Failure::because(
                    "file_digest_mismatch",
                    format!("{from} is {found}, and {digest} is listed: try a mirror"),
                ));
            }
        }
        Ok(())
    }
}

impl Source {
    fn of(at: &str) -> Result<Self> {
        if at.starts_with("http://") {
            let http = reqwest::Client::builder()
                .connect_timeout(PATIENCE)
                .read_timeout(PATIENCE)
                .no_proxy()
                .build()?;
            let base = at.trim_end_matches('/').to_owned();
            return Ok(Self::Web { http, base });
        }
        if at.contains("://") {
            let detail = format!(
                "{at}: only http:// and folders are read here; everything that is fetched is checked by \
                 signatures, so that a mirror over http:// does"
            );
            return Err(Failure::because("invalid_address", detail));
        }
        Ok(Self::Folder(PathBuf::from(at)))
    }

    /// A small file, whole.
    async fn read(&self, path: &str, limit: u64) -> Result<Vec<u8>> {
        let too_large = || {
            let detail = format!("{path} has more than {limit} bytes; it is not read");
            Failure::because("index_too_large", detail)
        };
        let bytes = match self {
            Self::Folder(folder) => {
                let path = folder.join(path);
                let file = File::open(&path).with_context(|| path.display().to_string())?;
                let mut bytes = Vec::new();
                file.take(limit + 1).read_to_end(&mut bytes)?;
                bytes
            }
            Self::Web { http, base } => {
                let url = format!("{base}/{path}");
                let mut answer = http.get(&url).send().await.with_context(|| url.clone())?;
                if !answer.status().is_success() {
                    let detail = format!("{url} answered {}", answer.status());
                    return Err(Failure::because("registry_unreachable", detail));
                }
                let mut bytes = Vec::new();
                while let Some(chunk) = answer.chunk().await? {
                    bytes.extend_from_slice(&chunk);
                    if bytes.len() as u64 > limit {
                        return Err(too_large());
                    }
                }
                bytes
            }
        };
        if bytes.len() as u64 > limit {
            return Err(too_large());
        }
        Ok(bytes)
    }

    /// The rest of a file behind what is there; never more than `size`.
    async fn append(
        &self,
        path: &str,
        to: &mut File,
        have: u64,
        size: u64,
        progress: &mut Progress,
    ) -> Result<()> {
        to.seek(SeekFrom::Start(have))?;
        match self {
            Self::Folder(folder) => {
                let path = folder.join(path);
                let mut file = File::open(&path).with_context(|| path.display().to_string())?;
                file.seek(SeekFrom::Start(have))?;
                let copied = std::io::copy(&mut file.take(size - have), to)?;
                progress.add(copied);
            }
            Self::Web { http, base } => {
                let url = format!("{base}/{path}");
                let asked = http.get(&url).header(RANGE, format!("bytes={have}-"));
                let mut answer = asked.send().await.with_context(|| url.clone())?;
                match answer.status() {
                    StatusCode::PARTIAL_CONTENT => {}
                    StatusCode::OK => {
                        // It gives whole files only.
                        to.set_len(0)?;
                        to.seek(SeekFrom::Start(0))?;
                        progress.back(have);
                    }
                    status => {
                        let detail = format!("{url} answered {status}");
                        return Err(Failure::because("registry_unreachable", detail));
                    }
                }
                while let Some(chunk) = answer.chunk().await.with_context(|| {
                    format!("{url} broke off; ask again, and it goes on where it was")
                })? {
                    to.write_all(&chunk)?;
                    progress.add(chunk.len() as u64);
                    if to.stream_position()? > size {
                        bail!("{url} is larger than it is listed; try a mirror");
                    }
                }
            }
        }
        Ok(())
    }
}

/// A line of progress, where somebody looks.
struct Progress {
    what: String,
    done: u64,
    total: u64,
    shown: bool,
}

impl Progress {
    fn new(listed: &Listed, total: u64, quiet: bool) -> Self {
        Self {
            what: format!("{} {}", listed.module, listed.version),
            done: 0,
            total,
            shown: !quiet && std::io::stderr().is_terminal(),
        }
    }

    fn add(&mut self, bytes: u64) {
        self.done = self.done.saturating_add(bytes);
        if self.shown {
            let percent = self.done.saturating_mul(100) / self.total.max(1);
            eprint!("\r{}: {percent} % of {} KiB ", self.what, self.total >> 10);
        }
    }

    fn back(&mut self, bytes: u64) {
        self.done = self.done.saturating_sub(bytes);
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
