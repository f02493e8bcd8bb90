//! From the spawn of a module to its `main`, over bare fork and exec of the same program; and from an
//! operator's `load` to there.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Write as _;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use bllvm_launch::{Policy, Program, Sandbox, User};
use bllvm_manifest::{ReloadMode, Resources};
use bllvm_node::model::Grant;
use bllvm_node::supervisor::process::{SpawnRequest, Spawner, find_launch};
use bllvm_node::supervisor::sandbox::{Wishes, give_data_dir, plan};
use bllvm_tests::programs::program;
use bllvm_tests::{Fixture, TestServer};
use rustix::process::{WaitId, WaitIdOptions, waitid};
use serde_json::json;

use crate::parts::{Stamp, now_ms, runtime};
use crate::stats::{Row, median, ratio, spread};

const ROUNDS: usize = 60;
const LOADS: usize = 30;
const DIGESTS: usize = 15;
const NAME: &str = "fixture-stamps";

/// The rows of the spawn goal.
pub fn measure() -> anyhow::Result<Vec<Row>> {
    let runtime = runtime()?;
    runtime.block_on(async {
        let mut rows = spawns().await?;
        rows.extend(loads().await?);
        Ok(rows)
    })
}

/// The yardstick: what a program that starts programs does.
pub async fn bare(dir: &Path) -> anyhow::Result<f64> {
    let stamp = Stamp::of(dir);
    stamp.clear();
    let mut command = Command::new(program("fixture"));
    command
        .env_clear()
        .env("BLLVM_MODULE", NAME)
        .env("BLLVM_DATA_DIR", dir)
        .current_dir(dir)
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    let begin = now_ms();
    let mut child = command.spawn()?;
    child.wait()?;
    Ok(stamp.wait().await? - begin)
}

/// The host's way: by its spawning thread and its launcher, in a PID namespace where it may, and
/// from a memory file.
async fn launched(spawner: &Spawner, memory: &OwnedFd, dir: &Path) -> anyhow::Result<f64> {
    let stamp = Stamp::of(dir);
    stamp.clear();
    let null = || File::options().write(true).open("/dev/null");
    let (channel, theirs) = std::os::unix::net::UnixStream::pair()?;
    let (reports, status) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
    let request = SpawnRequest {
        launch: find_launch(None)?,
        policy: Policy {
            inherited: 0,
            status_fd: 0,
            program: Program::Descriptor(0),
            argv: vec!["fixture".to_owned()],
            data_dir: dir.to_owned(),
            sandbox: sandbox(),
        },
        env: [
            ("BLLVM_MODULE", NAME),
            ("BLLVM_DATA_DIR", &dir.display().to_string()),
            ("LISTEN_FDS", "1"),
            ("LISTEN_FDNAMES", "bllvm"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec(),
        stdout: null()?.into(),
        stderr: null()?.into(),
        inherited: vec![theirs.into()],
        status,
        program: Some(memory.try_clone()?),
    };
    let begin = now_ms();
    let spawned = spawner.spawn(request).await?;
    let took = stamp.wait().await? - begin;
    // A module whose channel closes ends, and its launcher with it.
    drop(channel);
    waitid(
        WaitId::PidFd(std::os::fd::AsFd::as_fd(&spawned.pidfd)),
        WaitIdOptions::EXITED,
    )?;
    drop(reports);
    Ok(took)
}

/// What a module without any grant gets, as a user of its own where that is possible.
fn sandbox() -> Sandbox {
    let (grant, resources) = (Grant::default(), Resources::default());
    plan(Wishes {
        grant: &grant,
        resources: &resources,
        reload: ReloadMode::Exclusive,
        waived: &BTreeSet::new(),
        user: user(),
        readable: Vec::new(),
        interpreter: None,
        namespaces: true,
        control_group: None,
    })
}

fn user() -> User {
    if rustix::process::geteuid().is_root() {
        User::Own(1_880_000_000)
    } else {
        User::Host {
            why: "only the superuser starts programs as others".to_owned(),
        }
    }
}

fn memory_file() -> anyhow::Result<OwnedFd> {
    let flags = rustix::fs::MemfdFlags::CLOEXEC | rustix::fs::MemfdFlags::EXEC;
    let memory = rustix::fs::memfd_create("fixture", flags)?;
    File::from(memory.try_clone()?).write_all(&std::fs::read(program("fixture"))?)?;
    Ok(memory)
}

async fn spawns() -> anyhow::Result<Vec<Row>> {
    let folder = tempfile::tempdir()?;
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o711))?;
    let data_dir = folder.path().join("module");
    give_data_dir(&data_dir, &user())?;
    let memory = memory_file()?;
    let spawner = Spawner::start(true)?;
    let (mut ours, mut floor) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        floor.push(bare(folder.path()).await?);
        ours.push(launched(&spawner, &memory, &data_dir).await?);
    }
    let over = ratio(&ours, &floor);
    let cost = median(&mut ours) - median(&mut floor);
    Ok(vec![Row {
        what: "spawn → module's `main`, in its sandbox".into(),
        ours: spread(&mut ours),
        yardstick: format!("bare fork and exec {}", spread(&mut floor)),
        ratio: Some(over),
        goal: "≤ 10 ms more",
        reached: Some(cost <= 10.0),
    }])
}

async fn loads() -> anyhow::Result<Vec<Row>> {
    let folder = tempfile::tempdir()?;
    let server = TestServer::start().await;
    let (mut known, mut floor) = (Vec::new(), Vec::new());
    server.run(&Fixture::new("stamps")).await;
    for _ in 0..LOADS {
        server.unload(NAME).await;
        floor.push(bare(folder.path()).await?);
        known.push(load(&server, NAME).await?);
    }
    server.unload(NAME).await;
    let mut first = Vec::new();
    for n in 0..DIGESTS {
        let name = install_another(&server, n).await?;
        first.push(load(&server, &name).await?);
        server.unload(&name).await;
    }
    let size = std::fs::metadata(program("fixture"))?.len() >> 10;
    let over = ratio(&known, &floor);
    let known_figure = spread(&mut known);
    Ok(vec![
        Row {
            what: "`POST …/load` → module's `main`, digest known".into(),
            ours: known_figure.clone(),
            yardstick: format!("bare fork and exec {}", spread(&mut floor)),
            ratio: Some(over),
            goal: "elsewhere 11–17×",
            reached: None,
        },
        Row {
            what: format!("the same, first start of a digest ({size} KiB are hashed)"),
            ratio: Some(ratio(&first, &known)),
            ours: spread(&mut first),
            yardstick: format!("digest known {known_figure}"),
            goal: "–",
            reached: None,
        },
    ])
}

/// Loads; milliseconds from the request to the module's `main`.
async fn load(server: &TestServer, name: &str) -> anyhow::Result<f64> {
    let stamp = Stamp::of(&server.module_data(name));
    stamp.clear();
    let begin = now_ms();
    let answer = server.verb(name, "load").await;
    let at = stamp.wait().await?;
    server.succeeded(&answer.done()).await;
    Ok(at - begin)
}

/// Installs the fixture with bytes at its end that make it another program to the host.
async fn install_another(server: &TestServer, n: usize) -> anyhow::Result<String> {
    let fixture = Fixture::new(format!("stamps-{n}"));
    let folder = fixture.write_below(&server.folder().join("incoming"));
    let mut file = File::options().append(true).open(folder.join("fixture"))?;
    write!(file, "{n}")?;
    drop(file);
    let installed = server
        .rest
        .post("/api/v1/modules", &json!({ "path": folder }))
        .await;
    server.succeeded(&installed.done()).await;
    Ok(fixture.name().to_owned())
}
