//! The pure part: grants, limits and waivers become the launcher's policy.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use bllvm_launch::{Layer, Limits, Ports, Sandbox, User};
use bllvm_manifest::{ReloadMode, Resources};

use crate::model::{Grant, Outgoing, RequiredLayer};

/// What a policy is made from.
#[derive(Clone, Debug)]
pub struct Wishes<'a> {
    /// What the operator gave.
    pub grant: &'a Grant,
    /// What it may use up.
    pub resources: &'a Resources,
    /// How it is reloaded: two processes may run side by side.
    pub reload: ReloadMode,
    /// The layers that the operator waived.
    pub waived: &'a BTreeSet<RequiredLayer>,
    /// Whom it runs as.
    pub user: User,
    /// Its own folder, and the script that is interpreted.
    pub readable: Vec<PathBuf>,
    /// The interpreter, where there is one.
    pub interpreter: Option<&'a Path>,
    /// Whether namespaces are tried.
    pub namespaces: bool,
    /// The control group that was made for it.
    pub control_group: Option<PathBuf>,
}

/// The launcher and, in a user namespace, the one above it.
const LAUNCHERS: u64 = 2;

/// What stands between the module and the machine.
pub fn plan(wishes: Wishes<'_>) -> Sandbox {
    let Wishes {
        grant, resources, ..
    } = wishes;
    let side_by_side = if wishes.reload == ReloadMode::Overlap {
        2
    } else {
        1
    };
    let mut readable = wishes.readable;
    readable.extend(wishes.interpreter.into_iter().flat_map(libraries));
    Sandbox {
        user: wishes.user,
        limits: Limits {
            memory_bytes: resources.memory.as_bytes(),
            files: u64::from(resources.files),
            processes: u64::from(resources.pids) * side_by_side + LAUNCHERS,
            file_bytes: resources.file_size.as_bytes(),
        },
        readable,
        connect: match &grant.outgoing {
            Outgoing::Any => Ports::Any,
            Outgoing::Ports(ports) => Ports::Only(ports.clone()),
        },
        udp: grant.udp,
        programs: grant.programs,
        namespaces: wishes.namespaces,
        control_group: wishes.control_group,
        required: RequiredLayer::ALL
            .into_iter()
            .filter(|layer| !wishes.waived.contains(layer))
            .map(RequiredLayer::layer)
            .collect::<BTreeSet<Layer>>(),
    }
}

/// Where an interpreter outside the system's own folders has its libraries: below the folder that
/// holds its `bin`, as a virtual environment does. Never that folder itself, which may be a home.
fn libraries(interpreter: &Path) -> Vec<PathBuf> {
    let real = interpreter.canonicalize().ok();
    [Some(interpreter.to_owned()), real]
        .into_iter()
        .flatten()
        .filter_map(|program| {
            let bin = program.parent()?;
            Some((bin.to_owned(), bin.parent()?.to_owned()))
        })
        .flat_map(|(bin, prefix)| {
            let below = ["lib", "lib64", "pyvenv.cfg"].map(|name| prefix.join(name));
            below.into_iter().chain([bin])
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wishes<'a>(
        grant: &'a Grant,
        resources: &'a Resources,
        waived: &'a BTreeSet<RequiredLayer>,
    ) -> Wishes<'a> {
        Wishes {
            grant,
            resources,
            reload: ReloadMode::Exclusive,
            waived,
            user: User::Own(7),
            readable: vec!["/modules/m".into()],
            interpreter: None,
            namespaces: true,
            control_group: None,
        }
    }

    #[test]
    fn nothing_is_given_that_was_not_granted() {
        let (grant, resources) = (Grant::default(), Resources::default());
        let plan = plan(wishes(&grant, &resources, &BTreeSet::new()));
        assert!(plan.connect.is_none());
        assert!(!plan.udp && !plan.programs);
        assert_eq!(plan.required, Layer::REQUIRED.into());
        assert_eq!(plan.readable, [PathBuf::from("/modules/m")]);
    }

    #[test]
    fn grants_and_waivers_arrive() {
        let grant = Grant {
            outgoing: Outgoing::Ports([9735].into()),
            udp: true,
            programs: true,
            ..Grant::default()
        };
        let resources = Resources::default();
        let waived = [RequiredLayer::LandlockFiles].into();
        let mut wishes = wishes(&grant, &resources, &waived);
        wishes.reload = ReloadMode::Overlap;
        let plan = plan(wishes);
        assert_eq!(plan.connect, Ports::Only([9735].into()));
        assert!(plan.udp && plan.programs);
        assert!(!plan.required.contains(&Layer::LandlockFiles));
        assert_eq!(plan.required.len(), 3);
        assert_eq!(plan.limits.processes, u64::from(resources.pids) * 2 + 2);
    }

    #[test]
    fn an_interpreter_brings_its_libraries_and_not_the_folder_around_them() {
        let of_venv = libraries(Path::new("/home/me/venv/bin/python3"));
        assert!(of_venv.contains(&"/home/me/venv/lib".into()));
        assert!(of_venv.contains(&"/home/me/venv/pyvenv.cfg".into()));
        assert!(!of_venv.contains(&"/home/me/venv".into()));
        assert!(!libraries(Path::new("/home/me/bin/python3")).contains(&"/home/me".into()));
    }
}
