//! What an operator gave to a module, as data.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use bllvm_ipc::Capability;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The rights of one module. Everything that is not here is denied.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Grant {
    /// Granted capabilities.
    pub capabilities: BTreeSet<Capability>,
    /// Granted listeners: name and the address that the host opens for the module.
    #[schema(value_type = BTreeMap<String, String>)]
    pub listeners: BTreeMap<String, SocketAddr>,
    /// Ports to which the module may connect; `any` stands for all.
    pub outgoing: Outgoing,
    /// Whether the module may use UDP.
    #[serde(default)]
    pub udp: bool,
    /// Whether the module may start other programs.
    #[serde(default)]
    pub programs: bool,
}

/// Ports to which a module may connect: `"any"` or a list of ports.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outgoing {
    /// Any port of any host.
    Any,
    /// These TCP ports; none at all is the default.
    Ports(BTreeSet<u16>),
}

impl Default for Outgoing {
    fn default() -> Self {
        Self::Ports(BTreeSet::new())
    }
}

impl Outgoing {
    /// Something that this allows and `most` does not.
    pub fn beyond(&self, most: &Self) -> Option<String> {
        match (self, most) {
            (_, Self::Any) => None,
            (Self::Any, Self::Ports(_)) => Some("any port".to_owned()),
            (Self::Ports(these), Self::Ports(most)) => these
                .difference(most)
                .next()
                .map(|port| format!("port {port}")),
        }
    }
}

impl From<&bllvm_manifest::Outgoing> for Outgoing {
    fn from(asked: &bllvm_manifest::Outgoing) -> Self {
        match asked {
            bllvm_manifest::Outgoing::Any => Self::Any,
            bllvm_manifest::Outgoing::Ports(ports) => Self::Ports(ports.clone()),
        }
    }
}
