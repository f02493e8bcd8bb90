//! `verify`: what a node would say about a package.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::Result;
use bllvm_package::{PublicKey, Publisher, Trust, verify};
use clap::Args;
use jiff::Timestamp;
use serde_json::json;

use crate::error::Failure;
use crate::output::Report;

/// Checks a package.
#[derive(Args, Debug)]
pub struct Verify {
    /// The package's folder
    path: PathBuf,
    /// Whose signature it must have
    #[arg(long, value_name = "NAME")]
    publisher: String,
    /// A public key of the publisher; may be repeated
    #[arg(long = "key", value_name = "KEY", required = true)]
    keys: Vec<PublicKey>,
    /// How many of the keys must have signed
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    threshold: usize,
    /// The system it must be for [default: this one]
    #[arg(long, value_name = "TRIPLE")]
    target: Option<String>,
    /// The moment to measure expiry by [default: now]
    #[arg(long, value_name = "TIME")]
    at: Option<Timestamp>,
}

impl Verify {
    /// Runs the command.
    pub fn run(self) -> Result<Report> {
        let publisher = Publisher::new(&self.keys, self.threshold)
            .map_err(|error| Failure::because("threshold_invalid", error.to_string()))?;
        let now = self.at.unwrap_or_else(now);
        let trust = Trust {
            publishers: BTreeMap::from([(self.publisher.clone(), publisher)]),
            floors: BTreeMap::new(),
            now,
            latest_seen: now,
            target: self.target.unwrap_or_else(Trust::own_target),
            protocol: *bllvm_ipc::PROTOCOL_VERSIONS.end(),
            name: None,
        };
        let verified = verify(&self.path, &trust)?;
        let ids: Vec<_> = verified.signed_by.iter().map(PublicKey::id).collect();
        let names: Vec<String> = ids.iter().map(ToString::to_string).collect();
        let (manifest, package) = (&verified.manifest, &verified.package);
        let text = format!(
            "{} {}, release {}, for {}: {} files, all as signed by {} ({})\ndigest {}",
            manifest.name,
            manifest.version,
            package.release_seq,
            package.target,
            package.files.len(),
            package.publisher,
            names.join(", "),
            verified.digest,
        );
        let value = json!({
            "module": manifest.name, "version": manifest.version, "digest": verified.digest,
            "package": package, "signed_by": ids,
        });
        Ok(Report::new(text, value))
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a command at a prompt asks the system; the server's Clock is not ours"
)]
fn now() -> Timestamp {
    Timestamp::now()
}
