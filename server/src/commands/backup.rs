//! `backup`: made by the running node; opened, checked and brought back here, so that what opens one
//! never reaches a node.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use clap::{Args, Subcommand};
use serde_json::json;
use zeroize::Zeroizing;

use super::cli::{Options, usage};
use super::client::Client;
use super::output;
use super::wait::{self, Waiting};
use crate::backups::{self, Opener, Verified};

/// The commands for backups.
#[derive(Debug, Subcommand)]
pub enum Backup {
    /// Make a key pair for backups; the file opens them, so keep it on another machine
    Keygen {
        /// Where the secret key goes; a new file
        file: PathBuf,
    },
    /// Make a backup of the running node, encrypted
    Create {
        /// A public key instead of those in `backup.recipients`; may be repeated
        #[arg(
            long = "recipient",
            value_name = "KEY",
            conflicts_with = "passphrase_file"
        )]
        recipients: Vec<String>,
        /// Lock it with the passphrase in this file instead; - reads standard input
        #[arg(long, value_name = "FILE")]
        passphrase_file: Option<PathBuf>,
        #[command(flatten)]
        waiting: Waiting,
    },
    /// List the backups of the running node
    List,
    /// Read a whole backup and compare every file in it with its digest
    Verify {
        /// The backup
        file: PathBuf,
        #[command(flatten)]
        key: Key,
    },
    /// Bring a backup back into a data directory that is not there yet (--data-dir)
    Restore {
        /// The backup
        file: PathBuf,
        #[command(flatten)]
        key: Key,
        /// Read it all and say what would come; write nothing
        #[arg(long)]
        dry_run: bool,
    },
}

/// What opens a backup; never an argument itself, which others could see.
#[derive(Args, Clone, Debug)]
#[group(required = true, multiple = false)]
pub struct Key {
    /// The file with the secret key
    #[arg(long, value_name = "FILE")]
    pub identity: Option<PathBuf>,
    /// The file with the passphrase; - reads standard input
    #[arg(long, value_name = "FILE")]
    pub passphrase_file: Option<PathBuf>,
}

impl Key {
    fn opener(&self) -> Result<Opener> {
        match (&self.identity, &self.passphrase_file) {
            (Some(file), _) => Ok(Opener::from_key_file(file)?),
            (None, Some(file)) => Ok(Opener::passphrase(&passphrase(file)?)),
            (None, None) => Err(usage("name --identity or --passphrase-file")),
        }
    }
}

impl Backup {
    /// Runs the command.
    pub async fn run(self, options: &Options) -> Result<()> {
        match self {
            Self::Keygen { file } => keygen(options, &file),
            Self::Create {
                recipients,
                passphrase_file,
                waiting,
            } => {
                let client = Client::connect(options)?;
                let passphrase = passphrase_file.as_deref().map(passphrase).transpose()?;
                let body = json!({
                    "recipients": recipients, "passphrase": passphrase.as_deref(),
                });
                let accepted = client.post("/api/v1/backups", body).await?.body;
                wait::finish(&client, options, accepted, waiting, "The backup is made").await
            }
            Self::List => list(options).await,
            Self::Verify { file, key } => {
                let opener = key.opener()?;
                let path = file.clone();
                let read = tokio::task::spawn_blocking(move || backups::verify(&path, &opener));
                let verified = read.await?.map_err(|error| named(&error))?;
                show(
                    options,
                    &verified,
                    "is whole and opens with this key",
                    &file,
                );
                Ok(())
            }
            Self::Restore { file, key, dry_run } => restore(options, &file, &key, dry_run).await,
        }
    }
}

fn keygen(options: &Options, file: &Path) -> Result<()> {
    let public = backups::new_identity(file).map_err(|error| named(&error))?;
    if options.json {
        output::json(&json!({ "public_key": public, "file": file }));
        return Ok(());
    }
    out!(
        "Public key: {public}\n\nName it in the node's configuration:\n\n  [backup]\n  recipients = [\"{public}\"]\n\n\
         {} opens every backup that is made for it, and nothing else does: keep it where the node is not.",
        file.display()
    );
    Ok(())
}

