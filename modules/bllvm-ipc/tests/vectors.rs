//! The golden vectors and the method table in `PROTOCOL.md` are what this build speaks.
//! `UPDATE_VECTORS=1` rewrites both; their diff is part of the review.

use std::fmt::Write;
use std::path::PathBuf;

use bllvm_ipc::codec::encode;
use bllvm_ipc::frame::{ERROR, LARGE, RAW};
use bllvm_ipc::handshake::{Goodbye, Hello, Welcome};
use bllvm_ipc::log::{Level, LogRecord, Metric};
use bllvm_ipc::types::Sample;
use bllvm_ipc::{
    Direction, ErrorCode, ErrorReply, EventClass, EventEnvelope, Frame, Kind, METHODS, MethodInfo,
    Wire, method,
};
use bytes::{Bytes, BytesMut};
use serde_json::{Value, json};

const TABLE_START: &str =
    "<!-- methods: written by UPDATE_VECTORS=1 cargo test -p bllvm-ipc --test vectors -->\n";
const TABLE_END: &str = "<!-- end of methods -->";

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn read(name: &str) -> String {
    std::fs::read_to_string(path(name)).unwrap_or_default()
}

fn updates() -> bool {
    std::env::var_os("UPDATE_VECTORS").is_some()
}

fn packed<T: serde::Serialize>(value: &T) -> Bytes {
    encode(value).expect("a sample can be encoded")
}

fn frame(kind: Kind, flags: u8, method: u16, id: u64, body: Bytes) -> Frame {
    Frame {
        flags,
        ..Frame::new(kind, method, id, body)
    }
}

fn raw(is_raw: bool) -> u8 {
    if is_raw { RAW } else { 0 }
}

fn event(class: EventClass) -> EventEnvelope {
    let (kind, data) = match class {
        EventClass::Durable => (
            "chain.block_connected",
            json!({ "hash": "07".repeat(32), "height": 101 }),
        ),
        EventClass::Latest => ("chain.tip", json!({ "key": "tip" })),
        EventClass::Lossy => ("events.gap", json!({ "missed": 3 })),
    };
    EventEnvelope {
        seq: 42,
        kind: kind.to_owned(),
        class,
        publisher: "host".to_owned(),
        time: "2026-01-01T00:00:00Z".to_owned(),
        data,
    }
}

/// Every message once, by name.
fn messages() -> Vec<(String, Frame)> {
    let name = str::to_owned;
    let mut all = vec![
        (
            name("hello"),
            frame(Kind::Hello, 0, 0, 0, packed(&Hello::sample())),
        ),
        (
            name("welcome"),
            frame(Kind::Welcome, 0, 0, 0, packed(&Welcome::sample())),
        ),
        (
            name("goodbye"),
            frame(Kind::Goodbye, 0, 0, 0, packed(&Goodbye::sample())),
        ),
    ];
    for row in METHODS {
        let request = (row.sample_request)().expect("a sample can be encoded");
        let response = (row.sample_response)().expect("a sample can be encoded");
        let large = if row.large_response { LARGE } else { 0 };
        let flags = (raw(row.raw_request) | large, raw(row.raw_response) | large);
        all.push((
            format!("request {}", row.name),
            frame(Kind::Request, flags.0, row.id, 7, request),
        ));
        all.push((
            format!("response {}", row.name),
            frame(Kind::Response, flags.1, 0, 7, response),
        ));
    }
    let mut busy = ErrorReply::new(ErrorCode::Busy, "64 requests are open already");
    busy.retry_after_ms = Some(100);
    let record = LogRecord {
        level: Level::Info,
        target: "block_clock".to_owned(),
        message: "serving".to_owned(),
        fields: [("http.port".to_owned(), json!(8490))]
            .into_iter()
            .collect(),
    };
    let metric = Metric {
        name: "requests_total".to_owned(),
        counter: true,
        value: 12.0,
    };
    all.extend([
        (
            name("error"),
            frame(Kind::Response, ERROR, 0, 7, packed(&busy)),
        ),
        (name("cancel"), frame(Kind::Cancel, 0, 0, 7, Bytes::new())),
        (name("ack"), frame(Kind::Ack, 0, 0, 42, Bytes::new())),
        (name("log"), frame(Kind::Log, 0, 0, 0, packed(&record))),
        (
            name("metric"),
            frame(Kind::Metric, 0, 0, 0, packed(&metric)),
        ),
        (name("ping"), frame(Kind::Ping, 0, 0, 1 << 63, Bytes::new())),
        (name("pong"), frame(Kind::Pong, 0, 0, 1 << 63, Bytes::new())),
    ]);
    for class in [EventClass::Durable, EventClass::Latest, EventClass::Lossy] {
        let event = event(class);
        let body = packed(&event);
        all.push((
            format!("event {}", event.kind),
            frame(Kind::Event, 0, class as u16, event.seq, body),
        ));
    }
    all
}

