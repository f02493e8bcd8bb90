//! Modules, runs and log lines as people read them.

use std::fmt::Write as _;

use serde_json::Value;

use super::output;

/// The list as a table.
pub fn list_table(modules: &Value) -> String {
    let rows: Vec<Vec<String>> = output::items(modules).iter().map(list_row).collect();
    if rows.is_empty() {
        return "No modules. Put one into the modules folder, or `bllvm-node module install PATH`."
            .to_owned();
    }
    let head = [
        "MODULE", "VERSION", "STATE", "HEALTH", "SINCE", "PID", "CPU", "MEMORY", "NOTE",
    ];
    output::table(&head, &rows)
}

fn list_row(module: &Value) -> Vec<String> {
    let running = output::field(module, "state") == "running";
    let number = |key: &str| module.get(key).and_then(Value::as_f64);
    let bytes = module.get("memory_bytes").and_then(Value::as_u64);
    vec![
        output::field(module, "name"),
        output::field(module, "version"),
        output::field(module, "state"),
        if running {
            output::field(module, "health.status")
        } else {
            "-".to_owned()
        },
        output::age(&output::field(module, "since")),
        output::field(module, "pid"),
        number("cpu_percent")
            .filter(|_| running)
            .map_or("-".to_owned(), |cpu| format!("{cpu:.1} %")),
        bytes
            .filter(|_| running)
            .map_or("-".to_owned(), output::size),
        note(module),
    ]
}

/// What an operator should know first.
fn note(module: &Value) -> String {
    let is = |key: &str| module.get(key).and_then(Value::as_bool) == Some(true);
    let text = |key: &str| module.get(key).and_then(Value::as_str).map(str::to_owned);
    let first = if let Some(problem) = text("problem") {
        problem
    } else if module.get("enabled").and_then(Value::as_bool) == Some(false) {
        "disabled".to_owned()
    } else if is("waiting") {
        "waits for its first load".to_owned()
    } else if let Some(reason) = text("reason") {
        reason
    } else if let Some(message) = module.pointer("/health/message").and_then(Value::as_str) {
        message.to_owned()
    } else {
        String::new()
    };
    let notes = [
        Some(first),
        changed_program(module).map(|_| "its program changed".to_owned()),
        text("config_problem"),
    ];
    let notes = notes.into_iter().flatten().filter(|note| !note.is_empty());
    notes.collect::<Vec<_>>().join("; ")
}

/// The digest of the program that lies there, where it is not the confirmed one.
fn changed_program(module: &Value) -> Option<&str> {
    let digest = |key: &str| module.get(key).and_then(Value::as_str);
    let (found, confirmed) = (digest("digest")?, digest("confirmed")?);
    (found != confirmed).then_some(found)
}

/// Everything about one module.
pub fn info(module: &Value) -> String {
    let f = |key: &str| output::field(module, key);
    let listeners = module
        .get("listeners")
        .and_then(Value::as_object)
        .map(|all| {
            all.iter()
                .map(|(name, address)| format!("{name} {}", output::short(address)))
                .collect::<Vec<_>>()
                .join("\n")
        });
    let config_problem = module.get("config_problem").and_then(Value::as_str);
    let config_problem = config_problem.unwrap_or_default();
    let verb = if f("desired") == "running" {
        "reload"
    } else {
        "load"
    };
    let changed = changed_program(module).map(|digest| {
        format!(
            "changed; the confirmed one goes on. `bllvm-node module {verb} {} --digest {digest}` confirms this one",
            f("name")
        )
    });
    let facts = [
        ("module", format!("{} {}", f("name"), f("version"))),
        ("what", f("description")),
        (
            "state",
            format!(
                "{} since {}, wanted {}",
                f("state"),
                f("since"),
                f("desired")
            ),
        ),
        ("health", f("health.status")),
        ("reason", f("reason")),
        ("way out", f("way_out")),
        ("problem", f("problem")),
        ("enabled", f("enabled")),
        (
            "process",
            format!(
                "{}, restarts {}, cpu {} %, memory {}",
                f("pid"),
                f("restarts"),
                f("cpu_percent"),
                output::size(
                    module
                        .get("memory_bytes")
                        .and_then(Value::as_u64)
                        .unwrap_or(0)
                )
            ),
        ),
        ("listens on", listeners.unwrap_or_default()),
        ("event lag", f("cursor_lag")),
        ("folder", f("dir")),
        ("program", f("digest")),
        ("", changed.unwrap_or_default()),
        ("confirmed", f("confirmed")),
        ("configuration", format!("revision {}", f("revision"))),
        ("", config_problem.to_owned()),
        ("may", f("grants.granted.capabilities")),
        ("may not", f("grants.missing")),
        ("author", f("author")),
        ("licence", f("license")),
    ];
    // A second line of the fact above it, where there is one.
    let facts: Vec<_> = facts
        .into_iter()
        .filter(|(name, value)| !name.is_empty() || !value.is_empty())
        .collect();
    let mut text = output::facts(&facts);
    if let Some(view) = module.get("sandbox") {
        let _ = write!(text, "\n\nsandbox\n{}", output::facts(&sandbox_words(view)));
    }
    for (head, key) in [
        ("methods", "methods"),
        ("status", "status"),
        ("tasks", "tasks"),
    ] {
        let items = module.get(key).map_or(&[][..], output::items);
        if !items.is_empty() {
            let lines: Vec<String> = items.iter().map(item_line).collect();
            // Writing to a text cannot fail.
            let _ = write!(text, "\n\n{head}\n{}", lines.join("\n"));
        }
    }
    text
}

