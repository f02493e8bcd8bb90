//! A configuration's schema as a flat list of form fields.

use serde::Serialize;
use serde_json::{Number, Value};
use utoipa::ToSchema;

use super::place::Place;
use super::tree::Node;

/// How a field is typed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum FieldKind {
    /// One line of text.
    Text,
    /// A number.
    Number,
    /// A whole number.
    Integer,
    /// Yes or no.
    Boolean,
    /// One of `options`.
    Enum,
    /// A text that is never shown again.
    Secret,
    /// A list, typed as TOML.
    List,
    /// Anything with a structure of its own, typed as TOML.
    Object,
}

/// One key of a configuration, as a form shows it.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Field {
    /// The full dotted key.
    pub key: String,
    /// The same place as a JSON pointer.
    pub pointer: String,
    /// What people read; the key's last part where the schema has no title.
    pub title: String,
    /// What it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// How it is typed in.
    pub kind: FieldKind,
    /// The kind of a list's entries.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub items: Option<FieldKind>,
    /// What it is without being set; never given for secrets.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub default: Option<Value>,
    /// The smallest number allowed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<f64>)]
    pub minimum: Option<Number>,
    /// The largest number allowed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<f64>)]
    pub maximum: Option<Number>,
    /// The shortest text allowed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_length: Option<u64>,
    /// The longest text allowed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_length: Option<u64>,
    /// What a text must match.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pattern: Option<String>,
    /// What a text is, as the schema's `format` says: `uri`, `email`, `ipv4`, ….
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<String>,
    /// The values to choose from.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<Object>)]
    pub options: Vec<Value>,
    /// Whether it must be there whenever its section is.
    pub required: bool,
}

/// The fields below a list of nodes; sections give their own fields instead of one.
pub(super) fn flatten(nodes: &[Node<'_>], fields: &mut Vec<Field>) {
    for node in nodes {
        if node.is_section() {
            flatten(&node.children, fields);
        } else {
            fields.push(field(node));
        }
    }
}

fn field(node: &Node<'_>) -> Field {
    let place = &node.place;
    let kind = kind(place, node.default.as_ref());
    let number = |keyword: &str| match place.keyword(keyword) {
        Some(Value::Number(number)) => Some(number.clone()),
        _ => None,
    };
    let length = |keyword: &str| place.keyword(keyword).and_then(Value::as_u64);
    let text = |keyword: &str| place.text(keyword).map(str::to_owned);
    Field {
        key: node.path.dotted.clone(),
        pointer: node.path.pointer.clone(),
        title: text("title").unwrap_or_else(|| node.name.replace('_', " ")),
        description: text("description"),
        kind,
        items: match kind {
            FieldKind::List => place
                .item(place.own_items())
                .map(|item| self::kind(&item, None)),
            _ => None,
        },
        default: node.default.clone().filter(|_| kind != FieldKind::Secret),
        minimum: number("minimum").or_else(|| number("exclusiveMinimum")),
        maximum: number("maximum").or_else(|| number("exclusiveMaximum")),
        min_length: length("minLength"),
        max_length: length("maxLength"),
        pattern: text("pattern"),
        format: text("format"),
        options: if kind == FieldKind::Enum {
            place.options()
        } else {
            Vec::new()
        },
        required: node.required,
    }
}

fn kind(place: &Place<'_>, default: Option<&Value>) -> FieldKind {
    if place.is_secret() {
        return FieldKind::Secret;
    }
    let types = place.types();
    if matches!(types.as_slice(), [] | ["string" | "integer" | "number"])
        && !place.options().is_empty()
    {
        return FieldKind::Enum;
    }
    match types.as_slice() {
        ["string"] => FieldKind::Text,
        ["integer"] => FieldKind::Integer,
        ["number"] | ["integer", "number"] | ["number", "integer"] => FieldKind::Number,
        ["boolean"] => FieldKind::Boolean,
        ["array"] => FieldKind::List,
        [] => match default {
            Some(Value::String(_)) => FieldKind::Text,
            Some(Value::Bool(_)) => FieldKind::Boolean,
            Some(Value::Number(_)) => FieldKind::Number,
            Some(Value::Array(_)) => FieldKind::List,
            _ => FieldKind::Object,
        },
        _ => FieldKind::Object,
    }
}
