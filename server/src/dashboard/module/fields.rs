//! A configuration as a form, and the form as a configuration.

use std::collections::BTreeMap;

use bllvm_manifest::{
    ConfigProblem, Field as Asked, FieldKind as AskedKind, json_to_toml, toml_to_json,
};
use bllvm_web::parts::{Choice, Field, FieldKind, Section};
use serde_json::{Map, Number, Value};

use crate::control::ConfigView;
use crate::dashboard::form::Fields;
use crate::dashboard::present::{capital, sentence};

/// The control's prefix, so that keys can't be taken for the form's own fields.
const PREFIX: &str = "c.";

/// The form for a configuration.
pub fn sections(view: &ConfigView) -> Vec<Section> {
    let mut sections: Vec<(String, Section)> = Vec::new();
    for asked in &view.fields {
        let parent = asked
            .pointer
            .rsplit_once('/')
            .map_or("", |(parent, _)| parent);
        let shown = shown(asked, &view.json);
        match sections.iter_mut().find(|(pointer, _)| pointer == parent) {
            Some((_, section)) => section.fields.push(shown),
            None => sections.push((parent.to_owned(), heading(view, parent, shown))),
        }
    }
    sections.into_iter().map(|(_, section)| section).collect()
}

/// A section with its first field; title and description are the schema's, else the key.
fn heading(view: &ConfigView, parent: &str, first: Field) -> Section {
    let mut schema = &view.schema;
    for part in parent.split('/').skip(1) {
        schema = &schema["properties"][part.replace("~1", "/").replace("~0", "~")];
    }
    let text = |name: &str| schema[name].as_str().map(str::to_owned);
    let key = parent.rsplit('/').next().unwrap_or_default();
    let is_top = parent.is_empty();
    Section {
        title: text("title")
            .filter(|_| !is_top)
            .unwrap_or_else(|| capital(key)),
        description: text("description").filter(|_| !is_top).unwrap_or_default(),
        fields: vec![first],
    }
}

fn shown(asked: &Asked, json: &Value) -> Field {
    let value = json.pointer(&asked.pointer);
    let limit = |number: &Option<Number>, length: Option<u64>| {
        number
            .as_ref()
            .map(ToString::to_string)
            .or(length.map(|length| length.to_string()))
    };
    let title = if asked.title == asked.key || !asked.title.contains(char::is_uppercase) {
        capital(&asked.title)
    } else {
        asked.title.clone()
    };
    let current = text_now(asked, json);
    let kind = kind(asked);
    Field {
        description: asked
            .description
            .as_deref()
            .map(sentence)
            .unwrap_or_default(),
        default: asked
            .default
            .as_ref()
            .map(|value| text_of(asked, value))
            .unwrap_or_default(),
        min: limit(&asked.minimum, asked.min_length),
        max: limit(&asked.maximum, asked.max_length),
        pattern: asked.pattern.clone(),
        options: asked
            .options
            .iter()
            .map(|option| {
                let text = text_of(asked, option);
                let selected = text == current;
                Choice::plain(text, selected)
            })
            .collect(),
        required: asked.required && !matches!(kind, FieldKind::Toggle | FieldKind::Secret),
        secret_set: kind == FieldKind::Secret && value.is_some_and(|value| !value.is_null()),
        kind,
        ..Field::text(asked.key.clone(), title, current)
    }
}

fn kind(asked: &Asked) -> FieldKind {
    match asked.kind {
        // Several lines of text; the schema says so by its `format`.
        AskedKind::Text if asked.format.as_deref() == Some("multi-line") => FieldKind::Raw,
        AskedKind::Text => FieldKind::Text,
        AskedKind::Number => FieldKind::Number,
        AskedKind::Integer => FieldKind::Integer,
        AskedKind::Boolean => FieldKind::Toggle,
        AskedKind::Enum => FieldKind::Choice,
        AskedKind::Secret => FieldKind::Secret,
        AskedKind::List if is_lines(asked) => FieldKind::Lines,
        AskedKind::List | AskedKind::Object => FieldKind::Raw,
    }
}

/// Whether a list is typed one entry a line.
fn is_lines(asked: &Asked) -> bool {
    matches!(
        asked.items,
        Some(AskedKind::Text | AskedKind::Enum | AskedKind::Integer | AskedKind::Number)
    )
}

/// The text that the control shows for what holds now.
fn text_now(asked: &Asked, json: &Value) -> String {
    let value = json.pointer(&asked.pointer).or(asked.default.as_ref());
    match (value, asked.kind) {
        (_, AskedKind::Secret) => String::new(),
        (Some(value), _) => text_of(asked, value),
        (None, AskedKind::Boolean) => "false".to_owned(),
        (None, _) => String::new(),
    }
}

