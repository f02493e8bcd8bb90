//! The frame around every page: navigation, node strip, messages.

use crate::assets;
use crate::format::{Hash, Stamp};
use crate::parts::{Badge, Tone};

/// What the frame needs to know about the request.
#[derive(Debug, Clone)]
pub struct Chrome {
    /// The path, to mark the place in the navigation.
    pub path: String,
    /// Path and query, to fetch the page again.
    pub here: String,
    /// Who is logged in; without one the navigation is left out.
    pub user: Option<String>,
    /// The token that each form sends back as `_csrf`.
    pub csrf: String,
    /// The base node in one line.
    pub node: Option<NodeStrip>,
    /// What the last action had to say.
    pub flash: Option<Flash>,
    /// Modules that wait for a person: failed, or found and not yet reviewed.
    pub modules_waiting: u32,
    /// Operations under way.
    pub operations_running: u32,
    /// Version of the program.
    pub version: String,
}

/// The base node in one line, on every page.
#[derive(Debug, Clone)]
pub struct NodeStrip {
    /// Ready, syncing, starting, unreachable.
    pub state: Badge,
    /// `regtest`, `signet`, `main`.
    pub chain: String,
    /// `embedded` or `core`.
    pub backend: String,
    /// Height of the tip, grouped; `–` if unknown.
    pub height: String,
    /// Hash of the tip.
    pub hash: Option<Hash>,
    /// When the tip was mined.
    pub tip_time: Option<Stamp>,
}

/// A message about the action that led here.
#[derive(Debug, Clone)]
pub struct Flash {
    /// [`Tone::Bad`] is announced at once (`role=alert`), others politely.
    pub tone: Tone,
    /// What happened.
    pub text: String,
    /// The operation that carries on with it.
    pub operation: Option<String>,
}

impl Flash {
    /// Whether a screen reader is to be interrupted.
    pub fn is_alert(&self) -> bool {
        self.tone == Tone::Bad
    }
}

/// One entry of the navigation.
#[derive(Debug, Clone, Copy)]
pub struct NavItem {
    /// Where it leads.
    pub href: &'static str,
    /// Its word.
    pub label: &'static str,
    /// Whether the page is this or lies below it.
    pub current: bool,
    /// Things that wait there; zero is not shown.
    pub count: u32,
    /// What is counted, for those who do not see the badge.
    pub count_label: &'static str,
}

impl Chrome {
    /// The navigation with the current place marked.
    pub fn nav(&self) -> Vec<NavItem> {
        let entries = [
            ("/", "Overview", 0, ""),
            (
                "/modules",
                "Modules",
                self.modules_waiting,
                "need attention",
            ),
            ("/node", "Node", 0, ""),
            (
                "/operations",
                "Operations",
                self.operations_running,
                "running",
            ),
            ("/events", "Events", 0, ""),
            ("/webhooks", "Webhooks", 0, ""),
            ("/audit", "Audit", 0, ""),
            ("/tokens", "Tokens", 0, ""),
            ("/backups", "Backups", 0, ""),
            ("/settings", "Settings", 0, ""),
        ];
        entries
            .into_iter()
            .map(|(href, label, count, count_label)| NavItem {
                href,
                label,
                current: self.is_at(href),
                count,
                count_label,
            })
            .collect()
    }

    fn is_at(&self, href: &str) -> bool {
        match self.path.strip_prefix(href) {
            Some("") => true,
            Some(rest) => href != "/" && rest.starts_with('/'),
            None => false,
        }
    }

    /// The address of a static file.
    pub fn asset(&self, name: &str) -> &'static str {
        assets::url(name)
    }
}

#[cfg(test)]
mod tests {
    use crate::samples;

    #[test]
    fn one_entry_of_the_navigation_is_current() {
        for (path, label) in [
            ("/", "Overview"),
            ("/modules/mesh/logs", "Modules"),
            ("/node", "Node"),
        ] {
            let current: Vec<_> = samples::chrome(path)
                .nav()
                .into_iter()
                .filter(|item| item.current)
                .collect();
            assert_eq!(current.len(), 1, "{path}");
            assert_eq!(current[0].label, label);
        }
        assert!(
            samples::chrome("/nodes")
                .nav()
                .iter()
                .all(|item| !item.current)
        );
    }
}
