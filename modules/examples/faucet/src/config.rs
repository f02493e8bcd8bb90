//! What an operator can set.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Faucet
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The most that is given at once, in satoshi.
    #[schemars(range(min = 1000))]
    pub most_at_once_sat: u64,
    /// The fee rate, in satoshi per virtual byte: a regtest chain has no fees to learn from.
    #[schemars(range(min = 1, max = 1000))]
    pub fee_sat_per_vb: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            most_at_once_sat: 1_000_000_000,
            fee_sat_per_vb: 2,
        }
    }
}