/// What a module can and cannot do, and the layers that see to it.
pub fn sandbox(view: &Value) -> String {
    let mut text = output::facts(&sandbox_words(view));
    let layers = view.get("layers").map_or(&[][..], output::items);
    if layers.is_empty() {
        text.push_str("\n\nIt does not run; what holds is known when it does.");
        return text;
    }
    let rows: Vec<Vec<String>> = layers
        .iter()
        .map(|layer| output::row(layer, &["layer", "state", "detail"]))
        .collect();
    text.push_str("\n\n");
    text.push_str(&output::table(
        &["LAYER", "STATE", "WHAT HOLDS OR IS MISSING"],
        &rows,
    ));
    text
}

fn sandbox_words(view: &Value) -> [(&'static str, String); 4] {
    let lines = |path: &str| {
        let items = view.pointer(path).and_then(Value::as_array);
        let items = items.map_or(&[][..], Vec::as_slice);
        items
            .iter()
            .map(output::short)
            .collect::<Vec<_>>()
            .join("\n")
    };
    [
        ("can", lines("/words/can")),
        ("cannot", lines("/words/cannot")),
        ("not kept from", lines("/words/open")),
        ("waived", lines("/waived")),
    ]
}

/// A method, status field or task in a line.
fn item_line(item: &Value) -> String {
    let first = |keys: [&str; 3]| {
        keys.into_iter()
            .find_map(|key| item.get(key))
            .map(output::short)
    };
    let name = first(["name", "label", "title"]).unwrap_or_else(|| output::short(item));
    let rest = first(["description", "value", "detail"]).unwrap_or_default();
    format!("  {name}  {rest}")
}

/// A module's processes as a table.
pub fn runs_table(runs: &Value) -> String {
    let rows: Vec<Vec<String>> = output::items(runs)
        .iter()
        .map(|run| {
            let mut row = output::row(
                run,
                &["id", "version", "pid", "started_at", "ready_at", "ended_at"],
            );
            row.push(run.get("exit").map_or("-".to_owned(), exit));
            row
        })
        .collect();
    output::table(
        &["RUN", "VERSION", "PID", "STARTED", "READY", "ENDED", "HOW"],
        &rows,
    )
}

fn exit(exit: &Value) -> String {
    let detail = ["code", "signal", "reason"]
        .iter()
        .find_map(|key| exit.get(*key))
        .map(output::short);
    match (output::field(exit, "how").as_str(), detail) {
        ("-", _) => "-".to_owned(),
        (how, Some(detail)) => format!("{how} {detail}"),
        (how, None) => how.to_owned(),
    }
}

/// A log line.
pub fn log_line(line: &Value) -> String {
    let mut text = format!(
        "{}  {:<5} {}",
        output::field(line, "time"),
        output::field(line, "level"),
        line.get("message")
            .and_then(Value::as_str)
            .unwrap_or_default(),
    );
    for (name, value) in line
        .get("fields")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
    {
        // Writing to a text cannot fail.
        let _ = write!(text, " {name}={}", output::short(value));
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_note_says_what_an_operator_should_know_first() {
        assert_eq!(
            note(&json!({ "problem": "the program is missing", "waiting": true })),
            "the program is missing"
        );
        assert_eq!(
            note(&json!({ "enabled": false, "waiting": true })),
            "disabled"
        );
        assert_eq!(
            note(&json!({ "waiting": true })),
            "waits for its first load"
        );
        assert_eq!(
            note(&json!({ "waiting": false, "reason": "exit code 1" })),
            "exit code 1"
        );
        assert_eq!(
            note(&json!({
                "reason": "exit code 1", "digest": "sha256:bb", "confirmed": "sha256:aa",
                "config_problem": "config.toml is not in force: `title`: too long"
            })),
            "exit code 1; its program changed; config.toml is not in force: `title`: too long"
        );
    }

    #[test]
    fn a_changed_program_and_a_refused_file_are_told_with_the_way_out() {
        let module = json!({
            "name": "clock", "desired": "running", "digest": "sha256:bb", "confirmed": "sha256:aa",
            "config_problem": "config.toml is not in force: `title`: too long"
        });
        let text = info(&module);
        assert!(
            text.contains("module reload clock --digest sha256:bb"),
            "{text}"
        );
        assert!(text.contains("not in force: `title`: too long"), "{text}");
        let same = json!({ "name": "clock", "digest": "sha256:aa", "confirmed": "sha256:aa" });
        let text = info(&same);
        assert!(
            !text.contains("changed") && !text.contains("in force"),
            "{text}"
        );
    }

    #[test]
    fn an_exit_is_told_in_words() {
        assert_eq!(exit(&json!({ "how": "code", "code": 3 })), "code 3");
        assert_eq!(exit(&json!({ "how": "stopped" })), "stopped");
        assert_eq!(exit(&json!(null)), "-");
    }
}
