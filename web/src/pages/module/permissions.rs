//! What a module may do: granted against requested, and how that is enforced.

use askama::Template;

use super::head::{ModuleHead, Tab};
use crate::layout::Chrome;
use crate::parts::{Badge, Fact, ListenerRow, Tone, Value};
use crate::samples::{self, HOSTILE, LONG};

/// `GET /modules/{name}/permissions`
#[derive(Debug, Clone, Template)]
#[template(path = "pages/module/permissions.html")]
pub struct Permissions {
    /// The frame.
    pub chrome: Chrome,
    /// The module.
    pub head: ModuleHead,
    /// When a change takes effect.
    pub explanation: String,
    /// Requested and granted.
    pub capabilities: Vec<CapabilityRow>,
    /// Where it listens.
    pub listeners: Vec<ListenerRow>,
    /// Where it may connect to, in a sentence.
    pub outgoing: String,
    /// Memory, processor, processes, files.
    pub resources: Vec<Fact>,
    /// Layers of the sandbox and whether each is enforced.
    pub sandbox: Vec<Fact>,
    /// The layers that it does not start without, unless somebody says so.
    pub required: Vec<RequiredRow>,
}

/// One layer that is required, or that an operator waived.
#[derive(Debug, Clone)]
pub struct RequiredRow {
    /// Its name on the wire.
    pub layer: String,
    /// What it keeps the module from, in plain words.
    pub plain: String,
    /// Required, waived, not available here.
    pub state: Badge,
    /// Whether the module may start without it.
    pub waived: bool,
}

/// One capability, requested, granted or both.
#[derive(Debug, Clone)]
pub struct CapabilityRow {
    /// Its name on the wire.
    pub name: String,
    /// What it lets the module do, in plain words.
    pub plain: String,
    /// What could go wrong; empty if harmless.
    pub risk: String,
    /// Granted, not granted, no longer asked for.
    pub state: Badge,
    /// By whom and when.
    pub history: String,
    /// Whether it can be granted now.
    pub can_grant: bool,
    /// Whether it can be revoked now.
    pub can_revoke: bool,
}

impl Permissions {
    /// One granted, one refused.
    pub fn sample() -> Self {
        let granted = CapabilityRow {
            name: "chain.read".to_owned(),
            plain: "Read blocks and headers".to_owned(),
            risk: String::new(),
            state: Badge::new(Tone::Good, "granted"),
            history: "by operator, 2 h ago".to_owned(),
            can_grant: false,
            can_revoke: true,
        };
        let refused = CapabilityRow {
            name: "tx.broadcast".to_owned(),
            plain: "Send transactions to the network".to_owned(),
            risk: "A transaction that is sent can't be taken back.".to_owned(),
            state: Badge::new(Tone::Quiet, "not granted"),
            history: "asked for, never granted".to_owned(),
            can_grant: true,
            can_revoke: false,
        };
        Self {
            chrome: samples::chrome("/modules/block-clock/permissions"),
            head: ModuleHead::sample(Tab::Permissions),
            explanation: "Access to the node changes at once. Listeners, connections and other \
                          programs change with the next start."
                .to_owned(),
            capabilities: vec![granted, refused],
            listeners: vec![ListenerRow {
                name: "http".to_owned(),
                address: "127.0.0.1:8490".to_owned(),
                state: Badge::new(Tone::Good, "open"),
                purpose: "this machine only".to_owned(),
            }],
            outgoing: "It connects to no other machine.".to_owned(),
            resources: vec![
                Fact::text("Memory", "64 MiB"),
                Fact::text("Processor", "one half of a core"),
            ],
            sandbox: vec![
                Fact::new("Files", Value::Badge(Badge::new(Tone::Good, "enforced"))),
                Fact::new(
                    "System calls",
                    Value::Badge(Badge::new(Tone::Good, "enforced")),
                ),
                Fact::new(
                    "Memory",
                    Value::Badge(Badge::new(Tone::Warn, "not available here")),
                ),
            ],
            required: vec![
                RequiredRow {
                    layer: "seccomp".to_owned(),
                    plain: "Only the system calls that programs need".to_owned(),
                    state: Badge::new(Tone::Good, "required"),
                    waived: false,
                },
                RequiredRow {
                    layer: "landlock_files".to_owned(),
                    plain: "Only its own files".to_owned(),
                    state: Badge::new(Tone::Warn, "waived"),
                    waived: true,
                },
            ],
        }
    }

    /// The hard states.
    pub fn samples() -> Vec<(&'static str, Self)> {
        let nothing = Self {
            capabilities: Vec::new(),
            listeners: Vec::new(),
            ..Self::sample()
        };
        let mut hostile = Self {
            chrome: samples::chrome_hostile("/modules/x/permissions"),
            head: ModuleHead::hostile(Tab::Permissions),
            outgoing: HOSTILE.to_owned(),
            ..Self::sample()
        };
        for capability in &mut hostile.capabilities {
            (capability.name, capability.plain) = (LONG.to_owned(), HOSTILE.to_owned());
            (capability.risk, capability.history) = (HOSTILE.to_owned(), HOSTILE.to_owned());
        }
        vec![
            ("sample", Self::sample()),
            ("asks-nothing", nothing),
            ("hostile", hostile),
        ]
    }
}
