//! Another language speaks the protocol: the Python sample `block-log` against this crate's host.
//!
//! It needs a Python with msgpack: `BLLVM_TEST_PYTHON`, or `python3`. Without one it says so.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use bllvm_ipc::connection::encode_event;
use bllvm_ipc::handshake::{Goodbye, Hello, Welcome, accept};
use bllvm_ipc::lifecycle::{Call, Configure, Drain, NewConfig, Ready, StartReason};
use bllvm_ipc::types::{Empty, Sample};
use bllvm_ipc::{
    Connection, ErrorCode, ErrorReply, EventClass, EventEnvelope, Handler, Incoming, Limits,
    Notice, Reply, Stream, method,
};
use serde_json::{Value, json};
use tokio::sync::watch;

const DEADLINE: Duration = Duration::from_secs(20);

/// Keeps the newest acknowledged number.
struct Host(watch::Sender<u64>);

impl Handler for Host {
    fn request(&self, _: &Connection, _: Incoming) -> Reply {
        Reply::refuse(ErrorReply::unsupported("it asks nothing"))
    }

    fn notice(&self, _: &Connection, notice: Notice) {
        if let Notice::Ack(seq) = notice {
            self.0.send_replace(seq);
        }
    }
}

struct Running {
    child: Child,
    connection: Connection,
    acknowledged: watch::Receiver<u64>,
}

fn python() -> Option<String> {
    let named = std::env::var("BLLVM_TEST_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let works = Command::new(&named).args(["-c", "import msgpack"]).output();
    works
        .is_ok_and(|output| output.status.success())
        .then_some(named)
}

fn script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/block-log/block-log.py")
}

/// Spawns it with the channel at descriptor 3, and leads it to `activate`.
async fn start(python: &str, data_dir: &Path) -> (Running, Hello, Ready) {
    let (stream, channel) = Stream::pair().expect("a socketpair");
    let child = Command::new("sh")
        .args(["-c", "exec \"$0\" \"$1\" 3<&0 </dev/null", python])
        .arg(script())
        .env("LISTEN_FDS", "1")
        .env("LISTEN_FDNAMES", "bllvm")
        .env("BLLVM_DATA_DIR", data_dir)
        .stdin(Stdio::from(channel))
        .spawn()
        .expect("it starts");
    let limits = Limits {
        hello_deadline: DEADLINE,
        ..Limits::default()
    };
    let (hello, _) = accept(&stream, &limits, |_| Ok(Welcome::sample()))
        .await
        .expect("it says hello");
    let (sender, acknowledged) = watch::channel(0);
    let connection = Connection::start(stream, Limits::default(), Arc::new(Host(sender)));
    let configure = Configure {
        config: json!({ "file_name": "blocks.log" }),
        revision: 1,
        reason: StartReason::Load,
    };
    let verdict = connection.call::<method::Configure>(&configure).await;
    assert!(verdict.expect("a verdict").problems.is_empty());
    let prepared = connection.call::<method::Prepare>(&Empty {}).await;
    prepared.expect("it prepares");
    let ready = connection.call::<method::Activate>(&Empty {}).await;
    let running = Running {
        child,
        connection,
        acknowledged,
    };
    (running, hello, ready.expect("it serves"))
}

fn block(seq: u64, verb: &str, height: u32) -> EventEnvelope {
    EventEnvelope {
        seq,
        kind: format!("chain.block_{verb}"),
        class: EventClass::Durable,
        publisher: "host".to_owned(),
        time: "2026-01-01T00:00:00Z".to_owned(),
        data: json!({ "height": height, "hash": format!("{height:064x}") }),
    }
}

impl Running {
    async fn deliver(&mut self, events: &[EventEnvelope]) {
        let frames = events
            .iter()
            .map(|event| encode_event(event).expect("it can be encoded"));
        let sent = self.connection.try_send_events(&frames.collect::<Vec<_>>());
        assert!(matches!(sent, Ok(true)));
        let newest = events.last().map_or(0, |event| event.seq);
        let applied = self.acknowledged.wait_for(|seq| *seq >= newest);
        let in_time = tokio::time::timeout(DEADLINE, applied).await;
        assert!(
            in_time.is_ok_and(|seen| seen.is_ok()),
            "it acknowledges {newest}"
        );
    }

