//! Events in rows: what happened, in words.

use bllvm_ipc::EventEnvelope;
use bllvm_web::format;
use bllvm_web::parts::{Badge, EventRow, Tone};
use serde_json::Value;

use super::operation::mode_words;
use super::run::{exit_words, killed};
use super::{sentence, stamp, who};
use crate::model::{Exit, ReloadMode, UtcTime, kinds};

/// An event's row.
pub fn row(event: &EventEnvelope, now: UtcTime) -> EventRow {
    let at = event.time.parse().unwrap_or(now);
    let by_module = event.publisher != "host";
    let module = if by_module {
        Some(event.publisher.clone())
    } else {
        text(&event.data, "module").map(str::to_owned)
    };
    let (tone, word, summary) = describe(event);
    EventRow {
        sequence: event.seq.to_string(),
        at: stamp(at, now),
        kind: event.kind.clone(),
        publisher: event.publisher.clone(),
        module,
        summary,
        badge: Badge::new(tone, word),
        body: serde_json::to_string_pretty(&event.data).unwrap_or_default(),
    }
}

fn text<'v>(data: &'v Value, field: &str) -> Option<&'v str> {
    data.get(field)?.as_str()
}

fn describe(event: &EventEnvelope) -> (Tone, &'static str, String) {
    let data = &event.data;
    let word = |field: &str| text(data, field).unwrap_or_default();
    let number = |field: &str| data.get(field).and_then(Value::as_u64).unwrap_or_default();
    match event.kind.as_str() {
        kinds::BLOCK_CONNECTED => {
            let transactions =
                format::plural(number("transactions"), "transaction", "transactions");
            (
                Tone::Info,
                "block",
                format!(
                    "Block {} with {transactions}.",
                    format::count(number("height"))
                ),
            )
        }
        kinds::BLOCK_DISCONNECTED => {
            let height = format::count(number("height"));
            (
                Tone::Warn,
                "block",
                format!("Block {height} left the best chain."),
            )
        }
        kinds::CHAIN_RESET => (Tone::Warn, "chain", sentence(word("why"))),
        kinds::MODULE_STATE => state(data),
        kinds::MODULE_HEALTH => health(data),
        kinds::MODULE_CRASHED => (Tone::Bad, "crash", crash(&data["exit"])),
        kinds::MODULE_REVOKED => (
            Tone::Bad,
            "taken back",
            format!(
                "Its makers took the installed release back: {}",
                word("reason")
            ),
        ),
        kinds::MODULE_RELOADED => {
            let mode = ReloadMode::from_word(word("mode")).map(mode_words);
            let how = mode.map_or("", |(how, _)| how);
            (Tone::Good, "reload", sentence(&format!("Reloaded {how}")))
        }
        kinds::MODULE_RELOAD_FAILED => (
            Tone::Bad,
            "reload",
            format!("Not reloaded. {}", sentence(word("reason"))),
        ),
        kinds::MODULE_CONFIG => config(data),
        kinds::MODULE_CONFIG_REFUSED => (
            Tone::Warn,
            "configuration",
            "An edit of config.toml was refused.".to_owned(),
        ),
        kinds::MODULE_FOUND => match text(data, "problem") {
            Some(problem) => (Tone::Warn, "found", sentence(problem)),
            None if data["new"] == true => (
                Tone::Info,
                "found",
                format!("Version {} was found.", word("version")),
            ),
            None => (Tone::Info, "found", "Its files changed.".to_owned()),
        },
        kinds::MODULE_INSTALLED => (
            Tone::Good,
            "installed",
            format!("Version {} was confirmed.", word("version")),
        ),
        kinds::MODULE_UPGRADED => (
            Tone::Info,
            "upgraded",
            "Another version is in place.".to_owned(),
        ),
        kinds::MODULE_UNINSTALLED => (Tone::Quiet, "removed", "It was removed.".to_owned()),
        kinds::MODULE_DESIRED => {
            let wanted = match data["enabled"].as_bool() {
                Some(true) => "It was enabled.".to_owned(),
                Some(false) => "It was disabled.".to_owned(),
                None => format!("It shall be {}.", word("desired")),
            };
            (
                Tone::Info,
                "wanted",
                format!("{wanted} Asked for by {}.", who(word("by"))),
            )
        }
        kinds::MODULE_GRANT => (
            Tone::Info,
            "permissions",
            "Its permissions changed.".to_owned(),
        ),
        kinds::MODULE_LAGGING => (
            Tone::Warn,
            "lagging",
            "It does not keep up with its events.".to_owned(),
        ),
        kinds::OPERATION => operation(data),
        kinds::AUDIT => {
            let refused = word("outcome") == "refused";
            let tone = if refused { Tone::Bad } else { Tone::Quiet };
            let action = word("action").replace('_', " ");
            (
                tone,
                "audit",
                format!(
                    "{action} {} by {}: {}.",
                    word("target"),
                    who(word("actor")),
                    word("outcome")
                ),
            )
        }
        kinds::NODE_STATE => match word("state") {
            "ready" => (Tone::Good, "node", "The base node is ready.".to_owned()),
            state => (
                Tone::Warn,
                "node",
                format!("The base node is {state}. {}", sentence(word("why"))),
            ),
        },
        kinds::HOST_STARTED => (Tone::Info, "node", "bllvm-node started.".to_owned()),
        _ => (Tone::Info, "event", String::new()),
    }
}

