//! What a JSON Schema says about one place of a configuration. Several objects
//! may speak about the same place (`$ref`, `allOf`, `anyOf`, …); a [`Place`]
//! gathers them, and nothing else in this crate follows references.

use jsonschema::PatternOptions;
use serde_json::{Map, Value, json};

/// So many schema objects may speak about one place; a hostile schema has more.
const MAX_LAYERS: usize = 256;

/// Everything that is said about one place.
#[derive(Clone, Debug)]
pub(super) struct Place<'s> {
    root: &'s Value,
    /// What holds in any case: the node, its `$ref`, `allOf`, and a sole alternative.
    certain: Vec<&'s Map<String, Value>>,
    /// Certain ones first, then alternatives.
    all: Vec<&'s Map<String, Value>>,
    is_root: bool,
}

/// What a schema says about a key of an object.
#[derive(Debug)]
pub(super) enum Lookup<'s> {
    /// The key is described.
    Known(Place<'s>),
    /// Any key is welcome here.
    Free,
    /// The key is not among those described.
    Unknown,
}

impl<'s> Place<'s> {
    pub(super) fn root(root: &'s Value) -> Self {
        Self {
            is_root: true,
            ..Self::of(root, vec![root])
        }
    }

    fn of(root: &'s Value, nodes: Vec<&'s Value>) -> Self {
        let mut certain = Vec::new();
        let mut alternatives = Vec::new();
        gather(root, nodes, &mut certain, Some(&mut alternatives));
        let mut all = certain.clone();
        gather(root, alternatives, &mut all, None);
        Self {
            root,
            certain,
            all,
            is_root: false,
        }
    }

    /// The first value of a keyword among what holds in any case.
    pub(super) fn keyword(&self, keyword: &str) -> Option<&'s Value> {
        self.certain.iter().find_map(|layer| layer.get(keyword))
    }

    /// The first text of a keyword among what holds in any case.
    pub(super) fn text(&self, keyword: &str) -> Option<&'s str> {
        self.certain
            .iter()
            .find_map(|layer| layer.get(keyword)?.as_str())
    }

    /// Whether a value here must not be shown.
    pub(super) fn is_secret(&self) -> bool {
        let marked = |layer: &Map<String, Value>| {
            ["x-secret", "writeOnly"]
                .iter()
                .any(|mark| layer.get(*mark) == Some(&Value::Bool(true)))
        };
        self.all.iter().any(|layer| marked(layer))
    }

    /// The types a value here may have, without `null`.
    pub(super) fn types(&self) -> Vec<&'s str> {
        let mut types = Vec::new();
        for value in self.all.iter().filter_map(|layer| layer.get("type")) {
            let named = match value {
                Value::Array(many) => many.iter().collect(),
                one => vec![one],
            };
            for one in named.into_iter().filter_map(Value::as_str) {
                if one != "null" && !types.contains(&one) {
                    types.push(one);
                }
            }
        }
        types
    }

    /// The only values allowed, where the schema lists them.
    pub(super) fn options(&self) -> Vec<Value> {
        let mut options: Vec<Value> = Vec::new();
        let listed = self
            .all
            .iter()
            .filter_map(|layer| layer.get("enum")?.as_array())
            .flatten();
        let constant = self.all.iter().filter_map(|layer| layer.get("const"));
        for option in listed
            .chain(constant)
            .filter(|option| !option.is_null())
            .take(MAX_LAYERS)
        {
            if !options.contains(option) {
                options.push(option.clone());
            }
        }
        options
    }

    /// The names of the properties described here, each once.
    pub(super) fn property_names(&self) -> Vec<&'s str> {
        let mut names: Vec<&str> = Vec::new();
        for properties in self
            .all
            .iter()
            .filter_map(|layer| layer.get("properties")?.as_object())
        {
            for name in properties.keys() {
                if names.len() < MAX_LAYERS && !names.contains(&name.as_str()) {
                    names.push(name);
                }
            }
        }
        names
    }

    /// Whether an object here must have this key.
    pub(super) fn requires(&self, key: &str) -> bool {
        self.certain
            .iter()
            .filter_map(|layer| layer.get("required")?.as_array())
            .flatten()
            .any(|name| name.as_str() == Some(key))
    }

    /// What is said about one key.
    pub(super) fn lookup(&self, key: &str) -> Lookup<'s> {
        let mut hits = Vec::new();
        let mut describes = self.is_root;
        for layer in &self.all {
            if let Some(properties) = layer.get("properties").and_then(Value::as_object) {
                describes = true;
                hits.extend(properties.get(key));
            }
            if let Some(patterns) = layer.get("patternProperties").and_then(Value::as_object) {
                describes = true;
                let matching = patterns.iter().filter(|(pattern, _)| matches(pattern, key));
                hits.extend(matching.map(|(_, schema)| schema));
            }
        }
        if !hits.is_empty() {
            return Lookup::Known(Self::of(self.root, hits));
        }
        match self.rest() {
            Rest::Described(schemas) => Lookup::Known(Self::of(self.root, schemas)),
            Rest::Refused => Lookup::Unknown,
            Rest::Unsaid if describes => Lookup::Unknown,
            Rest::Free | Rest::Unsaid => Lookup::Free,
        }
    }

    /// What is said about the keys of the author's choice, as in a map.
    pub(super) fn any_key(&self) -> Option<Place<'s>> {
        match self.rest() {
            Rest::Described(schemas) => Some(Self::of(self.root, schemas)),
            _ => None,
        }
    }

    /// What is said about an entry of a list.
    pub(super) fn item(&self, index: usize) -> Option<Place<'s>> {
        let nodes: Vec<&Value> = self
            .all
            .iter()
            .filter_map(|layer| {
                let first = layer.get("prefixItems").and_then(Value::as_array);
                first
                    .and_then(|items| items.get(index))
                    .or_else(|| layer.get("items"))
            })
            .collect();
        (!nodes.is_empty()).then(|| Self::of(self.root, nodes))
    }

    /// How many first entries of a list have a description of their own.
    pub(super) fn own_items(&self) -> usize {
        let lists = self
            .all
            .iter()
            .filter_map(|layer| layer.get("prefixItems")?.as_array());
        lists.map(Vec::len).max().unwrap_or(0).min(MAX_LAYERS)
    }

    fn rest(&self) -> Rest<'s> {
        let mut said = Rest::Unsaid;
        let mut schemas = Vec::new();
        for keyword in ["additionalProperties", "unevaluatedProperties"] {
            for value in self.all.iter().filter_map(|layer| layer.get(keyword)) {
                match value {
                    Value::Object(schema) if !schema.is_empty() => schemas.push(value),
                    Value::Bool(false) => {
                        if matches!(said, Rest::Unsaid) {
                            said = Rest::Refused;
                        }
                    }
                    _ => said = Rest::Free,
                }
            }
        }
        if schemas.is_empty() {
            said
        } else {
            Rest::Described(schemas)
        }
    }
}

