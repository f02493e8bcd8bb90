//! How much an operator entrusts to a module, with the reasons: what it asks for and who made it.

use bllvm_ipc::Capability;
use bllvm_manifest::{Manifest, Outgoing};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::TrustClass;

/// How much is at stake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Stakes {
    /// It only looks, and somebody who is trusted made it.
    Low,
    /// It reaches beyond this machine, or nobody vouches for it.
    Medium,
    /// It acts where nothing can be taken back.
    High,
}

/// A rating with its reasons.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Rating {
    /// The greatest of all the reasons.
    pub stakes: Stakes,
    /// Each in a sentence, the weightiest first.
    pub reasons: Vec<String>,
}

impl Rating {
    /// Rates a module by what it asks for and who vouches for it.
    pub fn of(manifest: &Manifest, trust: TrustClass) -> Self {
        let mut found: Vec<(Stakes, String)> = Vec::new();
        if trust == TrustClass::Local {
            let text = "no publisher that is trusted here has signed it";
            found.push((Stakes::Medium, text.to_owned()));
        }
        for name in &manifest.capabilities {
            if let Some((stakes, text)) = name.parse().ok().and_then(weigh) {
                found.push((stakes, text.to_owned()));
            }
        }
        match &manifest.network.outgoing {
            Outgoing::Any => {
                found.push((
                    Stakes::Medium,
                    "it may connect to any port of any machine".to_owned(),
                ));
            }
            Outgoing::Ports(ports) if !ports.is_empty() => {
                let ports: Vec<String> = ports.iter().map(ToString::to_string).collect();
                let text = format!(
                    "it may connect to other machines' ports {}",
                    ports.join(", ")
                );
                found.push((Stakes::Medium, text));
            }
            Outgoing::Ports(_) => {}
        }
        for (name, address) in &manifest.network.listeners {
            if !address.ip().is_loopback() {
                let text = format!("its listener `{name}` can be reached from other machines");
                found.push((Stakes::Medium, text));
            }
        }
        if let Some(runtime) = &manifest.runtime {
            let text = format!("{} runs it, which nobody verifies", runtime.interpreter);
            found.push((Stakes::Medium, text));
        }
        // A stable sort: reasons of one weight stay in the order in which they were found.
        found.sort_by_key(|(stakes, _)| std::cmp::Reverse(*stakes));
        Self {
            stakes: found.first().map_or(Stakes::Low, |(stakes, _)| *stakes),
            reasons: found.into_iter().map(|(_, text)| text).collect(),
        }
    }

    /// In one line.
    pub fn in_words(&self) -> String {
        let word = match self.stakes {
            Stakes::Low => "low",
            Stakes::Medium => "medium",
            Stakes::High => "high",
        };
        if self.reasons.is_empty() {
            format!("{word}: it only looks, in its own folder and at the node")
        } else {
            format!("{word}: {}", self.reasons.join("; "))
        }
    }
}

/// What a right puts at stake; none where it only looks.
fn weigh(capability: Capability) -> Option<(Stakes, &'static str)> {
    Some(match capability {
        Capability::TxBroadcast => (
            Stakes::High,
            "it sends transactions, which cannot be taken back",
        ),
        Capability::MiningSubmit => (Stakes::High, "it submits blocks"),
        Capability::ModuleCall => (Stakes::Medium, "it acts through other modules' methods"),
        Capability::WebhooksRead => (Stakes::Medium, "it reads what others sent in confidence"),
        Capability::NetworkRead => (Stakes::Medium, "it sees the addresses of the node's peers"),
        Capability::NetworkResolve => (
            Stakes::Medium,
            "name servers see the names that it looks up",
        ),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rated(more: &str, trust: TrustClass) -> Rating {
        let text = format!("name = \"m\"\nversion = \"0.1.0\"\nentry_point = \"m\"\n{more}");
        Rating::of(&text.parse().unwrap(), trust)
    }

    #[test]
    fn a_signed_module_that_only_looks_is_low() {
        let rating = rated(
            "capabilities = [\"chain.read\", \"ui\"]",
            TrustClass::Signed,
        );
        assert_eq!(rating.stakes, Stakes::Low);
        assert!(rating.in_words().starts_with("low: it only looks"));
    }

    #[test]
    fn the_weightiest_reason_comes_first_and_decides() {
        let more = "capabilities = [\"network.read\", \"tx.broadcast\"]\n[network]\noutgoing = \"any\"\n\
                    [network.listeners]\nhttp = \"0.0.0.0:80\"\n";
        let rating = rated(more, TrustClass::Local);
        assert_eq!(rating.stakes, Stakes::High);
        assert_eq!(rating.reasons.len(), 5, "{rating:?}");
        assert!(rating.reasons[0].contains("cannot be taken back"));
    }

    #[test]
    fn what_nobody_signed_is_never_low() {
        assert_eq!(rated("", TrustClass::Local).stakes, Stakes::Medium);
    }
}
