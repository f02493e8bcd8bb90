//! `run`: the node itself.

use std::io::Write as _;
use std::sync::Arc;

use anyhow::Result;
use clap::Args;
use serde_json::json;

use super::cli::{Assignments, Options};
use crate::app::{App, Running};
use crate::clock::SystemClock;
use crate::config::Backend;
use crate::telemetry;

/// What `run` may be told beside the configuration.
#[derive(Args, Debug)]
pub struct Run {
    /// Where to listen, as 127.0.0.1:8480; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<String>,
    #[command(flatten)]
    pub assignments: Assignments,
}

impl Run {
    /// Runs until it is interrupted.
    pub async fn run(self, options: &Options) -> Result<()> {
        let mut assignments = self.assignments.list();
        if let Some(address) = self.listen {
            assignments.push(("--listen", format!("http.listen={address}")));
        }
        let config = options.load(assignments)?;
        // Modules' users pass through the data directory: what the node makes is its own.
        rustix::process::umask(rustix::fs::Mode::RWXG | rustix::fs::Mode::RWXO);
        telemetry::start(&config.telemetry);
        let deadline = config.limits.shutdown_deadline;
        let app = App::build(config, Arc::new(SystemClock)).await?;
        app.lifecycle().follow_signals(deadline)?;
        let running = app.start().await?;
        welcome(&running, options).await?;
        Ok(running.ended().await?)
    }
}

/// Tells a person where everything is. A node does not end because nobody reads it.
async fn welcome(running: &Running, options: &Options) -> Result<()> {
    let config = running.config();
    let (url, login, data) = (
        running.url(),
        running.login_url().await?,
        config.data_dir.display(),
    );
    let text = if options.json {
        let facts = json!({ "url": url, "login": login, "data_dir": config.data_dir });
        format!("{facts}\n")
    } else {
        let base_node = match (config.node.backend, &config.node.core) {
            (Backend::Embedded, _) => format!("embedded, {}", config.node.chain.name()),
            (Backend::Core, Some(core)) => format!("Bitcoin Core at {}, {}", core.url, core.chain),
            (Backend::Core, None) | (Backend::None, _) => {
                "none: modules run without a chain".to_owned()
            }
        };
        format!(
            "bllvm-node {version}
  dashboard  {url}
  log in     {login}
             works once, for 10 minutes; `bllvm-node login --data-dir {data}` prints another
  data       {data}
  modules    {modules}
  base node  {base_node}
  stop       Ctrl-C (again to end at once)
",
            version = env!("CARGO_PKG_VERSION"),
            modules = config.modules.dir.display(),
        )
    };
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    Ok(())
}
