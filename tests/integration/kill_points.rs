//! kill -9 of the node before each single step that it takes on the disk while a module comes from a
//! registry, gives place to another version, or gets its place back: `killpoint/shim.c` counts them.
//!
//! Each test first does it once in peace and learns the steps, and then spreads its kills over them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use bllvm_tests::registry::Maker;
use bllvm_tests::wait::until;
use bllvm_tests::{Fixture, TestServer, times};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

/// The compiled shim.
fn shim() -> &'static Path {
    static SHIM: OnceLock<PathBuf> = OnceLock::new();
    SHIM.get_or_init(|| {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("killpoint/shim.c");
        // Tests are processes of their own, and two may get here at once.
        let library = format!("killpoint-{}.so", std::process::id());
        let library = Path::new(env!("CARGO_TARGET_TMPDIR")).join(library);
        let compiled = Command::new("cc")
            .args(["-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o"])
            .args([&library, &source])
            .args(["-ldl", "-lpthread"])
            .status()
            .unwrap();
        assert!(compiled.success(), "the shim does not compile");
        library
    })
}

/// A node whose steps are counted, and what was counted.
struct Lab {
    server: TestServer,
    hits: BTreeMap<String, usize>,
}

impl Drop for Lab {
    fn drop(&mut self) {
        let _ = fs::remove_file(shim());
    }
}

impl Lab {
    async fn new() -> Self {
        let builder = TestServer::builder();
        let (data, around) = (builder.data_dir(), builder.folder().to_owned());
        let server = builder
            .environment("LD_PRELOAD", shim())
            .environment("KILLPOINT_DIR", data.canonicalize().unwrap())
            .environment("KILLPOINT_ARM", around.join("arm"))
            .environment("KILLPOINT_LOG", around.join("steps"))
            .start()
            .await;
        Self {
            server,
            hits: BTreeMap::new(),
        }
    }

    fn arm(&self, step: usize) {
        // Named when it is whole: the node may look at any moment.
        let draft = self.server.folder().join("arm.new");
        fs::write(&draft, step.to_string()).unwrap();
        fs::rename(draft, self.server.folder().join("arm")).unwrap();
    }

    /// Stops counting, and gives the steps that were taken, in the words of the tables.
    fn disarm(&self) -> Vec<String> {
        let folder = self.server.folder();
        fs::remove_file(folder.join("arm")).unwrap();
        let steps = fs::read_to_string(folder.join("steps")).unwrap_or_default();
        let _ = fs::remove_file(folder.join("steps"));
        steps.lines().map(in_words).collect()
    }

    fn request(&self, path: &str, body: &Value) -> RequestBuilder {
        self.server.rest.request(Method::POST, path).json(body)
    }

    /// Does it in peace, and gives the steps.
    async fn steps_of(&mut self, path: &str, body: &Value, succeeds: bool) -> Vec<String> {
        self.arm(0);
        let begun = self.server.rest.post(path, body).await.done();
        if succeeds {
            self.server.succeeded(&begun).await;
        } else {
            self.server.failed(&begun).await;
        }
        let steps = self.disarm();
        self.server.kill9();
        self.server.start_again().await;
        self.settled().await;
        steps
    }

    /// Asks, and has the node killed before the step; or after the last one, where it takes fewer this
    /// time. Starts it again and waits until nothing is open. Whether the node had accepted it.
    async fn killed_before(&mut self, step: usize, path: &str, body: &Value) -> bool {
        self.arm(step);
        let answer = self.server.rest.try_send(self.request(path, body)).await;
        let accepted = answer.as_ref().map(|answer| answer.done()["id"].clone());
        until("the node is killed, or done", async || {
            if self.server.has_ended() {
                return Some(());
            }
            let id = accepted.as_ref()?.as_str()?;
            let path = format!("/api/v1/operations/{id}");
            let asked = self.server.rest.request(Method::GET, &path);
            let now = self.server.rest.try_send(asked).await?.json();
            (now["status"] != "queued" && now["status"] != "running").then_some(())
        })
        .await;
        let was_killed = self.server.has_ended();
        let steps = self.disarm();
        let last = if was_killed {
            steps.last().cloned().unwrap_or_default()
        } else {
            self.server.kill9();
            "after the last".to_owned()
        };
        *self.hits.entry(last).or_default() += 1;
        self.server.start_again().await;
        self.settled().await;
        accepted.is_some()
    }

    async fn settled(&self) {
        until("no operation is open", async || {
            let all = self.server.rest.get("/api/v1/operations?limit=100").await;
            let all = all.done()["items"].as_array().unwrap().clone();
            let open = |one: &Value| one["status"] == "queued" || one["status"] == "running";
            (!all.iter().any(open)).then_some(())
        })
        .await;
    }

