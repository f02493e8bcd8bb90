//! `doctor`: looks at everything the node needs, and says the way out of what is amiss.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Result, bail};
use bllvm_manifest::Manifest;
use serde::Serialize;
use serde_json::json;

use super::cli::Options;
use super::client::Client;
use super::{output, status};
use crate::clock::SystemClock;
use crate::config::{Backend, Config};
use crate::listen::listen;
use crate::node::core::probe;
use crate::store::{Store, StoreError};

/// Below this much free space a warning is due.
const LOW_DISK: u64 = 2 << 30;
/// Below this much the node takes no events in.
const NO_DISK: u64 = 512 << 20;

/// How a check went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Verdict {
    Ok,
    Warn,
    Fail,
}

/// One line of the report.
#[derive(Clone, Debug, Serialize)]
struct Finding {
    verdict: Verdict,
    what: String,
    detail: String,
    way_out: Option<String>,
}

#[derive(Debug, Default)]
struct Report(Vec<Finding>);

impl Report {
    fn ok(&mut self, what: &str, detail: impl Into<String>) {
        self.add(Verdict::Ok, what, detail, None);
    }

    fn warn(&mut self, what: &str, detail: impl Into<String>, way_out: impl Into<String>) {
        self.add(Verdict::Warn, what, detail, Some(way_out.into()));
    }

    fn fail(&mut self, what: &str, detail: impl Into<String>, way_out: impl Into<String>) {
        self.add(Verdict::Fail, what, detail, Some(way_out.into()));
    }

    fn add(
        &mut self,
        verdict: Verdict,
        what: &str,
        detail: impl Into<String>,
        way_out: Option<String>,
    ) {
        self.0.push(Finding {
            verdict,
            what: what.to_owned(),
            detail: detail.into(),
            way_out,
        });
    }

    fn failures(&self) -> usize {
        self.0
            .iter()
            .filter(|finding| finding.verdict == Verdict::Fail)
            .count()
    }

    fn text(&self) -> String {
        let mut text = String::new();
        for finding in &self.0 {
            let word = match finding.verdict {
                Verdict::Ok => "ok  ",
                Verdict::Warn => "warn",
                Verdict::Fail => "FAIL",
            };
            // Writing to a text cannot fail.
            let _ = writeln!(text, "{word}  {:<14}  {}", finding.what, finding.detail);
            if let Some(way_out) = &finding.way_out {
                let _ = writeln!(text, "      {:<14}  → {way_out}", "");
            }
        }
        text
    }
}

/// Checks everything and prints a line for each.
pub async fn run(options: &Options) -> Result<()> {
    let mut report = Report::default();
    versions(&mut report);
    match options.load(Vec::new()) {
        Ok(config) => {
            let file = config
                .file
                .as_ref()
                .map_or("defaults".to_owned(), |file| file.display().to_string());
            report.ok("configuration", file);
            check(&mut report, options, &config).await;
        }
        Err(error) => report.fail(
            "configuration",
            error.to_string().replace('\n', "; "),
            "`bllvm-node config sample` prints every key",
        ),
    }
    let failures = report.failures();
    if options.json {
        output::json(&json!({ "findings": report.0 }));
    } else {
        output::text(&report.text());
    }
    match failures {
        0 => Ok(()),
        1 => bail!("one check failed"),
        n => bail!("{n} checks failed"),
    }
}

fn versions(report: &mut Report) {
    let kernel = if cfg!(feature = "kernel") {
        "with"
    } else {
        "without"
    };
    let protocol = bllvm_ipc::PROTOCOL_VERSIONS;
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    report.ok(
        "versions",
        format!(
            "bllvm-node {} {kernel} the embedded base node, module protocol {} to {}, {} {}",
            env!("CARGO_PKG_VERSION"),
            protocol.start(),
            protocol.end(),
            std::env::consts::OS,
            release.trim()
        ),
    );
}

async fn check(report: &mut Report, options: &Options, config: &Config) {
    let running = running(report, options).await;
    data_dir(report, &config.data_dir);
    disk(report, &config.data_dir);
    database(report, &config.data_dir, running).await;
    if !running {
        port(report, config).await;
    }
    base_node(report, config).await;
    programs(report, config);
    modules(report, &config.modules.dir);
}

/// Whether a node runs on the data directory, and how it is.
async fn running(report: &mut Report, options: &Options) -> bool {
    let answer = match Client::connect(options) {
        Ok(client) => client
            .get("/api/v1/node")
            .await
            .map(|answer| (client, answer.body)),
        Err(error) => Err(error),
    };
    let Ok((client, node)) = answer else {
        report.ok("running", "no, or not to be asked from here");
        return false;
    };
    report.ok("running", format!("at {}", client.base()));
    let state = output::field(&node, "state");
    let detail = format!(
        "{}, {state}, height {}",
        output::field(&node, "backend"),
        output::field(&node, "tip.height")
    );
    if output::field(&node, "backend") == "none" {
        report.ok("base node", "none");
    } else if state == "unavailable" {
        report.fail(
            "base node",
            format!("{detail}: {}", output::field(&node, "reason")),
            "it is started again by itself; the node's log says more",
        );
    } else {
        report.ok("base node", detail);
    }
    catalog(report, &client).await;
    true
}

