//! What stands between a module's process and the machine.

use std::fmt;
use std::str::FromStr;

use bllvm_launch::Layer;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How far a layer holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum IsolationState {
    /// It holds.
    Enforced,
    /// It holds in part; the detail says what does not.
    Partial,
    /// The system does not offer it here; the detail says why.
    Unavailable,
    /// Nothing is missing without it; the detail says why.
    NotNeeded,
}

/// One layer between a module and the rest of the machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct IsolationLayer {
    /// Its name, such as `pid_namespace`.
    pub layer: String,
    /// How far it holds.
    pub state: IsolationState,
    /// What exactly holds or is missing.
    pub detail: String,
}

/// A layer without which a module does not start, unless an operator waives it for that module.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum RequiredLayer {
    /// No program raises its rights.
    NoNewPrivileges,
    /// No rights of the superuser.
    Capabilities,
    /// Only its own files.
    LandlockFiles,
    /// Only the system calls that programs need.
    Seccomp,
}

impl RequiredLayer {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::NoNewPrivileges,
        Self::Capabilities,
        Self::LandlockFiles,
        Self::Seccomp,
    ];

    /// The launcher's word for it.
    pub const fn layer(self) -> Layer {
        match self {
            Self::NoNewPrivileges => Layer::NoNewPrivileges,
            Self::Capabilities => Layer::Capabilities,
            Self::LandlockFiles => Layer::LandlockFiles,
            Self::Seccomp => Layer::Seccomp,
        }
    }

    /// Its name.
    pub const fn as_str(self) -> &'static str {
        self.layer().as_str()
    }
}

impl fmt::Display for RequiredLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// There is no such layer, or it is not required of anybody.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no layer that can be waived; no_new_privileges, capabilities, landlock_files and seccomp are"
)]
pub struct NotRequired(String);

impl FromStr for RequiredLayer {
    type Err = NotRequired;

    fn from_str(text: &str) -> Result<Self, NotRequired> {
        let found = Self::ALL.into_iter().find(|layer| layer.as_str() == text);
        found.ok_or_else(|| NotRequired(text.escape_debug().to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_required_is_what_the_launcher_calls_so() {
        let own: Vec<_> = RequiredLayer::ALL.iter().map(|one| one.layer()).collect();
        assert_eq!(own, Layer::REQUIRED);
        for layer in RequiredLayer::ALL {
            assert_eq!(layer.as_str().parse(), Ok(layer));
            assert_eq!(serde_json::to_value(layer).unwrap(), layer.as_str());
        }
        assert!("pid_namespace".parse::<RequiredLayer>().is_err());
    }
}