    /// The newest operation of a kind.
    async fn newest(&self, kind: &str) -> Value {
        let all = self.server.rest.get("/api/v1/operations?limit=100").await;
        let all = all.done()["items"].as_array().unwrap().clone();
        all.into_iter()
            .find(|one| one["kind"] == kind)
            .unwrap_or_default()
    }

    /// No folder has a name that only a crash leaves, and nothing is kept that no version needs.
    fn is_tidy(&self) {
        let data = self.server.data_dir();
        for folder in ["modules", "store/sha256", "module-data"] {
            for entry in fs::read_dir(data.join(folder))
                .into_iter()
                .flatten()
                .flatten()
            {
                let name = entry.file_name();
                assert!(!name.to_string_lossy().starts_with('.'), "left: {entry:?}");
            }
        }
    }

    /// Prints which steps there are and how often the node was killed before each.
    fn print(&self, title: &str, steps: &[String]) {
        let mut table: BTreeMap<&str, usize> = BTreeMap::new();
        for step in steps {
            *table.entry(step).or_default() += 1;
        }
        println!("\n{title}: {} steps", steps.len());
        println!("  {:<44} | taken | killed before it", "step");
        for (step, count) in &table {
            let killed = self.hits.get(*step).copied().unwrap_or_default();
            println!("  {step:<44} | {count:>5} | {killed}");
        }
        for (step, killed) in self
            .hits
            .iter()
            .filter(|(one, _)| !table.contains_key(one.as_str()))
        {
            println!("  {step:<44} |     - | {killed}");
        }
    }
}

/// `sync downloads/41f…/hello` as "download: sync".
fn in_words(line: &str) -> String {
    let (kind, path) = line.split_once(' ').unwrap_or((line, ""));
    let places = [
        ("downloads", "download"),
        ("modules/.incoming", "copy beside the module"),
        ("modules", "modules folder"),
        ("store/sha256/.incoming", "copy into the store"),
        ("store", "store"),
        ("snapshots", "copy of the data"),
        ("module-data/.asked", "data brought back, beside"),
        ("module-data", "module's data"),
        ("registries", "index"),
        ("bllvm.sqlite", "database"),
    ];
    let place = places.iter().find(|(prefix, _)| path.starts_with(prefix));
    let place = place.map_or_else(|| path.to_owned(), |(_, words)| (*words).to_owned());
    format!("{place}: {kind}")
}

/// Which step comes before the n-th kill.
fn spread(steps: &[String], round: u32, rounds: u32) -> usize {
    1 + steps.len() * round as usize / rounds as usize
}