fn hex(bytes: &[u8]) -> String {
    bllvm_ipc::types::Hex(bytes.to_vec()).to_string()
}

fn unhex(text: &str) -> Vec<u8> {
    text.parse::<bllvm_ipc::types::Hex>().expect("it is hex").0
}

/// MessagePack as JSON; bytes become `{"bin": hex}`.
fn readable(value: &rmpv::Value) -> Value {
    match value {
        rmpv::Value::Binary(bytes) => json!({ "bin": hex(bytes) }),
        rmpv::Value::Array(items) => items.iter().map(readable).collect(),
        rmpv::Value::Map(entries) => entries
            .iter()
            .map(|(key, value)| (key.as_str().unwrap_or("?").to_owned(), readable(value)))
            .collect::<serde_json::Map<_, _>>()
            .into(),
        other => serde_json::to_value(other).expect("a plain value"),
    }
}

fn body(frame: &Frame) -> Value {
    if frame.body.is_empty() {
        return Value::Null;
    }
    if frame.has(RAW) {
        return json!({ "bin": hex(&frame.body) });
    }
    let mut rest = &frame.body[..];
    readable(&rmpv::decode::read_value(&mut rest).expect("it is MessagePack"))
}

fn vector((name, frame): &(String, Frame)) -> Value {
    json!({
        "name": name,
        "hex": hex(&frame.to_bytes()),
        "kind": frame.kind as u8,
        "flags": frame.flags,
        "method": frame.method,
        "id": frame.id,
        "body": body(frame),
    })
}

#[test]
fn the_vectors_are_what_this_build_sends() {
    let vectors: Vec<_> = messages().iter().map(vector).collect();
    if updates() {
        let mut text = String::from("[\n");
        for (index, vector) in vectors.iter().enumerate() {
            let comma = if index + 1 == vectors.len() { "" } else { "," };
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{vector}{comma}");
        }
        text.push_str("]\n");
        std::fs::write(path("vectors/v1.json"), text).expect("it can be written");
    }
    let kept: Vec<Value> = serde_json::from_str(&read("vectors/v1.json")).expect("it is JSON");
    assert_eq!(kept.len(), vectors.len());
    for (kept, now) in kept.iter().zip(&vectors) {
        assert_eq!(
            kept, now,
            "UPDATE_VECTORS=1 rewrites the file, if that is meant"
        );
    }
}

fn decode<T: Wire>(frame: &Frame) -> Result<(), String> {
    T::from_body(&frame.body).map(drop)
}

fn decode_request(frame: &Frame) -> Result<(), String> {
    let row = method::by_id(frame.method).ok_or("no such method")?;
    (row.check_request)(&frame.body)
}

fn decode_response(name: &str, frame: &Frame) -> Result<(), String> {
    let row = name.strip_prefix("response ").and_then(method::by_name);
    (row.ok_or("no such method")?.check_response)(&frame.body)
}