enum Rest<'s> {
    Described(Vec<&'s Value>),
    Free,
    Refused,
    Unsaid,
}

/// Adds the nodes and all that they refer to. Alternatives go to `alternatives`, or,
/// where there is no such list, are added as well.
fn gather<'s>(
    root: &'s Value,
    nodes: Vec<&'s Value>,
    layers: &mut Vec<&'s Map<String, Value>>,
    mut alternatives: Option<&mut Vec<&'s Value>>,
) {
    let mut queue = nodes;
    let mut next = 0;
    while let Some(node) = queue.get(next).copied() {
        next += 1;
        let Some(layer) = node.as_object() else {
            continue;
        };
        if layers.len() >= MAX_LAYERS || queue.len() >= 16 * MAX_LAYERS {
            return;
        }
        if layers.iter().any(|known| std::ptr::eq(*known, layer)) {
            continue;
        }
        layers.push(layer);
        queue.extend(layer.get("$ref").and_then(|target| resolve(root, target)));
        queue.extend(list(layer, "allOf"));
        for keyword in ["anyOf", "oneOf"] {
            let branches: Vec<&Value> = list(layer, keyword).filter(|b| !is_null(b)).collect();
            match (branches.as_slice(), alternatives.as_deref_mut()) {
                ([_] | [], _) | (_, None) => queue.extend(branches),
                (_, Some(alternatives)) => alternatives.extend(branches),
            }
        }
        let dependent = layer.get("dependentSchemas").and_then(Value::as_object);
        let conditional = ["then", "else"]
            .into_iter()
            .filter_map(|keyword| layer.get(keyword));
        let conditional = conditional.chain(dependent.into_iter().flat_map(Map::values));
        match alternatives.as_deref_mut() {
            Some(alternatives) => alternatives.extend(conditional),
            None => queue.extend(conditional),
        }
    }
}

fn list<'s>(layer: &'s Map<String, Value>, keyword: &str) -> impl Iterator<Item = &'s Value> {
    layer
        .get(keyword)
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
}

/// Whether a branch only says "or nothing", which TOML expresses by leaving the key out.
fn is_null(branch: &Value) -> bool {
    branch.get("type").and_then(Value::as_str) == Some("null")
        || branch.get("const").is_some_and(Value::is_null)
}

/// Follows a reference inside the document; there are no others, the compiler refused them.
fn resolve<'s>(root: &'s Value, target: &Value) -> Option<&'s Value> {
    let pointer = target.as_str()?.strip_prefix('#')?;
    root.pointer(&percent_decoded(pointer))
}

fn percent_decoded(pointer: &str) -> String {
    let mut bytes = Vec::with_capacity(pointer.len());
    let mut rest = pointer.as_bytes();
    while let [first, tail @ ..] = rest {
        let code = tail.get(..2).and_then(|digits| hex::decode(digits).ok());
        if let (b'%', Some([byte])) = (first, code.as_deref()) {
            bytes.push(*byte);
            rest = &tail[2..];
        } else {
            bytes.push(*first);
            rest = tail;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn matches(pattern: &str, key: &str) -> bool {
    jsonschema::draft202012::options()
        .with_pattern_options(PatternOptions::regex())
        .build(&json!({ "pattern": pattern }))
        .is_ok_and(|validator| validator.is_valid(&json!(key)))
}