#[track_caller]
fn are_among(steps: &[String], expected: &[&str]) {
    for step in expected {
        assert!(
            steps.iter().any(|one| one == step),
            "{step} is in {steps:#?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_module_from_a_registry_comes_whole_whatever_step_the_node_is_killed_at() {
    let mut lab = Lab::new().await;
    let maker = Maker::new();
    let digest = maker.release(1);
    maker.trusted(&lab.server).await;
    let index = maker.folder().display().to_string();
    maker.add(&lab.server, &[&index]).await;
    let refresh = "/api/v1/registries/example.org/refresh";
    lab.server.rest.post(refresh, &json!(null)).await.done();
    let install = "/api/v1/catalog/example.org/hello/install";
    let uninstall = async |lab: &Lab| {
        let path = "/api/v1/modules/hello?confirm=hello";
        let request = lab.server.rest.request(Method::DELETE, path);
        let gone = lab.server.rest.send(request).await.done();
        lab.server.succeeded(&gone).await;
    };

    let steps = lab.steps_of(install, &json!({}), true).await;
    uninstall(&lab).await;
    let expected = [
        "database: sync",
        "download: create",
        "download: write",
        "download: sync",
        "download: rename",
        "copy beside the module: mkdir",
        "copy beside the module: create",
        "copy beside the module: write",
        "copy beside the module: sync",
        "modules folder: sync",
        "download: remove",
    ];
    are_among(&steps, &expected);
    let rounds = times(100);
    for round in 0..rounds {
        let step = spread(&steps, round, rounds);
        let accepted = lab.killed_before(step, install, &json!({})).await;

        lab.is_tidy();
        let there = lab.server.modules_dir().join("hello").exists();
        assert!(
            there || !accepted,
            "what was accepted goes on after the start"
        );
        if !there {
            continue;
        }
        let operation = lab.newest("install").await;
        assert_eq!(operation["status"], "succeeded", "{operation:#}");
        let folder = lab.server.modules_dir().join("hello").display().to_string();
        let key = maker.publisher.as_str();
        let verified = ["verify", &folder, "--publisher", "me.example", "--key", key];
        assert_eq!(maker.tool(&verified)["digest"], digest.as_str());
        assert_eq!(lab.server.module("hello").await["trust"], "signed");
        let releases = lab.server.rest.get("/api/v1/releases").await.done();
        assert_eq!(releases["items"][0]["digest"], digest.as_str());
        let downloads = fs::read_dir(lab.server.data_dir().join("downloads"));
        assert_eq!(
            downloads.unwrap().count(),
            0,
            "nothing is left of the download"
        );
        uninstall(&lab).await;
    }
    lab.print("install from a registry", &steps);
}

const NAME: &str = "fixture-well";

fn version(number: &str) -> Fixture {
    // Without a word about its data, so that a copy of it is kept.
    Fixture::new("well").version(number)
}

fn write(lab: &Lab, number: &str) -> PathBuf {
    let place = lab.server.folder().join(format!("new-{number}"));
    version(number).write_below(&place)
}

/// The module runs, as one of these versions, and its data is there.
async fn whole(lab: &Lab, versions: &[&str]) -> String {
    lab.is_tidy();
    lab.server.in_state(NAME, "running").await;
    lab.server.answers(NAME).await;
    let module = lab.server.module(NAME).await;
    let now = module["version"].as_str().unwrap().to_owned();
    assert!(versions.contains(&now.as_str()), "{now}");
    assert_eq!(module["digest"], module["confirmed"], "{module:#}");
    assert_eq!(lab.server.runs(NAME).await[0]["version"], now.as_str());
    let precious = lab.server.module_data(NAME).join("precious");
    assert_eq!(fs::read_to_string(precious).unwrap(), "kept");
    now
}

const CHANGE: [&str; 11] = [
    "database: sync",
    "copy into the store: create",
    "copy into the store: write",
    "copy into the store: sync",
    "store: rename",
    "store: sync",
    "copy beside the module: create",
    "copy beside the module: sync",
    "modules folder: sync",
    "copy of the data: create",
    "copy of the data: rename",
];

#[tokio::test(flavor = "multi_thread")]
async fn an_upgrade_leaves_one_version_whole_whatever_step_the_node_is_killed_at() {
    let mut lab = Lab::new().await;
    lab.server.run(&version("1.0.0")).await;
    fs::write(lab.server.module_data(NAME).join("precious"), "kept").unwrap();
    let upgrade = format!("/api/v1/modules/{NAME}/upgrade");

    let body = json!({ "path": write(&lab, "2.0.0") });
    let steps = lab.steps_of(&upgrade, &body, true).await;
    are_among(&steps, &CHANGE);
    let mut before = whole(&lab, &["2.0.0"]).await;
    let rounds = times(100);
    for round in 0..rounds {
        let number = format!("2.0.{}", round + 1);
        let body = json!({ "path": write(&lab, &number) });

        let known = lab.newest("upgrade").await["id"].clone();
        lab.killed_before(spread(&steps, round, rounds), &upgrade, &body)
            .await;

        let now = whole(&lab, &[&before, &number]).await;
        let operation = lab.newest("upgrade").await;
        let began = operation["id"] != known;
        let succeeded = operation["status"] == "succeeded";
        assert_eq!(now == number, began && succeeded, "{now}: {operation:#}");
        assert!(succeeded || operation["failure"]["detail"].is_string());
        before = now;
    }
    lab.print("upgrade", &steps);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_is_taken_back_is_whole_whatever_step_the_node_is_killed_at() {
    let mut lab = Lab::new().await;
    lab.server.run(&version("1.0.0")).await;
    fs::write(lab.server.module_data(NAME).join("precious"), "kept").unwrap();
    let upgrade = format!("/api/v1/modules/{NAME}/upgrade");
    // A program, and no module: it ends before it says hello.
    let broken = write(&lab, "2.0.0");
    fs::copy("/bin/true", broken.join("fixture")).unwrap();
    let body = json!({ "path": broken });

    let steps = lab.steps_of(&upgrade, &body, false).await;
    let restored = [
        "data brought back, beside: create",
        "data brought back, beside: sync",
        "module's data: sync",
    ];
    are_among(&steps, &CHANGE);
    are_among(&steps, &restored);
    let rounds = times(100);
    for round in 0..rounds {
        lab.killed_before(spread(&steps, round, rounds), &upgrade, &body)
            .await;

        whole(&lab, &["1.0.0"]).await;
        let operation = lab.newest("upgrade").await;
        assert!(operation["failure"]["detail"].is_string(), "{operation:#}");
    }
    lab.print("upgrade that is taken back", &steps);
}
