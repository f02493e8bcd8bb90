//! `keygen`: a new key to sign with.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use bllvm_package::{SecretKey, write_secret_key};
use clap::Args;
use serde_json::json;

use crate::output::Report;

/// Makes a key.
#[derive(Args, Debug)]
pub struct Keygen {
    /// The new file of the secret key; keep it, and keep it secret
    #[arg(default_value = "bllvm-module.key")]
    file: PathBuf,
}

impl Keygen {
    /// Runs the command.
    pub fn run(self) -> Result<Report> {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).context("the system gave no random bytes")?;
        let key = SecretKey::from_seed(seed);
        write_secret_key(&self.file, &key)?;
        let public = key.public();
        let text = format!(
            "The secret key is in {0}; only you can read it. Keep a copy where nobody else can.\n\
             public key  {public}\n\
             key id      {1}\n\
             Tell people the public key by a way that they trust. On a node it is added with\n\
             \x20 bllvm-node trust add PUBLISHER --key {public}",
            self.file.display(),
            public.id(),
        );
        let value = json!({ "file": self.file, "public_key": public, "key_id": public.id() });
        Ok(Report::new(text, value))
    }
}
