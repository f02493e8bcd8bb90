//! `base-node`: the embedded base node's own process.

use std::net::SocketAddr;
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
    /// The chain: regtest, signet or testnet4
    #[arg(long, default_value = "regtest")]
    pub chain: String,
    /// Of a signet of one's own, the script that every block satisfies
    #[arg(long)]
    pub signet_challenge: Option<String>,
    /// A peer to call; may be repeated
    #[arg(long)]
    pub connect: Vec<SocketAddr>,
    /// Where peers may call
    #[arg(long)]
    pub listen: Option<SocketAddr>,
    /// Callers at the same time
    #[arg(long, default_value_t = 16)]
    pub max_inbound: usize,
    /// How long a peer may take to give what it owes
    #[arg(long, default_value_t = 20_000)]
    pub patience_ms: u64,
}

impl BaseNode {
    /// Serves until the host is gone.
    #[cfg(feature = "kernel")]
    pub async fn run(self) -> Result<()> {
        start_telemetry();
        let challenge = self.signet_challenge.as_deref();
        let challenge = challenge.map(crate::node::parse_challenge).transpose();
        let chain = challenge
            .and_then(|challenge| crate::node::EmbeddedChain::named(&self.chain, challenge))
            .map_err(anyhow::Error::msg)?;
        let peers = crate::node::PeerSettings {
            connect: self.connect,
            listen: self.listen,
            max_inbound: self.max_inbound,
            patience: std::time::Duration::from_millis(self.patience_ms),
        };
        Ok(crate::node::child::serve(self.dir, chain, peers).await?)
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
