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
    /// Pages of its own that have a tab.
    pub pages: Vec<PageTab>,
    /// The open tab.
    pub tab: Tab,
}

/// A page that the module brings along.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageTab {
    /// Its address below the module's.
    pub path: String,
    /// Its word.
    pub title: String,
    /// Whether it is open.
    pub current: bool,
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
    /// A page of the module's own.
    Page {
        /// Whether it shows itself anew when something happens.
        live: bool,
    },
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
            Self::Page { .. } => "Page",
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
            Self::Page { .. } => "/pages",
        }
    }

    /// Whether the tab's content refreshes itself, and the head with it.
    /// Tabs with forms keep still; there only the head is refreshed.
    pub fn is_live(self) -> bool {
        matches!(
            self,
            Self::Overview | Self::Events | Self::Runs | Self::Page { live: true }
        )
    }
}

/// One tab as a link.
#[derive(Debug, Clone)]
pub struct TabLink {
    /// Its word.
    pub label: String,
    /// Its address below the module's.
    pub path: String,
    /// Whether it is open.
    pub current: bool,
}

impl ModuleHead {
    /// All tabs with the open one marked; the module's own pages after the overview.
    pub fn tabs(&self) -> Vec<TabLink> {
        let link = |tab: &Tab| TabLink {
            label: tab.label().to_owned(),
            path: tab.path().to_owned(),
            current: *tab == self.tab,
        };
        let own = |page: &PageTab| TabLink {
            label: page.title.clone(),
            path: page.path.clone(),
            current: page.current,
        };
        let (overview, others) = Tab::ALL.split_at(1);
        let overview = overview.iter().map(link);
        let others = others.iter().map(link);
        overview
            .chain(self.pages.iter().map(own))
            .chain(others)
            .collect()
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
            pages: Vec::new(),
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
