//! From a plan to a process: its directory, pipes, environment and descriptors.

use std::sync::Arc;

use bllvm_ipc::log::Level;
use bllvm_launch::Policy;
use tokio::sync::watch;

use super::Entry;
use super::context::Context;
use super::fault::StartFailure;
use super::instance::{Inheritance, Plan};
use super::process::{self, Process, SpawnRequest, Tail};
use super::programs::Program;
use super::sandbox::{self, Wishes};
use crate::logs::{LogSource, NewLine};
use crate::model::Id;

#[expect(clippy::needless_pass_by_value, reason = "it stands in `map_err`")]
pub(super) fn no_descriptors(error: std::io::Error) -> StartFailure {
    StartFailure::passing(
        "spawn_failed",
        format!("the host has no descriptor left: {error}"),
        None,
    )
}

/// Spawns a process; its output is drained into the log from now on.
pub(super) async fn spawn(
    context: &Arc<Context>,
    entry: &Entry,
    run: Id,
    plan: &Plan,
    inheritance: Inheritance,
    channel: std::os::fd::OwnedFd,
) -> Result<(Process, Tail, watch::Receiver<()>), StartFailure> {
    let launch = process::find_launch(context.settings.launch.as_deref())?;
    let data_dir = context.settings.module_data_dir(&entry.name);
    let script = match &plan.program {
        Program::Bytes(_) => None,
        Program::Script {
            interpreter,
            script,
        } => Some((interpreter.as_path(), script.as_path())),
    };
    let reads = script.map_or_else(Vec::new, |(interpreter, script)| {
        vec![(interpreter, true), (script, false)]
    });
    let user = context
        .users
        .of(&context.store, &entry.name, &data_dir, &reads)
        .await;
    let (to_whom, folder) = (user.clone(), data_dir.clone());
    // The first time with another user, every file in it changes hands.
    let given = tokio::task::spawn_blocking(move || sandbox::give_data_dir(&folder, &to_whom));
    let given = given
        .await
        .unwrap_or_else(|error| Err(std::io::Error::other(error)));
    given.map_err(|error| {
        StartFailure::fault(
            "data_dir",
            format!(
                "its data directory {} could not be made: {error}",
                data_dir.display()
            ),
            "check the owner and permissions of the host's data directory, then retry",
        )
    })?;
    let pipe = || rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC);
    let pipe = || pipe().map_err(|error| no_descriptors(error.into()));
    let ((stdout, out), (stderr, err), (reports, status)) = (pipe()?, pipe()?, pipe()?);
    let (program, argv) = match &plan.program {
        // The descriptor's number is filled in by the spawner.
        Program::Bytes(_) => (
            bllvm_launch::Program::Descriptor(0),
            vec![plan.manifest.entry_point.as_str().to_owned()],
        ),
        Program::Script {
            interpreter,
            script,
        } => (
            bllvm_launch::Program::Path(interpreter.clone()),
            vec![
                interpreter.display().to_string(),
                script.display().to_string(),
            ],
        ),
    };
    let group = context
        .control_groups
        .leaf(&entry.name, run, &plan.manifest.resources);
    let grant = entry.rights.get();
    let sandbox = sandbox::plan(Wishes {
        grant: &grant,
        resources: &plan.manifest.resources,
        reload: plan.manifest.reload.mode,
        waived: &plan.waived,
        user,
        readable: [
            Some(plan.dir.clone()),
            script.map(|(_, script)| script.to_owned()),
        ]
        .into_iter()
        .flatten()
        .collect(),
        interpreter: script.map(|(interpreter, _)| interpreter),
        namespaces: context.settings.namespaces,
        control_group: group.as_ref().ok().map(|leaf| leaf.folder().to_owned()),
    });
    let mut inherited = vec![channel];
    inherited.extend(inheritance.descriptors);
    let request = SpawnRequest {
        launch,
        policy: Policy {
            inherited: 0,
            status_fd: 0,
            program,
            argv,
            data_dir: data_dir.clone(),
            sandbox,
        },
        env: environment(entry, &data_dir, inherited.len(), inheritance.names),
        stdout: out,
        stderr: err,
        inherited,
        status,
        program: plan.program.descriptor().map_err(no_descriptors)?,
    };
    let spawned = context.spawner.spawn(request).await?;
    let process =
        Process::watch(spawned, reports, group, &context.tracker).map_err(no_descriptors)?;
    let tail = Tail::default();
    let (open, output) = watch::channel(());
    let open = Arc::new(open);
    for (pipe, source, level) in [
        (stdout, LogSource::Stdout, Level::Info),
        (stderr, LogSource::Stderr, Level::Warn),
    ] {
        let (logs, module, tail, open) = (
            context.logs.clone(),
            entry.name.clone(),
            tail.clone(),
            Arc::clone(&open),
        );
        context.tracker.spawn(async move {
            let each = |line| logs.append(&module, NewLine::new(level, source, line));
            process::drain(pipe, tail, each).await;
            // The receiver sees the end when both are through.
            drop(open);
        });
    }
    Ok((process, tail, output))
}

/// Everything that a module finds in its environment; `LISTEN_PID` is set by the launcher.
fn environment(
    entry: &Entry,
    data_dir: &std::path::Path,
    descriptors: usize,
    names: String,
) -> Vec<(String, String)> {
    let passed = ["PATH", "LANG", "TZ"]
        .into_iter()
        .filter_map(|name| Some((name.to_owned(), std::env::var(name).ok()?)));
    let home = data_dir.display().to_string();
    passed
        .chain([
            ("HOME".to_owned(), home.clone()),
            // The one place that it may write to.
            ("TMPDIR".to_owned(), home.clone()),
            ("BLLVM_DATA_DIR".to_owned(), home),
            ("BLLVM_MODULE".to_owned(), entry.name.to_string()),
            ("LISTEN_FDS".to_owned(), descriptors.to_string()),
            ("LISTEN_FDNAMES".to_owned(), names),
        ])
        .collect()
}
