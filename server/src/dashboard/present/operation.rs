//! Operations in rows, and what one came to in a sentence.

use bllvm_web::format;
use bllvm_web::parts::{Badge, OperationRow, OperationStatus as Shown, Tone};

use super::{lasted, sentence, stamp, who};
use crate::model::{Operation, OperationKind, OperationStatus, ReloadMode, UtcTime};

/// An operation's row.
pub fn row(operation: &Operation, now: UtcTime) -> OperationRow {
    let open = !operation.status.is_final();
    let until = if open { now } else { operation.changed_at };
    OperationRow {
        id: operation.id.to_string(),
        verb: operation.kind.to_string(),
        target: target(operation),
        status: status(operation.status),
        progress: progress(operation).filter(|_| open),
        step: if open {
            sentence(&operation.step)
        } else {
            result(operation)
        },
        by: who(&operation.by),
        started: stamp(operation.created_at, now),
        took: lasted(operation.created_at, until),
        reason: operation
            .failure
            .as_ref()
            .map(|failure| sentence(&failure.detail))
            .unwrap_or_default(),
        can_cancel: open,
    }
}

/// What it is about.
pub fn target(operation: &Operation) -> String {
    match (operation.concerns(), operation.kind) {
        (Some(name), _) => name.to_string(),
        (None, OperationKind::Mine | OperationKind::Import) => "blocks".to_owned(),
        (None, OperationKind::Backup) => "the node".to_owned(),
        (None, _) => String::new(),
    }
}

/// How far it is, as a badge.
pub fn status(status: OperationStatus) -> Badge {
    match status {
        OperationStatus::Queued => Shown::Pending,
        OperationStatus::Running => Shown::Running,
        OperationStatus::Succeeded => Shown::Succeeded,
        OperationStatus::Failed => Shown::Failed,
        OperationStatus::Cancelled => Shown::Cancelled,
    }
    .into()
}

fn progress(operation: &Operation) -> Option<u8> {
    let hundredths = operation
        .done
        .saturating_mul(100)
        .checked_div(operation.total)?;
    u8::try_from(hundredths.min(100)).ok()
}

/// The mode in which a reload was done.
pub fn mode(operation: &Operation) -> Option<ReloadMode> {
    ReloadMode::from_word(operation.result.get("mode")?.as_str()?)
}

/// A mode in words, and what it meant.
pub fn mode_words(mode: ReloadMode) -> (&'static str, &'static str) {
    match mode {
        ReloadMode::InPlace => (
            "in place",
            "the process kept running and took up what changed.",
        ),
        ReloadMode::Overlap => (
            "with overlap",
            "a new process took over before the old one ended; callers were held, none was dropped.",
        ),
        ReloadMode::Exclusive => (
            "exclusively",
            "the old process ended before the new one started; its sockets stayed open meanwhile.",
        ),
    }
}

/// What an operation that succeeded came to; empty where there is nothing to say.
fn result(operation: &Operation) -> String {
    if operation.status != OperationStatus::Succeeded {
        return String::new();
    }
    match (mode(operation), operation.kind) {
        (Some(mode), _) => {
            let (word, meaning) = mode_words(mode);
            format!("Done {word}: {meaning}")
        }
        (None, OperationKind::Mine) => {
            let mined = operation
                .result
                .get("hashes")
                .and_then(|hashes| hashes.as_array());
            let count = mined.map_or(operation.done, |hashes| hashes.len() as u64);
            format!("Mined {}.", format::plural(count, "block", "blocks"))
        }
        (None, OperationKind::Backup) => {
            let text = |key: &str| operation.result[key].as_str().unwrap_or_default();
            let size = operation.result["size"].as_u64().unwrap_or(0);
            let left_out = operation.result["left_out"].as_array();
            let left_out = left_out.map_or(0, Vec::len) as u64;
            let mut words = format!("{} is made ({}).", text("name"), format::bytes(size));
            if left_out > 0 {
                let things = format::plural(left_out, "thing was", "things were");
                words = format!("{words} {things} left out; the operation's result says why.");
            }
            words
        }
        (None, OperationKind::Import) => {
            let number = |key| {
                operation
                    .result
                    .get(key)
                    .and_then(serde_json::Value::as_u64)
            };
            let (added, known) = (number("added"), number("known"));
            let added = format::plural(added.unwrap_or(0), "block", "blocks");
            format!("Took in {added}; {} were known.", known.unwrap_or(0))
        }
        _ => String::new(),
    }
}

