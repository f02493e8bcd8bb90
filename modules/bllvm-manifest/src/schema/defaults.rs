//! The first `config.toml`: every default of the schema, each below its
//! description, and what has no default as a comment to fill in.

use serde_json::Value;

use super::convert::json_to_toml;
use super::key::quoted;
use super::place::Place;
use super::tree::{Node, nodes};

/// Lines of a section, and what is known about them.
struct Block {
    lines: Vec<Line>,
    /// Some key has a value.
    set: bool,
    /// No required key lacks one.
    complete: bool,
}

enum Line {
    Comment(String),
    Setting(String),
}

/// The text of a schema's defaults.
pub(super) fn render(root: &Value) -> String {
    let place = Place::root(root);
    let mut text = String::new();
    for line in about(&place, None) {
        push(&mut text, &line);
    }
    for line in block(&nodes(root)).lines {
        push(&mut text, &line);
    }
    text
}

fn push(text: &mut String, line: &Line) {
    match line {
        Line::Comment(comment) if comment.is_empty() => {}
        Line::Comment(comment) => {
            text.push_str("# ");
            text.push_str(comment);
        }
        Line::Setting(setting) => text.push_str(setting),
    }
    text.push('\n');
}

fn block(nodes: &[Node<'_>]) -> Block {
    let mut all = Block {
        lines: Vec::new(),
        set: false,
        complete: true,
    };
    for node in nodes.iter().filter(|node| !node.is_section()) {
        all.lines.push(Line::Comment(String::new()));
        all.lines.extend(about(
            &node.place,
            Some(node.required && node.default.is_none()),
        ));
        setting(node, &mut all);
    }
    for node in nodes.iter().filter(|node| node.is_section()) {
        section(node, &mut all);
    }
    all
}

fn setting(node: &Node<'_>, all: &mut Block) {
    let key = quoted(node.name);
    let secret = node.place.is_secret();
    // A secret's default would stand in the file for everybody to read.
    let default = node
        .default
        .as_ref()
        .filter(|_| !secret)
        .and_then(json_to_toml);
    if let Some(value) = default {
        all.lines.push(Line::Setting(format!("{key} = {value}")));
        all.set = true;
        return;
    }
    all.complete &= !node.required;
    let example = node
        .place
        .keyword("examples")
        .and_then(|examples| examples.get(0));
    let example = example.filter(|_| !secret).and_then(json_to_toml);
    let example = example.map_or_else(|| empty(&node.place).to_owned(), |value| value.to_string());
    for (index, line) in example.lines().enumerate() {
        let line = if index == 0 {
            format!("{key} = {line}")
        } else {
            line.to_owned()
        };
        all.lines.push(Line::Comment(line));
    }
}

fn section(node: &Node<'_>, all: &mut Block) {
    let inner = block(&node.children);
    // An optional section that lacks a required key would be refused as it stands.
    let live = node.required || (inner.set && inner.complete);
    all.lines.push(Line::Comment(String::new()));
    all.lines.extend(about(&node.place, None));
    let header = format!("[{}]", node.path.dotted);
    all.lines.push(if live {
        Line::Setting(header)
    } else {
        Line::Comment(header)
    });
    for line in inner.lines {
        match line {
            Line::Setting(setting) if !live => {
                all.lines
                    .extend(setting.lines().map(|line| Line::Comment(line.to_owned())));
            }
            other => all.lines.push(other),
        }
    }
    all.set |= live;
    all.complete &= inner.complete || !live;
}

/// Title or description, one comment for each line of it.
fn about(place: &Place<'_>, missing: Option<bool>) -> Vec<Line> {
    let text = place
        .text("description")
        .or_else(|| place.text("title"))
        .unwrap_or_default();
    let mut lines: Vec<Line> = text
        .lines()
        .map(|line| line.chars().filter(|c| !c.is_control()).collect::<String>())
        .filter(|line| !line.trim().is_empty())
        .map(Line::Comment)
        .collect();
    if missing == Some(true) {
        lines.push(Line::Comment(
            "Required: nothing works without a value here.".to_owned(),
        ));
    }
    if missing.is_some() && place.is_secret() {
        lines.push(Line::Comment(
            "Secret: taken out of this file once it was read.".to_owned(),
        ));
    }
    lines
}

/// A value of the right shape, to type over.
fn empty(place: &Place<'_>) -> &'static str {
    match place.types().first() {
        Some(&"integer") => "0",
        Some(&"number") => "0.0",
        Some(&"boolean") => "false",
        Some(&"array") => "[]",
        Some(&"object") => "{}",
        _ => "\"\"",
    }
}
