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

impl Grant {
    /// What of it is also in `most`; listeners keep their own addresses.
    #[must_use]
    pub fn within(&self, most: &Self) -> Self {
        let both = self.capabilities.intersection(&most.capabilities);
        let listeners = self.listeners.iter();
        Self {
            capabilities: both.copied().collect(),
            listeners: listeners
                .filter(|(name, _)| most.listeners.contains_key(*name))
                .map(|(name, address)| (name.clone(), *address))
                .collect(),
            outgoing: match (&self.outgoing, &most.outgoing) {
                (Outgoing::Any, other) | (other, Outgoing::Any) => other.clone(),
                (Outgoing::Ports(one), Outgoing::Ports(other)) => {
                    Outgoing::Ports(one.intersection(other).copied().collect())
                }
            },
            udp: self.udp && most.udp,
            programs: self.programs && most.programs,
        }
    }
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
