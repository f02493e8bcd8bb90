//! `base-node`: the embedded base node's own process.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;

use crate::config::{Format, Telemetry};

/// Where it keeps its blocks.
#[derive(Args, Debug)]
pub struct BaseNode {
    /// Its directory
    #[arg(long)]
    pub dir: PathBuf,
}

impl BaseNode {
    /// Serves until the host is gone.
    #[cfg(feature = "kernel")]
    pub async fn run(self) -> Result<()> {
        start_telemetry();
        Ok(crate::node::child::serve(self.dir).await?)
    }

    /// Says that there is none in this build.
    #[cfg(not(feature = "kernel"))]
    #[expect(clippy::unused_async, reason = "as the one with the kernel")]
    pub async fn run(self) -> Result<()> {
        start_telemetry();
        anyhow::bail!(
            "this build has no embedded base node for {}; build with the feature `kernel`, or set `node.backend` to \"none\"",
            self.dir.display()
        )
    }
}

/// The host reads the lines and writes them into its own log.
fn start_telemetry() {
    crate::telemetry::start(&Telemetry {
        level: "info".to_owned(),
        format: Format::Text,
    });
}