/// What registries say, and whether they can still be believed.
async fn catalog(report: &mut Report, client: &Client) {
    let what = "registries";
    let asked = async {
        let registries = client.get("/api/v1/registries").await?.body;
        let revoked = status::taken_back(client).await?;
        let moment = client.get("/api/v1/host").await?.body;
        anyhow::Ok((registries, revoked, output::field(&moment, "time")))
    };
    let Ok((registries, revoked, now)) = asked.await else {
        report.warn(
            what,
            "they could not be asked for",
            "give a token that may read modules",
        );
        return;
    };
    for one in &revoked {
        let f = |key: &str| output::field(one, key);
        report.fail(
            &f("module"),
            format!(
                "release {} was taken back by {}: {}",
                f("installed"),
                f("registry"),
                f("revoked")
            ),
            format!(
                "`bllvm-node catalog upgrade {0}`, or `module unload {0}`",
                f("module")
            ),
        );
    }
    for one in output::items(&registries) {
        let f = |key: &str| output::field(one, key);
        let (name, expires) = (f("name"), f("seen.expires"));
        let refresh = format!("`bllvm-node catalog refresh {name}`; then ask who runs it");
        if one["seen"].is_null() {
            report.warn(what, format!("{name}: no index of it was fetched"), refresh);
        } else if is_before(&expires, &now) {
            let detail =
                format!("{name}: its index expired at {expires}; nothing is installed by it");
            report.warn(what, detail, refresh);
        } else {
            report.ok(
                what,
                format!("{name}: index {}, good until {expires}", f("seen.seq")),
            );
        }
    }
}

/// Whether the first moment comes before the second; no when one cannot be read.
fn is_before(one: &str, other: &str) -> bool {
    let moment = |text: &str| text.parse::<jiff::Timestamp>().ok();
    matches!((moment(one), moment(other)), (Some(one), Some(other)) if one < other)
}

fn data_dir(report: &mut Report, dir: &Path) {
    let what = "data directory";
    let Ok(found) = fs::metadata(dir) else {
        report.ok(
            what,
            format!("{} is not there yet; `run` makes it", dir.display()),
        );
        return;
    };
    let probe = dir.join(".doctor");
    match fs::write(&probe, b"").and_then(|()| fs::remove_file(&probe)) {
        Err(error) => report.fail(
            what,
            format!("{} cannot be written to: {error}", dir.display()),
            "run as the user that owns it, or name another with --data-dir",
        ),
        // Passing through alone is what a host that is root leaves to the users of its modules.
        Ok(()) if found.permissions().mode() & 0o006 != 0 => report.warn(
            what,
            format!(
                "{} can be looked into by everybody on this machine",
                dir.display()
            ),
            format!("chmod o-rw {}", dir.display()),
        ),
        Ok(()) => report.ok(what, dir.display().to_string()),
    }
}

fn disk(report: &mut Report, dir: &Path) {
    let there = dir.ancestors().find(|dir| dir.exists()).unwrap_or(dir);
    match rustix::fs::statvfs(there) {
        Ok(stat) => {
            let free = stat.f_bavail.saturating_mul(stat.f_frsize);
            let detail = format!("{} free", output::size(free));
            let way_out = "make room, or move the data directory";
            if free < NO_DISK {
                report.fail(
                    "disk",
                    format!("{detail}; below 512 MiB no events are taken in"),
                    way_out,
                );
            } else if free < LOW_DISK {
                report.warn("disk", detail, way_out);
            } else {
                report.ok("disk", detail);
            }
        }
        Err(error) => report.warn(
            "disk",
            format!("free space cannot be read: {error}"),
            "look with `df`",
        ),
    }
}

async fn database(report: &mut Report, dir: &Path, running: bool) {
    let what = "database";
    if running {
        report.ok(
            what,
            "in use by the node that runs; stop it to have it checked page by page",
        );
        return;
    }
    if !dir.join("bllvm.sqlite").exists() {
        report.ok(what, "not there yet; `run` makes it");
        return;
    }
    match Store::open(dir, Arc::new(SystemClock)).await {
        Ok(store) => {
            match store.quick_check().await {
                Ok(()) => report.ok(what, "every page is sound"),
                Err(error) => report.fail(
                    what,
                    error.to_string(),
                    "bring the data directory back from a backup",
                ),
            }
            store.close().await;
        }
        Err(error @ StoreError::Locked { .. }) => {
            report.warn(
                what,
                error.to_string(),
                "ask as the user that runs the node",
            );
        }
        Err(error) => report.fail(what, error.to_string(), "the text before names the way out"),
    }
}

async fn port(report: &mut Report, config: &Config) {
    match listen(config.http.listen).await {
        Ok(_) => report.ok("port", format!("{} is free", config.http.listen)),
        Err(error) => report.fail(
            "port",
            error.to_string(),
            "stop what listens there, or set `http.listen`",
        ),
    }
}

