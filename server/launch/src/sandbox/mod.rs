//! What a process gives up before it becomes the module, in the order in which it can.
//!
//! Each layer is a file of its own, applies itself and tells how far it holds. What the system
//! does not offer is told, not hidden; whether the module may start without is the policy's word.

mod calls;
mod elf;
mod identity;
mod landlock;
mod limits;
pub mod namespaces;
mod seccomp;

use bllvm_launch::{Hold, Layer, Policy};
use rustix::thread::CapabilitySet;

use self::limits::CountedOver;
pub use self::seccomp::Secret;
use crate::report::{Found, Status};

/// Gives up what the module shall not have. Gives the required layers that do not hold.
/// `tie` makes the process die with its parent, again where a change of user undid that.
pub fn give_up(
    policy: &Policy,
    own_users: bool,
    secret: Secret,
    status: &mut Status,
    tie: impl FnOnce() -> Result<(), u8>,
) -> Result<Vec<Layer>, u8> {
    let sandbox = &policy.sandbox;
    // Made while files can be read and memory is plenty.
    let filters = seccomp::prepare(sandbox, secret);
    identity::empty_bounding_set();
    let user = identity::become_user(&sandbox.user, status);
    tie()?;
    let mut all = vec![
        identity::no_new_privileges(status),
        identity::drop_capabilities(status),
    ];
    all.extend(landlock::restrict(policy, status));
    let counted = if own_users || user.hold == Hold::Enforced {
        CountedOver::Module
    } else {
        CountedOver::HostUser
    };
    all.push(limits::apply(&sandbox.limits, counted, status));
    all.push(seccomp::enforce(filters, sandbox, status));
    all.push(user);
    Ok(missing(policy, &all))
}

fn missing(policy: &Policy, all: &[Found]) -> Vec<Layer> {
    let holds = |layer: &Layer| {
        all.iter()
            .any(|found| found.layer == *layer && found.hold != Hold::Unavailable)
    };
    let required = policy.sandbox.required.iter();
    required.filter(|layer| !holds(layer)).copied().collect()
}

/// The launcher goes on with one right only: to end what runs as another user.
pub fn keep_right_to_kill() {
    // Without the right to give rights up there are none.
    let held =
        rustix::thread::capabilities(None).map_or(CapabilitySet::empty(), |sets| sets.permitted);
    let _ = identity::keep_only(held & CapabilitySet::KILL);
}
