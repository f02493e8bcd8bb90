//! Calls of twelve good modules, with and without four bad ones beside them.

use std::time::{Duration, Instant};

use bllvm_tests::{Fixture, TestServer};
use serde_json::json;
use tokio::time::MissedTickBehavior;

use crate::fifty::token;
use crate::http::{self, Client};
use crate::parts::runtime;
use crate::stats::{Row, largest, median, quantile, ratio};

const GOOD: usize = 12;
const BAD: [&str; 4] = [
    "malformed-hello",
    "stalls-reading",
    "floods-logs",
    "crash-after-ready",
];
const ROUNDS: usize = 7;
const ROUND: Duration = Duration::from_secs(5);
/// Between two calls of one caller.
const EVERY: Duration = Duration::from_millis(10);
/// Between two batches of events, which everybody is subscribed to.
const EVENTS_EVERY: Duration = Duration::from_millis(100);

/// The row of the neighbours goal.
pub fn measure() -> anyhow::Result<Vec<Row>> {
    runtime()?.block_on(async {
        let server = TestServer::start().await;
        for n in 1..=GOOD {
            let good = Fixture::new(format!("well-{n}"));
            server.run(&good.subscribe("fixture-well*")).await;
        }
        for behaviour in BAD {
            let bad = Fixture::new(behaviour);
            server.install(&bad.subscribe("fixture-well*")).await;
        }
        let token = token(&server, &["admin"]).await?;
        let (mut quiet, mut noisy) = (Vec::new(), Vec::new());
        let mut longest = Vec::new();
        for _ in 0..ROUNDS {
            let mut times = round(&server, &token).await?;
            quiet.push(quantile(&mut times, 0.99));
            // From the moment of their load, so that the flood and the first crashes are in it.
            for behaviour in BAD {
                let name = format!("fixture-{behaviour}");
                server.verb(&name, "load").await.done();
            }
            let mut times = round(&server, &token).await?;
            noisy.push(quantile(&mut times, 0.99));
            longest.push(largest(&times));
            for behaviour in BAD {
                server.unload(&format!("fixture-{behaviour}")).await;
            }
        }
        let times = ratio(&noisy, &quiet);
        Ok(vec![Row {
            what: "`module call` on 12 good modules beside 4 bad ones, p99".into(),
            ours: format!(
                "{:.2} ms (longest {:.0} ms)",
                median(&mut noisy),
                largest(&longest)
            ),
            yardstick: format!("without the bad ones {:.2} ms", median(&mut quiet)),
            ratio: Some(times),
            goal: "≤ 2×",
            reached: Some(times <= 2.0),
        }])
    })
}

/// Calls each good module at fixed times; how long each call took, in milliseconds.
async fn round(server: &TestServer, token: &str) -> anyhow::Result<Vec<f64>> {
    let begin = Instant::now();
    let address = http::address(&server.rest).to_owned();
    let calling: Vec<_> = (1..=GOOD)
        .map(|n| {
            let path = format!("/api/v1/modules/fixture-well-{n}/methods/echo");
            tokio::spawn(call(
                address.clone(),
                http::post(&path, token, r#"{"still":"here"}"#),
                begin,
                EVERY,
            ))
        })
        .collect();
    let publish = json!({ "from": 0, "count": 20 }).to_string();
    let publish = http::post(
        "/api/v1/modules/fixture-well-1/methods/publish",
        token,
        &publish,
    );
    let publishing = tokio::spawn(call(address, publish, begin, EVENTS_EVERY));
    let mut all = Vec::new();
    for one in calling {
        all.extend(one.await??);
    }
    publishing.await??;
    Ok(all)
}

async fn call(
    address: String,
    request: Vec<u8>,
    begin: Instant,
    every: Duration,
) -> anyhow::Result<Vec<f64>> {
    let mut client = Client::connect(&address).await?;
    let mut ticks = tokio::time::interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut times = Vec::new();
    while begin.elapsed() < ROUND {
        ticks.tick().await;
        let asked = Instant::now();
        client.ask(&request).await?;
        times.push(asked.elapsed().as_secs_f64() * 1e3);
    }
    Ok(times)
}
