//! The three ways that a module comes to a node, in the README's own words: by cargo, by the
//! installer, by hand. And a bare name, which cargo builds where no registry lists it.
//!
//! Building bllvm-governance anew takes minutes, so that here the program which the same build made is put where
//! cargo would put it; `./test --full` lets cargo do it. What cargo does is tried here with a small crate.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Output;

use bllvm_tests::programs::program;
use bllvm_tests::readme::{commands_after, repository};
use bllvm_tests::wait::until;
use bllvm_tests::{Fixture, TestServer};
use serde_json::{Value, json};
use tokio::process::Command;

const GOVERNANCE: &str = "bllvm-governance";

/// What a person sits in front of: this repository, a node, and a cargo whose bin folder is the test's.
struct Place {
    dir: tempfile::TempDir,
    server: TestServer,
}

impl Place {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("cargo/bin")).unwrap();
        let bin = dir.path().join("cargo/bin").display().to_string();
        let builder = TestServer::builder().set(&format!("modules.cargo_bin={bin}"));
        let server = builder.start().await;
        Self { dir, server }
    }

    /// The repository with a `target` and a `data` of its own, as it is after a clone and `./run`. What cargo
    /// builds goes into `target`, where one is given.
    fn checkout(&self, target: Option<&Path>) -> PathBuf {
        let folder = self.dir.path().join("checkout");
        fs::create_dir(&folder).unwrap();
        if let Some(target) = target {
            symlink(target, folder.join("target")).unwrap();
        }
        for entry in fs::read_dir(repository()).unwrap().flatten() {
            if !["target", "data"]
                .map(Some)
                .contains(&entry.file_name().to_str())
            {
                symlink(entry.path(), folder.join(entry.file_name())).unwrap();
            }
        }
        symlink(self.server.data_dir(), folder.join("data")).unwrap();
        folder
    }

    fn bin(&self) -> PathBuf {
        self.dir.path().join("cargo/bin")
    }

    fn home(&self) -> PathBuf {
        self.dir.path().join("cargo")
    }

    /// Runs a line as a shell does.
    async fn shell(&self, folder: &Path, line: &str) -> Output {
        let programs = program("bllvm-node");
        let own = std::env::var("PATH").unwrap();
        let path = format!("{}:{own}", programs.parent().unwrap().display());
        Command::new("sh")
            .args(["-ec", line])
            .current_dir(folder)
            .env("PATH", path)
            .env("BLLVM__DATA_DIR", self.server.data_dir())
            .env("CARGO_INSTALL_ROOT", self.home())
            .env("CARGO_TARGET_DIR", folder.join("target"))
            .env("CARGO_NET_OFFLINE", "true")
            // What is tried is where programs land, not how fast they are.
            .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "0")
            // Another build's wish, as of a coverage run, would build a small crate at great length.
            .env_remove("RUSTFLAGS")
            .output()
            .await
            .unwrap()
    }

    async fn done(&self, folder: &Path, line: &str) -> String {
        let output = self.shell(folder, line).await;
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{line}: {error}");
        String::from_utf8_lossy(&output.stdout).into_owned() + &error
    }

    /// The module waits, described, and nothing ran.
    async fn waits(&self, name: &str) -> Value {
        let waiting = until("the module to be found", async || {
            let known = self.server.states().await.contains_key(name);
            known.then_some(())
        });
        waiting.await;
        let module = self.server.module(name).await;
        assert_eq!(module["waiting"], json!(true), "{module:#}");
        assert!(self.server.runs_or_none(name).await.is_empty());
        module
    }

    /// It runs, and the node knows its configuration's schema.
    async fn works(&self, name: &str) {
        self.server.in_state(name, "running").await;
        let path = format!("/api/v1/modules/{name}/config/schema");
        let schema = self.server.rest.get(&path).await.done();
        assert_eq!(schema["type"], "object", "{schema}");
    }
}

