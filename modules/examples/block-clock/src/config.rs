//! What an operator can set. The schema, the defaults and the form come from this type.

use bllvm_sdk::Problems;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Block clock
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The page's title.
    #[schemars(length(min = 1, max = 80))]
    pub title: String,
    /// Whether the page shows the block's hash.
    pub show_hash: bool,
    /// After so many seconds the page calls the tip old.
    #[schemars(range(min = 1))]
    pub old_after_seconds: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            title: "Block clock".to_owned(),
            show_hash: true,
            old_after_seconds: 3600,
        }
    }
}

impl Config {
    /// What the schema cannot say.
    pub fn check(&self) -> Result<(), Problems> {
        if self.title.trim().is_empty() {
            return Err(Problems::key("title", "it is blank; give the page a title"));
        }
        Ok(())
    }
}
