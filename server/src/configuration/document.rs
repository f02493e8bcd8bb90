//! One configuration text: read, judged, its secrets taken out, its comments kept.

use std::collections::{BTreeMap, BTreeSet};

use bllvm_manifest::{ConfigProblem, ConfigSchema, Digest, parse_config, toml_to_json};
use serde_json::{Value, json};
use toml_edit::{DocumentMut, InlineTable, Item, Table};

use super::diff::{is_set_mark, join};
use crate::store::Secret;

/// A configuration that fits its schema, ready to be kept.
#[derive(Clone, PartialEq)]
pub struct Draft {
    /// The text with `{ secret = "set" }` where secrets are.
    pub text: String,
    /// The same as a value, to be shown and compared.
    pub public: Value,
    /// The configuration with its secrets, for the module alone.
    pub clear: Value,
    /// The secrets by dotted key, both newly typed and kept ones.
    pub secrets: BTreeMap<String, Value>,
}

impl std::fmt::Debug for Draft {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Draft")
            .field("public", &self.public)
            .finish_non_exhaustive()
    }
}

impl Draft {
    /// Reads and judges a text. `kept` are the secrets of the revision before: a mark
    /// `{ secret = "set" }` in the text stands for them.
    ///
    /// # Errors
    /// Every problem, each with its key and the way out.
    pub fn read(
        schema: &ConfigSchema,
        text: &[u8],
        kept: &BTreeMap<String, Value>,
    ) -> Result<Self, Vec<ConfigProblem>> {
        let table = parse_config(text).map_err(|error| vec![whole(error.to_string())])?;
        let typed_value = toml_to_json(&toml::Value::Table(table));
        let mut secrets = BTreeMap::new();
        let mut typed = BTreeSet::new();
        let mut problems = Vec::new();
        let clear = schema.replace_secrets(&typed_value, |key, value| {
            if !is_set_mark(value) {
                secrets.insert(key.to_owned(), value.clone());
                typed.insert(key.to_owned());
                return value.clone();
            }
            if let Some(secret) = kept.get(key) {
                secrets.insert(key.to_owned(), secret.clone());
                return secret.clone();
            }
            problems.push(ConfigProblem {
                pointer: String::new(),
                key: key.to_owned(),
                message: "is marked as set, but no secret is stored for it".to_owned(),
                help: "type the secret itself in place of `{ secret = \"set\" }`".to_owned(),
            });
            value.clone()
        });
        if problems.is_empty() {
            problems = schema.validate(&clear);
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        let public = schema.replace_secrets(&clear, |_, _| set_mark());
        let text = mask(text, &typed).map_err(|error| vec![whole(error)])?;
        Ok(Self {
            text,
            public,
            clear,
            secrets,
        })
    }
}

impl Draft {
    /// A text that fits no schema yet, such as defaults that lack a required key: shown, never kept.
    pub fn unjudged(schema: &ConfigSchema, text: &str) -> Self {
        let value = parse_config(text.as_bytes()).map_or(Value::Null, |table| {
            toml_to_json(&toml::Value::Table(table))
        });
        let public = schema.replace_secrets(&value, |_, _| set_mark());
        Self {
            text: text.to_owned(),
            clear: public.clone(),
            public,
            secrets: BTreeMap::new(),
        }
    }
}

pub(super) fn whole(message: String) -> ConfigProblem {
    let help =
        "mend the text and send it again; the configuration in force is untouched".to_owned();
    ConfigProblem {
        pointer: String::new(),
        key: String::new(),
        message,
        help,
    }
}

pub(super) fn set_mark() -> Value {
    json!({ "secret": "set" })
}

/// The strong entity tag of a configuration text.
pub fn etag(text: &str) -> String {
    Digest::of(text).to_hex()[..32].to_owned()
}

/// The strong entity tag of a configuration: another one where only a secret differs, too.
pub fn etag_of(text: &str, secrets: &[Secret]) -> String {
    if secrets.is_empty() {
        return etag(text);
    }
    let mut all = text.to_owned();
    for secret in secrets {
        all.push('\0');
        all.push_str(&Digest::of(&secret.ciphertext).to_hex());
    }
    etag(&all)
}

/// The line of a text, from 1, where a JSON pointer leads; of its nearest table where the key itself
/// is missing.
pub fn line_of(text: &str, pointer: &str) -> Option<usize> {
    let document = toml_edit::Document::parse(text).ok()?;
    let mut at: &dyn toml_edit::TableLike = document.as_table();
    let mut offset = None;
    for part in pointer.split('/').skip(1) {
        let part = part.replace("~1", "/").replace("~0", "~");
        let Some((key, item)) = at.get_key_value(&part) else {
            break;
        };
        offset = key
            .span()
            .or_else(|| item.span())
            .map(|span| span.start)
            .or(offset);
        match item.as_table_like() {
            Some(below) => at = below,
            None => break,
        }
    }
    let before = text.get(..offset?)?;
    Some(before.matches('\n').count() + 1)
}

/// Replaces what was typed as a secret by its mark.
fn mask(text: &[u8], typed: &BTreeSet<String>) -> Result<String, String> {
    let text = std::str::from_utf8(text).map_err(|error| error.to_string())?;
    if typed.is_empty() {
        return Ok(text.to_owned());
    }
    let mut document: DocumentMut = text
        .parse()
        .map_err(|error: toml_edit::TomlError| error.to_string())?;
    mask_table(document.as_table_mut(), "", typed);
    Ok(document.to_string())
}

fn mask_table(table: &mut Table, path: &str, typed: &BTreeSet<String>) {
    for (key, item) in table.iter_mut() {
        let path = join(path, key.get());
        mask_item(item, &path, typed);
    }
}

fn mask_item(item: &mut Item, path: &str, typed: &BTreeSet<String>) {
    if typed.contains(path) {
        *item = Item::Value(mark_value().into());
        return;
    }
    match item {
        Item::Table(table) => mask_table(table, path, typed),
        Item::ArrayOfTables(tables) => {
            for (index, table) in tables.iter_mut().enumerate() {
                mask_table(table, &format!("{path}[{index}]"), typed);
            }
        }
        Item::Value(value) => mask_value(value, path, typed),
        Item::None => {}
    }
}

fn mask_value(value: &mut toml_edit::Value, path: &str, typed: &BTreeSet<String>) {
    if typed.contains(path) {
        *value = mark_value().into();
        return;
    }
    match value {
        toml_edit::Value::Array(entries) => {
            for (index, entry) in entries.iter_mut().enumerate() {
                mask_value(entry, &format!("{path}[{index}]"), typed);
            }
        }
        toml_edit::Value::InlineTable(table) => {
            for (key, entry) in table.iter_mut() {
                let path = join(path, key.get());
                mask_value(entry, &path, typed);
            }
        }
        _ => {}
    }
}

fn mark_value() -> InlineTable {
    let mut mark = InlineTable::new();
    mark.insert("secret", "set".into());
    mark
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema() -> ConfigSchema {
        ConfigSchema::from_value(json!({
            "type": "object",
            "properties": {
                "title": { "type": "string", "default": "x" },
                "token": { "type": "string", "x-secret": true },
                "http": { "type": "object", "properties": {
                    "port": { "type": "integer", "minimum": 1, "maximum": 65535 },
                    "password": { "type": "string", "x-secret": true } } },
                "peers": { "type": "array", "items": { "type": "object", "properties": {
                    "name": { "type": "string" }, "key": { "type": "string", "x-secret": true } } } },
            },
        }))
        .unwrap()
    }

    #[test]
    fn typed_secrets_leave_the_text_and_comments_stay() {
        let text = "# mine\ntoken = \"canary-1\" # keep\n[http]\nport = 80\npassword = \"canary-2\"\n\
                    [[peers]]\nname = \"a\"\nkey = \"canary-3\"\n";
        let draft = Draft::read(&schema(), text.as_bytes(), &BTreeMap::new()).unwrap();
        assert!(!draft.text.contains("canary") && !draft.public.to_string().contains("canary"));
        assert!(draft.text.starts_with("# mine\n"));
        assert_eq!(draft.clear["peers"][0]["key"], "canary-3");
        assert_eq!(draft.secrets.len(), 3);
        assert!(!format!("{draft:?}").contains("canary"));

        let again = Draft::read(&schema(), draft.text.as_bytes(), &draft.secrets).unwrap();
        assert_eq!(again.clear, draft.clear);
        assert_eq!(again.text, draft.text);
    }

    #[test]
    fn a_mark_without_a_stored_secret_is_refused_with_the_way_out() {
        let problems =
            Draft::read(&schema(), b"token = { secret = \"set\" }", &BTreeMap::new()).unwrap_err();
        assert_eq!(problems[0].key, "token");
        assert!(problems[0].help.contains("type the secret"));
    }

    #[test]
    fn a_bad_value_names_its_key() {
        let problems =
            Draft::read(&schema(), b"[http]\nport = 70000", &BTreeMap::new()).unwrap_err();
        assert_eq!(problems[0].key, "http.port");
        let problems = Draft::read(&schema(), b"titel = 1", &BTreeMap::new()).unwrap_err();
        assert!(problems[0].key.contains("titel"));
    }

    #[test]
    fn a_problem_is_placed_on_its_line() {
        let text = "a = 1\n\n[http]\n# port\nport = 70000\n";
        assert_eq!(line_of(text, "/http/port"), Some(5));
        assert_eq!(line_of(text, "/http/missing"), Some(3));
        assert_eq!(line_of(text, "/nothing"), None);
    }
}
