//! What an operator can set. `config.schema.json` says the same to the node; a test compares them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What an operator can set.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// What it says on the dashboard.
    #[schemars(length(min = 1, max = 80))]
    pub greeting: String,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            greeting: "Hello".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Config;

    #[test]
    fn the_schema_file_says_what_the_type_says() {
        let file = include_str!("../config.schema.json");
        let file: serde_json::Value = serde_json::from_str(file).expect("it is JSON");
        let own = serde_json::to_value(schemars::schema_for!(Config)).expect("it is JSON");
        assert_eq!(file, own, "write the output of `--config-schema` into it");
    }
}