fn state(data: &Value) -> (Tone, &'static str, String) {
    let state = text(data, "state").unwrap_or_default();
    let tone = match state {
        "running" => Tone::Good,
        "failed" => Tone::Bad,
        "backing_off" => Tone::Warn,
        "stopped" => Tone::Quiet,
        _ => Tone::Busy,
    };
    let reason = text(data, "reason").map(sentence).unwrap_or_default();
    let now = state.replace('_', " ");
    (
        tone,
        "state",
        format!("It is {now}. {reason}").trim_end().to_owned(),
    )
}

fn health(data: &Value) -> (Tone, &'static str, String) {
    let health = &data["health"];
    match text(health, "status").unwrap_or_default() {
        "healthy" => (Tone::Good, "health", "It is healthy.".to_owned()),
        "unresponsive" => (Tone::Bad, "health", "It does not answer.".to_owned()),
        _ => {
            let message = text(health, "message").map(sentence).unwrap_or_default();
            (Tone::Warn, "health", format!("It is degraded. {message}"))
        }
    }
}

fn config(data: &Value) -> (Tone, &'static str, String) {
    let number = data["revision"].as_u64().unwrap_or_default();
    match text(data, "status").unwrap_or_default() {
        "applied" => (
            Tone::Good,
            "configuration",
            format!("Revision {number} is in use."),
        ),
        "rolled_back" => {
            let reason = text(data, "reason").map(sentence).unwrap_or_default();
            (
                Tone::Bad,
                "configuration",
                format!("Revision {number} was rolled back. {reason}"),
            )
        }
        "superseded" => (
            Tone::Quiet,
            "configuration",
            format!("Revision {number} was replaced."),
        ),
        _ => (
            Tone::Info,
            "configuration",
            format!("Revision {number} was recorded."),
        ),
    }
}

fn operation(data: &Value) -> (Tone, &'static str, String) {
    let word = |field: &str| text(data, field).unwrap_or_default();
    let tone = match word("status") {
        "succeeded" => Tone::Good,
        "failed" => Tone::Bad,
        "cancelled" => Tone::Quiet,
        _ => Tone::Busy,
    };
    let why = text(&data["failure"], "detail")
        .map(sentence)
        .unwrap_or_default();
    let target = text(data, "module").unwrap_or("blocks");
    let step = match word("status") {
        "running" => format!(" {}", sentence(word("step"))),
        _ => String::new(),
    };
    let summary = format!("{} {target}: {}.{step} {why}", word("kind"), word("status"));
    (tone, "operation", summary.trim_end().to_owned())
}

/// How a process ended that nobody asked to, from an event's body.
fn crash(exit: &Value) -> String {
    match serde_json::from_value(exit.clone()) {
        Ok(Exit::Killed { reason }) => format!("The node ended its process. {}", killed(&reason)),
        Ok(Exit::NotStarted { reason }) => {
            format!("Its process could not be started. {}", sentence(&reason))
        }
        Ok(exit) => format!(
            "Its process ended without being asked: {}.",
            exit_words(&exit)
        ),
        Err(_) => "Its process ended without being asked.".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use bllvm_ipc::EventClass;
    use serde_json::json;

    use super::*;

    fn event(kind: &str, data: Value) -> EventRow {
        let envelope = EventEnvelope {
            seq: 7,
            kind: kind.to_owned(),
            class: EventClass::Durable,
            publisher: "host".to_owned(),
            time: "1970-01-01T00:00:00.000Z".to_owned(),
            data,
        };
        row(&envelope, UtcTime::from_unix_ms(60_000))
    }

    #[test]
    fn events_are_told_in_words() {
        let block = event(
            kinds::BLOCK_CONNECTED,
            json!({"height": 1204, "transactions": 1}),
        );
        assert_eq!(block.summary, "Block 1,204 with 1 transaction.");
        assert_eq!(block.at.ago, "1 min ago");
        let crash = event(
            kinds::MODULE_CRASHED,
            json!({"module": "clock", "exit": {"how": "signal", "signal": 11}}),
        );
        assert_eq!(crash.module.as_deref(), Some("clock"));
        assert!(crash.summary.contains("signal 11"), "{}", crash.summary);
    }

    #[test]
    fn an_event_with_a_strange_body_is_still_a_row() {
        for kind in [
            kinds::BLOCK_CONNECTED,
            kinds::MODULE_STATE,
            kinds::MODULE_HEALTH,
            kinds::MODULE_CRASHED,
            kinds::MODULE_CONFIG,
            kinds::OPERATION,
            kinds::AUDIT,
            kinds::NODE_STATE,
            "own.thing",
        ] {
            for data in [json!(null), json!([]), json!({"state": 1}), json!("x")] {
                assert_eq!(event(kind, data).kind, kind);
            }
        }
    }
}