async fn base_node(report: &mut Report, config: &Config) {
    match config.node.backend {
        Backend::None => report.warn(
            "backend",
            "none: modules run without a chain",
            "set `node.backend` to \"embedded\"",
        ),
        Backend::Core => {
            let Some(core) = &config.node.core else {
                return;
            };
            match probe(core).await {
                Ok(()) => report.ok(
                    "backend",
                    format!("Bitcoin Core at {}, {}", core.url, core.chain),
                ),
                Err(why) => report.fail(
                    "backend",
                    why,
                    "start Bitcoin Core, or set the keys `node.core_…` right",
                ),
            }
        }
        Backend::Embedded if cfg!(feature = "kernel") => {
            report.ok(
                "backend",
                format!(
                    "embedded, {}, blocks in {}",
                    config.node.chain.name(),
                    config.node.dir.display()
                ),
            );
        }
        Backend::Embedded => report.fail(
            "backend",
            "this program was built without the embedded base node",
            "build with the feature `kernel`, or set `node.backend` to \"none\"",
        ),
    }
}

fn programs(report: &mut Report, config: &Config) {
    let launch = config.modules.launch.clone().or_else(beside_us);
    match launch {
        Some(path) if is_program(&path) => report.ok("bllvm-launch", path.display().to_string()),
        Some(path) => report.fail(
            "bllvm-launch",
            format!("{} is not a program", path.display()),
            "build or install it beside bllvm-node, or set `modules.launch`",
        ),
        None => report.fail("bllvm-launch", "not found", "set `modules.launch`"),
    }
    for (name, path) in &config.modules.interpreters {
        if is_program(path) {
            report.ok("interpreter", format!("{name}: {}", path.display()));
        } else {
            let key = format!("modules.interpreters.{name}");
            report.fail(
                "interpreter",
                format!("{name}: {} is not a program", path.display()),
                format!("install it, or change `{key}`"),
            );
        }
    }
}

fn beside_us() -> Option<PathBuf> {
    Some(std::env::current_exe().ok()?.with_file_name("bllvm-launch"))
}

fn is_program(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

/// The manifests in the modules directory.
fn modules(report: &mut Report, dir: &Path) {
    let Ok(folders) = fs::read_dir(dir) else {
        report.ok(
            "modules",
            format!("{} is not there yet; `run` makes it", dir.display()),
        );
        return;
    };
    let mut sound = 0;
    for folder in folders.flatten().filter(|folder| folder.path().is_dir()) {
        let manifest = folder.path().join("module.toml");
        let shown = folder.file_name().to_string_lossy().into_owned();
        match fs::read_to_string(&manifest) {
            Err(error) => report.warn(
                "module",
                format!("{shown}: module.toml cannot be read: {error}"),
                "put one there, or take the folder away",
            ),
            Ok(text) => match Manifest::parse(&text) {
                Ok(_) => sound += 1,
                Err(error) => report.fail(
                    "module",
                    format!("{shown}: {error}"),
                    format!("mend {}", manifest.display()),
                ),
            },
        }
    }
    report.ok(
        "modules",
        format!("{sound} with a sound module.toml in {}", dir.display()),
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_amiss_comes_with_its_way_out() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("broken")).unwrap();
        fs::write(dir.path().join("broken/module.toml"), "nmae = 1").unwrap();
        fs::create_dir(dir.path().join("empty")).unwrap();
        let mut report = Report::default();
        modules(&mut report, dir.path());
        disk(&mut report, dir.path());
        assert_eq!(report.failures(), 1);
        let text = report.text();
        assert!(text.contains("FAIL  module"), "{text}");
        assert!(text.contains("→ mend "), "{text}");
        assert!(
            text.contains("warn  module          empty: module.toml cannot be read"),
            "{text}"
        );
    }

    #[test]
    fn only_a_directory_that_others_can_list_or_write_is_warned_of() {
        let dir = tempfile::tempdir().unwrap();
        for (mode, warned) in [(0o700, false), (0o711, false), (0o755, true), (0o703, true)] {
            fs::set_permissions(dir.path(), fs::Permissions::from_mode(mode)).unwrap();
            let mut report = Report::default();
            data_dir(&mut report, dir.path());
            let text = report.text();
            assert_eq!(text.contains("chmod o-rw"), warned, "{mode:o}: {text}");
        }
    }

    #[tokio::test]
    async fn a_fresh_data_directory_is_sound() {
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o700)).unwrap();
        let mut report = Report::default();
        data_dir(&mut report, dir.path());
        database(&mut report, dir.path(), false).await;
        let store = Store::open(dir.path(), Arc::new(SystemClock))
            .await
            .unwrap();
        database(&mut report, dir.path(), false).await;
        store.close().await;
        database(&mut report, dir.path(), false).await;
        assert_eq!(report.failures(), 0, "{}", report.text());
        assert!(report.text().contains("every page is sound"));
        assert!(
            report.text().contains("warn  database"),
            "{}",
            report.text()
        );
    }
}
