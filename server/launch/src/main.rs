//! bllvm-launch: starts one module, stays as its parent, and leaves nothing of it behind.
//!
//! It is the module's init: PID 1 of a namespace where the host could make one, else the reaper of
//! its descendants. It passes SIGTERM on, reaps, reports the module's end, kills what is left, and
//! dies with the host.

mod module;
mod report;
mod sandbox;
mod watch;

use std::process::ExitCode;

use bllvm_launch::{Policy, Report};

use crate::report::Status;
use crate::sandbox::namespaces;

fn main() -> ExitCode {
    let Some(policy) = std::env::args().nth(1) else {
        eprintln!("bllvm-launch is started by bllvm-node and has no use by itself");
        return ExitCode::from(2);
    };
    let policy: Policy = match serde_json::from_str(&policy) {
        Ok(policy) => policy,
        Err(error) => {
            eprintln!("bllvm-launch: the policy cannot be read: {error}");
            return ExitCode::from(2);
        }
    };
    let mut status = Status::new(policy.status_fd);
    if let Err(failure) = watch::become_parent(&policy, &mut status) {
        return give_up(&mut status, failure);
    }
    let view = namespaces::enter(&policy, watch::is_init(), &mut status);
    let generations = match watch::become_first(&policy, view, &mut status) {
        Ok(watch::Role::Parent { generations }) => generations,
        Ok(watch::Role::Done(code)) => return code,
        Err(failure) => return give_up(&mut status, failure),
    };
    match module::start(&policy, view.own_users, &mut status) {
        Ok(pid) => {
            status.send(&Report::Started { pid, generations });
            watch::until_the_end(pid, &mut status)
        }
        Err(failure) => give_up(&mut status, failure),
    }
}

fn give_up(status: &mut Status, failure: report::Failure) -> ExitCode {
    // Which layers are missing was told already.
    if failure.what != report::PROTECT {
        status.send(&failure.into());
    }
    ExitCode::from(127)
}
