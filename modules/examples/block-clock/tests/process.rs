//! block-clock as a real process: its flags, and its life on an inherited channel and listener.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bllvm_sdk::ipc::handshake::{Goodbye, Welcome, accept};
use bllvm_sdk::ipc::lifecycle::{Call, Configure, Drain, StartReason};
use bllvm_sdk::ipc::method::{self, ChainTip, UiStatus};
use bllvm_sdk::ipc::types::{Empty, Sample, Tip};
use bllvm_sdk::ipc::{Connection, ErrorReply, Handler, Incoming, Limits, Method, Reply, Stream};
use serde_json::{Value, json};

const PROGRAM: &str = env!("CARGO_BIN_EXE_block-clock");
const FOLDER: &str = env!("CARGO_MANIFEST_DIR");

fn ask(flag: &str) -> Output {
    Command::new(PROGRAM).arg(flag).output().expect("it runs")
}

#[test]
fn the_program_prints_the_manifest_that_it_carries() {
    let file = std::fs::read(format!("{FOLDER}/module.toml")).expect("module.toml is there");
    assert_eq!(ask("--manifest").stdout, file);
    let found = bllvm_manifest::embedded::read_bytes(PROGRAM.as_ref()).expect("it carries one");
    assert_eq!(found, file);
    assert_eq!(ask("--version").stdout, b"block-clock 0.1.0\n");
}

#[test]
fn the_schema_file_is_what_the_program_prints_and_its_defaults_fit() {
    let printed = ask("--config-schema").stdout;
    let path = format!("{FOLDER}/config.schema.json");
    if std::env::var_os("UPDATE_SCHEMA").is_some() {
        std::fs::write(&path, &printed).expect("it can be written");
    }
    let file = std::fs::read(&path).expect("config.schema.json is there");
    let json = |text: &[u8]| serde_json::from_slice::<Value>(text).expect("it is JSON");
    assert_eq!(
        json(&file),
        json(&printed),
        "run UPDATE_SCHEMA=1 cargo test -p block-clock"
    );
    let schema = bllvm_manifest::ConfigSchema::parse(&file).expect("it is a schema for forms");
    let defaults = schema.defaults();
    assert!(defaults.contains("title = \"Block clock\""), "{defaults}");
    assert!(schema.validate(&json!({ "title": "" })).len() == 1);
}

#[test]
fn started_by_hand_it_says_what_it_is() {
    let output = Command::new(PROGRAM)
        .env_remove("LISTEN_FDS")
        .output()
        .expect("it runs");
    assert_eq!(output.status.code(), Some(64));
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(
        words.contains("bllvm-node module load block-clock"),
        "{words}"
    );
}

struct Chain;

impl Handler for Chain {
    fn request(&self, _: &Connection, request: Incoming) -> Reply {
        match request.method {
            ChainTip::ID => Reply::now::<ChainTip>(Ok(Tip::sample())),
            UiStatus::ID => Reply::now::<UiStatus>(Ok(Empty {})),
            _ => Reply::refuse(ErrorReply::unsupported("not in this test")),
        }
    }
}

struct Running {
    child: Child,
    connection: Connection,
}

/// Spawns it as the host does: the channel at descriptor 3, the listener at 4.
async fn spawn(listener: &TcpListener) -> Running {
    let (stream, channel) = Stream::pair().expect("a socketpair");
    let held: OwnedFd = listener.try_clone().expect("a descriptor").into();
    let script = "export LISTEN_PID=$$ LISTEN_FDS=2 LISTEN_FDNAMES=bllvm:http; \
                  exec \"$0\" 3<&0 4<&1 </dev/null >/dev/null";
    let child = Command::new("sh")
        .args(["-c", script, PROGRAM])
        .stdin(Stdio::from(channel))
        .stdout(Stdio::from(held))
        .spawn()
        .expect("it starts");
    let welcome = Welcome::sample();
    accept(&stream, &Limits::default(), |_| Ok(welcome))
        .await
        .expect("it says hello");
    let connection = Connection::start(stream, Limits::default(), Arc::new(Chain));
    let configure = Configure {
        config: json!({ "title": "Test" }),
        revision: 1,
        reason: StartReason::Load,
    };
    let verdict = connection.call::<method::Configure>(&configure).await;
    assert!(verdict.expect("it answers").problems.is_empty());
    let prepared = connection.call::<method::Prepare>(&Empty {}).await;
    prepared.expect("it prepares");
    Running { child, connection }
}

impl Running {
    async fn activate(&self) {
        let ready = self.connection.call::<method::Activate>(&Empty {}).await;
        assert_eq!(ready.expect("it serves").methods[0].name, "tip_age");
    }

    async fn drain(&self) {
        let drain = Drain { deadline_ms: 5000 };
        let drained = self.connection.call::<method::Drain>(&drain).await;
        drained.expect("it finishes what is open");
    }

    fn ended(&mut self) -> Option<i32> {
        for _ in 0..1000 {
            if let Some(status) = self.child.try_wait().expect("it is our child") {
                return status.code();
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("it did not end within ten seconds");
    }
}

fn get(address: SocketAddr) -> Value {
    let mut stream = TcpStream::connect(address).expect("it listens");
    let request = "GET / HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers");
    let body = answer.split("\r\n\r\n").nth(1).unwrap_or_default();
    serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {answer}"))
}

/// Asks again and again; any failure panics.
fn call_until(address: SocketAddr, over: Arc<AtomicBool>) -> impl FnOnce() -> u32 {
    move || {
        let mut answered = 0;
        while !over.load(Ordering::SeqCst) {
            assert_eq!(get(address)["height"], 840_000);
            answered += 1;
        }
        answered
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reload_by_overlap_loses_no_request() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("it has an address");
    let mut old = spawn(&listener).await;
    old.activate().await;
    assert_eq!(get(address)["height"], 840_000);

    let over = Arc::new(AtomicBool::new(false));
    let callers: Vec<_> = (0..4)
        .map(|_| std::thread::spawn(call_until(address, over.clone())))
        .collect();
    let mut new = spawn(&listener).await;
    old.drain().await;
    new.activate().await;
    old.connection
        .close(&Goodbye::new("replaced", "a newer process serves"));
    assert_eq!(old.ended(), Some(0));

    // The new process alone serves now.
    assert_eq!(get(address)["height"], 840_000);
    over.store(true, Ordering::SeqCst);
    for caller in callers {
        assert!(caller.join().expect("no request failed") > 0);
    }
    let call = Call {
        method: "tip_age".to_owned(),
        params: Value::Null,
        caller: "operator".to_owned(),
    };
    let age = new.connection.call::<method::Call>(&call).await;
    assert_eq!(age.expect("it answers").result["old"], true);
    new.connection
        .close(&Goodbye::new("shutdown", "the test is over"));
    assert_eq!(new.ended(), Some(0));
}

#[tokio::test]
async fn it_ends_when_its_host_is_gone_and_at_a_signal() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let mut running = spawn(&listener).await;
    running.activate().await;
    let pid = running.child.id().to_string();
    let killed = Command::new("kill").args(["-TERM", &pid]).status();
    assert!(killed.expect("kill runs").success());
    assert_eq!(running.ended(), Some(0));
}
