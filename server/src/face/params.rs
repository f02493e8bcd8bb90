//! Parameters of a method, by position or by name, with Bitcoin Core's words where they do not fit.

use bllvm_ipc::types::{BlockHash, Txid};
use serde_json::{Map, Value};

use super::error::{DESERIALIZATION, MISC, NOT_FOUND, Outcome, PARAMETER, Refusal, TYPE};
use super::methods::Method;

/// What a parameter may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Number,
    Bool,
    Text,
    List,
    Object,
    /// A number or a boolean, as `verbosity`.
    Level,
    /// A number or a text, as amounts.
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
    fn is(&self, name: &str) -> bool {
        self.name.split('|').any(|own| own == name)
    }
}

/// The parameters of one request, in the order of the method's.
#[derive(Debug)]
pub(super) struct Args(Vec<Value>);

impl Args {
    /// Puts names to positions, and refuses what does not fit the method.
    pub(super) fn read(method: &Method, params: Value) -> Outcome<Self> {
        let values = match params {
            Value::Object(named) => positions(method, named)?,
            Value::Array(values) => values,
            _ => Vec::new(),
        };
        let wanted = method.params;
        let needed = wanted.iter().filter(|param| param.required).count();
        if values.len() > wanted.len() || values.len() < needed {
            return Err(Refusal::new(MISC, method.help()));
        }
        let mut wrong = Vec::new();
        for (index, (param, value)) in wanted.iter().zip(&values).enumerate() {
            if let Some(expected) = misfit(*param, value) {
                let (at, name) = (index + 1, param.name.split('|').next().unwrap_or_default());
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

    /// A whole number.
    pub(super) fn number<T: TryFrom<i64>>(&self, at: usize) -> Outcome<Option<T>> {
        let Some(value) = self.value(at) else {
            return Ok(None);
        };
        let number = value.as_i64().and_then(|number| T::try_from(number).ok());
        number
            .map(Some)
            .ok_or_else(|| Refusal::new(MISC, "JSON integer out of range"))
    }

    /// A level of detail; `true` stands for 1.
    pub(super) fn level(&self, at: usize, default: i64) -> Outcome<i64> {
        match self.value(at) {
            Some(Value::Bool(on)) => Ok(i64::from(*on)),
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
            other => other.to_string(),
        };
        let fits = |text: &str| {
            let plain = text
                .bytes()
                .all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'-' | b'e'));
            plain.then(|| text.parse::<f64>().ok()).flatten()
        };
        match fits(&text) {
            Some(bitcoin) if bitcoin < 0.0 => Err(Refusal::new(TYPE, "Amount out of range")),
            Some(bitcoin) if bitcoin <= 21e6 => bitcoin::Amount::from_btc(bitcoin)
                .map(|amount| Some(amount.to_sat()))
                .map_err(|_| Refusal::new(TYPE, "Invalid amount")),
            Some(_) => Err(Refusal::new(TYPE, "Amount out of range")),
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
fn hash<T: std::str::FromStr>(text: &str, name: &str, code: i32) -> Outcome<T> {
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

fn positions(method: &Method, mut named: Map<String, Value>) -> Outcome<Vec<Value>> {
    let mut values = match named.remove("args") {
        Some(Value::Array(values)) => values,
        Some(_) | None => Vec::new(),
    };
    for (name, value) in named {
        let Some(at) = method.params.iter().position(|param| param.is(&name)) else {
            let shown: String = name.chars().take(64).collect();
            let text = format!("Unknown named parameter {shown}");
            return Err(Refusal::new(PARAMETER, text));
        };
        if values.len() <= at {
            values.resize(at + 1, Value::Null);
        } else if !values[at].is_null() {
            let text =
                format!("Parameter {name} specified twice both as positional and named argument");
            return Err(Refusal::new(PARAMETER, text));
        }
        values[at] = value;
    }
    Ok(values)
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
        Kind::Level => (value.is_number() || value.is_boolean(), "number"),
        Kind::Amount => (value.is_number() || value.is_string(), "number"),
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
        Args::read(find(method).unwrap(), params)
    }

    #[test]
    fn names_and_positions_mean_the_same() {
        let args = read("getblock", json!({ "blockhash": "ab", "verbose": true })).unwrap();
        assert_eq!((args.text(0), args.level(1, 0)), ("ab", Ok(1)));
        let args = read("getblock", json!({ "args": ["ab"], "verbosity": 2 })).unwrap();
        assert_eq!((args.text(0), args.level(1, 0)), ("ab", Ok(2)));
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
        assert_eq!(refused("getblockhash", json!([])).code, -1);
        assert_eq!(refused("uptime", json!([1])).code, -1);
        let args = read("getblock", json!(["abc"])).unwrap();
        assert_eq!(
            args.block_hash(0, "blockhash"),
            Err(Refusal::new(
                -8,
                "blockhash must be of length 64 (not 3, for 'abc')"
            ))
        );
    }
}
