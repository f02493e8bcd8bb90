//! From kill -9 of a module to its replacement's `main`, the first crash after a healthy time.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use bllvm_tests::programs::program;
use bllvm_tests::{Fixture, TestServer, processes};

use crate::parts::{Stamp, now_ms, runtime};
use crate::spawn::bare;
use crate::stats::{Row, ratio, spread};

const ROUNDS: usize = 60;
const NAME: &str = "fixture-stamps";

/// The row of the respawn goal.
pub fn measure() -> anyhow::Result<Vec<Row>> {
    runtime()?.block_on(async {
        let folder = tempfile::tempdir()?;
        let server = TestServer::start().await;
        server.run(&Fixture::new("stamps").healthy_after(1)).await;
        let stamp = Stamp::of(&server.module_data(NAME));
        let (mut ours, mut floor) = (Vec::new(), Vec::new());
        let mut pid = server.module_pid(NAME).await;
        for _ in 0..ROUNDS {
            floor.push(bare_respawn(folder.path()).await?);
            // At a random moment of its life, and long after its start was recorded.
            tokio::time::sleep(Duration::from_millis(100)).await;
            stamp.clear();
            let begin = now_ms();
            processes::kill9(pid);
            ours.push(stamp.wait().await? - begin);
            let killed = pid;
            while pid == killed {
                pid = server.module_pid(NAME).await;
            }
        }
        let over = ratio(&ours, &floor);
        let reached = crate::stats::median(&mut ours) <= 10.0;
        Ok(vec![Row {
            what: "kill -9 → replacement's `main`, first crash".into(),
            ours: spread(&mut ours),
            yardstick: format!("bare wait, fork and exec {}", spread(&mut floor)),
            ratio: Some(over),
            goal: "≤ 10 ms",
            reached: Some(reached),
        }])
    })
}

/// The yardstick: a parent that waits for its child and starts the next one.
async fn bare_respawn(dir: &Path) -> anyhow::Result<f64> {
    let mut child = Command::new(program("fixture"))
        .env_clear()
        .env("BLLVM_MODULE", "fixture-silent")
        .stdin(Stdio::null())
        .spawn()?;
    tokio::time::sleep(Duration::from_millis(20)).await;
    let begin = now_ms();
    child.kill()?;
    child.wait()?;
    let ended = now_ms() - begin;
    Ok(ended + bare(dir).await?)
}