    async fn call(&self, name: &str, params: Value) -> Result<Value, ErrorCode> {
        let call = Call {
            method: name.to_owned(),
            params,
            caller: "operator".to_owned(),
        };
        match self.connection.call::<method::Call>(&call).await {
            Ok(answer) => Ok(answer.result),
            Err(bllvm_ipc::CallError::Reply(error)) => Err(error.code),
            Err(error) => panic!("{error}"),
        }
    }

    fn ended(mut self) -> Option<i32> {
        let started = std::time::Instant::now();
        while started.elapsed() < DEADLINE {
            if let Some(status) = self.child.try_wait().expect("it is our child") {
                return status.code();
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        panic!("it did not end in time");
    }
}

#[tokio::test]
async fn the_python_sample_loses_and_doubles_nothing() {
    let Some(python) = python() else {
        println!("skipped: no Python with msgpack; set BLLVM_TEST_PYTHON");
        return;
    };
    let data_dir = tempfile::tempdir().expect("a directory");
    let file = data_dir.path().join("blocks.log");
    let lines = || std::fs::read_to_string(&file).expect("the file is there");

    let (mut module, hello, ready) = start(&python, data_dir.path()).await;
    assert_eq!((hello.name.as_str(), hello.protocol_max), ("block-log", 1));
    assert_eq!(ready.subscriptions.len(), 2);
    module.connection.ping().await.expect("it pongs");
    module
        .deliver(&[block(5, "connected", 1), block(6, "connected", 2)])
        .await;
    assert_eq!(lines().lines().count(), 2);
    let tail = module
        .call("tail", json!({ "lines": 1 }))
        .await
        .expect("lines");
    assert!(
        tail[0]
            .as_str()
            .is_some_and(|line| line.starts_with("6 ") && line.contains(" connected 2 "))
    );
    assert_eq!(
        module.call("tail", json!({ "lines": 0 })).await,
        Err(ErrorCode::Invalid)
    );
    assert_eq!(
        module.call("head", json!({})).await,
        Err(ErrorCode::NotFound)
    );
    let bad = NewConfig {
        config: json!({ "file_name": "../x" }),
        revision: 2,
    };
    let verdict = module.connection.call::<method::Reconfigure>(&bad).await;
    assert_eq!(verdict.expect("a verdict").problems[0].key, "file_name");

    // Killed with half a line written; the host sends the last event again.
    module.child.kill().expect("it is our child");
    module.ended();
    std::fs::write(&file, format!("{}7 2026", lines())).expect("it can be written");
    let (mut module, ..) = start(&python, data_dir.path()).await;
    let again = [block(6, "connected", 2), block(7, "disconnected", 2)];
    module.deliver(&again).await;
    let seqs: Vec<_> = lines()
        .lines()
        .map(|line| line[..2].trim().to_owned())
        .collect();
    assert_eq!(seqs, ["5", "6", "7"]);

    let drain = Drain { deadline_ms: 5000 };
    module
        .connection
        .call::<method::Drain>(&drain)
        .await
        .expect("it drains");
    module
        .connection
        .close(&Goodbye::new("shutdown", "the test is over"));
    assert_eq!(module.ended(), Some(0));
}

#[test]
fn started_by_hand_the_python_sample_says_what_it_is() {
    let Some(python) = python() else {
        println!("skipped: no Python with msgpack; set BLLVM_TEST_PYTHON");
        return;
    };
    let output = Command::new(python)
        .arg(script())
        .env_remove("LISTEN_FDNAMES")
        .output();
    assert_eq!(output.expect("it runs").status.code(), Some(64));
}

#[test]
fn the_python_sample_has_at_most_150_lines() {
    let text = std::fs::read_to_string(script()).expect("it is there");
    assert!(text.lines().count() <= 150);
}
