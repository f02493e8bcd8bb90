//! `check`: mistakes that a node, an operator or a reader would find later.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;
use bllvm_ipc::Capability;
use bllvm_manifest::{ConfigSchema, nearest};
use clap::Args;
use serde_json::json;
use toml::Table;

use super::used::capabilities_used;
use crate::output::Report;
use crate::project::Project;

/// More than any module's program needs; a debug build, perhaps.
const LARGE_PROGRAM: u64 = 100 << 20;

/// Checks a module.
#[derive(Args, Debug)]
pub struct Check {
    /// The module's folder
    #[arg(long, value_name = "DIR", default_value = ".")]
    path: PathBuf,
}

impl Check {
    /// Runs the command.
    pub fn run(self) -> Result<Report> {
        Ok(findings(&Project::open(&self.path)?).report())
    }
}

/// What was found.
#[derive(Debug, Default)]
pub struct Findings {
    errors: Vec<String>,
    warnings: Vec<String>,
}

impl Findings {
    /// Whether a node would take it.
    pub fn fine(&self) -> bool {
        self.errors.is_empty()
    }

    /// As it is printed.
    pub fn report(self) -> Report {
        let mut lines: Vec<String> = Vec::new();
        lines.extend(self.errors.iter().map(|text| format!("error: {text}")));
        lines.extend(self.warnings.iter().map(|text| format!("warning: {text}")));
        lines.push(match (self.errors.len(), self.warnings.len()) {
            (0, 0) => "All is well.".to_owned(),
            (errors, warnings) => format!("{errors} errors, {warnings} warnings."),
        });
        let fine = self.fine();
        let mut report = Report::new(
            lines.join("\n"),
            json!({ "errors": self.errors, "warnings": self.warnings }),
        );
        report.fine = fine;
        report
    }
}

/// Looks at everything that can be looked at without running the module.
pub fn findings(project: &Project) -> Findings {
    let mut found = Findings::default();
    schema(project, &mut found);
    known_capabilities(project, &mut found);
    if project.is_built() {
        cargo_manifest(project, &mut found);
        used_capabilities(project, &mut found);
        program(project, &mut found);
    }
    words(project, &mut found);
    found
}

fn schema(project: &Project, found: &mut Findings) {
    let Some(config) = &project.manifest.config else {
        return;
    };
    let path = project.folder.join(config.schema.as_str());
    if let Err(error) = ConfigSchema::read(&path) {
        found.errors.push(format!("{}: {error}", path.display()));
    }
}

fn known_capabilities(project: &Project, found: &mut Findings) {
    let known: Vec<&str> = Capability::ALL.iter().map(|one| one.as_str()).collect();
    for name in project.manifest.unknown_capabilities(&known) {
        let meant = nearest(name, known.iter().copied()).map_or_else(
            || format!("the known ones are {}", known.join(", ")),
            |near| format!("did you mean `{near}`?"),
        );
        found.errors.push(format!(
            "module.toml: `capabilities`: no node knows `{name}`; {meant}"
        ));
    }
}

