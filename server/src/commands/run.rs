//! `run`: the node itself.

use std::sync::Arc;

use anyhow::Result;
use clap::Args;

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
        telemetry::start(&config.telemetry);
        let deadline = config.limits.shutdown_deadline;
        let app = App::build(config, Arc::new(SystemClock)).await?;
        app.lifecycle().follow_signals(deadline)?;
        let running = app.start().await?;
        welcome(&running, options).await?;
        Ok(running.ended().await?)
    }
}

/// Tells a person where everything is.
async fn welcome(running: &Running, options: &Options) -> Result<()> {
    let config = running.config();
    let login = running.login_url().await?;
    if options.json {
        let facts = serde_json::json!({
            "url": running.url(), "login": login, "data_dir": config.data_dir,
        });
        println!("{facts}");
        return Ok(());
    }
    let data = config.data_dir.display();
    println!("bllvm-node {}", env!("CARGO_PKG_VERSION"));
    println!("  dashboard  {}", running.url());
    println!("  log in     {login}");
    println!(
        "             works once, for 10 minutes; `bllvm-node login --data-dir {data}` prints another"
    );
    println!("  data       {data}");
    println!("  modules    {}", config.modules.dir.display());
    if config.node.backend == Backend::None {
        println!("  base node  none: modules run without a chain");
    }
    println!("  stop       Ctrl-C (again to end at once)");
    Ok(())
}
