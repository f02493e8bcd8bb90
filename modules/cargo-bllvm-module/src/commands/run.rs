//! `run`: the module's program beside a host in memory, which shows it a scripted chain.

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result};
use bllvm_manifest::{ConfigSchema, layout, parse_config, toml_to_json};
use bllvm_sdk::ipc::Stream;
use bllvm_sdk::ipc::method::ChainTip;
use bllvm_sdk::testing::{Seen, TestHost, TestModule};
use clap::Args;
use serde_json::{Value, json};
use toml::Table;

use crate::error::Failure;
use crate::node::block_on;
use crate::output::Report;
use crate::project::Project;
use crate::script::{self, Chain, Step};

/// How long a module may take for one step.
const PATIENCE: Duration = Duration::from_secs(20);
/// Hands the channel and one listener over as descriptors 3 and 4; what it prints goes to stderr.
const HAND_OVER: &str = "exec \"$0\" 3<&0 4<&1 </dev/null >&2";

/// Runs a module.
#[derive(Args, Debug)]
pub struct Run {
    /// What happens on the chain, a step a line: `block 3`, `reorg 1`, `call METHOD {}`
    #[arg(long, value_name = "FILE")]
    script: Option<PathBuf>,
    /// Stay after the script until Ctrl-C, with the module's listener open
    #[arg(long)]
    stay: bool,
    /// Run this program instead of building one
    #[arg(long, value_name = "FILE")]
    program: Option<PathBuf>,
    /// The module's folder
    #[arg(long, value_name = "DIR", default_value = ".")]
    path: PathBuf,
}

impl Run {
    /// Runs the command.
    pub fn run(self, quiet: bool) -> Result<Report> {
        let project = Project::open(&self.path)?;
        let text = match &self.script {
            Some(file) => std::fs::read_to_string(file)
                .with_context(|| format!("{} cannot be read", file.display()))?,
            None => script::DEFAULT.to_owned(),
        };
        let steps = script::parse(&text)?;
        let config = configuration(&project)?;
        if !project.is_built() {
            return Err(Failure::because(
                "unsupported",
                "a script's interpreter is the node's business: install the module on a node to run it",
            ));
        }
        let program = match &self.program {
            Some(program) => std::path::absolute(program)?,
            None => std::path::absolute(project.build(false, None, quiet)?)?,
        };
        block_on(show(&project, &program, config, &steps, self.stay))
    }
}

/// `config.toml` where there is one, else the schema's defaults.
fn configuration(project: &Project) -> Result<Value> {
    let Some(config) = &project.manifest.config else {
        return Ok(json!({}));
    };
    let schema =
        ConfigSchema::read(&project.folder.join(config.schema.as_str())).map_err(|error| {
            Failure::because("schema_invalid", format!("{}: {error}", config.schema))
        })?;
    let file = project.folder.join(layout::CONFIG_FILE);
    let text = if file.exists() {
        std::fs::read_to_string(&file)
            .with_context(|| format!("{} cannot be read", file.display()))?
    } else {
        schema.defaults()
    };
    let table: Table = parse_config(text.as_bytes()).map_err(|error| {
        Failure::because("config_invalid", format!("{}: {error}", file.display()))
    })?;
    let problems: Vec<String> = schema
        .validate_toml(&table)
        .iter()
        .map(ToString::to_string)
        .collect();
    if !problems.is_empty() {
        let detail = format!("{}: {}", file.display(), problems.join("; "));
        return Err(Failure::because("config_invalid", detail));
    }
    Ok(toml_to_json(&toml::Value::Table(table)))
}

/// The process and the folder it may write to; both go when this goes.
struct Running {
    child: Child,
    data: PathBuf,
    listener: Option<String>,
}

impl Drop for Running {
    fn drop(&mut self) {
        // It has ended, or ends now; a leftover in the temporary directory harms nobody.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.data);
    }
}

fn spawn(project: &Project, program: &Path) -> Result<(Running, Stream)> {
    let listeners = &project.manifest.network.listeners;
    if listeners.len() > 1 {
        return Err(Failure::because(
            "unsupported",
            "`run` hands over one listener at most: install the module on a node to run it with all",
        ));
    }
    let (host, channel) = Stream::pair().context("the system gave no socketpair")?;
    let mut command = Command::new("/bin/sh");
    command.arg("-c").arg(HAND_OVER).arg(program).env_clear();
    command.stdin(Stdio::from(channel));
    let mut names = "bllvm".to_owned();
    let mut shown = None;
    match listeners.iter().next() {
        Some((name, _)) => {
            let listener = TcpListener::bind("127.0.0.1:0").context("no port could be opened")?;
            shown = Some(format!("{name} on {}", listener.local_addr()?));
            names = format!("{names}:{name}");
            command.stdout(Stdio::from(OwnedFd::from(listener)));
        }
        None => {
            command.stdout(Stdio::null());
        }
    }
    let data = std::env::temp_dir().join(format!(
        "bllvm-run-{}-{}",
        project.manifest.name,
        std::process::id()
    ));
    std::fs::create_dir_all(&data)
        .with_context(|| format!("{} could not be made", data.display()))?;
    let child = command
        .env("LISTEN_FDS", (listeners.len() + 1).to_string())
        .env("LISTEN_FDNAMES", names)
        .env("BLLVM_DATA_DIR", &data)
        .spawn()
        .context("/bin/sh could not be started")?;
    let running = Running {
        child,
        data,
        listener: shown,
    };
    Ok((running, host))
}