/// What an operation came to, for the page that its button leads to.
pub fn outcome(operation: &Operation) -> (Tone, String) {
    let name = target(operation);
    let words = match operation.kind {
        OperationKind::Load => (format!("{name} is running."), "loaded"),
        OperationKind::Unload => (
            format!("{name} is stopped. Its data and configuration stay."),
            "unloaded",
        ),
        OperationKind::Reload => (format!("{name} was reloaded."), "reloaded"),
        OperationKind::Configure => (
            format!("{name} runs on the new configuration."),
            "configured",
        ),
        OperationKind::Install => (
            format!("{name} was taken in. Nothing of it has run yet."),
            "taken in",
        ),
        OperationKind::Fetch => (
            format!("{name} was fetched. Nothing was changed yet."),
            "fetched",
        ),
        OperationKind::Uninstall => (format!("{name} was removed."), "removed"),
        OperationKind::Upgrade => ("The new version is in place.".to_owned(), "changed"),
        OperationKind::Rollback => (
            "The version before is in place again.".to_owned(),
            "changed",
        ),
        OperationKind::Mine => (result(operation), "mined"),
        OperationKind::Backup => (result(operation), "backed up"),
        OperationKind::Import => (result(operation), "taken in"),
    };
    let why = operation
        .failure
        .as_ref()
        .map(|failure| sentence(&failure.detail));
    match operation.status {
        OperationStatus::Succeeded => match mode(operation).map(mode_words) {
            Some((word, meaning)) => {
                let done = words.0.trim_end_matches('.');
                (Tone::Good, format!("{done}, {word}: {meaning}"))
            }
            None => (Tone::Good, words.0),
        },
        OperationStatus::Failed => (
            Tone::Bad,
            format!("{name} was not {}. {}", words.1, why.unwrap_or_default()),
        ),
        OperationStatus::Cancelled => {
            (Tone::Warn, format!("The {} was cancelled.", operation.kind))
        }
        OperationStatus::Queued | OperationStatus::Running => (
            Tone::Busy,
            format!("The {} of {name} is under way.", operation.kind),
        ),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::model::{Failure, Id};

    fn operation(kind: OperationKind, status: OperationStatus) -> Operation {
        Operation {
            id: Id(ulid::Ulid::from_parts(1, 1)),
            kind,
            module: Some("clock".parse().unwrap()),
            about: None,
            status,
            step: "waiting for `ready`".to_owned(),
            done: 1,
            total: 4,
            failure: None,
            result: json!({}),
            by: "session:x".to_owned(),
            created_at: UtcTime::from_unix_ms(0),
            changed_at: UtcTime::from_unix_ms(2000),
        }
    }

    #[test]
    fn a_reload_says_in_which_mode_it_was_done() {
        for mode in ReloadMode::ALL {
            let mut done = operation(OperationKind::Reload, OperationStatus::Succeeded);
            done.result = json!({ "mode": mode });
            let (tone, text) = outcome(&done);
            assert_eq!(tone, Tone::Good);
            assert!(text.starts_with("clock was reloaded, "), "{text}");
            assert!(text.contains(mode_words(*mode).0), "{text}");
        }
    }

    #[test]
    fn a_failure_says_why() {
        let mut failed = operation(OperationKind::Load, OperationStatus::Failed);
        failed.failure = Some(Failure {
            code: "x".to_owned(),
            detail: "the port 8490 is in use".to_owned(),
        });
        let (tone, text) = outcome(&failed);
        assert_eq!(tone, Tone::Bad);
        assert_eq!(text, "clock was not loaded. The port 8490 is in use.");
    }

    #[test]
    fn progress_is_shown_while_it_is_open() {
        let now = UtcTime::from_unix_ms(9000);
        let open = row(
            &operation(OperationKind::Load, OperationStatus::Running),
            now,
        );
        assert_eq!((open.progress, open.can_cancel), (Some(25), true));
        assert_eq!(open.took, "9.0 s");
        let done = row(
            &operation(OperationKind::Load, OperationStatus::Succeeded),
            now,
        );
        assert_eq!((done.progress, done.can_cancel), (None, false));
        assert_eq!(done.took, "2.0 s");
    }
}
