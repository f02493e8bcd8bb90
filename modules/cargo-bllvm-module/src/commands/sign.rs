//! `sign`: adds a signature to a package or to a publisher's keys.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use bllvm_manifest::{Manifest, layout, read_bounded};
use bllvm_package::{
    KeySet, MAX_SIGNATURE_BYTES, PublicKey, Purpose, SecretKey, Signatures, read_secret_key,
};
use clap::Args;
use serde_json::json;

use crate::error::Failure;
use crate::output::Report;

/// Signs.
#[derive(Args, Debug)]
pub struct Sign {
    /// A package's folder, or a file that `keys` wrote
    path: PathBuf,
    /// The file of a secret key; may be repeated
    #[arg(long = "key", value_name = "FILE", required = true)]
    keys: Vec<PathBuf>,
}

impl Sign {
    /// Runs the command.
    pub fn run(self) -> Result<Report> {
        let mut keys = Vec::new();
        for file in &self.keys {
            keys.push(read_secret_key(file)?);
        }
        let (file, signed_by) = if self.path.is_dir() {
            sign_package(&self.path, &keys)?
        } else {
            sign_keys(&self.path, &keys)?
        };
        let ids: Vec<_> = signed_by.iter().map(PublicKey::id).collect();
        let names: Vec<String> = ids.iter().map(ToString::to_string).collect();
        let text = format!("Signed by {}: {}", names.join(", "), file.display());
        Ok(Report::new(text, json!({ "file": file, "keys": ids })))
    }
}

/// Signs a package's manifest, beside the signatures of other keys.
///
/// # Errors
/// Where it is no package.
pub fn sign_package(folder: &Path, keys: &[SecretKey]) -> Result<(PathBuf, Vec<PublicKey>)> {
    let bytes = Manifest::read_bytes(&folder.join(layout::MANIFEST_FILE))?;
    let manifest = Manifest::parse_bytes(&bytes).map_err(|error| {
        Failure::because("manifest_invalid", format!("{error}; {}", error.help()))
    })?;
    if manifest.package.is_none() {
        return Err(Failure::because(
            "not_a_package",
            format!(
                "{} is a module, not a package: pack it first with `cargo bllvm-module package`, and \
                 sign the folder that this names",
                folder.display()
            ),
        ));
    }
    let file = folder.join(layout::SIGNATURE_FILE);
    add(&file, keys, Purpose::Manifest, &bytes)
}

fn sign_keys(path: &Path, keys: &[SecretKey]) -> Result<(PathBuf, Vec<PublicKey>)> {
    let bytes = read_bounded(path, 4096)?;
    let text = String::from_utf8(bytes).context("it is not UTF-8")?;
    KeySet::parse(&text)
        .map_err(|error| Failure::because(error.code(), format!("{}: {error}", path.display())))?;
    let mut file = path.as_os_str().to_owned();
    file.push(".sig");
    add(Path::new(&file), keys, Purpose::KeySet, text.as_bytes())
}

fn add(
    file: &Path,
    keys: &[SecretKey],
    purpose: Purpose,
    message: &[u8],
) -> Result<(PathBuf, Vec<PublicKey>)> {
    let mut signatures = if file.exists() {
        let bytes = read_bounded(file, MAX_SIGNATURE_BYTES as u64)?;
        Signatures::parse(&bytes).map_err(|error| {
            let detail = format!("{}: {error}; remove it to begin anew", file.display());
            Failure::because("signature_malformed", detail)
        })?
    } else {
        Signatures::default()
    };
    for key in keys {
        signatures.add(key, purpose, message)?;
    }
    fs::write(file, signatures.to_string())
        .with_context(|| format!("{} could not be written", file.display()))?;
    Ok((
        file.to_owned(),
        keys.iter().map(SecretKey::public).collect(),
    ))
}
