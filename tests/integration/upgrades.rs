//! Versions of a module give place to each other: planned, approved, tried, taken back, and whole
//! whenever the node is killed.

use bllvm_tests::wait::until;
use bllvm_tests::{Dice, Fixture, TestServer, fixture, times};
use reqwest::Method;
use serde_json::{Value, json};

const NAME: &str = "fixture-well";
/// A version whose data the old one reads.
const SHARED: &str = "[data]\ncompatible_from = \"1.0.0\"";

/// Its lines stand at the top of module.toml, so that a table of them comes last.
fn version(number: &str, table: &str) -> Fixture {
    Fixture::new("well").version(number).last(table)
}

fn folder(server: &TestServer, fixture: &Fixture, place: &str) -> Value {
    json!({ "path": fixture.write_below(&server.folder().join(place)) })
}

async fn ask(server: &TestServer, verb: &str, body: &Value) -> bllvm_tests::Answer {
    let path = format!("/api/v1/modules/{NAME}/{verb}");
    server.rest.post(&path, body).await
}

async fn in_place(server: &TestServer) -> String {
    let module = server.module(NAME).await;
    module["version"].as_str().unwrap_or_default().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_is_planned_put_in_place_and_rolled_back_with_its_configuration() {
    let server = TestServer::start().await;
    server.run(&version("1.0.0", "")).await;
    server.configure(NAME, json!({ "greeting": "mine" })).await;
    let new = folder(&server, &version("1.1.0", SHARED), "new");

    let plan = ask(&server, "upgrade/plan", &new).await.done();
    assert_eq!(
        (&plan["from"], &plan["to"]),
        (&json!("1.0.0"), &json!("1.1.0"))
    );
    assert_eq!(plan["data"], "shared");
    assert_eq!(plan["asks_for_more"], json!([]));
    assert_eq!(in_place(&server).await, "1.0.0", "a plan changes nothing");

    let upgraded = ask(&server, "upgrade", &new).await.done();
    server.succeeded(&upgraded).await;
    assert_eq!(in_place(&server).await, "1.1.0");
    server.answers(NAME).await;
    let config = server.call(NAME, "config", json!({})).await;
    assert_eq!(config["greeting"], "mine");
    assert_eq!(server.runs(NAME).await[0]["version"], "1.1.0");
    let path = format!("/api/v1/operations?module={NAME}&limit=100");
    let listed = server.rest.get(&path).await.done();
    let kinds: Vec<_> = listed["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["kind"].clone())
        .collect();
    assert!(
        kinds.contains(&json!("upgrade")) && kinds.contains(&json!("reload")),
        "{kinds:?}"
    );
    let again = ask(&server, "upgrade", &new).await.refused();
    assert_eq!(again["code"], "conflict");

    let back = ask(&server, "rollback", &json!({})).await.done();
    server.succeeded(&back).await;
    assert_eq!(in_place(&server).await, "1.0.0");
    server.answers(NAME).await;
    let path = format!("/api/v1/modules/{NAME}/versions");
    let versions = server.rest.get(&path).await.done();
    assert_eq!(versions["previous"]["version"], "1.1.0");
    let forward = ask(&server, "rollback", &json!({})).await.done();
    server.succeeded(&forward).await;
    assert_eq!(in_place(&server).await, "1.1.0");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_asks_for_more_waits_for_a_word_and_the_old_one_goes_on() {
    let server = TestServer::start().await;
    server.run(&version("1.0.0", "")).await;
    let pid = server.module_pid(NAME).await;
    let more = [fixture::CAPABILITIES, &["tx.broadcast"][..]].concat();
    let greedy = version("1.1.0", SHARED).capabilities(&more);
    let mut new = folder(&server, &greedy, "new");

    let refused = ask(&server, "upgrade", &new).await.refused();
    assert_eq!(refused["code"], "grant_exceeded");
    assert!(refused["detail"].as_str().unwrap().contains("tx.broadcast"));
    assert_eq!(server.module_pid(NAME).await, pid, "the old one goes on");
    assert_eq!(in_place(&server).await, "1.0.0");

    new["grant"] = json!("kept");
    let kept = ask(&server, "upgrade", &new).await.done();
    server.succeeded(&kept).await;
    let grants = format!("/api/v1/modules/{NAME}/grants");
    let view = server.rest.get(&grants).await.done();
    assert_eq!(view["missing"], json!(["tx.broadcast"]), "{view}");

    let back = ask(&server, "rollback", &json!({})).await.done();
    server.succeeded(&back).await;
    new["grant"] = json!("requested");
    let given = ask(&server, "upgrade", &new).await.done();
    server.succeeded(&given).await;
    let view = server.rest.get(&grants).await.done();
    assert_eq!(view["missing"], json!([]), "{view}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_is_not_ready_is_taken_back_and_its_data_with_it() {
    let server = TestServer::start().await;
    server.run(&version("1.0.0", "")).await;
    let data = server.module_data(NAME).join("precious");
    std::fs::write(&data, "one").unwrap();
    let new = folder(&server, &version("2.0.0", ""), "new");
    // A program, and no module: it ends before it says hello.
    let program = format!("{}/fixture", new["path"].as_str().unwrap());
    std::fs::copy("/bin/true", program).unwrap();
    let plan = ask(&server, "upgrade/plan", &new).await.done();
    assert_eq!(plan["data"], "copied");

    let upgraded = ask(&server, "upgrade", &new).await.done();
    let failed = server.failed(&upgraded).await;

    assert_eq!(
        failed["failure"]["code"], "upgrade_rolled_back",
        "{failed:#}"
    );
    server.in_state(NAME, "running").await;
    assert_eq!(in_place(&server).await, "1.0.0");
    assert_eq!(std::fs::read_to_string(&data).unwrap(), "one");
    let path = format!("/api/v1/modules/{NAME}/versions");
    let versions = server.rest.get(&path).await.done();
    assert!(versions["previous"].is_null(), "{versions:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn going_back_to_data_that_was_kept_takes_a_word() {
    let server = TestServer::start().await;
    server.run(&version("1.0.0", "")).await;
    let data = server.module_data(NAME).join("precious");
    std::fs::write(&data, "one").unwrap();
    let new = folder(&server, &version("2.0.0", ""), "new");
    let upgraded = ask(&server, "upgrade", &new).await.done();
    server.succeeded(&upgraded).await;
    std::fs::write(&data, "two").unwrap();

    let refused = ask(&server, "rollback", &json!({})).await.refused();
    assert_eq!(refused["code"], "data_not_readable");
    assert_eq!(std::fs::read_to_string(&data).unwrap(), "two");
    let word = json!({ "restore_data": true });
    let back = ask(&server, "rollback", &word).await.done();
    server.succeeded(&back).await;
    assert_eq!(in_place(&server).await, "1.0.0");
    assert_eq!(std::fs::read_to_string(&data).unwrap(), "one");
    server.answers(NAME).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pinned_module_stays_and_another_module_is_no_version_of_it() {
    let server = TestServer::start().await;
    server.run(&version("1.0.0", "")).await;
    let none = ask(&server, "rollback", &json!({})).await.refused();
    assert_eq!(none["code"], "no_previous_version");
    let pin = |pinned: bool| {
        let path = format!("/api/v1/modules/{NAME}/pin");
        let request = server.rest.request(Method::PUT, &path);
        server.rest.send(request.json(&json!({ "pinned": pinned })))
    };
    assert!(pin(true).await.done()["pinned_by"].is_string());
    let new = folder(&server, &version("1.1.0", SHARED), "new");
    let refused = ask(&server, "upgrade", &new).await.refused();
    assert_eq!(refused["code"], "module_pinned");
    pin(false).await.done();
    let other = folder(&server, &Fixture::new("well-2"), "other");
    let refused = ask(&server, "upgrade", &other).await.refused();
    assert!(
        refused["detail"]
            .as_str()
            .unwrap()
            .contains("fixture-well-2")
    );
    let upgraded = ask(&server, "upgrade", &new).await.done();
    server.succeeded(&upgraded).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upgrade_that_was_cut_off_leaves_one_version_or_the_other_whole() {
    let mut server = TestServer::start().await;
    server.run(&version("1.0.0", "")).await;
    let mut dice = Dice::new(11);
    for round in 0..times(100) {
        let number = format!("1.1.{round}");
        let new = folder(&server, &version(&number, SHARED), &format!("new-{round}"));
        let before = in_place(&server).await;
        let rest = server.rest.clone();
        let asked = tokio::spawn(async move {
            let path = format!("/api/v1/modules/{NAME}/upgrade");
            let request = rest.request(Method::POST, &path).json(&new);
            rest.try_send(request).await
        });
        tokio::time::sleep(std::time::Duration::from_millis(dice.below(400))).await;
        server.kill9();
        let answered = asked.await.unwrap();
        server.start_again().await;

        if let Some(answer) = answered
            && answer.status.is_success()
        {
            let operation = server.finished(&answer.json()).await;
            assert!(
                operation["status"] == "succeeded" || operation["failure"]["detail"].is_string(),
                "{operation:#}"
            );
        }
        // One that was accepted and not answered goes on after the start.
        until("no operation is open", async || {
            let all = server.rest.get("/api/v1/operations?limit=100").await.done();
            let items = all["items"].as_array().unwrap().clone();
            let open = |one: &Value| one["status"] == "queued" || one["status"] == "running";
            (!items.iter().any(open)).then_some(())
        })
        .await;
        server.in_state(NAME, "running").await;
        server.answers(NAME).await;
        let now = in_place(&server).await;
        assert!(
            now == before || now == number,
            "{now}: neither {before} nor {number}"
        );
        let newest = server.runs(NAME).await[0]["version"].clone();
        assert_eq!(newest, now.as_str());
        let module = server.module(NAME).await;
        assert_eq!(module["digest"], module["confirmed"], "{module:#}");
        until("nothing half-done to be left", async || {
            let modules = std::fs::read_dir(server.modules_dir()).unwrap().flatten();
            let mut names = modules.map(|entry| entry.file_name());
            names.all(|name| name == NAME).then_some(())
        })
        .await;
    }
}
