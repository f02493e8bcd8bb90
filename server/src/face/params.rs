//! Parameters of a method, by position or by name, with Bitcoin Core's words where they do not fit.

use std::collections::{BTreeMap, HashSet};

use bitcoin::Amount;
use bllvm_ipc::types::{BlockHash, Txid};
use serde_json::Value;

use super::amount;
use super::error::{DESERIALIZATION, MISC, NOT_FOUND, Outcome, PARAMETER, Refusal, TYPE};
use super::message::Params;
use super::methods::Method;

/// What a parameter may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Number,
    Bool,
    Text,
    List,
    Object,
    /// A number or a boolean, as `verbosity`; judged where it is used.
    Level,
    /// A number or a text, as amounts; judged where it is used.
    Amount,
}

/// One parameter. `name` may hold an older name after a bar.
#[derive(Clone, Copy, Debug)]
pub(super) struct Param {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) required: bool,
}

impl Param {
    fn first_name(&self) -> &'static str {
        self.name.split('|').next().unwrap_or_default()
    }

    fn is(&self, name: &str) -> bool {
        self.name.split('|').any(|own| own == name)
    }
}

/// The parameters of one request, in the order of the method's.
#[derive(Debug)]
pub(super) struct Args(Vec<Value>);

impl Args {
    /// Puts names to positions, and refuses what does not fit the method.
    pub(super) fn read(method: &Method, params: Params) -> Outcome<Self> {
        let values = match params {
            Params::Named(named) => positions(method, named)?,
            Params::List(values) => values,
            Params::Other => Vec::new(),
        };
        let wanted = method.params;
        let needed = wanted.iter().filter(|param| param.required).count();
        if values.len() > wanted.len() || values.len() < needed {
            return Err(Refusal::new(MISC, method.help()));
        }
        let mut wrong = Vec::new();
        for (index, (param, value)) in wanted.iter().zip(&values).enumerate() {
            if let Some(expected) = misfit(*param, value) {
                let (at, name) = (index + 1, param.first_name());
                let found = type_name(value);
                wrong.push(format!(
                    "    \"Position {at} ({name})\": \"JSON value of type {found} is not of expected type {expected}\""
                ));
            }
        }
        if !wrong.is_empty() {
            let text = format!("Wrong type passed:\n{{\n{}\n}}", wrong.join(",\n"));
            return Err(Refusal::new(TYPE, text));
        }
        Ok(Self(values))
    }

    /// What is at a position; none where it was left out or is null.
    pub(super) fn value(&self, at: usize) -> Option<&Value> {
        self.0.get(at).filter(|value| !value.is_null())
    }

    /// The first one, if there is one, be it null.
    pub(super) fn first(&self) -> Option<&Value> {
        self.0.first()
    }

    pub(super) fn text(&self, at: usize) -> &str {
        self.value(at).and_then(Value::as_str).unwrap_or_default()
    }

    pub(super) fn flag(&self, at: usize, default: bool) -> bool {
        self.value(at).and_then(Value::as_bool).unwrap_or(default)
    }

    pub(super) fn list(&self, at: usize) -> &[Value] {
        self.value(at)
            .and_then(Value::as_array)
            .map_or(&[], Vec::as_slice)
    }

    /// The texts of a list; the first that is none is refused.
    pub(super) fn texts(&self, at: usize) -> impl Iterator<Item = Outcome<&str>> {
        self.list(at).iter().map(text_of)
    }

    /// A whole number.
    pub(super) fn number<T: TryFrom<i128>>(&self, at: usize) -> Outcome<Option<T>> {
        let Some(value) = self.value(at) else {
            return Ok(None);
        };
        if !value.is_number() {
            return Err(not_of("number", value));
        }
        let signed = value.as_i64().map(i128::from);
        let number = signed.or_else(|| value.as_u64().map(i128::from));
        let number = number.and_then(|number| T::try_from(number).ok());
        number
            .map(Some)
            .ok_or_else(|| Refusal::new(MISC, "JSON integer out of range"))
    }

