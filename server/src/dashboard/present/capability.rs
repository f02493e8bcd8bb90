//! Capabilities in words for the one who decides about them.

use std::net::SocketAddr;

use bllvm_ipc::Capability;
use bllvm_manifest::Resources;
use bllvm_web::format;
use bllvm_web::parts::{Badge, Fact, ListenerRow, Tone};

use super::sentence;
use crate::model::Outgoing;

/// What a capability lets a module do.
pub fn plain(name: &str) -> String {
    name.parse::<Capability>().map_or_else(
        |_| "This version of the node does not know it and cannot give it".to_owned(),
        |known| {
            sentence(known.in_plain_words())
                .trim_end_matches('.')
                .to_owned()
        },
    )
}

/// What could go wrong with it; empty where it is harmless.
pub fn risk(name: &str) -> String {
    let text = match name.parse::<Capability>() {
        Ok(Capability::TxBroadcast) => "A transaction that is sent can't be taken back.",
        Ok(Capability::MiningSubmit) => "It can extend the chain; blocks are checked as any other.",
        Ok(Capability::ModuleCall) => "It can act through other modules' methods.",
        Ok(Capability::WebhooksRead) => "Bodies may hold what others sent in confidence.",
        Ok(Capability::NetworkRead) => "It sees the addresses of your peers.",
        Ok(Capability::NetworkResolve) => "Names that it looks up are seen by your name servers.",
        _ => "",
    };
    text.to_owned()
}

/// Whether an address can be reached from elsewhere.
pub fn reach(address: SocketAddr) -> Badge {
    if address.ip().is_loopback() {
        Badge::new(Tone::Quiet, "this machine only")
    } else {
        Badge::new(Tone::Warn, "reachable from other machines")
    }
}

/// Listeners that are asked for or given, before anything is open.
pub fn listeners<'a>(
    all: impl Iterator<Item = (&'a str, SocketAddr)>,
    state: impl Fn(&str, SocketAddr) -> Badge,
) -> Vec<ListenerRow> {
    all.map(|(name, address)| {
        let (state, reach) = (state(name, address), reach(address).word);
        ListenerRow {
            name: name.to_owned(),
            address: address.to_string(),
            purpose: if state.word == reach {
                String::new()
            } else {
                reach
            },
            state,
        }
    })
    .collect()
}

/// Where a module may connect to, in a sentence.
pub fn outgoing(given: &Outgoing) -> String {
    match given {
        Outgoing::Any => "It may connect to any address on any port.".to_owned(),
        Outgoing::Ports(ports) if ports.is_empty() => "It connects to no other machine.".to_owned(),
        Outgoing::Ports(ports) => {
            let ports: Vec<_> = ports.iter().map(ToString::to_string).collect();
            let word = if ports.len() == 1 { "port" } else { "ports" };
            format!(
                "It may connect to {word} {} of any machine.",
                ports.join(", ")
            )
        }
    }
}

/// What a module may use at most.
pub fn resources(limits: &Resources) -> Vec<Fact> {
    vec![
        Fact::text("Memory", format::bytes(limits.memory.as_bytes())),
        Fact::text("Processor", format!("{} % of one core", limits.cpu_percent)),
        Fact::text("Processes", format::count(limits.pids.into())),
        Fact::text("Open files", format::count(limits.files.into())),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_capability_has_plain_words() {
        for capability in Capability::ALL {
            let words = plain(capability.as_str());
            assert!(words.starts_with(char::is_uppercase), "{words}");
            assert!(!words.contains("does not know"), "{words}");
        }
        assert!(plain("chain.raed").contains("does not know"));
    }

    #[test]
    fn outgoing_ports_are_named() {
        let ports = Outgoing::Ports([9735, 443].into());
        assert_eq!(
            outgoing(&ports),
            "It may connect to ports 443, 9735 of any machine."
        );
        assert!(outgoing(&Outgoing::default()).contains("no other machine"));
    }
}
