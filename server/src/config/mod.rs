//! The node's settings: defaults in code < file < `BLLVM__SECTION__KEY` < flags.
//!
//! Only this folder reads the environment. Unknown keys are errors; each error names the key and
//! where it was set. Texts become domain types here and nowhere later.

mod backup;
mod catalog;
mod core;
mod database;
mod face;
mod http;
mod layers;
mod limits;
mod load;
mod modules;
mod node;
mod peers;
mod reader;
mod sample;
mod telemetry;
#[cfg(test)]
mod tests;
mod webhooks;

use std::fmt;
use std::path::PathBuf;

pub use backup::Backup;
pub use catalog::Catalog;
pub use database::Database;
pub use face::Face;
pub use http::Http;
pub use layers::{ENVIRONMENT_PREFIX, Origin};
pub use limits::Limits;
pub use load::{FILE_NAME, Overrides, Surroundings, default_data_dir, load};
pub use modules::Modules;
pub use node::{Backend, Node};
pub use sample::sample;
pub use telemetry::{Format, Telemetry};
pub use webhooks::WebhookSettings;

/// All settings of the node.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Where everything is kept.
    pub data_dir: PathBuf,
    /// The file that was read, where there was one.
    pub file: Option<PathBuf>,
    /// The HTTP server.
    pub http: Http,
    /// The database.
    pub database: Database,
    /// The base node.
    pub node: Node,
    /// The base node's Core-compatible face.
    pub face: Face,
    /// Modules.
    pub modules: Modules,
    /// The node's own log.
    pub telemetry: Telemetry,
    /// Deadlines and quotas.
    pub limits: Limits,
    /// Webhooks that go out.
    pub webhooks: WebhookSettings,
    /// Backups.
    pub backup: Backup,
    /// Registries.
    pub catalog: Catalog,
}

/// One setting that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigProblem {
    /// The dotted key; empty where a whole source is broken.
    pub key: String,
    /// Where it was set.
    pub origin: Origin,
    /// What is wrong, as a continuation of the key.
    pub message: String,
}

impl fmt::Display for ConfigProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.key.is_empty() {
            write!(f, "{}: {}", self.origin, self.message)
        } else {
            write!(f, "{}: `{}` {}", self.origin, self.key, self.message)
        }
    }
}

/// Why the settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// Every problem that was found.
    #[error("{}", list(.0))]
    Invalid(Vec<ConfigProblem>),
    /// The file cannot be read.
    #[error("the configuration file {} cannot be read: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// No folder to keep data in was named, and there is no home to put it.
    #[error("there is no home folder to keep data in; name one with --data-dir")]
    NoDataDir,
}

fn list(problems: &[ConfigProblem]) -> String {
    let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
    lines.join("\n")
}
