//! Who needs whom: why a module cannot start yet, and who must stop before it.

use std::collections::{BTreeMap, BTreeSet};

use bllvm_manifest::ModuleName;
use semver::{Version, VersionReq};

use crate::model::{DesiredState, Module, ObservedState};

/// A module, as far as its dependents care.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Neighbour {
    pub version: Version,
    pub wanted: bool,
    pub state: ObservedState,
    pub reason: Option<String>,
    pub needs: BTreeMap<ModuleName, VersionReq>,
    pub uses: BTreeMap<ModuleName, VersionReq>,
}

impl Neighbour {
    pub fn new(module: &Module, state: ObservedState, reason: Option<String>) -> Self {
        Self {
            version: module.manifest.version.clone(),
            wanted: module.desired == DesiredState::Running && module.enabled,
            state,
            reason,
            needs: module.manifest.dependencies.clone(),
            uses: module.manifest.optional_dependencies.clone(),
        }
    }
}

/// Everybody.
pub(super) type Neighbours = BTreeMap<ModuleName, Neighbour>;

/// Why a module waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wait {
    /// In words.
    pub reason: String,
    /// What a person can do, where waiting alone does not help.
    pub way_out: Option<String>,
}

fn wait(reason: String, way_out: impl Into<Option<String>>) -> Wait {
    Wait {
        reason,
        way_out: way_out.into(),
    }
}

/// What keeps a module from starting.
pub(super) fn blocked(name: &ModuleName, all: &Neighbours) -> Option<Wait> {
    let own = all.get(name)?;
    if let Some(cycle) = cycle(name, all) {
        return Some(wait(
            format!("it needs itself: {cycle}"),
            "remove one of these dependencies".to_owned(),
        ));
    }
    for (needed, version) in &own.needs {
        let Some(found) = all.get(needed) else {
            return Some(wait(
                format!("it needs `{needed}` {version}, which is not installed"),
                format!("install `{needed}`"),
            ));
        };
        if !version.matches(&found.version) {
            return Some(wait(
                format!(
                    "it needs `{needed}` {version}, and {} is installed",
                    found.version
                ),
                format!("install a version of `{needed}` that fits {version}"),
            ));
        }
        if found.state == ObservedState::Running {
            continue;
        }
        if !found.wanted {
            return Some(wait(
                format!("it needs `{needed}`, which is not loaded"),
                format!("load `{needed}`"),
            ));
        }
        let why = found.reason.as_ref().map(|why| format!(": {why}"));
        let way_out = (found.state == ObservedState::Failed)
            .then(|| format!("see what is wrong with `{needed}`"));
        return Some(wait(
            format!(
                "it needs `{needed}`, which is {}{}",
                found.state,
                why.unwrap_or_default()
            ),
            way_out,
        ));
    }
    // Of what it merely uses, it waits only for what is about to run.
    own.uses.keys().find_map(|used| {
        let found = all.get(used)?;
        let coming = found.wanted
            && matches!(found.state, ObservedState::Starting)
            && reachable(used, all).is_none_or(|below| !below.contains(name));
        coming.then(|| wait(format!("it uses `{used}`, which is starting"), None))
    })
}

/// The modules that must have stopped before this one does: whoever runs and needs or uses it.
pub(super) fn dependents(name: &ModuleName, all: &Neighbours) -> Vec<ModuleName> {
    let below = reachable(name, all).unwrap_or_default();
    all.iter()
        .filter(|(other, neighbour)| {
            let asks = neighbour.needs.contains_key(name) || neighbour.uses.contains_key(name);
            // In a ring nobody could be the first.
            asks && !below.contains(*other) && *other != name
        })
        .map(|(other, _)| other.clone())
        .collect()
}

/// Everything that a module needs or uses, directly or not.
fn reachable(name: &ModuleName, all: &Neighbours) -> Option<BTreeSet<ModuleName>> {
    let mut seen = BTreeSet::new();
    let mut next = vec![all.get(name)?];
    while let Some(neighbour) = next.pop() {
        for other in neighbour.needs.keys().chain(neighbour.uses.keys()) {
            if seen.insert(other.clone()) {
                next.extend(all.get(other));
            }
        }
    }
    Some(seen)
}

/// A ring of needs through this module, in words.
fn cycle(name: &ModuleName, all: &Neighbours) -> Option<String> {
    let mut paths = vec![vec![name.clone()]];
    let mut seen = BTreeSet::new();
    while let Some(path) = paths.pop() {
        let last = path.last()?;
        for needed in all.get(last).into_iter().flat_map(|one| one.needs.keys()) {
            let mut longer = path.clone();
            longer.push(needed.clone());
            if needed == name {
                let names: Vec<String> = longer.iter().map(|one| format!("`{one}`")).collect();
                return Some(names.join(" → "));
            }
            if seen.insert(needed.clone()) {
                paths.push(longer);
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> ModuleName {
        text.parse().unwrap()
    }

    fn neighbour(state: ObservedState, needs: &[(&str, &str)]) -> Neighbour {
        Neighbour {
            version: Version::new(1, 2, 0),
            wanted: true,
            state,
            reason: None,
            needs: needs
                .iter()
                .map(|(needed, version)| (name(needed), version.parse().unwrap()))
                .collect(),
            uses: BTreeMap::new(),
        }
    }

    #[test]
    fn a_module_waits_for_what_it_needs_and_says_so() {
        let mut all = Neighbours::new();
        all.insert(
            name("a"),
            neighbour(ObservedState::Stopped, &[("b", "^1.0")]),
        );
        let reason = |all: &Neighbours| blocked(&name("a"), all).map(|wait| wait.reason);
        assert!(reason(&all).unwrap().contains("not installed"));
        all.insert(name("b"), neighbour(ObservedState::Starting, &[]));
        assert!(reason(&all).unwrap().contains("starting"));
        all.insert(name("b"), neighbour(ObservedState::Running, &[]));
        assert_eq!(reason(&all), None);
        all.insert(
            name("a"),
            neighbour(ObservedState::Stopped, &[("b", ">=1.0, <1.2")]),
        );
        let text = reason(&all).unwrap();
        assert!(
            text.contains("1.2.0 is installed") && text.contains("<1.2"),
            "{text}"
        );
    }

    #[test]
    fn a_ring_is_named_and_does_not_hang_the_stop() {
        let mut all = Neighbours::new();
        all.insert(name("a"), neighbour(ObservedState::Stopped, &[("b", "*")]));
        all.insert(name("b"), neighbour(ObservedState::Stopped, &[("a", "*")]));
        let text = blocked(&name("a"), &all).unwrap().reason;
        assert!(text.contains("`a` → `b` → `a`"), "{text}");
        assert!(dependents(&name("a"), &all).is_empty());
    }

    #[test]
    fn those_who_need_it_stop_first() {
        let mut all = Neighbours::new();
        all.insert(name("a"), neighbour(ObservedState::Running, &[("b", "*")]));
        all.insert(name("b"), neighbour(ObservedState::Running, &[]));
        assert_eq!(dependents(&name("b"), &all), [name("a")]);
        assert!(dependents(&name("a"), &all).is_empty());
    }
}