/// Name, version and licence are said twice, and must be the same.
fn cargo_manifest(project: &Project, found: &mut Findings) {
    let path = project.folder.join("Cargo.toml");
    let table: Table = match fs::read_to_string(&path)
        .map_err(anyhow::Error::from)
        .and_then(|text| Ok(text.parse()?))
    {
        Ok(table) => table,
        Err(error) => {
            found.errors.push(format!("{}: {error}", path.display()));
            return;
        }
    };
    let package = |key: &str| table.get("package")?.get(key)?.as_str();
    let manifest = &project.manifest;
    // A value from the workspace is a table, and not compared.
    if let Some(version) =
        package("version").filter(|version| *version != manifest.version.to_string())
    {
        found.errors.push(format!(
            "module.toml says version {}, and Cargo.toml says {version}: make them the same",
            manifest.version
        ));
    }
    let bins: BTreeSet<&str> = table
        .get("bin")
        .and_then(toml::Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(|bin| bin.get("name")?.as_str())
        .chain(package("name"))
        .collect();
    if !bins.contains(manifest.entry_point.as_str()) {
        found.errors.push(format!(
            "module.toml: `entry_point`: cargo builds no program `{}`; give the package or a [[bin]] that name",
            manifest.entry_point
        ));
    }
    if let (Some(cargo), Some(own)) = (package("license"), &manifest.license)
        && cargo != own
    {
        found.warnings.push(format!(
            "module.toml says licence `{own}`, and Cargo.toml says `{cargo}`: make them the same"
        ));
    }
}

/// What the source calls and the manifest does not ask for would be refused while it runs.
fn used_capabilities(project: &Project, found: &mut Findings) {
    let asked: BTreeSet<&str> = project
        .manifest
        .capabilities
        .iter()
        .map(String::as_str)
        .collect();
    let used = capabilities_used(&project.folder.join("src"));
    for (capability, place) in &used.certain {
        if !asked.contains(capability.as_str()) {
            found.errors.push(format!(
                "{place} needs the capability `{capability}`, which module.toml does not ask for: add it \
                 to `capabilities`"
            ));
        }
    }
    // Uses that cannot be seen, such as a raw call, are why this is a warning only.
    for capability in Capability::ALL {
        let name = capability.as_str();
        if asked.contains(name) && !used.perhaps(*capability) {
            found.warnings.push(format!(
                "module.toml asks for `{name}`, and no use of it is seen in src: ask for no more than is \
                 needed"
            ));
        }
    }
}

fn program(project: &Project, found: &mut Findings) {
    let target = project.folder.join("target/release");
    let program = target.join(&project.manifest.entry_point);
    if let Ok(file) = fs::metadata(&program)
        && file.len() > LARGE_PROGRAM
    {
        found.warnings.push(format!(
            "{} has {} MiB: set `strip = true` under [profile.release]",
            program.display(),
            file.len() >> 20
        ));
    }
}

/// What an operator reads before anything runs.
fn words(project: &Project, found: &mut Findings) {
    let manifest = &project.manifest;
    for (key, value, why) in [
        (
            "description",
            &manifest.description,
            "operators read it before they install",
        ),
        (
            "license",
            &manifest.license,
            "without one nobody may pass the module on",
        ),
    ] {
        if value.as_deref().is_none_or(|text| text.trim().is_empty()) {
            found
                .warnings
                .push(format!("module.toml has no `{key}`: {why}"));
        }
    }
    if let Some(license) = &manifest.license
        && !is_spdx(license)
    {
        found.warnings.push(format!(
            "module.toml: `license`: `{license}` is no SPDX expression, such as \"MIT OR Apache-2.0\""
        ));
    }
    if !has_readme(&project.folder) {
        found.warnings.push(
            "there is no README.md: say what the module does and how it is configured".to_owned(),
        );
    }
}

fn has_readme(folder: &Path) -> bool {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .into_iter()
        .any(|entry| entry.file_name().to_string_lossy().starts_with("README"))
}

/// Whether it has the shape of an SPDX expression; whether each licence exists is not looked up.
fn is_spdx(text: &str) -> bool {
    let words: Vec<&str> = text
        .split(|c: char| c.is_whitespace() || c == '(' || c == ')')
        .filter(|word| !word.is_empty())
        .collect();
    let operator = |word: &str| matches!(word, "AND" | "OR" | "WITH");
    let id = |word: &str| {
        word.bytes()
            .all(|b| b.is_ascii_alphanumeric() || b".-+".contains(&b))
            && !operator(word)
    };
    words.len() % 2 == 1
        && words.iter().enumerate().all(|(at, word)| {
            if at % 2 == 0 {
                id(word)
            } else {
                operator(word)
            }
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn licences_have_a_shape() {
        for good in [
            "MIT",
            "MIT OR Apache-2.0",
            "(MIT OR Apache-2.0) AND Unicode-3.0",
            "GPL-2.0+",
        ] {
            assert!(is_spdx(good), "{good}");
        }
        for bad in ["MIT/Apache-2.0", "MIT Apache-2.0", "OR MIT", "my own", ""] {
            assert!(!is_spdx(bad), "{bad}");
        }
    }
}
