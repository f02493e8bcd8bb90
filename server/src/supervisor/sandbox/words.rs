//! What a module can and cannot do, in words for people, from its grant and what was found to hold.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::model::{Grant, IsolationLayer, IsolationState, Outgoing, RequiredLayer};

/// What a module can and cannot do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Words {
    /// What it was granted.
    pub can: Vec<String>,
    /// What the system keeps it from.
    pub cannot: Vec<String>,
    /// What nothing here keeps it from.
    pub open: Vec<String>,
}

/// Says what a module can and cannot do. Without a process there are no layers, and nothing is
/// said of what holds.
pub fn words(grant: &Grant, layers: &[IsolationLayer], waived: &BTreeSet<RequiredLayer>) -> Words {
    let mut words = Words {
        can: can(grant),
        ..Words::default()
    };
    if layers.is_empty() {
        return words;
    }
    let has = |name: &str| {
        let found = layers.iter().find(|layer| layer.layer == name);
        found.is_some_and(|layer| layer.state == IsolationState::Enforced)
    };
    let mut say = |holds: bool, text: &str| {
        if holds {
            words.cannot.push(text.to_owned());
        } else {
            words.open.push(text.to_owned());
        }
    };
    say(has("landlock_files"), "read or change other files");
    match &grant.outgoing {
        Outgoing::Any => {}
        Outgoing::Ports(ports) if ports.is_empty() => say(
            has("seccomp") || has("network_namespace"),
            "connect to other machines",
        ),
        Outgoing::Ports(_) => say(has("landlock_network"), "connect to other TCP ports"),
    }
    if !grant.udp {
        say(has("seccomp") || has("network_namespace"), "use UDP");
    }
    if !grant.programs {
        say(has("seccomp"), "start other programs");
    }
    say(
        has("own_user") || has("pid_namespace") || has("landlock_scope"),
        "see into, signal or stop other programs",
    );
    say(
        has("capabilities") && has("no_new_privileges"),
        "get the superuser's rights",
    );
    say(
        has("limits") || has("control_group"),
        "start processes without end",
    );
    for layer in waived {
        words
            .open
            .push(format!("start without {layer}: an operator waived it"));
    }
    words
}

fn can(grant: &Grant) -> Vec<String> {
    let mut can = vec!["keep files in its own data directory".to_owned()];
    for (name, address) in &grant.listeners {
        can.push(format!("answer callers on {address} ({name})"));
    }
    match &grant.outgoing {
        Outgoing::Any => can.push("connect to any TCP port".to_owned()),
        Outgoing::Ports(ports) if ports.is_empty() => {}
        Outgoing::Ports(ports) => {
            let ports: Vec<String> = ports.iter().map(ToString::to_string).collect();
            can.push(format!("connect to TCP {} of any host", ports.join(", ")));
        }
    }
    if grant.udp {
        can.push("use UDP".to_owned());
    }
    if grant.programs {
        can.push("start other programs, which can do no more than it can".to_owned());
    }
    can
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layer(name: &str, state: IsolationState) -> IsolationLayer {
        IsolationLayer {
            layer: name.to_owned(),
            state,
            detail: String::new(),
        }
    }

    #[test]
    fn a_granted_port_and_enforced_layers_are_told() {
        let grant = Grant {
            outgoing: Outgoing::Ports([9735].into()),
            ..Grant::default()
        };
        let enforced = [
            "landlock_files",
            "landlock_network",
            "landlock_scope",
            "seccomp",
            "capabilities",
            "no_new_privileges",
            "limits",
        ];
        let layers: Vec<_> = enforced
            .into_iter()
            .map(|name| layer(name, IsolationState::Enforced))
            .collect();
        let words = words(&grant, &layers, &BTreeSet::new());
        assert!(
            words
                .can
                .contains(&"connect to TCP 9735 of any host".to_owned())
        );
        for text in [
            "read or change other files",
            "connect to other TCP ports",
            "use UDP",
            "start other programs",
        ] {
            assert!(words.cannot.contains(&text.to_owned()), "{words:?}");
        }
        assert_eq!(words.open, Vec::<String>::new());
    }

    #[test]
    fn what_does_not_hold_is_not_promised() {
        let layers = [
            layer("landlock_files", IsolationState::Unavailable),
            layer("seccomp", IsolationState::Partial),
        ];
        let waived = [RequiredLayer::LandlockFiles].into();
        let words = words(&Grant::default(), &layers, &waived);
        assert_eq!(words.cannot, Vec::<String>::new());
        assert!(
            words
                .open
                .contains(&"read or change other files".to_owned())
        );
        assert!(words.open.iter().any(|text| text.contains("waived")));
    }

    #[test]
    fn nothing_is_said_of_a_module_that_does_not_run() {
        let words = words(&Grant::default(), &[], &BTreeSet::new());
        assert!(words.cannot.is_empty() && words.open.is_empty());
    }
}
