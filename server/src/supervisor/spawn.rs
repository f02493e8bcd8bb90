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
use crate::logs::{LogSource, NewLine};

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
    plan: &Plan,
    inheritance: Inheritance,
    channel: std::os::fd::OwnedFd,
) -> Result<(Process, Tail, watch::Receiver<()>), StartFailure> {
    let launch = process::find_launch(context.settings.launch.as_deref())?;
    let data_dir = context.settings.module_data_dir(&entry.name);
    make_private_dir(&data_dir).map_err(|error| {
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
    let mut inherited = vec![channel];
    inherited.extend(inheritance.descriptors);
    let request = SpawnRequest {
        launch,
        policy: Policy {
            inherited: 0,
            status_fd: 0,
            program,
            argv,
            cwd: data_dir.clone(),
            memory_bytes: plan.manifest.resources.memory.as_bytes(),
            files: u64::from(plan.manifest.resources.files),
        },
        env: environment(entry, &data_dir, inherited.len(), inheritance.names),
        stdout: out,
        stderr: err,
        inherited,
        status,
        program: plan.program.descriptor().map_err(no_descriptors)?,
    };
    let spawned = context.spawner.spawn(request).await?;
    let process = Process::watch(spawned, reports, &context.tracker).map_err(no_descriptors)?;
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

fn make_private_dir(path: &std::path::Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    if let Some(above) = path.parent() {
        std::fs::create_dir_all(above)?;
    }
    match std::fs::DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        made => made,
    }
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
            ("BLLVM_DATA_DIR".to_owned(), home),
            ("BLLVM_MODULE".to_owned(), entry.name.to_string()),
            ("LISTEN_FDS".to_owned(), descriptors.to_string()),
            ("LISTEN_FDNAMES".to_owned(), names),
        ])
        .collect()
}
