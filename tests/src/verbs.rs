//! The operator's verbs by REST, and what a test waits for.

use std::collections::BTreeMap;

use reqwest::Method;
use serde_json::{Value, json};

use crate::wait::until;
use crate::{Answer, Fixture, TestServer};

/// One durable event as a module wrote it down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// Its number in the journal.
    pub seq: u64,
    /// Its type.
    pub kind: String,
    /// Its own number, where it is a fixture's tick.
    pub n: Option<u64>,
}

impl TestServer {
    /// Takes a fixture in from a folder, by REST.
    pub async fn install(&self, fixture: &Fixture) {
        let folder = fixture.write_below(&self.folder().join("incoming"));
        let answer = self
            .rest
            .post("/api/v1/modules", &json!({ "path": folder }))
            .await;
        self.succeeded(&answer.done()).await;
    }

    /// Takes a fixture in and starts it.
    pub async fn run(&self, fixture: &Fixture) {
        self.install(fixture).await;
        self.load(fixture.name()).await;
    }

    /// Asks for a verb; the answer as it came.
    pub async fn verb(&self, name: &str, verb: &str) -> Answer {
        let path = format!("/api/v1/modules/{name}/{verb}");
        self.rest.post(&path, &json!({})).await
    }

    /// Loads, and waits until it runs.
    pub async fn load(&self, name: &str) -> Value {
        let answer = self.verb(name, "load").await;
        self.succeeded(&answer.done()).await
    }

    /// Unloads, and waits until it has ended.
    pub async fn unload(&self, name: &str) -> Value {
        let answer = self.verb(name, "unload").await;
        self.succeeded(&answer.done()).await
    }

    /// Reloads; the operation when it is over.
    pub async fn reload(&self, name: &str) -> Value {
        let answer = self.verb(name, "reload").await;
        self.finished(&answer.done()).await
    }

    /// Waits until an operation is over, and that it succeeded.
    pub async fn succeeded(&self, operation: &Value) -> Value {
        let operation = self.finished(operation).await;
        assert_eq!(operation["status"], "succeeded", "{operation:#}");
        operation
    }

    /// Waits until an operation is over, and that it failed.
    pub async fn failed(&self, operation: &Value) -> Value {
        let operation = self.finished(operation).await;
        assert_eq!(operation["status"], "failed", "{operation:#}");
        operation
    }

    /// Waits until an operation is over.
    pub async fn finished(&self, operation: &Value) -> Value {
        let id = operation["id"].as_str().unwrap_or_default().to_owned();
        assert!(!id.is_empty(), "no operation: {operation}");
        until(&format!("operation {operation} is over"), async || {
            let path = format!("/api/v1/operations/{id}?wait=5s");
            let now = self.rest.get(&path).await.done();
            let status = now["status"].as_str().unwrap_or_default();
            matches!(status, "succeeded" | "failed" | "cancelled").then_some(now)
        })
        .await
    }

    /// A module as it is now.
    pub async fn module(&self, name: &str) -> Value {
        self.rest
            .get(&format!("/api/v1/modules/{name}"))
            .await
            .done()
    }

    /// Waits until a module is in a state.
    pub async fn in_state(&self, name: &str, state: &str) -> Value {
        self.module_is(name, state, |module| module["state"] == state)
            .await
    }

