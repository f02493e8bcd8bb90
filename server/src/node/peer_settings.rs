//! Whom the embedded node calls, where it listens for others, and what it expects of them. The
//! settings travel to its process as arguments.

use std::net::SocketAddr;
use std::time::Duration;

/// Whom to call, where to listen, and what is expected of peers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerSettings {
    /// Peers that are called, and called again.
    pub connect: Vec<SocketAddr>,
    /// Where peers may call; nowhere if none.
    pub listen: Option<SocketAddr>,
    /// Callers at the same time.
    pub max_inbound: usize,
    /// How long a peer may take to give what it owes.
    pub patience: Duration,
}

impl Default for PeerSettings {
    fn default() -> Self {
        Self {
            connect: Vec::new(),
            listen: None,
            max_inbound: 16,
            patience: Duration::from_secs(20),
        }
    }
}

impl PeerSettings {
    /// As arguments of `base-node`.
    pub fn to_args(&self) -> Vec<String> {
        let mut args = Vec::new();
        let mut add = |name: &str, value: String| args.extend([name.to_owned(), value]);
        for address in &self.connect {
            add("--connect", address.to_string());
        }
        if let Some(address) = self.listen {
            add("--listen", address.to_string());
        }
        add("--max-inbound", self.max_inbound.to_string());
        add("--patience-ms", self.patience.as_millis().to_string());
        args
    }
}
