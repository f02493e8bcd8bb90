//! Consent: what a module asks for, in plain words, before anything of it runs.

use askama::Template;

use super::overview::hostile_problem;
use crate::layout::Chrome;
use crate::parts::{Badge, Fact, ListenerRow, Problem, Tone};
use crate::samples::{self, DIGEST, HOSTILE, LONG};

/// `GET /modules/{name}/review`
#[derive(Debug, Clone, Template)]
#[template(path = "pages/review.html")]
pub struct Review {
    /// The frame.
    pub chrome: Chrome,
    /// Its name.
    pub name: String,
    /// Its title.
    pub title: String,
    /// Its version.
    pub version: String,
    /// What it says it is.
    pub description: String,
    /// Signed by whom, or not at all.
    pub trust: Badge,
    /// The same in a sentence.
    pub trust_text: String,
    /// Folder, digest, author, licence.
    pub origin: Vec<Fact>,
    /// What it asks for.
    pub requests: Vec<CapabilityAsk>,
    /// Where it wants to listen.
    pub listeners: Vec<ListenerRow>,
    /// Where it wants to connect to, in a sentence.
    pub outgoing: String,
    /// Memory, processor, processes, files.
    pub resources: Vec<Fact>,
    /// The digest that the operator agrees to.
    pub digest: String,
    /// What stands in the way.
    pub problems: Vec<Problem>,
    /// Whether nothing stands in the way.
    pub can_load: bool,
}

/// One capability that is asked for.
#[derive(Debug, Clone)]
pub struct CapabilityAsk {
    /// Its name on the wire.
    pub name: String,
    /// What it lets the module do, in plain words.
    pub plain: String,
    /// What could go wrong; empty if harmless.
    pub risk: String,
    /// Whether the box is ticked.
    pub checked: bool,
    /// Whether the installed version did not ask for it.
    pub is_new: bool,
}

impl Review {
    /// A local module with four requests.
    pub fn sample() -> Self {
        let ask = |name: &str, plain: &str, risk: &str| CapabilityAsk {
            name: name.to_owned(),
            plain: plain.to_owned(),
            risk: risk.to_owned(),
            checked: true,
            is_new: false,
        };
        let mut broadcast = ask(
            "tx.broadcast",
            "Send transactions to the network",
            "A transaction that is sent can't be taken back.",
        );
        broadcast.is_new = true;
        Self {
            chrome: samples::chrome("/modules/block-clock/review"),
            name: "block-clock".to_owned(),
            title: "Block clock".to_owned(),
            version: "0.1.0".to_owned(),
            description: "Serves the tip and the time since over HTTP.".to_owned(),
            trust: Badge::new(Tone::Warn, "local"),
            trust_text: "No publisher that you trust has signed it. Load it only if you built it or know who did."
                .to_owned(),
            origin: vec![
                Fact::code("Folder", "/var/lib/bllvm/modules/block-clock"),
                Fact::text("Size", "4.8 MiB"),
                Fact::text("Author", "bllvm developers"),
                Fact::text("Licence", "MIT OR Apache-2.0"),
            ],
            requests: vec![
                ask("chain.read", "Read blocks and headers", ""),
                ask("events.chain", "Be told of new and removed blocks", ""),
                ask("storage", "Keep up to 64 MiB of its own data in the node", ""),
                broadcast,
            ],
            listeners: vec![ListenerRow {
                name: "http".to_owned(),
                address: "127.0.0.1:8490".to_owned(),
                state: Badge::new(Tone::Quiet, "this machine only"),
                purpose: "this machine only".to_owned(),
            }],
            outgoing: "It connects to no other machine.".to_owned(),
            resources: vec![
                Fact::text("Memory", "64 MiB"),
                Fact::text("Processor", "one half of a core"),
                Fact::text("Processes", "16"),
                Fact::text("Open files", "256"),
            ],
            digest: DIGEST.to_owned(),
            problems: Vec::new(),
            can_load: true,
        }
    }

    /// The hard states.
    pub fn samples() -> Vec<(&'static str, Self)> {
        let nothing = Self {
            requests: Vec::new(),
            listeners: Vec::new(),
            ..Self::sample()
        };
        let problem = Problem {
            what: "The binary is not executable: target/release/block-clock has mode 0644."
                .to_owned(),
            advice: "chmod +x it, then open this page again.".to_owned(),
            lines: Vec::new(),
        };
        let mut wide = Self::sample();
        wide.listeners[0].address = String::from("0.0.0.0:9735");
        wide.listeners[0].state = Badge::new(Tone::Warn, "reachable from other machines");
        wide.outgoing = String::from("It may connect to any address on any port.");
        let broken = Self {
            problems: vec![problem],
            can_load: false,
            ..wide
        };
        let ask = CapabilityAsk {
            name: HOSTILE.to_owned(),
            plain: HOSTILE.to_owned(),
            risk: HOSTILE.to_owned(),
            checked: false,
            is_new: true,
        };
        let hostile = Self {
            chrome: samples::chrome_hostile("/modules/x/review"),
            name: HOSTILE.to_owned(),
            title: LONG.to_owned(),
            description: HOSTILE.to_owned(),
            trust_text: HOSTILE.to_owned(),
            origin: vec![Fact::code(HOSTILE, HOSTILE)],
            requests: vec![ask],
            outgoing: HOSTILE.to_owned(),
            digest: HOSTILE.to_owned(),
            problems: vec![hostile_problem()],
            ..Self::sample()
        };
        vec![
            ("sample", Self::sample()),
            ("asks-nothing", nothing),
            ("broken", broken),
            ("hostile", hostile),
        ]
    }
}
