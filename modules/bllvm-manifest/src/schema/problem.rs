//! What a validator finds, in words for the person who typed it, and without
//! the secrets they typed.

use std::fmt;

use jsonschema::ValidationError;
use jsonschema::error::{TypeKind, ValidationErrorKind as Kind};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::key::KeyPath;
use super::place::{Lookup, Place};

/// One thing that is wrong in a configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ConfigProblem {
    /// Where, as a JSON pointer.
    pub pointer: String,
    /// Where, as a dotted key; empty for the configuration as a whole.
    pub key: String,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub help: String,
}

impl ConfigProblem {
    pub(super) fn unknown_key(path: KeyPath, help: String) -> Self {
        let message = "is not known here".to_owned();
        Self {
            pointer: path.pointer,
            key: path.dotted,
            message,
            help,
        }
    }
}

impl fmt::Display for ConfigProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = if self.key.is_empty() {
            "the configuration"
        } else {
            &self.key
        };
        write!(f, "`{key}` {}", self.message)?;
        if self.help.is_empty() {
            Ok(())
        } else {
            write!(f, " ({})", self.help)
        }
    }
}

/// Puts what a validator found into words. Errors in one alternative of several are
/// told as they are where it is clear which one was meant.
pub(super) fn explain(
    root: &Value,
    value: &Value,
    error: &ValidationError<'_>,
) -> Vec<ConfigProblem> {
    let context = match error.kind() {
        Kind::AnyOf { context } | Kind::OneOfNotValid { context } => context,
        Kind::AdditionalProperties { unexpected } | Kind::UnevaluatedProperties { unexpected } => {
            return unexpected
                .iter()
                .map(|key| unexpected_key(root, value, error, key))
                .collect();
        }
        // "No key at all" is reported once for the whole object.
        Kind::FalseSchema if error.schema_path().as_str().ends_with("Properties") => {
            let keys = error
                .instance()
                .as_object()
                .into_iter()
                .flat_map(|object| object.keys());
            return keys
                .map(|key| unexpected_key(root, value, error, key))
                .collect();
        }
        _ => return vec![one(root, value, error)],
    };
    // A branch that fails by its type was not meant.
    let here = error.instance_path().as_str();
    let mut meant = context.iter().filter(|branch| {
        !branch.iter().any(|inner| {
            inner.instance_path().as_str() == here
                && matches!(inner.kind(), Kind::Type { .. } | Kind::Constant { .. })
        })
    });
    match (meant.next(), meant.next()) {
        (Some(branch), None) => branch
            .iter()
            .flat_map(|inner| explain(root, value, inner))
            .collect(),
        _ => vec![one(root, value, error)],
    }
}

pub(super) fn one(root: &Value, value: &Value, error: &ValidationError<'_>) -> ConfigProblem {
    let (mut path, mut place, mut secret) = locate(root, value, error.instance_path().as_str());
    if let Kind::Required { property } = error.kind()
        && let Some(name) = property.as_str()
    {
        (path, place, secret) = step(&path, place.as_ref(), secret, name);
    }
    let help = place.as_ref().map(help).unwrap_or_default();
    let message = message(error, secret);
    ConfigProblem {
        pointer: path.pointer,
        key: path.dotted,
        message,
        help,
    }
}

fn unexpected_key(
    root: &Value,
    value: &Value,
    error: &ValidationError<'_>,
    key: &str,
) -> ConfigProblem {
    let path = locate(root, value, error.instance_path().as_str())
        .0
        .child(key);
    ConfigProblem::unknown_key(path, "remove it or correct its spelling".to_owned())
}

/// Follows a pointer through value and schema together.
fn locate<'s>(root: &'s Value, value: &Value, pointer: &str) -> (KeyPath, Option<Place<'s>>, bool) {
    let place = Place::root(root);
    let secret = place.is_secret();
    let mut at = (KeyPath::default(), Some(place), secret);
    let mut value = Some(value);
    for part in pointer.split('/').skip(1) {
        let part = part.replace("~1", "/").replace("~0", "~");
        if let Some(Value::Array(items)) = value
            && let Ok(index) = part.parse::<usize>()
        {
            let place = at.1.as_ref().and_then(|place| place.item(index));
            let secret = at.2 || place.as_ref().is_some_and(Place::is_secret);
            at = (at.0.item(index), place, secret);
            value = items.get(index);
        } else {
            at = step(&at.0, at.1.as_ref(), at.2, &part);
            value = value.and_then(|value| value.get(&part));
        }
    }
    at
}

fn step<'s>(
    path: &KeyPath,
    place: Option<&Place<'s>>,
    secret: bool,
    key: &str,
) -> (KeyPath, Option<Place<'s>>, bool) {
    let below = match place.map(|place| place.lookup(key)) {
        Some(Lookup::Known(below)) => Some(below),
        _ => None,
    };
    let secret = secret || below.as_ref().is_some_and(Place::is_secret);
    (path.child(key), below, secret)
}

fn message(error: &ValidationError<'_>, secret: bool) -> String {
    match error.kind() {
        Kind::Required { .. } => "is missing".to_owned(),
        Kind::Type { kind } => {
            let found = kind_of(error.instance());
            format!("expected {}, found {found}", expected(kind))
        }
        Kind::Enum { options } => match options.as_array() {
            Some(options) => {
                let options: Vec<String> = options.iter().map(Value::to_string).collect();
                format!("must be one of {}", options.join(", "))
            }
            None => error.masked().to_string(),
        },
        Kind::Minimum { limit } => format!("must be at least {limit}"),
        Kind::Maximum { limit } => format!("must be at most {limit}"),
        Kind::ExclusiveMinimum { limit } => format!("must be more than {limit}"),
        Kind::ExclusiveMaximum { limit } => format!("must be less than {limit}"),
        Kind::MinLength { limit } => format!("must have at least {limit} characters"),
        Kind::MaxLength { limit } => format!("must have at most {limit} characters"),
        Kind::Pattern { pattern } => format!("must match the pattern {pattern}"),
        Kind::Format { format } => format!("is no valid {format}"),
        Kind::MinItems { limit } => format!("must have at least {limit} entries"),
        Kind::MaxItems { limit } => format!("must have at most {limit} entries"),
        Kind::UniqueItems => "has an entry twice".to_owned(),
        _ => match error.instance().as_ref() {
            // What is larger may hold secrets somewhere inside.
            Value::Object(_) | Value::Array(_) => error.masked().to_string(),
            _ if secret => error.masked().to_string(),
            _ => error.to_string(),
        },
    }
}

fn expected(kind: &TypeKind) -> String {
    match kind {
        TypeKind::Single(only) => only.to_string(),
        TypeKind::Multiple(several) => {
            let names: Vec<String> = several.iter().map(|one| one.to_string()).collect();
            names.join(" or ")
        }
    }
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// What the schema says the key is for, and what it would be by default.
fn help(place: &Place<'_>) -> String {
    let about = place.text("description").or_else(|| place.text("title"));
    let about = about
        .and_then(|text| text.lines().next())
        .map(str::to_owned);
    let default = place
        .keyword("default")
        .filter(|value| !value.is_null() && !place.is_secret());
    let default = default.map(|value| format!("default: {value}"));
    [about, default]
        .into_iter()
        .flatten()
        .collect::<Vec<_>>()
        .join("; ")
}