    /// A level of detail; `true` stands for 1.
    pub(super) fn level(&self, at: usize, default: i32) -> Outcome<i32> {
        match self.value(at) {
            Some(Value::Bool(on)) => Ok(i32::from(*on)),
            _ => Ok(self.number(at)?.unwrap_or(default)),
        }
    }

    /// An amount in bitcoin, as satoshi.
    pub(super) fn amount(&self, at: usize) -> Outcome<Option<u64>> {
        let Some(value) = self.value(at) else {
            return Ok(None);
        };
        let text = match value {
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            _ => return Err(Refusal::new(TYPE, "Amount is not a number or string")),
        };
        match amount::satoshi(&text) {
            Some(satoshi) => u64::try_from(satoshi)
                .ok()
                .filter(|satoshi| *satoshi <= Amount::MAX_MONEY.to_sat())
                .map(Some)
                .ok_or_else(|| Refusal::new(TYPE, "Amount out of range")),
            None => Err(Refusal::new(TYPE, "Invalid amount")),
        }
    }

    pub(super) fn block_hash(&self, at: usize, name: &str) -> Outcome<BlockHash> {
        hash(self.text(at), name, PARAMETER)
    }

    pub(super) fn txid(&self, at: usize, name: &str) -> Outcome<Txid> {
        hash(self.text(at), name, PARAMETER)
    }
}

/// A hash out of its text.
pub(super) fn hash<T: std::str::FromStr>(text: &str, name: &str, code: i32) -> Outcome<T> {
    text.parse().map_err(|_| {
        let shown: String = text.chars().take(80).collect();
        let message = if text.len() == 64 {
            format!("{name} must be hexadecimal string (not '{shown}')")
        } else {
            format!(
                "{name} must be of length 64 (not {}, for '{shown}')",
                text.len()
            )
        };
        Refusal::new(code, message)
    })
}

/// A transaction out of its hex.
pub(super) fn transaction(text: &str) -> Outcome<bitcoin::Transaction> {
    bitcoin::consensus::encode::deserialize_hex(text).map_err(|_| {
        Refusal::new(
            DESERIALIZATION,
            "TX decode failed. Make sure the tx has at least one input.",
        )
    })
}

/// An address of this chain, in its own text.
pub(super) fn address(text: &str, network: bitcoin::Network) -> Outcome<String> {
    let parsed = text.parse::<bitcoin::Address<_>>().ok();
    parsed
        .and_then(|address| address.require_network(network).ok())
        .map(|address| address.to_string())
        .ok_or_else(|| Refusal::new(NOT_FOUND, "Error: Invalid address"))
}

/// Puts each named value where it belongs. `args` may hold the first ones without their names.
fn positions(method: &Method, named: Vec<(String, Value)>) -> Outcome<Vec<Value>> {
    let refuse = |text| Err(Refusal::new(PARAMETER, text));
    let shown = |name: &str| name.chars().take(64).collect::<String>();
    let mut names = HashSet::new();
    if let Some((name, _)) = named.iter().find(|(name, _)| !names.insert(name.as_str())) {
        return refuse(format!(
            "Parameter {} specified multiple times",
            shown(name)
        ));
    }
    let (mut values, mut placed, mut unknown) = (Vec::new(), BTreeMap::new(), None);
    for (name, value) in named {
        match method.params.iter().position(|param| param.is(&name)) {
            Some(at) if !placed.contains_key(&at) => drop(placed.insert(at, value)),
            // An older name beside the newer one is as unknown as any other.
            Some(_) | None => match value {
                Value::Array(list) if name == "args" => values = list,
                _ => unknown = unknown.or(Some(name)),
            },
        }
    }
    if let Some((&at, _)) = placed.first_key_value()
        && at < values.len()
    {
        let name = method.params[at].name;
        return refuse(format!(
            "Parameter {name} specified twice both as positional and named argument"
        ));
    }
    if let Some(name) = unknown {
        return refuse(format!("Unknown named parameter {}", shown(&name)));
    }
    for (at, value) in placed {
        values.resize(at, Value::Null);
        values.push(value);
    }
    Ok(values)
}

