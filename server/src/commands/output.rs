//! What people read: tables, sizes, ages; or the node's own JSON.

use std::io::Write as _;

use serde_json::Value;

use crate::clock::{Clock as _, SystemClock};
use crate::model::UtcTime;

/// Writes a line to standard output, as `println!` does; whoever reads it may leave early.
macro_rules! out {
    ($($part:tt)*) => { $crate::commands::output::text(&format!("{}\n", format_args!($($part)*))) };
}

/// Writes a text to standard output. A reader that has left, as `head` does, ends the program
/// without a word.
pub fn text(text: &str) {
    let mut out = std::io::stdout().lock();
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    match written {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => std::process::exit(0),
        // Somewhere else to say it there is not.
        _ => {}
    }
}

/// Prints the answer as JSON.
pub fn json(value: &Value) {
    out!("{value:#}");
}

/// A field of an object as short text; `-` where there is none.
pub fn field(value: &Value, key: &str) -> String {
    short(value.pointer(&pointer(key)).unwrap_or(&Value::Null))
}

/// The items of a page.
pub fn items(page: &Value) -> &[Value] {
    page.get("items")
        .and_then(Value::as_array)
        .or_else(|| page.as_array())
        .map_or(&[], Vec::as_slice)
}

fn pointer(key: &str) -> String {
    format!("/{}", key.replace('.', "/"))
}

/// A value as short text.
pub fn short(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) if text.is_empty() => "-".to_owned(),
        Value::String(text) => text.clone(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::Array(items) if items.is_empty() => "-".to_owned(),
        Value::Array(items) => items.iter().map(short).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

/// Columns, each as wide as its widest cell; the last one runs free.
pub fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let mut widths: Vec<usize> = head.iter().map(|cell| cell.chars().count()).collect();
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let mut line = String::new();
        for (cell, width) in cells.zip(&widths) {
            let pad = width - cell.chars().count() + 2;
            line.push_str(cell);
            line.push_str(&" ".repeat(pad));
        }
        line.trim_end().to_owned()
    };
    let mut lines = vec![line(&mut head.iter().copied())];
    lines.extend(
        rows.iter()
            .map(|row| line(&mut row.iter().map(String::as_str))),
    );
    lines.join("\n")
}

/// Named values below each other.
pub fn facts(rows: &[(&str, String)]) -> String {
    let width = rows
        .iter()
        .map(|(name, _)| name.chars().count())
        .max()
        .unwrap_or(0);
    rows.iter()
        .map(|(name, value)| {
            let value = value.replace('\n', &format!("\n{}", " ".repeat(width + 2)));
            format!("{name:<width$}  {value}").trim_end().to_owned()
        })
        .collect::<Vec<_>>()
        .join("\n")
}

/// A number of bytes for people.
pub fn size(bytes: u64) -> String {
    let mut whole = bytes;
    let mut tenth = 0;
    for unit in ["B", "KiB", "MiB", "GiB"] {
        if whole < 1024 {
            return if unit == "B" {
                format!("{whole} B")
            } else {
                format!("{whole}.{tenth} {unit}")
            };
        }
        tenth = whole % 1024 * 10 / 1024;
        whole /= 1024;
    }
    format!("{whole}.{tenth} TiB")
}

/// How long ago a moment was.
pub fn age(time: &str) -> String {
    let now = SystemClock.now();
    time.parse().map_or_else(
        |_| time.to_owned(),
        |then: UtcTime| span(now.unix_ms() - then.unix_ms()),
    )
}

/// A span of time in its largest unit.
pub fn span(ms: i64) -> String {
    let seconds = ms.max(0) / 1000;
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", seconds / 60),
        3600..86_400 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86_400),
    }
}

/// One row of a table out of an object's fields; times become ages.
pub fn row(value: &Value, keys: &[&str]) -> Vec<String> {
    keys.iter()
        .map(|key| match key.strip_prefix('~') {
            Some(key) => match value.pointer(&pointer(key)).and_then(Value::as_str) {
                Some(time) => age(time),
                None => "-".to_owned(),
            },
            None => field(value, key),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_straight_columns() {
        let rows = vec![
            vec!["block-clock".to_owned(), "running".to_owned()],
            vec!["é".to_owned(), "-".to_owned()],
        ];
        assert_eq!(
            table(&["NAME", "STATE"], &rows),
            "NAME         STATE\nblock-clock  running\né            -"
        );
    }

    #[test]
    fn sizes_and_spans_are_in_their_largest_unit() {
        assert_eq!(size(0), "0 B");
        assert_eq!(size(1536), "1.5 KiB");
        assert_eq!(size(5 << 30), "5.0 GiB");
        assert_eq!(size(3 << 40), "3.0 TiB");
        assert_eq!(span(-5), "0 s");
        assert_eq!(span(61_000), "1 min");
        assert_eq!(span(90_000_000), "1 d");
    }

    #[test]
    fn fields_are_short_text() {
        let value = serde_json::json!({ "a": { "b": [1, "x"] }, "none": null, "yes": true });
        assert_eq!(
            row(&value, &["a.b", "none", "yes", "missing"]),
            ["1, x", "-", "yes", "-"]
        );
    }
}
