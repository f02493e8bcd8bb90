//! `keys`: a publisher's keys as a document that its present and its new keys sign.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use bllvm_package::{KeySet, PublicKey, Publisher};
use clap::Args;
use serde_json::json;

use crate::error::Failure;
use crate::output::Report;

/// Writes a publisher's keys.
#[derive(Args, Debug)]
pub struct Keys {
    /// The publisher's name, as in its packages
    #[arg(long, value_name = "NAME")]
    publisher: String,
    /// One more than the version that nodes have now (`bllvm-node trust list` shows it)
    #[arg(long, value_name = "NUMBER")]
    version: u64,
    /// How many of the keys must sign
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    threshold: usize,
    /// A public key; may be repeated
    #[arg(long = "key", value_name = "KEY", required = true)]
    each: Vec<PublicKey>,
    /// The new file
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

impl Keys {
    /// Runs the command.
    pub fn run(self) -> Result<Report> {
        let publisher = Publisher::new(&self.each, self.threshold)
            .map_err(|error| Failure::because("threshold_invalid", error.to_string()))?;
        let document = KeySet {
            name: self.publisher,
            version: self.version,
            publisher,
        }
        .to_string();
        // What cannot be read back is not written.
        let set = KeySet::parse(&document)
            .map_err(|error| Failure::because(error.code(), error.to_string()))?;
        std::fs::write(&self.out, &document)
            .with_context(|| format!("{} could not be written", self.out.display()))?;
        let text = format!(
            "{0} holds version {1} of the keys of {2}; nothing is signed yet.\n\
             Let holders of the present keys and of the new ones sign it, as many as each threshold says:\n\
             \x20 cargo bllvm-module sign {0} --key FILE\n\
             On a node it is taken over with\n\
             \x20 bllvm-node trust rotate {0}",
            self.out.display(),
            set.version,
            set.name,
        );
        let value = json!({ "file": self.out, "publisher": set.name, "version": set.version });
        Ok(Report::new(text, value))
    }
}
