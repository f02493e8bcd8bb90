//! Writes to a store without end, and says what was acknowledged: one line each on stdout.
//!
//! Usage: `powercut-writer <data-dir> full|normal`. It is killed, never stopped.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail};
use bllvm_manifest::{Digest, Manifest, ModuleName};
use bllvm_node::clock::{SystemClock, new_id};
use bllvm_node::model::{
    Actor, ConfigSource, NewEvent, OperationKind, OperationStatus, Source, TrustClass,
};
use bllvm_node::store::commands::{
    AddRevision, AppendEvents, Finish, FoundModule, ReceiveWebhook, Received, SetCursor,
    StartOperation,
};
use bllvm_node::store::{Options, Store, Synchronous};
use serde_json::{Value, json};

const MODULE: &str = "writer";

/// One write for one line, so that a kill cannot cut it in two.
fn say(line: String) {
    // A reader that is gone means that the test is over.
    let _ = std::io::stdout().write_all((line + "\n").as_bytes());
}

fn manifest() -> anyhow::Result<Manifest> {
    let text = format!("name = \"{MODULE}\"\nversion = \"0.1.0\"\nentry_point = \"{MODULE}\"\n");
    Ok(Manifest::parse(&text)?)
}

async fn open(dir: &Path, synchronous: Synchronous) -> anyhow::Result<Store> {
    let options = Options {
        synchronous,
        disk_floor: 0,
    };
    Ok(Store::open_with(dir, Arc::new(SystemClock), options).await?)
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut args = std::env::args().skip(1);
    let dir: PathBuf = args.next().context("the data directory is missing")?.into();
    let synchronous = match args.next().as_deref() {
        Some("full") => Synchronous::Full,
        Some("normal") => Synchronous::Normal,
        other => bail!("`{other:?}` is neither `full` nor `normal`"),
    };
    // The tables are made durable either way: what counts is what was acknowledged after it.
    let store = open(&dir, Synchronous::Full).await?;
    let found = FoundModule {
        manifest: manifest()?,
        dir: dir.clone(),
        source: Source::Directory,
        trust: TrustClass::Local,
        digest: None,
        problem: None,
        by: Actor::host(),
    };
    store.commit(found).await?;
    store.close().await;
    let store = open(&dir, synchronous).await?;
    say("ready".to_owned());

    let module = ModuleName::new(MODULE)?;
    for task in 0..4 {
        tokio::spawn(append_events(store.clone(), task));
    }
    for _ in 0..2 {
        tokio::spawn(run_operations(store.clone()));
    }
    for task in 0..8 {
        tokio::spawn(receive_webhooks(store.clone(), task));
    }
    tokio::spawn(move_cursor(store.clone(), module.clone()));
    tokio::spawn(add_revisions(store, module)).await?
}

async fn append_events(store: Store, task: u64) -> anyhow::Result<()> {
    for number in 0.. {
        let data = json!({"task": task, "number": number, "filler": "x".repeat(200)});
        let first = store
            .commit(AppendEvents(vec![NewEvent::host("test.written", data); 3]))
            .await?;
        say(format!("event {} {task} {number}", first + 2));
    }
    Ok(())
}

/// What the intake does once a signature is found good; every third comes twice.
async fn receive_webhooks(store: Store, task: u64) -> anyhow::Result<()> {
    let secret = new_id(&SystemClock);
    for number in 0_u64.. {
        let body = format!("{task} {number} ").repeat(1000);
        let receive = ReceiveWebhook {
            source: "sender".to_owned(),
            sender_id: format!("{task}-{number}"),
            by_digest: true,
            digest: *Digest::of(&body).as_bytes(),
            kind: None,
            media_type: None,
            secret,
            touch: false,
            body: body.into(),
        };
        let again = receive.clone();
        let Received::New(id) = store.commit(receive).await? else {
            bail!("delivery {task}-{number} is there before it came");
        };
        say(format!("webhook {id} {task} {number}"));
        if number % 3 == 0 && store.commit(again).await? != Received::Duplicate(id) {
            bail!("delivery {task}-{number} is not recognised");
        }
    }
    Ok(())
}

async fn move_cursor(store: Store, module: ModuleName) -> anyhow::Result<()> {
    for seq in 1.. {
        let module = module.clone();
        store.commit(SetCursor { module, seq }).await?;
        say(format!("cursor {seq}"));
    }
    Ok(())
}

async fn add_revisions(store: Store, module: ModuleName) -> anyhow::Result<()> {
    loop {
        let revision = AddRevision {
            module: module.clone(),
            text: "answer = 42\n".to_owned(),
            etag: "\"42\"".to_owned(),
            source: ConfigSource::Api,
            secrets: Vec::new(),
            expect_etag: None,
            by: Actor::host(),
        };
        let (revision, _) = store.commit(revision).await?;
        say(format!("revision {}", revision.number));
    }
}

async fn run_operations(store: Store) -> anyhow::Result<()> {
    loop {
        let start = StartOperation {
            kind: OperationKind::Mine,
            module: None,
            about: None,
            params: Value::Null,
            by: Actor::host(),
        };
        let id = store.commit(start).await?.id;
        say(format!("operation {id}"));
        let finish = Finish {
            id,
            status: OperationStatus::Succeeded,
            failure: None,
            result: Value::Null,
        };
        store.commit(finish).await?;
        say(format!("finished {id}"));
    }
}
