//! `[network]`: the sockets the host opens for a module, and where it may connect to.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use serde::{Serialize, Serializer};
use toml::Value;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ArrayBuilder, ObjectBuilder, OneOfBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use super::reader::Section;
use crate::name::ListenerName;

/// What a module asks of the network.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct Network {
    /// Where it may connect to.
    pub outgoing: Outgoing,
    /// Whether it asks to use UDP.
    pub udp: bool,
    /// TCP sockets the host opens and hands over, by name, with the address an
    /// operator can change. Descriptors follow the order of the names.
    #[schema(value_type = BTreeMap<String, String>)]
    pub listeners: BTreeMap<ListenerName, SocketAddr>,
}

/// The TCP ports a module may connect to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outgoing {
    /// Any port of any host: written `"any"`.
    Any,
    /// These ports of any host; none at all is the default.
    Ports(BTreeSet<u16>),
}

impl Default for Outgoing {
    fn default() -> Self {
        Self::Ports(BTreeSet::new())
    }
}

impl Outgoing {
    /// Whether a connection to a port is asked for.
    pub fn allows(&self, port: u16) -> bool {
        match self {
            Self::Any => true,
            Self::Ports(ports) => ports.contains(&port),
        }
    }
}

impl Serialize for Outgoing {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Any => serializer.serialize_str("any"),
            Self::Ports(ports) => ports.serialize(serializer),
        }
    }
}

impl PartialSchema for Outgoing {
    fn schema() -> RefOr<Schema> {
        let any = ObjectBuilder::new()
            .schema_type(Type::String)
            .enum_values(Some(["any"]));
        OneOfBuilder::new()
            .description(Some("`any`, or the list of TCP ports"))
            .item(any)
            .item(ArrayBuilder::new().items(u16::schema()))
            .into()
    }
}

impl ToSchema for Outgoing {}

impl Network {
    pub(super) fn read(top: &mut Section<'_>) -> Self {
        let Some(mut section) = top.section("network") else {
            return Self::default();
        };
        Self {
            outgoing: read_outgoing(&mut section).unwrap_or_default(),
            udp: section.boolean("udp").unwrap_or_default(),
            listeners: section
                .table("listeners", 16)
                .map(read_listeners)
                .unwrap_or_default(),
        }
    }
}

fn read_outgoing(section: &mut Section<'_>) -> Option<Outgoing> {
    const KEY: &str = "outgoing";
    match section.take(KEY)? {
        Value::String(word) if word == "any" => Some(Outgoing::Any),
        Value::Array(ports) if ports.len() <= 64 => {
            let ports = ports.iter().filter_map(|port| {
                let port = section.integer_in(KEY, port, 1..=u64::from(u16::MAX))?;
                u16::try_from(port).ok()
            });
            Some(Outgoing::Ports(ports.collect()))
        }
        Value::Array(_) => {
            section.wrong(KEY, "has more than 64 ports", "write \"any\" instead");
            None
        }
        Value::String(_) => {
            section.wrong(
                KEY,
                "is neither a list of ports nor \"any\"",
                "write `[443]` or `\"any\"`",
            );
            None
        }
        other => {
            section.mistyped(KEY, "a list of ports or \"any\"", &other);
            None
        }
    }
}

fn read_listeners(mut table: Section<'_>) -> BTreeMap<ListenerName, SocketAddr> {
    let mut listeners: BTreeMap<ListenerName, SocketAddr> = BTreeMap::new();
    for name in table.names() {
        let address: Option<SocketAddr> = table.parsed(
            &name,
            "an address and port, such as \"127.0.0.1:8090\" or \"[::1]:8090\"",
        );
        let listener = match ListenerName::new(name.clone()) {
            Ok(listener) => listener,
            Err(error) => {
                table.wrong(&name, error.to_string(), "rename the listener");
                continue;
            }
        };
        let Some(address) = address else { continue };
        let taken = listeners
            .iter()
            .find(|(_, other)| **other == address && address.port() != 0);
        if let Some((other, _)) = taken {
            let problem = format!("has the same address as `{other}`: {address}");
            table.wrong(&name, problem, "give each listener a port of its own");
            continue;
        }
        listeners.insert(listener, address);
    }
    listeners
}