async fn show(
    project: &Project,
    program: &Path,
    config: Value,
    steps: &[Step],
    stay: bool,
) -> Result<Report> {
    let chain = Chain::new();
    let answers = chain.clone();
    let host = TestHost::for_manifest(&project.text)?
        .config(config)
        .answer::<ChainTip>(move |_| Ok(answers.tip()));
    let (running, channel) = spawn(project, program)?;
    let name = &project.manifest.name;
    let module = tokio::time::timeout(PATIENCE, host.drive(channel))
        .await
        .map_err(|_| {
            Failure::because(
                "not_ready",
                format!("{name} was not ready within 20 s; its words are above"),
            )
        })?
        .map_err(|error| Failure::because("not_ready", format!("{name} did not start: {error}")))?;
    let mut story = vec![format!("{name} is ready.")];
    story.extend(
        running
            .listener
            .iter()
            .map(|listener| format!("It listens: {listener}")),
    );
    for step in steps {
        play(step, &module, &chain, &mut story).await?;
    }
    let seen = module.seen();
    story.extend(tale(&seen));
    if stay {
        eprintln!("{}\nIt stays until Ctrl-C.", story.join("\n"));
        tokio::signal::ctrl_c().await?;
        story.clear();
    }
    let stopped = module.stop().await;
    stopped.map_err(|error| {
        Failure::because("not_stopped", format!("{name} did not stop well: {error}"))
    })?;
    drop(running);
    story.push(format!("{name} stopped."));
    let status: Vec<Value> = seen
        .status
        .iter()
        .map(|field| json!({ "key": field.key, "label": field.label, "value": field.value }))
        .collect();
    let value = json!({
        "module": name, "asked": seen.asked.iter().collect::<BTreeSet<_>>(),
        "acknowledged": seen.acknowledged, "status": status, "published": seen.published.len(),
        "log": seen.logs.iter().map(|line| &line.message).collect::<Vec<_>>(),
    });
    Ok(Report::new(story.join("\n"), value))
}

async fn play(
    step: &Step,
    module: &TestModule,
    chain: &Chain,
    story: &mut Vec<String>,
) -> Result<()> {
    match step {
        Step::Blocks(count) => {
            for _ in 0..*count {
                tell(chain.connect(), module, story).await?;
            }
        }
        Step::Reorg(depth) => {
            for _ in 0..*depth {
                match chain.disconnect() {
                    Some(left) => tell(left, module, story).await?,
                    None => break,
                }
            }
            for _ in 0..=*depth {
                tell(chain.connect(), module, story).await?;
            }
        }
        Step::Call(method, params) => {
            let called = tokio::time::timeout(PATIENCE, module.call(method, params)).await;
            let answer = called
                .map_err(|_| {
                    Failure::because(
                        "no_answer",
                        format!("`{method}` did not answer within 20 s"),
                    )
                })?
                .map_err(|error| Failure::because("call_failed", format!("`{method}`: {error}")))?;
            story.push(format!("{method} answered {answer}"));
        }
    }
    Ok(())
}

/// Sends an event and waits until the module has applied it, if it wants to hear of such.
async fn tell(
    event: (&'static str, Value),
    module: &TestModule,
    story: &mut Vec<String>,
) -> Result<()> {
    let (kind, data) = event;
    let wanted = module
        .ready()
        .subscriptions
        .iter()
        .any(|pattern| fits(pattern, kind));
    let line = format!("{kind} at height {}", data["height"]);
    if !wanted {
        story.push(format!("{line}: it does not ask for these"));
        return Ok(());
    }
    let seq = module.event(kind, data);
    let mut seen = module.watch();
    let applied = seen.wait_for(|seen| seen.acknowledged >= seq);
    let outcome = tokio::time::timeout(PATIENCE, applied).await;
    if !matches!(outcome, Ok(Ok(_))) {
        let detail = format!(
            "it did not apply {line} within 20 s; an event that fails comes again and again"
        );
        return Err(Failure::because("not_applied", detail));
    }
    story.push(format!("{line}: applied"));
    Ok(())
}

/// Whether a pattern such as `chain.*` covers an event.
fn fits(pattern: &str, kind: &str) -> bool {
    pattern == kind
        || pattern == "*"
        || pattern
            .strip_suffix('*')
            .is_some_and(|start| start.ends_with('.') && kind.starts_with(start))
}

/// What it did, for people.
fn tale(seen: &Seen) -> Vec<String> {
    let mut lines = Vec::new();
    let asked: BTreeSet<_> = seen.asked.iter().copied().collect();
    if !asked.is_empty() {
        let asked: Vec<&str> = asked.into_iter().collect();
        lines.push(format!("It asked: {}", asked.join(", ")));
    }
    lines.extend(
        seen.status
            .iter()
            .map(|field| format!("It shows: {} {}", field.label, field.value)),
    );
    lines.extend(
        seen.logs
            .iter()
            .map(|line| format!("It logged: {}", line.message)),
    );
    lines
}

#[cfg(test)]
mod tests {
    use super::fits;

    #[test]
    fn patterns_cover_what_they_say() {
        assert!(fits("chain.*", "chain.block_connected"));
        assert!(fits("chain.block_connected", "chain.block_connected"));
        assert!(!fits("chain.*", "chains.x"));
        assert!(!fits("mempool.*", "chain.block_connected"));
    }
}