/// The text that a value is.
pub(super) fn text_of(value: &Value) -> Outcome<&str> {
    value.as_str().ok_or_else(|| not_of("string", value))
}

/// What Bitcoin Core says where it looks at a value's type late.
fn not_of(expected: &str, value: &Value) -> Refusal {
    let found = type_name(value);
    let text = format!("JSON value of type {found} is not of expected type {expected}");
    Refusal::new(TYPE, text)
}

/// The type that was expected where another one came.
fn misfit(param: Param, value: &Value) -> Option<&'static str> {
    if value.is_null() && !param.required {
        return None;
    }
    let (fits, expected) = match param.kind {
        Kind::Number => (value.is_number(), "number"),
        Kind::Bool => (value.is_boolean(), "bool"),
        Kind::Text => (value.is_string(), "string"),
        Kind::List => (value.is_array(), "array"),
        Kind::Object => (value.is_object(), "object"),
        Kind::Level | Kind::Amount => return None,
    };
    (!fits).then_some(expected)
}

fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::face::methods::find;

    fn read(method: &str, params: Value) -> Outcome<Args> {
        let params = match params {
            Value::Object(named) => Params::Named(named.into_iter().collect()),
            Value::Array(list) => Params::List(list),
            _ => Params::Other,
        };
        Args::read(find(method).unwrap(), params)
    }

    #[test]
    fn names_and_positions_mean_the_same() {
        let args = read("getblock", json!({ "blockhash": "ab", "verbose": true })).unwrap();
        assert_eq!((args.text(0), args.level(1, 0)), ("ab", Ok(1)));
        let args = read("getblock", json!({ "args": ["ab"], "verbosity": 2 })).unwrap();
        assert_eq!((args.text(0), args.level(1, 0)), ("ab", Ok(2)));
        // What lies between is left out, and so null.
        let args = read("gettxout", json!({ "include_mempool": true, "txid": "ab" }));
        assert_eq!(args.unwrap_err().code, TYPE);
    }

    #[test]
    fn misfits_are_told_in_cores_words() {
        let refused = |method, params| read(method, params).unwrap_err();
        assert_eq!(
            refused("getblockhash", json!(["x"])),
            Refusal::new(
                -3,
                "Wrong type passed:\n{\n    \"Position 1 (height)\": \"JSON value of type string is not of expected type number\"\n}"
            )
        );
        assert_eq!(
            refused("getblockhash", json!({ "depth": 1 })),
            Refusal::new(-8, "Unknown named parameter depth")
        );
        assert_eq!(
            refused(
                "getblock",
                json!({ "args": ["ab", 1], "verbose": 1, "depth": 1 })
            ),
            Refusal::new(
                -8,
                "Parameter verbosity|verbose specified twice both as positional and named argument"
            )
        );
        assert_eq!(
            refused("getblock", json!({ "verbose": 1, "verbosity": 1 })).message,
            "Unknown named parameter verbosity"
        );
        let twice = vec![("height".to_owned(), json!(1)); 2];
        let twice = Args::read(find("getblockhash").unwrap(), Params::Named(twice));
        assert_eq!(
            twice.unwrap_err(),
            Refusal::new(-8, "Parameter height specified multiple times")
        );
        assert_eq!(refused("getblockhash", json!([])).code, -1);
        assert_eq!(refused("uptime", json!([1])).code, -1);
        let args = read("getblock", json!(["abc", "x"])).unwrap();
        assert_eq!(
            args.block_hash(0, "blockhash"),
            Err(Refusal::new(
                -8,
                "blockhash must be of length 64 (not 3, for 'abc')"
            ))
        );
        assert_eq!(
            args.level(1, 0),
            Err(Refusal::new(
                -3,
                "JSON value of type string is not of expected type number"
            ))
        );
    }
}