    /// Waits until something is true of a module.
    pub async fn module_is(&self, name: &str, what: &str, is: impl Fn(&Value) -> bool) -> Value {
        let mut last = Value::Null;
        let begin = tokio::time::Instant::now();
        loop {
            let module = self.module(name).await;
            if is(&module) {
                return module;
            }
            assert!(
                begin.elapsed() <= crate::wait::DEADLINE,
                "`{name}` is not {what}: {module:#}, before {last:#}"
            );
            last = module["state"].clone();
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    }

    /// The host's id of a running module's process.
    pub async fn module_pid(&self, name: &str) -> u32 {
        let module = self
            .module_is(name, "running with a process", |module| {
                module["state"] == "running" && module["pid"].is_u64()
            })
            .await;
        u32::try_from(module["pid"].as_u64().unwrap_or(0)).expect("a process id")
    }

    /// The runs of a module, newest first.
    pub async fn runs(&self, name: &str) -> Vec<Value> {
        let page = self.rest.get(&format!("/api/v1/modules/{name}/runs")).await;
        page.done()["items"].as_array().cloned().unwrap_or_default()
    }

    /// The runs of a module; none where it is not known.
    pub async fn runs_or_none(&self, name: &str) -> Vec<Value> {
        let page = self.rest.get(&format!("/api/v1/modules/{name}/runs")).await;
        page.json()["items"].as_array().cloned().unwrap_or_default()
    }

    /// Waits for a run that ended, the newest one first, and gives how.
    pub async fn run_ended(&self, name: &str) -> Value {
        until(&format!("a run of {name} ended"), async || {
            let runs = self.runs(name).await;
            runs.into_iter().find(|run| !run["exit"].is_null())
        })
        .await
    }

    /// Calls a method; the answer as it came.
    pub async fn try_call(&self, name: &str, method: &str, params: &Value) -> Answer {
        let path = format!("/api/v1/modules/{name}/methods/{method}");
        self.rest.post(&path, params).await
    }

    /// Calls a method; its result.
    pub async fn call(&self, name: &str, method: &str, params: Value) -> Value {
        self.try_call(name, method, &params).await.done()["result"].clone()
    }

    /// Asserts that a module answers.
    pub async fn answers(&self, name: &str) {
        let given = json!({ "still": "here" });
        assert_eq!(self.call(name, "echo", given.clone()).await, given);
    }

    /// Changes keys of a configuration; the answer as it came.
    pub async fn try_configure(&self, name: &str, patch: &Value) -> Answer {
        let path = format!("/api/v1/modules/{name}/config");
        let request = self
            .rest
            .request(Method::PATCH, &path)
            .header("if-match", "*")
            .header("content-type", "application/merge-patch+json")
            .body(patch.to_string());
        self.rest.send(request).await
    }

    /// Changes keys of a configuration; the operation when it is over, null where none was needed.
    pub async fn configure(&self, name: &str, patch: Value) -> Value {
        let change = self.try_configure(name, &patch).await.done();
        if change["operation"].is_null() {
            return Value::Null;
        }
        self.finished(&change["operation"]).await
    }

    /// Every durable event of these types.
    pub async fn events(&self, types: &str) -> Vec<Value> {
        let (mut events, mut cursor) = (Vec::new(), "0".to_owned());
        loop {
            let path = format!("/api/v1/events?limit=1000&types={types}&cursor={cursor}");
            let page = self.rest.get(&path).await.done();
            let items = page["items"].as_array().cloned().unwrap_or_default();
            let full = items.len() == 1000;
            events.extend(items);
            if !full {
                return events;
            }
            page["next"]
                .as_str()
                .unwrap_or_default()
                .clone_into(&mut cursor);
        }
    }

    /// The newest log lines of a module, as one text.
    pub async fn module_log(&self, name: &str) -> String {
        let page = self
            .rest
            .get(&format!("/api/v1/modules/{name}/logs?limit=1000"))
            .await;
        page.done().to_string()
    }

    /// Waits until a module's log has a text.
    pub async fn logged(&self, name: &str, text: &str) {
        until(&format!("{name} logged `{text}`"), async || {
            self.module_log(name).await.contains(text).then_some(())
        })
        .await;
    }

    /// What a fixture wrote down of the events that it was given.
    ///
    /// # Panics
    /// When it saw them out of order, or was told that some are gone.
    pub fn applied(&self, name: &str) -> Vec<Applied> {
        let file = self.module_data(name).join("events.log");
        let text = std::fs::read_to_string(file).unwrap_or_default();
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        text[..whole]
            .lines()
            .map(|line| applied(name, line))
            .collect()
    }

    /// Waits until a fixture applied as many events, and asserts that they are `expected` in order.
    pub async fn applied_all(&self, name: &str, expected: &[u64]) {
        let what = format!("{name} applied {} events", expected.len());
        let seen = until(&what, async || {
            let seen = self.applied(name);
            (seen.len() >= expected.len()).then_some(seen)
        })
        .await;
        let seqs: Vec<u64> = seen.iter().map(|event| event.seq).collect();
        let missing: Vec<&u64> = expected.iter().filter(|seq| !seqs.contains(seq)).collect();
        assert!(missing.is_empty(), "{name} lost {missing:?}");
        assert!(
            seqs.windows(2).all(|two| two[0] < two[1]),
            "{name} applied out of order"
        );
        assert_eq!(seqs, expected, "{name} applied what it was not given");
    }

    /// Numbers of the durable events of these types, in order.
    pub async fn event_numbers(&self, types: &str) -> Vec<u64> {
        let events = self.events(types).await;
        events
            .iter()
            .filter_map(|event| event["seq"].as_u64())
            .collect()
    }

    /// Rows of the audit trail, newest first, by action.
    pub async fn audit(&self, filter: &str) -> Vec<Value> {
        let page = self
            .rest
            .get(&format!("/api/v1/audit?limit=1000&{filter}"))
            .await;
        page.done()["items"].as_array().cloned().unwrap_or_default()
    }

    /// The states of all modules by name.
    pub async fn states(&self) -> BTreeMap<String, String> {
        let modules = self.rest.get("/api/v1/modules").await.done();
        let modules = modules["items"].as_array().cloned().unwrap_or_default();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        modules
            .iter()
            .map(|module| (text(&module["name"]), text(&module["state"])))
            .collect()
    }
}

fn applied(name: &str, line: &str) -> Applied {
    assert!(!line.starts_with('#'), "{name} saw {line}");
    let mut parts = line.splitn(4, ' ');
    let seq = parts
        .next()
        .and_then(|seq| seq.parse().ok())
        .expect("a number");
    let kind = parts.next().unwrap_or_default().to_owned();
    let data: Value = serde_json::from_str(parts.nth(1).unwrap_or_default()).unwrap_or_default();
    Applied {
        seq,
        kind,
        n: data["n"].as_u64(),
    }
}