fn text_of(asked: &Asked, value: &Value) -> String {
    match (asked.kind, value) {
        (AskedKind::Secret, _) | (_, Value::Null) => String::new(),
        (AskedKind::List, Value::Array(items)) if is_lines(asked) => {
            let lines: Vec<_> = items.iter().map(plain).collect();
            lines.join("\n")
        }
        (AskedKind::List | AskedKind::Object, value) => as_toml(value),
        (_, value) => plain(value),
    }
}

fn plain(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

fn as_toml(value: &Value) -> String {
    json_to_toml(value).map_or_else(|| value.to_string(), |value| value.to_string())
}

/// The configuration that a form asks for, or what is wrong by key.
///
/// A control that still shows what holds now leaves its key as it is: set, or not set at all.
///
/// # Errors
/// What cannot be read, as a list of key and message.
pub fn read(view: &ConfigView, fields: &Fields) -> Result<Value, Vec<(String, String)>> {
    read_from(&view.fields, &view.json, fields)
}

/// The parameters of a method that a form asks for, or what is wrong by key.
///
/// # Errors
/// What cannot be read, as a list of key and message.
pub fn params(asked: &[Asked], fields: &Fields) -> Result<Value, Vec<(String, String)>> {
    read_from(asked, &Value::Object(Map::new()), fields)
}

/// The controls for a method's parameters, with what they begin with.
pub fn of_params(asked: &[Asked], values: &BTreeMap<String, String>, scope: &str) -> Section {
    let mut json = Value::Object(Map::new());
    for one in asked {
        let typed = values.get(&one.key).map(|text| value_of(one, text));
        if let Some(Ok(Some(value))) = typed {
            set(&mut json, &one.pointer, value);
        }
    }
    let controls = asked.iter().map(|one| Field {
        scope: scope.to_owned(),
        ..shown(one, &json)
    });
    Section {
        title: String::new(),
        description: String::new(),
        fields: controls.collect(),
    }
}

fn read_from(
    all: &[Asked],
    before: &Value,
    fields: &Fields,
) -> Result<Value, Vec<(String, String)>> {
    let mut json = before.clone();
    let mut faults = Vec::new();
    for asked in all {
        match wanted(asked, before, fields) {
            Ok(Wanted::Same) => {}
            Ok(Wanted::Gone) => remove(&mut json, &asked.pointer),
            Ok(Wanted::Set(value)) => set(&mut json, &asked.pointer, value),
            Err(message) => faults.push((asked.key.clone(), message)),
        }
    }
    if faults.is_empty() {
        Ok(json)
    } else {
        Err(faults)
    }
}

enum Wanted {
    Same,
    Gone,
    Set(Value),
}

fn wanted(asked: &Asked, json: &Value, fields: &Fields) -> Result<Wanted, String> {
    let control = format!("{PREFIX}{}", asked.key);
    let typed = fields.find(&control).map(|text| text.replace("\r\n", "\n"));
    let typed = match (asked.kind, typed) {
        (AskedKind::Secret, typed) => {
            return Ok(match typed {
                Some(secret) if !secret.is_empty() => Wanted::Set(secret.into()),
                _ if fields.all("clear").any(|key| key == asked.key) => Wanted::Gone,
                _ => Wanted::Same,
            });
        }
        // A box that is not ticked sends nothing.
        (AskedKind::Boolean, None) => "false".to_owned(),
        (_, None) => return Ok(Wanted::Same),
        (_, Some(text)) => text,
    };
    if typed == text_now(asked, json) {
        return Ok(Wanted::Same);
    }
    value_of(asked, &typed).map(|value| value.map_or(Wanted::Gone, Wanted::Set))
}

/// What a text stands for; nothing where it is empty and need not be there.
fn value_of(asked: &Asked, typed: &str) -> Result<Option<Value>, String> {
    let trimmed = typed.trim();
    match asked.kind {
        AskedKind::Text | AskedKind::Secret => {
            let unset = typed.is_empty() && !asked.required && asked.default.is_none();
            Ok((!unset).then(|| typed.into()))
        }
        AskedKind::Boolean => Ok(Some((trimmed == "true").into())),
        AskedKind::Integer | AskedKind::Number if trimmed.is_empty() => Ok(None),
        AskedKind::Integer => whole(trimmed).map(Some),
        AskedKind::Number => number(trimmed).map(Some),
        AskedKind::Enum => {
            let option = asked.options.iter().find(|option| plain(option) == typed);
            option.cloned().map(Some).ok_or_else(|| {
                let known: Vec<_> = asked.options.iter().map(plain).collect();
                format!("Choose one of {}.", known.join(", "))
            })
        }
        AskedKind::List if is_lines(asked) => {
            let lines = typed.lines().map(str::trim).filter(|line| !line.is_empty());
            let items = lines.map(|line| match asked.items {
                Some(AskedKind::Integer) => whole(line),
                Some(AskedKind::Number) => number(line),
                _ => Ok(line.into()),
            });
            items
                .collect::<Result<Vec<_>, _>>()
                .map(|items| Some(items.into()))
        }
        AskedKind::List | AskedKind::Object if trimmed.is_empty() => Ok(None),
        AskedKind::List | AskedKind::Object => from_toml(trimmed).map(Some),
    }
}

fn whole(text: &str) -> Result<Value, String> {
    text.parse::<i64>()
        .map(Value::from)
        .map_err(|_| format!("“{text}” is no whole number; write digits alone, such as 8490."))
}

fn number(text: &str) -> Result<Value, String> {
    if let Ok(whole) = text.parse::<i64>() {
        return Ok(whole.into());
    }
    let parsed = text.parse::<f64>().ok().and_then(Number::from_f64);
    parsed
        .map(Value::Number)
        .ok_or_else(|| format!("“{text}” is no number; write it as 2.5."))
}

fn from_toml(text: &str) -> Result<Value, String> {
    let parsed = format!("value = {text}").parse::<toml::Table>();
    let table = parsed.map_err(|error| format!("This is no TOML value: {}.", error.message()))?;
    match table.get("value") {
        Some(value) if table.len() == 1 => Ok(toml_to_json(value)),
        _ => Err("Write one TOML value.".to_owned()),
    }
}

fn steps(pointer: &str) -> Vec<String> {
    pointer
        .split('/')
        .skip(1)
        .map(|part| part.replace("~1", "/").replace("~0", "~"))
        .collect()
}

fn set(json: &mut Value, pointer: &str, value: Value) {
    let mut place = json;
    for step in steps(pointer) {
        if !place.is_object() {
            *place = Value::Object(Map::new());
        }
        place = &mut place[step];
    }
    *place = value;
}

fn remove(json: &mut Value, pointer: &str) {
    let mut steps = steps(pointer);
    let Some(last) = steps.pop() else { return };
    let parent = steps
        .iter()
        .try_fold(json, |place, step| place.get_mut(step));
    if let Some(parent) = parent.and_then(Value::as_object_mut) {
        parent.remove(&last);
    }
}

/// Puts what was typed back into the form. Secrets are not shown again.
pub fn keep(sections: &mut [Section], fields: &Fields) {
    for field in sections.iter_mut().flat_map(|section| &mut section.fields) {
        let typed = fields.find(&format!("{PREFIX}{}", field.key));
        match (&field.kind, typed) {
            (FieldKind::Secret, _) => {}
            (FieldKind::Toggle, typed) => field.value = typed.unwrap_or("false").to_owned(),
            (_, Some(typed)) => field.value = typed.replace("\r\n", "\n"),
            (_, None) => {}
        }
        for option in &mut field.options {
            option.selected = option.value == field.value;
        }
    }
}

/// Puts problems to their fields; those that belong to none come back.
pub fn blame(
    sections: &mut [Section],
    asked: &[Asked],
    problems: &[ConfigProblem],
) -> Vec<ConfigProblem> {
    let mut homeless = Vec::new();
    for problem in problems {
        let owner = asked
            .iter()
            .filter(|one| belongs(problem, one))
            .max_by_key(|one| one.pointer.len());
        let field = owner.and_then(|owner| {
            let mut fields = sections.iter_mut().flat_map(|section| &mut section.fields);
            fields.find(|field| field.key == owner.key)
        });
        let Some(field) = field else {
            homeless.push(problem.clone());
            continue;
        };
        // The field's description stands beside it already.
        let known = &field.description;
        let repeats = !known.is_empty() && problem.help.contains(known.trim_end_matches('.'));
        let told = if repeats {
            sentence(&problem.message)
        } else {
            told(problem)
        };
        field.error = Some(match field.error.take() {
            Some(before) => format!("{before} {told}"),
            None => told,
        });
    }
    homeless
}

fn belongs(problem: &ConfigProblem, asked: &Asked) -> bool {
    if problem.key == asked.key && !problem.key.is_empty() {
        return true;
    }
    problem
        .pointer
        .strip_prefix(asked.pointer.as_str())
        .is_some_and(|rest| {
            !problem.pointer.is_empty() && (rest.is_empty() || rest.starts_with('/'))
        })
}

/// A problem in words.
pub fn told(problem: &ConfigProblem) -> String {
    format!("{} {}", sentence(&problem.message), sentence(&problem.help))
        .trim()
        .to_owned()
}
