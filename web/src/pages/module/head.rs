//! What every tab of a module shows above its content.

use crate::parts::{Actions, Badge, Health, ModuleState, OperationRow};
use crate::samples::{HOSTILE, LONG};

/// Name, state and buttons of a module, and which tab is open.
#[derive(Debug, Clone)]
pub struct ModuleHead {
    /// Its name.
    pub name: String,
    /// Its title.
    pub title: String,
    /// Its version.
    pub version: String,
    /// What it says it is.
    pub description: String,
    /// Where it is.
    pub state: Badge,
    /// How it is, where it runs.
    pub health: Option<Badge>,
    /// Which buttons make sense.
    pub actions: Actions,
    /// What is being done with it right now.
    pub operation: Option<OperationRow>,
    /// The open tab.
    pub tab: Tab,
}

/// The tabs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tab {
    /// State and numbers.
    Overview,
    /// Form, file, revisions.
    Configuration,
    /// Output.
    Logs,
    /// What it is told and what happened.
    Events,
    /// What it may do.
    Permissions,
    /// When it ran and how that ended.
    Runs,
    /// What is kept, and other versions.
    Versions,
    /// Unload, disable, uninstall.
    Danger,
}

impl Tab {
    const ALL: [Self; 8] = [
        Self::Overview,
        Self::Configuration,
        Self::Logs,
        Self::Events,
        Self::Permissions,
        Self::Runs,
        Self::Versions,
        Self::Danger,
    ];

    /// Its word.
    pub fn label(self) -> &'static str {
        match self {
            Self::Overview => "Overview",
            Self::Configuration => "Configuration",
            Self::Logs => "Logs",
            Self::Events => "Events",
            Self::Permissions => "Permissions",
            Self::Runs => "Runs",
            Self::Versions => "Versions",
            Self::Danger => "Danger",
        }
    }

    /// Its address below the module's.
    pub fn path(self) -> &'static str {
        match self {
            Self::Overview => "",
            Self::Configuration => "/configuration",
            Self::Logs => "/logs",
            Self::Events => "/events",
            Self::Permissions => "/permissions",
            Self::Runs => "/runs",
            Self::Versions => "/versions",
            Self::Danger => "/danger",
        }
    }

    /// Whether the tab's content refreshes itself, and the head with it.
    /// Tabs with forms keep still; there only the head is refreshed.
    pub fn is_live(self) -> bool {
        matches!(self, Self::Overview | Self::Events | Self::Runs)
    }
}

/// One tab as a link.
#[derive(Debug, Clone, Copy)]
pub struct TabLink {
    /// Its word.
    pub label: &'static str,
    /// Its address below the module's.
    pub path: &'static str,
    /// Whether it is open.
    pub current: bool,
}

impl ModuleHead {
    /// All tabs with the open one marked.
    pub fn tabs(&self) -> Vec<TabLink> {
        let link = |tab: Tab| TabLink {
            label: tab.label(),
            path: tab.path(),
            current: tab == self.tab,
        };
        Tab::ALL.into_iter().map(link).collect()
    }

    /// A running module.
    pub fn sample(tab: Tab) -> Self {
        Self {
            name: "block-clock".to_owned(),
            title: "Block clock".to_owned(),
            version: "0.1.0".to_owned(),
            description: "Serves the tip and the time since over HTTP.".to_owned(),
            state: ModuleState::Running.into(),
            health: Some(Health::Healthy.into()),
            actions: Actions::for_state(ModuleState::Running, true),
            operation: None,
            tab,
        }
    }

    /// A failed module.
    pub fn failed(tab: Tab) -> Self {
        Self {
            state: ModuleState::Failed.into(),
            health: None,
            actions: Actions::for_state(ModuleState::Failed, true),
            ..Self::sample(tab)
        }
    }

    /// A module with hostile words about itself.
    pub fn hostile(tab: Tab) -> Self {
        Self {
            name: HOSTILE.to_owned(),
            title: LONG.to_owned(),
            version: HOSTILE.to_owned(),
            description: HOSTILE.repeat(4),
            ..Self::sample(tab)
        }
    }
}