#[test]
fn every_vector_can_be_read() {
    let kept: Vec<Value> = serde_json::from_str(&read("vectors/v1.json")).expect("it is JSON");
    for vector in kept {
        let name = vector["name"].as_str().expect("a name");
        let bytes = unhex(vector["hex"].as_str().expect("hex"));
        let mut buffer = BytesMut::from(&bytes[..]);
        let frame = Frame::read_from(&mut buffer, 1 << 20, 8 << 20)
            .unwrap_or_else(|error| panic!("{name}: {error}"))
            .unwrap_or_else(|| panic!("{name} is cut"));
        assert!(buffer.is_empty(), "{name} is one frame");
        assert_eq!(frame.to_bytes(), bytes, "{name}");
        let outcome = match frame.kind {
            Kind::Hello => decode::<Hello>(&frame),
            Kind::Welcome => decode::<Welcome>(&frame),
            Kind::Goodbye => decode::<Goodbye>(&frame),
            Kind::Request => decode_request(&frame),
            Kind::Response if frame.has(ERROR) => decode::<ErrorReply>(&frame),
            Kind::Response => decode_response(name, &frame),
            Kind::Event => decode::<EventEnvelope>(&frame),
            Kind::Log => decode::<LogRecord>(&frame),
            Kind::Metric => decode::<Metric>(&frame),
            Kind::Cancel | Kind::Ack | Kind::Ping | Kind::Pong => Ok(()),
        };
        outcome.unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}

fn table() -> String {
    let mut table = String::from(
        "| number | method | asked by | capability | what it does |\n|---|---|---|---|---|\n",
    );
    for row in METHODS {
        // Writing to a string cannot fail.
        let _ = writeln!(table, "{}", table_row(row));
    }
    table
}

fn table_row(row: &MethodInfo) -> String {
    let asker = match row.direction {
        Direction::ToModule => "host",
        Direction::ToHost => "module",
    };
    let capability = row.capability.map_or("–".to_owned(), |c| format!("`{c}`"));
    let raw = match (row.raw_request, row.raw_response) {
        (false, false) => "",
        (true, false) => " Parameters *raw*.",
        (false, true) => " Result *raw*.",
        (true, true) => " Both *raw*.",
    };
    let large = if row.large_response {
        " Result *large*."
    } else {
        ""
    };
    format!(
        "| `{:#06x}` | `{}` | {asker} | {capability} | {}{raw}{large} |",
        row.id, row.name, row.summary
    )
}

#[test]
fn the_table_in_the_document_is_the_table_in_the_code() {
    let text = read("PROTOCOL.md");
    let (before, rest) = text
        .split_once(TABLE_START)
        .expect("the table's start is marked");
    let (kept, after) = rest
        .split_once(TABLE_END)
        .expect("the table's end is marked");
    if updates() {
        let text = format!("{before}{TABLE_START}{}{TABLE_END}{after}", table());
        std::fs::write(path("PROTOCOL.md"), text).expect("it can be written");
        return;
    }
    assert_eq!(
        kept,
        table(),
        "UPDATE_VECTORS=1 rewrites the table, if that is meant"
    );
}

#[test]
fn the_document_names_every_kind_and_every_error_code() {
    let text = read("PROTOCOL.md");
    for kind in Kind::ALL {
        let name = format!("{kind:?}").to_lowercase();
        let row = format!("| {} | {name} |", kind as u8);
        assert!(text.contains(&row), "{row}");
    }
    let codes = [
        ErrorCode::Unsupported,
        ErrorCode::Denied,
        ErrorCode::Invalid,
        ErrorCode::NotFound,
        ErrorCode::Conflict,
        ErrorCode::Busy,
        ErrorCode::Unavailable,
        ErrorCode::Cancelled,
        ErrorCode::Deadline,
        ErrorCode::TooLarge,
        ErrorCode::Quota,
        ErrorCode::Gone,
        ErrorCode::Internal,
    ];
    for code in codes {
        let name = serde_json::to_value(code).expect("a code is a word");
        let row = format!("| `{}` |", name.as_str().unwrap_or_default());
        assert!(text.contains(&row), "{row}");
    }
}
