//! The sections that say how a module lives: `[config]`, `[data]`, `[reload]`,
//! `[restart]`, `[runtime]` and `[sandbox]`.

use std::time::Duration;

use semver::Version;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::reader::Section;
use crate::name::{EntryPoint, RelativePath};

/// `[config]`: where the schema of the module's configuration lies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ConfigFile {
    /// A JSON Schema 2020-12 file in the module's folder.
    pub schema: RelativePath,
}

impl ConfigFile {
    pub(super) fn read(top: &mut Section<'_>) -> Option<Self> {
        let mut section = top.section("config")?;
        section.has("schema", "\"config.schema.json\"");
        let schema = section.parsed("schema", "a path inside the module's folder")?;
        Some(Self { schema })
    }
}

/// `[sandbox]`: what it asks for beside the usual.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct SandboxWishes {
    /// Whether it asks to start other programs.
    pub programs: bool,
}

impl SandboxWishes {
    pub(super) fn read(top: &mut Section<'_>) -> Self {
        let Some(mut section) = top.section("sandbox") else {
            return Self::default();
        };
        Self {
            programs: section.boolean("programs").unwrap_or_default(),
        }
    }
}

/// What a backup does about a module's data directory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum BackupMode {
    /// The module is stopped while its files are copied, and started again.
    #[default]
    Stop,
    /// Its files may be copied while it runs.
    Copy,
    /// Its files are left out: it makes them anew.
    None,
}

impl BackupMode {
    /// The word used in `module.toml` and everywhere people see it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Copy => "copy",
            Self::None => "none",
        }
    }

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes it so")]
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

impl std::str::FromStr for BackupMode {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::Stop, Self::Copy, Self::None]
            .into_iter()
            .find(|mode| mode.as_str() == text)
            .ok_or("is no way to back data up")
    }
}

/// `[data]`: which older versions can read this version's data, and how it is backed up.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct ModuleData {
    /// The oldest version this one can hand its data back to; absent means none
    /// but this very version.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub compatible_from: Option<Version>,
    /// What a backup does about its directory; absent means that the module is stopped for it.
    #[serde(skip_serializing_if = "BackupMode::is_default")]
    #[schema(required = false)]
    pub backup: BackupMode,
    /// Files and folders in its directory that no backup needs.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub exclude: Vec<RelativePath>,
}

impl ModuleData {
    const MOST_EXCLUDED: usize = 64;

    pub(super) fn read(top: &mut Section<'_>, own: Option<&Version>) -> Self {
        let Some(mut section) = top.section("data") else {
            return Self::default();
        };
        let compatible_from: Option<Version> =
            section.parsed("compatible_from", "a version, such as \"0.2.0\"");
        if let (Some(oldest), Some(own)) = (&compatible_from, own)
            && oldest > own
        {
            let problem = format!("{oldest} is newer than the module's own version {own}");
            section.wrong(
                "compatible_from",
                problem,
                "name this version or an older one",
            );
        }
        let help = "one of \"stop\", \"copy\", \"none\"";
        Self {
            compatible_from,
            backup: section.parsed("backup", help).unwrap_or_default(),
            exclude: section.text_list("exclude", Self::MOST_EXCLUDED, str::parse::<RelativePath>),
        }
    }
}

/// How a new configuration or version takes over from the old one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReloadMode {
    /// The running process takes the new configuration, or refuses and keeps the old.
    InPlace,
    /// Old and new run side by side for a moment; nobody who calls is turned away.
    Overlap,
    /// The old process ends before the new one starts: for data with one owner.
    #[default]
    Exclusive,
}

impl ReloadMode {
    /// The word used in `module.toml` and everywhere people see it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InPlace => "in_place",
            Self::Overlap => "overlap",
            Self::Exclusive => "exclusive",
        }
    }
}

impl std::fmt::Display for ReloadMode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

impl std::str::FromStr for ReloadMode {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::InPlace, Self::Overlap, Self::Exclusive]
            .into_iter()
            .find(|mode| mode.as_str() == text)
            .ok_or("is no reload mode")
    }
}

/// `[reload]`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct Reload {
    /// How a reload is done.
    pub mode: ReloadMode,
}

impl Reload {
    pub(super) fn read(top: &mut Section<'_>) -> Self {
        let Some(mut section) = top.section("reload") else {
            return Self::default();
        };
        let help = "one of \"in_place\", \"overlap\", \"exclusive\"";
        Self {
            mode: section.parsed("mode", help).unwrap_or_default(),
        }
    }
}

/// `[restart]`: how long the host waits before it starts a crashed module again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Restart {
    /// The first wait; it doubles with every crash.
    pub initial_ms: u64,
    /// The longest wait.
    pub max_ms: u64,
    /// After so long without a crash, the next one restarts at once.
    pub healthy_after_ms: u64,
}

impl Default for Restart {
    fn default() -> Self {
        Self {
            initial_ms: 500,
            max_ms: 30_000,
            healthy_after_ms: 30_000,
        }
    }
}

impl Restart {
    const HOUR_MS: u64 = 3_600_000;

    /// The first wait.
    pub const fn initial(&self) -> Duration {
        Duration::from_millis(self.initial_ms)
    }

    /// The longest wait.
    pub const fn max(&self) -> Duration {
        Duration::from_millis(self.max_ms)
    }

    /// How long a module must run to count as healthy.
    pub const fn healthy_after(&self) -> Duration {
        Duration::from_millis(self.healthy_after_ms)
    }

    pub(super) fn read(top: &mut Section<'_>) -> Self {
        let default = Self::default();
        let Some(mut section) = top.section("restart") else {
            return default;
        };
        let initial = section.integer("initial_ms", 1..=Self::HOUR_MS);
        let max = section.integer("max_ms", 1..=Self::HOUR_MS);
        let healthy = section.integer("healthy_after_ms", 1..=Self::HOUR_MS);
        let restart = Self {
            initial_ms: initial.unwrap_or(default.initial_ms.min(max.unwrap_or(default.max_ms))),
            max_ms: max.unwrap_or(default.max_ms.max(initial.unwrap_or(default.initial_ms))),
            healthy_after_ms: healthy.unwrap_or(default.healthy_after_ms),
        };
        if restart.initial_ms > restart.max_ms {
            let problem = format!("{} is less than initial_ms", restart.max_ms);
            section.wrong(
                "max_ms",
                problem,
                "make it at least as long as the first wait",
            );
        }
        restart
    }
}

/// `[runtime]`: for modules that are scripts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Runtime {
    /// The interpreter's name on the operator's allow-list, such as `python3`;
    /// `entry_point` is then the script.
    pub interpreter: EntryPoint,
}

impl Runtime {
    pub(super) fn read(top: &mut Section<'_>) -> Option<Self> {
        let mut section = top.section("runtime")?;
        section.has("interpreter", "\"python3\"");
        let help = "a name on the operator's allow-list, without a folder";
        Some(Self {
            interpreter: section.parsed("interpreter", help)?,
        })
    }
}
