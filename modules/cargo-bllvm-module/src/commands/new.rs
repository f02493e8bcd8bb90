//! `new`: a module that compiles, with a test, a CI file and a README.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use bllvm_manifest::ModuleName;
use clap::Args;
use serde_json::json;

use crate::error::Failure;
use crate::output::Report;

/// Where the SDK lay when this program was built. The crates are not published, so that a module
/// depends on the SDK by its path.
const SDK: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../bllvm-sdk");

/// Every file that is written; `{{name}}`, `{{Type}}` and `{{sdk}}` are filled in.
const FILES: &[(&str, &str)] = &[
    ("Cargo.toml", include_str!("../../template/Cargo.toml.in")),
    ("module.toml", include_str!("../../template/module.toml.in")),
    (
        "config.schema.json",
        include_str!("../../template/config.schema.json.in"),
    ),
    ("src/main.rs", include_str!("../../template/main.rs.in")),
    ("src/module.rs", include_str!("../../template/module.rs.in")),
    ("src/config.rs", include_str!("../../template/config.rs.in")),
    ("README.md", include_str!("../../template/README.md.in")),
    (".gitignore", include_str!("../../template/gitignore.in")),
    (
        ".github/workflows/ci.yml",
        include_str!("../../template/ci.yml.in"),
    ),
];

/// Writes a new module.
#[derive(Args, Debug)]
pub struct New {
    /// The module's name: a-z, 0-9 and single dashes, a letter first
    name: ModuleName,
    /// The new folder [default: one with the module's name, here]
    #[arg(long, value_name = "DIR")]
    path: Option<PathBuf>,
    /// The folder of bllvm-sdk [default: the one beside this program's source]
    #[arg(long, value_name = "DIR")]
    sdk: Option<PathBuf>,
}

impl New {
    /// Runs the command.
    pub fn run(self) -> Result<Report> {
        let sdk = find_sdk(self.sdk.as_deref())?;
        let folder = self
            .path
            .unwrap_or_else(|| PathBuf::from(self.name.as_str()));
        fs::create_dir(&folder).map_err(|error| match error.kind() {
            std::io::ErrorKind::AlreadyExists => Failure::because(
                "folder_exists",
                format!(
                    "{} is there already: name another folder with --path",
                    folder.display()
                ),
            ),
            _ => Failure::because(
                "failed",
                format!("{} could not be made: {error}", folder.display()),
            ),
        })?;
        let parent = std::path::absolute(&folder)?;
        let workspace = enclosing_workspace(&parent);
        for (path, text) in FILES {
            let mut text = fill(text, &self.name, &sdk);
            if *path == "Cargo.toml" && workspace.is_some() {
                text.push_str(
                    "\n# On its own, although a workspace lies around it.\n[workspace]\n",
                );
            }
            write(&folder.join(path), &text)?;
        }
        let shown = folder.display();
        let text = format!(
            "A new module is in {shown}.\n\
             \x20 cd {shown}\n\
             \x20 cargo test\n\
             \x20 cargo bllvm-module run\n\
             \x20 cargo bllvm-module package --publisher you.example --release-seq 1\n\
             README.md says what each file is for."
        );
        let files: Vec<&str> = FILES.iter().map(|(path, _)| *path).collect();
        Ok(Report::new(
            text,
            json!({ "folder": folder, "files": files, "sdk": sdk }),
        ))
    }
}

fn find_sdk(named: Option<&Path>) -> Result<PathBuf> {
    let path = named.unwrap_or(Path::new(SDK));
    let found = path.canonicalize().ok().filter(|path| {
        fs::read_to_string(path.join("Cargo.toml"))
            .is_ok_and(|text| text.contains("name = \"bllvm-sdk\""))
    });
    found.ok_or_else(|| {
        Failure::because(
            "sdk_missing",
            format!(
                "the SDK is not at {}: name the folder modules/bllvm-sdk of a checkout of bllvm with --sdk",
                path.display()
            ),
        )
    })
}

/// The nearest folder above whose `Cargo.toml` begins a workspace: cargo would count us to it.
fn enclosing_workspace(folder: &Path) -> Option<PathBuf> {
    let begins = |above: &&Path| {
        fs::read_to_string(above.join("Cargo.toml"))
            .is_ok_and(|text| text.lines().any(|line| line.trim() == "[workspace]"))
    };
    folder.ancestors().skip(1).find(begins).map(Path::to_owned)
}

fn fill(text: &str, name: &ModuleName, sdk: &Path) -> String {
    let type_name: String = name
        .as_str()
        .split('-')
        .map(|word| {
            let (first, rest) = word.split_at(1);
            first.to_ascii_uppercase() + rest
        })
        .collect();
    // As it stands between quotes in TOML.
    let sdk = sdk
        .display()
        .to_string()
        .replace('\\', "\\\\")
        .replace('"', "\\\"");
    text.replace("{{name}}", name.as_str())
        .replace("{{Type}}", &type_name)
        .replace("{{sdk}}", &sdk)
}

fn write(path: &Path, text: &str) -> Result<()> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)
            .with_context(|| format!("{} could not be made", parent.display()))?;
    }
    let mut file = fs::File::create_new(path)
        .with_context(|| format!("{} could not be written", path.display()))?;
    file.write_all(text.as_bytes())
        .with_context(|| format!("{} could not be written", path.display()))
}