/// Lets cargo build, or puts there what is built.
async fn build(place: &Place, folder: &Path, line: &str, to: &Path, really: bool) {
    assert!(line.starts_with("cargo "), "{line}");
    if really {
        place.done(folder, line).await;
    } else {
        fs::create_dir_all(to).unwrap();
        fs::copy(program(GOVERNANCE), to.join(GOVERNANCE)).unwrap();
    }
}

async fn by_cargo(really: Option<&Path>) {
    let place = Place::new().await;
    let folder = place.checkout(really);
    let words = commands_after("**By cargo.**");
    let [install, list, load] = &words[..] else {
        panic!("{words:?}");
    };
    assert_eq!(
        install,
        "cargo install --locked --path modules/bllvm-governance"
    );

    build(&place, &folder, install, &place.bin(), really.is_some()).await;

    let found = place.waits(GOVERNANCE).await;
    assert_eq!(found["version"], "0.1.0");
    let manifest = fs::read_to_string(folder.join("modules/bllvm-governance/module.toml")).unwrap();
    let asked = format!("{} --manifest", place.bin().join(GOVERNANCE).display());
    assert_eq!(place.done(&folder, &asked).await, manifest);
    let grants = format!("/api/v1/modules/{GOVERNANCE}/grants");
    let grants = place.server.rest.get(&grants).await.done();
    let requested = &grants["requested"]["capabilities"];
    assert!(requested.to_string().contains("webhooks.read"), "{grants}");
    let listed = place.done(&folder, list).await;
    assert!(listed.contains(GOVERNANCE), "{listed}");
    place.done(&folder, load).await;
    place.works(GOVERNANCE).await;
}

