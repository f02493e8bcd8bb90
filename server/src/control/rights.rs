//! Rights: what a manifest asks for, and what an operator gives.

use std::collections::{BTreeMap, BTreeSet};

use bllvm_ipc::Capability;
use bllvm_manifest::{Manifest, ModuleName};

use super::{Control, ControlCode, ControlError};
use crate::model::{Actor, Grant, Outgoing, RequiredLayer};
use crate::store::commands::{SetGrant, Waive, actions};

impl Control {
    /// Gives a module rights; all that are not named are taken from it. A running module's requests
    /// are checked against them at once; what it listens on, connects to and starts changes at its next
    /// start.
    ///
    /// # Errors
    /// Where the module is not known, or its manifest does not ask for what is given.
    pub async fn set_grant(
        &self,
        name: &ModuleName,
        grant: Grant,
        by: &Actor,
    ) -> Result<Grant, ControlError> {
        let verb = async {
            let module = self.module(name).await?;
            check_grant(&module.manifest, &grant)?;
            let set = SetGrant {
                name: name.clone(),
                grant: grant.clone(),
                by: by.clone(),
            };
            self.store().commit(set).await?;
            self.fleet().granted(name, &grant);
            self.fleet().wake(name);
            Ok(grant)
        };
        self.audited(actions::SET_GRANT, name, by, verb).await
    }
}

impl Control {
    /// Lets a module start without layers of the sandbox that this system cannot put up, and
    /// requires all others again. One that failed for want of a layer is tried at once.
    ///
    /// # Errors
    /// Where the module is not known.
    pub async fn waive(
        &self,
        name: &ModuleName,
        layers: BTreeSet<RequiredLayer>,
        by: &Actor,
    ) -> Result<(), ControlError> {
        let verb = async {
            self.module(name).await?;
            let waive = Waive {
                name: name.clone(),
                layers,
                by: by.clone(),
            };
            self.store().commit(waive).await?;
            self.fleet().wake(name);
            Ok(())
        };
        self.audited(actions::WAIVE_LAYERS, name, by, verb).await
    }
}

/// Everything that a manifest asks for: its capabilities, its listeners at their default addresses,
/// its outgoing ports.
///
/// # Errors
/// A capability that this node does not know.
pub(super) fn requested(manifest: &Manifest) -> Result<Grant, ControlError> {
    let capabilities = manifest
        .capabilities
        .iter()
        .map(|name| {
            name.parse::<Capability>().map_err(|error| {
                ControlError::refused(
                    ControlCode::InvalidRequest,
                    format!(
                        "`capabilities` of {}: {error}; update the node",
                        manifest.name
                    ),
                )
            })
        })
        .collect::<Result<_, _>>()?;
    let listeners: BTreeMap<String, _> = manifest
        .network
        .listeners
        .iter()
        .map(|(name, address)| (name.to_string(), *address))
        .collect();
    Ok(Grant {
        capabilities,
        listeners,
        outgoing: (&manifest.network.outgoing).into(),
        udp: manifest.network.udp,
        programs: manifest.sandbox.programs,
    })
}

/// What is asked for beyond a grant, in words.
pub(super) fn beyond(asked: &Grant, granted: &Grant) -> Vec<String> {
    let mut more: Vec<String> = asked
        .capabilities
        .difference(&granted.capabilities)
        .map(|one| format!("`{one}` ({})", one.in_plain_words()))
        .collect();
    let new = asked.listeners.keys();
    let new = new.filter(|name| !granted.listeners.contains_key(*name));
    more.extend(new.map(|name| format!("the listener `{name}`")));
    match (&asked.outgoing, &granted.outgoing) {
        (Outgoing::Any, Outgoing::Ports(_)) => more.push("connections to any port".to_owned()),
        (Outgoing::Ports(asked), Outgoing::Ports(granted)) => {
            let new = asked.difference(granted);
            more.extend(new.map(|port| format!("connections to port {port}")));
        }
        (_, Outgoing::Any) => {}
    }
    for (asked, granted, what) in [
        (asked.udp, granted.udp, "UDP"),
        (asked.programs, granted.programs, "starting other programs"),
    ] {
        if asked && !granted {
            more.push(what.to_owned());
        }
    }
    more
}

/// A grant gives at most what the manifest asks for: the rest is a misspelling or a surprise.
pub(super) fn check_grant(manifest: &Manifest, grant: &Grant) -> Result<(), ControlError> {
    let asked = requested(manifest)?;
    let invalid = |detail: String| ControlError::refused(ControlCode::InvalidRequest, detail);
    if let Some(extra) = grant.capabilities.difference(&asked.capabilities).next() {
        return Err(invalid(format!(
            "`{extra}` is not asked for by {} {}: leave it out",
            manifest.name, manifest.version
        )));
    }
    let both = format!("{} {}", manifest.name, manifest.version);
    for (given, asked, what, key) in [
        (grant.udp, asked.udp, "UDP", "udp"),
        (
            grant.programs,
            asked.programs,
            "to start other programs",
            "programs",
        ),
    ] {
        if given && !asked {
            return Err(invalid(format!(
                "`{key}`: {both} does not ask for {what}: leave it out"
            )));
        }
    }
    if let Some(port) = grant.outgoing.beyond(&asked.outgoing) {
        return Err(invalid(format!(
            "`outgoing`: {both} does not ask to connect to {port}: leave it out"
        )));
    }
    let known: Vec<&str> = asked.listeners.keys().map(String::as_str).collect();
    match grant
        .listeners
        .keys()
        .find(|name| !known.contains(&name.as_str()))
    {
        Some(extra) => Err(invalid(format!(
            "{} {} has no listener `{extra}`; it has {}",
            manifest.name,
            manifest.version,
            if known.is_empty() {
                "none".to_owned()
            } else {
                known.join(", ")
            }
        ))),
        None => Ok(()),
    }
}
