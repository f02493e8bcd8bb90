//! Requests lost while block-clock is reloaded under load, and the longest time without an answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bllvm_tests::TestServer;
use bllvm_tests::clock::{self, CLOCK};
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use crate::parts::runtime;
use crate::stats::{Row, largest, median};

const ROUNDS: usize = 4;
const CALLERS: u32 = 8;
/// 300 requests a second over all callers.
const EVERY: Duration = Duration::from_micros(26_667);
/// Requests of each caller in one round: ten seconds of them.
const EACH: u32 = 375;
const BETWEEN_RELOADS: Duration = Duration::from_millis(500);

/// What the callers of one round saw.
struct Seen {
    asked: u64,
    lost: u64,
    reloads: u64,
    /// The longest time without an answer to anybody.
    gap_ms: f64,
    /// The longest that anybody waited.
    slowest_ms: f64,
}

/// The row of the reload goal.
pub fn measure() -> anyhow::Result<Vec<Row>> {
    runtime()?.block_on(async {
        let server = TestServer::start().await;
        let address = clock::run(&server).await;
        let (mut with, mut without) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            without.push(round(&server, &address, false).await?);
            with.push(round(&server, &address, true).await?);
        }
        let gaps = |rounds: &[Seen]| rounds.iter().map(|seen| seen.gap_ms).collect::<Vec<_>>();
        let sum = |of: fn(&Seen) -> u64| with.iter().map(of).sum::<u64>();
        let (asked, lost, reloads) = (sum(|s| s.asked), sum(|s| s.lost), sum(|s| s.reloads));
        let slowest: Vec<f64> = with.iter().map(|seen| seen.slowest_ms).collect();
        let gap = largest(&gaps(&with));
        Ok(vec![Row {
            what: "block-clock reloaded at 300 requests a second: lost; largest gap".into(),
            ours: format!(
                "{lost} of {asked} in {reloads} reloads; {gap:.0} ms (slowest answer {:.0} ms)",
                largest(&slowest)
            ),
            yardstick: format!("gap without reloads {:.0} ms", largest(&gaps(&without))),
            ratio: Some(median(&mut gaps(&with)) / median(&mut gaps(&without))),
            goal: "0; ≤ 50 ms",
            reached: Some(lost == 0 && gap <= 50.0),
        }])
    })
}

async fn round(server: &TestServer, address: &str, reloading: bool) -> anyhow::Result<Seen> {
    let lost = Arc::new(AtomicU64::new(0));
    let begin = Instant::now();
    let callers: Vec<_> = (0..CALLERS)
        .map(|n| tokio::spawn(call(address.to_owned(), n, begin, Arc::clone(&lost))))
        .collect();
    let mut reloads = 0;
    while callers.iter().any(|caller| !caller.is_finished()) {
        tokio::time::sleep(BETWEEN_RELOADS).await;
        if reloading && begin.elapsed() < EVERY * (EACH - 40) {
            let done = server.reload(CLOCK).await;
            anyhow::ensure!(done["result"]["mode"] == "overlap", "{done:#}");
            reloads += 1;
        }
    }
    let mut answers: Vec<(Instant, Duration)> = Vec::new();
    for caller in callers {
        answers.extend(caller.await??);
    }
    answers.sort();
    let gap = answers.windows(2).map(|two| two[1].0 - two[0].0).max();
    let slowest = answers.iter().map(|(_, took)| *took).max();
    let ms = |time: Option<Duration>| time.unwrap_or_default().as_secs_f64() * 1e3;
    Ok(Seen {
        asked: u64::from(CALLERS * EACH),
        lost: lost.load(Ordering::Relaxed),
        reloads,
        gap_ms: ms(gap),
        slowest_ms: ms(slowest),
    })
}

/// Asks at fixed times, late or not; when each answer came and how long it took. Every second caller
/// keeps its connection, and asks again where it closed under a request (RFC 9112, section 9.3.1).
async fn call(
    address: String,
    n: u32,
    begin: Instant,
    lost: Arc<AtomicU64>,
) -> anyhow::Result<Vec<(Instant, Duration)>> {
    let keeps = n % 2 == 1;
    let mut client = reqwest::Client::builder()
        .no_proxy()
        .timeout(Duration::from_secs(30));
    if !keeps {
        client = client.pool_max_idle_per_host(0);
    }
    let client = client.build()?;
    let mut times = interval_at(begin + EVERY * n / CALLERS, EVERY);
    times.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut answers = Vec::new();
    for _ in 0..EACH {
        times.tick().await;
        let asked = Instant::now();
        let mut answer = client.get(&address).send().await;
        if keeps && answer.as_ref().is_err_and(reqwest::Error::is_request) {
            answer = client.get(&address).send().await;
        }
        let whole = match answer.and_then(reqwest::Response::error_for_status) {
            Ok(answer) => answer.bytes().await.is_ok(),
            Err(_) => false,
        };
        if whole {
            answers.push((Instant::now(), asked.elapsed()));
        } else {
            lost.fetch_add(1, Ordering::Relaxed);
        }
    }
    Ok(answers)
}