async fn by_hand(really: Option<&Path>) {
    let place = Place::new().await;
    let folder = place.checkout(really);
    let words = commands_after("**By hand, in four steps**");
    let [compile, rest @ ..] = &words[..] else {
        panic!("{words:?}");
    };
    assert_eq!(rest.len(), 3, "four steps: {words:?}");
    build(
        &place,
        &folder,
        compile,
        &folder.join("target/release"),
        really.is_some(),
    )
    .await;
    for line in rest {
        place.done(&folder, line).await;
    }
    place.works(GOVERNANCE).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn by_cargo_a_program_is_found_described_unrun_and_loaded() {
    by_cargo(None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn by_hand_four_steps_are_enough() {
    by_hand(None).await;
}

/// Compiles bllvm-governance with all it stands on, which takes minutes; so `./test` leaves it to
/// `--full`, by the filter in `.config/nextest.toml`.
#[tokio::test(flavor = "multi_thread")]
async fn the_three_ways_word_for_word() {
    // Built once: the second and third way find what the first one compiled.
    let target = tempfile::tempdir().unwrap();
    let target = Some(target.path());
    by_cargo(target).await;
    by_hand(target).await;
    let place = Place::new().await;
    let folder = place.checkout(target);
    let words = commands_after("**By the installer**");
    // The installer itself is built already, and lies on the PATH.
    assert_eq!(
        words[0],
        "cargo install --locked --path modules/cargo-bllvm-module"
    );
    for line in &words[1..] {
        place.done(&folder, line).await;
    }
    place.works(GOVERNANCE).await;
}

/// A crate without dependencies, whose program says what it is and leaves a mark where it is run.
fn small_crate(folder: &Path, name: &str, version: &str) -> PathBuf {
    let mark = folder.join("it-ran");
    let source = format!(
        r#"
        #[used]
        #[unsafe(link_section = ".bllvm.manifest")]
        static MANIFEST: [u8; include_bytes!("../module.toml").len()] = *include_bytes!("../module.toml");

        fn main() {{
            std::hint::black_box(&MANIFEST);
            std::fs::write({:?}, "").unwrap();
        }}
        "#,
        mark.display().to_string()
    );
    fs::create_dir_all(folder.join("src")).unwrap();
    fs::write(folder.join("src/main.rs"), source).unwrap();
    let cargo =
        format!("[package]\nname = \"{name}\"\nversion = \"{version}\"\nedition = \"2024\"\n");
    fs::write(folder.join("Cargo.toml"), cargo).unwrap();
    let manifest = format!(
        "name = \"{name}\"\nversion = \"{version}\"\nentry_point = \"{name}\"\ncapabilities = [\"chain.read\"]\n"
    );
    fs::write(folder.join("module.toml"), manifest).unwrap();
    fs::write(folder.join("README.md"), "Small.\n").unwrap();
    mark
}

#[tokio::test(flavor = "multi_thread")]
async fn cargo_itself_puts_a_program_where_the_node_finds_it() {
    let place = Place::new().await;
    let mark = small_crate(&place.dir.path().join("small"), "small", "1.2.3");

    place
        .done(place.dir.path(), "cargo install --path small")
        .await;

    let module = place.waits("small").await;
    assert_eq!(
        (&module["version"], &module["source"]),
        (&json!("1.2.3"), &json!("cargo"))
    );
    assert!(!mark.exists(), "it was described without being run");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_installer_builds_a_folder_and_an_upgrade_builds_it_anew() {
    let place = Place::new().await;
    let folder = place.dir.path().join("small");
    let mark = small_crate(&folder, "small", "1.0.0");

    let said = place
        .done(place.dir.path(), "cargo bllvm-module install small")
        .await;

    assert!(said.contains("bllvm-node module load small"), "{said}");
    let module = place.waits("small").await;
    assert_eq!(
        (&module["version"], &module["trust"]),
        (&json!("1.0.0"), &json!("local"))
    );
    let installed = place.server.modules_dir().join("small");
    assert!(installed.join("README.md").is_file());
    assert!(!mark.exists(), "nothing of it ran");

    // Another version of a module that runs, from a crate's folder, too.
    let fixture = Fixture::new("well");
    place.server.run(&fixture).await;
    let newer = small_crate(&place.dir.path().join("newer"), fixture.name(), "1.1.0");
    let plan = "cargo bllvm-module upgrade fixture-well newer --plan --json";
    let output = place.shell(place.dir.path(), plan).await;
    let plan: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(plan["to"], "1.1.0", "{plan}");
    assert!(!newer.exists(), "nothing of it ran");
}

/// A cargo that knows only the crates of a folder, as one without a network does.
fn only_crates_of(place: &Place, crates: &Path) {
    fs::create_dir_all(crates).unwrap();
    let config = format!(
        "[source.crates-io]\nreplace-with = \"here\"\n[source.here]\ndirectory = {:?}\n",
        crates.display().to_string()
    );
    fs::write(place.home().join("config.toml"), config).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_no_registry_lists_is_built_by_cargo_as_local() {
    let place = Place::new().await;
    let crates = place.dir.path().join("crates");
    only_crates_of(&place, &crates);
    let mark = small_crate(&crates.join("small"), "small", "1.0.0");
    let sums = r#"{"files":{},"package":null}"#;
    fs::write(crates.join("small/.cargo-checksum.json"), sums).unwrap();
    let install = |name: &str| {
        let home = place.home().display().to_string();
        format!("CARGO_HOME={home} cargo bllvm-module install {name}")
    };

    let said = place.done(&place.home(), &install("small")).await;

    assert!(
        said.contains("No registry of the node lists `small`"),
        "{said}"
    );
    let module = place.waits("small").await;
    assert_eq!(
        (&module["version"], &module["trust"]),
        (&json!("1.0.0"), &json!("local"))
    );
    assert!(!mark.exists(), "nothing of it ran");
    let left = fs::read_dir(place.bin()).unwrap().count();
    assert_eq!(left, 0, "it was built in a scratch folder");

    let refused = place.shell(&place.home(), &install(GOVERNANCE)).await;
    let error = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(1), "{error}");
    for part in [
        "could not find `bllvm-governance`",
        "are not published",
        "module.toml",
    ] {
        assert!(error.contains(part), "{part} is in\n{error}");
    }
    let operations = place.server.rest.get("/api/v1/operations").await.done();
    let count = operations["items"].as_array().unwrap().len();
    assert_eq!(count, 1, "only the small one came: {operations}");
}
