//! Sixteen modules at once, four of them bad: the twelve others lose nothing.

use bllvm_tests::{Fixture, TestServer, times};
use serde_json::json;

const GOOD: u64 = 12;

#[tokio::test(flavor = "multi_thread")]
async fn sixteen_modules_of_which_four_misbehave_leave_twelve_with_every_event() {
    let server = TestServer::builder()
        .set("modules.heartbeat=1 s")
        .start()
        .await;
    let good: Vec<String> = (1..=GOOD).map(|n| format!("fixture-well-{n}")).collect();
    for n in 1..=GOOD {
        server
            .run(&Fixture::new(format!("well-{n}")).subscribe("fixture-well*"))
            .await;
    }
    // From here on every one of them is subscribed.
    let bad = [
        "malformed-hello",
        "stalls-reading",
        "floods-logs",
        "crash-after-ready",
    ];
    for behaviour in bad {
        let fixture = Fixture::new(behaviour).subscribe("fixture-well*");
        server.install(&fixture).await;
        server.verb(fixture.name(), "load").await.done();
    }

    let each = u64::from(times(4000));
    let publishing = good.iter().map(|name| {
        let server = &server;
        async move {
            for from in (0..each).step_by(50) {
                let count = 50.min(each - from);
                server
                    .call(name, "publish", json!({ "from": from, "count": count }))
                    .await;
            }
        }
    });
    join_all(publishing).await;

    let expected = server.event_numbers("fixture-well*").await;
    assert_eq!(
        expected.len() as u64,
        each * GOOD,
        "what was answered is in the journal"
    );
    for name in &good {
        server.applied_all(name, &expected).await;
        let own: Vec<u64> = server
            .applied(name)
            .iter()
            .filter(|event| event.kind == format!("{name}.tick"))
            .filter_map(|event| event.n)
            .collect();
        assert_eq!(
            own,
            (0..each).collect::<Vec<_>>(),
            "in the order of publishing"
        );
        let module = server.module(name).await;
        assert_eq!(module["restarts"], 0, "{module:#}");
        server.answers(name).await;
    }
    assert_eq!(
        server.module("fixture-malformed-hello").await["state"],
        "failed"
    );
    let loop_ = server.module("fixture-crash-after-ready").await;
    assert!(loop_["restarts"].as_u64().unwrap_or(0) > 1, "{loop_:#}");
}

/// Runs all at once, to the last.
async fn join_all(all: impl Iterator<Item = impl Future<Output = ()>>) {
    let mut all: Vec<_> = all.map(Box::pin).collect();
    std::future::poll_fn(|context| {
        all.retain_mut(|one| one.as_mut().poll(context).is_pending());
        if all.is_empty() {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
}
