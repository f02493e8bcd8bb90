//! `publish`: puts a signed package into a registry's folder, or takes a release back, and signs the
//! new index. The folder is what a web server or a USB stick carries.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use bllvm_manifest::{Digest, Manifest, Package, layout};
use bllvm_package::{
    INDEX_FILE, INDEX_SIGNATURE_FILE, Index, Listed, Purpose, Revoked, SecretKey, Signatures,
    check_installed, check_listing, read_secret_key,
};
use clap::Args;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use crate::error::Failure;
use crate::output::Report;
use crate::registry::now;

/// Publishes.
#[derive(Args, Debug)]
pub struct Publish {
    /// A signed package; none renews the index, or takes a release back
    package: Option<PathBuf>,
    /// The registry's folder; it is made if it is not there
    #[arg(long, value_name = "DIR")]
    index: PathBuf,
    /// The registry's name
    #[arg(long, value_name = "NAME")]
    registry: String,
    /// The file of a secret key of the registry; may be repeated
    #[arg(long = "key", value_name = "FILE", required = true)]
    keys: Vec<PathBuf>,
    /// What is new in this release
    #[arg(long, value_name = "TEXT", default_value = "")]
    notes: String,
    /// For how many days the index is believed
    #[arg(long, value_name = "NUMBER", default_value_t = 90)]
    days: u32,
    /// Take the release back whose module.toml has this digest
    #[arg(long, value_name = "DIGEST", requires = "reason")]
    revoke: Option<Digest>,
    /// Why it is taken back
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

impl Publish {
    /// Runs the command.
    pub fn run(self) -> Result<Report> {
        let mut keys = Vec::new();
        for file in &self.keys {
            keys.push(read_secret_key(file)?);
        }
        fs::create_dir_all(&self.index).with_context(|| self.index.display().to_string())?;
        let mut index = self.read()?;
        if let Some(package) = &self.package {
            let listed = self.take_in(package)?;
            index.releases.push(listed);
        }
        if let (Some(digest), Some(reason)) = (self.revoke, &self.reason) {
            let known = index.releases.iter().any(|one| one.digest == digest);
            if !known {
                let detail = format!("no release has the digest {digest}");
                return Err(Failure::because("release_not_listed", detail));
            }
            index.revoked.push(Revoked {
                digest,
                reason: reason.clone(),
            });
        }
        index.seq += 1;
        index.expires = now() + SignedDuration::from_hours(24 * i64::from(self.days));
        let bytes = index.to_bytes();
        // As others will read it.
        Index::parse(&bytes)
            .map_err(|refusal| Failure::because(refusal.code(), refusal.to_string()))?;
        self.write(&bytes, &keys)?;
        let text = format!(
            "{}: index {} of `{}` with {} releases, good until {}",
            self.index.display(),
            index.seq,
            index.registry,
            index.releases.len(),
            index.expires
        );
        let value = json!({
            "registry": index.registry, "seq": index.seq, "expires": index.expires,
            "releases": index.releases.len(), "digest": Digest::of(&bytes),
        });
        Ok(Report::new(text, value))
    }

    fn read(&self) -> Result<Index> {
        let file = self.index.join(INDEX_FILE);
        if !file.exists() {
            return Ok(Index::empty(&self.registry, Timestamp::UNIX_EPOCH));
        }
        let bytes = fs::read(&file).with_context(|| file.display().to_string())?;
        let index = Index::parse(&bytes)
            .map_err(|refusal| Failure::because(refusal.code(), refusal.to_string()))?;
        if index.registry != self.registry {
            let detail = format!(
                "{} is the index of `{}`, not of `{}`",
                file.display(),
                index.registry,
                self.registry
            );
            return Err(Failure::because("index_of_another", detail));
        }
        Ok(index)
    }

    /// Copies a package to its place, and describes it.
    fn take_in(&self, folder: &Path) -> Result<Listed> {
        let bytes = Manifest::read_bytes(&folder.join(layout::MANIFEST_FILE))?;
        let manifest = Manifest::parse_bytes(&bytes).map_err(|error| {
            Failure::because("manifest_invalid", format!("{error}; {}", error.help()))
        })?;
        let signature = folder.join(layout::SIGNATURE_FILE);
        let (Some(package), true) = (&manifest.package, signature.is_file()) else {
            let detail = format!(
                "{} is no signed package: `cargo bllvm-module package`, then `sign`",
                folder.display()
            );
            return Err(Failure::because("signature_missing", detail));
        };
        check_listing(package)?;
        let digest = Digest::of(&bytes);
        check_installed(folder, digest)?;
        let path = format!(
            "packages/{}/{}-{}-{}",
            manifest.name, manifest.version, package.release_seq, package.target
        );
        copy_package(folder, package, &self.index.join(&path))?;
        Ok(Listed {
            module: manifest.name.clone(),
            version: manifest.version.clone(),
            target: package.target.clone(),
            release_seq: package.release_seq,
            publisher: package.publisher.clone(),
            digest,
            bytes: package.files.iter().map(|file| file.size).sum(),
            path,
            description: manifest.description.clone().unwrap_or_default(),
            notes: self.notes.clone(),
        })
    }

    /// Between the two files an index does not fit its signature; whoever reads then is told so.
    fn write(&self, bytes: &[u8], keys: &[SecretKey]) -> Result<()> {
        let mut signatures = Signatures::default();
        for key in keys {
            signatures.add(key, Purpose::Index, bytes)?;
        }
        write(&self.index.join(INDEX_FILE), bytes)?;
        let text = signatures.to_string();
        write(&self.index.join(INDEX_SIGNATURE_FILE), text.as_bytes())
    }
}

fn copy_package(from: &Path, package: &Package, to: &Path) -> Result<()> {
    if to.exists() {
        let detail = format!(
            "{} is published already: a release never changes",
            to.display()
        );
        return Err(Failure::because("release_exists", detail));
    }
    let listed = package.files.iter().map(|file| file.path.as_str());
    for name in listed.chain([layout::MANIFEST_FILE, layout::SIGNATURE_FILE]) {
        let target = to.join(name);
        if let Some(parent) = target.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::copy(from.join(name), &target).with_context(|| target.display().to_string())?;
    }
    Ok(())
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let beside = path.with_extension("new");
    let mut file = File::create(&beside).with_context(|| beside.display().to_string())?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&beside, path).with_context(|| path.display().to_string())
}