async fn list(options: &Options) -> Result<()> {
    let client = Client::connect(options)?;
    let answer = client.get("/api/v1/backups").await?.body;
    if options.json {
        output::json(&answer);
        return Ok(());
    }
    if output::items(&answer).is_empty() {
        out!("No backup was made yet; `bllvm-node backup create` makes one.");
        return Ok(());
    }
    let rows: Vec<Vec<String>> = output::items(&answer)
        .iter()
        .map(|one| {
            let mut row = output::row(one, &["name", "~made_at", "locked_by", "path"]);
            let size = one["size"].as_u64().unwrap_or(0);
            row.insert(1, output::size(size));
            row
        })
        .collect();
    let head = ["NAME", "SIZE", "AGE", "OPENED BY", "PATH"];
    out!("{}", output::table(&head, &rows));
    Ok(())
}

async fn restore(options: &Options, file: &Path, key: &Key, dry_run: bool) -> Result<()> {
    let data_dir = options.data_dir()?;
    let data_dir = std::path::absolute(&data_dir).unwrap_or(data_dir);
    let opener = key.opener()?;
    let restored = backups::restore(file, opener, &data_dir, dry_run)
        .await
        .map_err(|error| named(&error))?;
    let header = &restored.verified.header;
    let words = if dry_run {
        format!("would be restored to {}", data_dir.display())
    } else {
        format!("is restored to {}", data_dir.display())
    };
    show(options, &restored.verified, &words, file);
    if options.json {
        return Ok(());
    }
    let inside = header.modules_dir.starts_with(&header.data_dir);
    if !inside && !header.modules.is_empty() {
        out!(
            "Modules lay in {} and come to {}: change `modules.dir` in the configuration before you start.",
            header.modules_dir.display(),
            data_dir.join("modules").display()
        );
    }
    if !dry_run {
        out!("Start it: bllvm-node --data-dir {} run", data_dir.display());
    }
    Ok(())
}

fn show(options: &Options, verified: &Verified, words: &str, file: &Path) {
    let Verified {
        header,
        files,
        bytes,
    } = verified;
    if options.json {
        output::json(&json!({ "backup": header, "files": files, "bytes": bytes }));
        return;
    }
    let database = header.database;
    out!("{} {words}.", file.display());
    out!(
        "{}",
        output::facts(&[
            ("made", format!("{} by {}", header.made_at, header.made_by)),
            ("from", header.data_dir.display().to_string()),
            ("files", format!("{files} ({})", output::size(*bytes))),
            (
                "database",
                format!(
                    "{} events (the newest is no. {}), {} configuration revisions, {} grants, {} audit entries",
                    database.events,
                    database.last_event,
                    database.revisions,
                    database.grants,
                    database.audit
                ),
            ),
            ("publishers", listed(&header.publishers)),
            ("left out", listed(&header.left_out)),
        ])
    );
    let rows: Vec<Vec<String>> = header
        .modules
        .iter()
        .map(|module| {
            vec![
                module.name.to_string(),
                module.version.to_string(),
                module.desired.to_string(),
                listed(&module.granted),
                module.data.in_words().to_owned(),
            ]
        })
        .collect();
    if !rows.is_empty() {
        let head = ["MODULE", "VERSION", "WANTED", "GRANTED", "DATA"];
        out!("\n{}", output::table(&head, &rows));
    }
}

fn listed(all: &[String]) -> String {
    if all.is_empty() {
        "-".to_owned()
    } else {
        all.join(", ")
    }
}

fn passphrase(file: &Path) -> Result<Zeroizing<String>> {
    let mut text = Zeroizing::new(String::new());
    if file == Path::new("-") {
        std::io::stdin()
            .read_to_string(&mut text)
            .context("standard input cannot be read")?;
    } else {
        let read = std::fs::read_to_string(file);
        text = Zeroizing::new(read.with_context(|| format!("{} cannot be read", file.display()))?);
    }
    let kept = text.trim_end_matches(['\r', '\n']).to_owned();
    Ok(Zeroizing::new(kept))
}

/// A refusal with its code.
fn named(error: &backups::BackupError) -> anyhow::Error {
    let code = error.code();
    anyhow::anyhow!("{error} ({code})")
}
