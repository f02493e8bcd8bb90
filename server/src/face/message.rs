//! What came, read within bounds and with all that Bitcoin Core sees of it: a name that was given
//! twice is still there twice.
//!
//! A body of a few megabytes can hold millions of values, which take many times the memory of their
//! text; so values are counted while they are read, and reading ends with the bound.

use std::cell::Cell;
use std::fmt;

use serde::Deserializer;
use serde::de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::error::{INVALID_REQUEST, PARSE, Refusal};

/// Requests of one batch.
const MAX_BATCH: usize = 10_000;
/// Values of one body: some for each request of the largest batch.
const MAX_VALUES: usize = 200_000;

/// A body.
#[derive(Debug)]
pub(super) enum Message {
    One(Fields),
    /// None for what is no object.
    Batch(Vec<Option<Fields>>),
    Other,
}

/// A request's fields; of those that come twice, the first.
#[derive(Debug, Default)]
pub(super) struct Fields {
    /// None where there is none, which is not the same as null.
    pub(super) id: Option<Value>,
    pub(super) jsonrpc: Value,
    pub(super) method: Value,
    pub(super) params: Params,
}

/// Parameters.
#[derive(Debug)]
pub(super) enum Params {
    List(Vec<Value>),
    Named(Vec<(String, Value)>),
    /// Neither, nor null.
    Other,
}

impl Default for Params {
    fn default() -> Self {
        Self::List(Vec::new())
    }
}

impl Message {
    pub(super) fn read(body: &[u8]) -> Result<Self, Refusal> {
        let count = Cell::new(0);
        let mut reader = serde_json::Deserializer::from_slice(body);
        let read = Reader { count: &count }.deserialize(&mut reader);
        let Ok(json) = read.and_then(|json| reader.end().map(|()| json)) else {
            return Err(if count.get() > MAX_VALUES {
                let text = format!("a body has at most {MAX_VALUES} values; split it");
                Refusal::new(INVALID_REQUEST, text)
            } else {
                Refusal::new(PARSE, "Parse error")
            });
        };
        match json {
            Json::Object(fields) => Ok(Self::One(Fields::from(fields))),
            Json::List(batch) if batch.len() > MAX_BATCH => {
                let count = batch.len();
                let text =
                    format!("a batch has at most {MAX_BATCH} requests, not {count}; split it");
                Err(Refusal::new(INVALID_REQUEST, text))
            }
            Json::List(batch) => {
                let requests = batch.into_iter().map(|request| match request {
                    Json::Object(fields) => Some(Fields::from(fields)),
                    Json::List(_) | Json::Scalar(_) => None,
                });
                Ok(Self::Batch(requests.collect()))
            }
            Json::Scalar(_) => Ok(Self::Other),
        }
    }
}

impl From<Vec<(String, Json)>> for Fields {
    fn from(all: Vec<(String, Json)>) -> Self {
        let mut fields = Self::default();
        // The first of a name is put in last.
        for (name, value) in all.into_iter().rev() {
            match name.as_str() {
                "id" => fields.id = Some(value.into()),
                "jsonrpc" => fields.jsonrpc = value.into(),
                "method" => fields.method = value.into(),
                "params" => fields.params = value.into(),
                _ => {}
            }
        }
        fields
    }
}

impl From<Json> for Params {
    fn from(json: Json) -> Self {
        match json {
            Json::Scalar(Value::Null) => Self::default(),
            Json::Scalar(_) => Self::Other,
            Json::List(list) => Self::List(list.into_iter().map(Value::from).collect()),
            Json::Object(fields) => {
                let fields = fields.into_iter();
                Self::Named(fields.map(|(name, value)| (name, value.into())).collect())
            }
        }
    }
}

/// A value, with every name as often as it was given.
enum Json {
    Scalar(Value),
    List(Vec<Json>),
    Object(Vec<(String, Json)>),
}

impl From<Json> for Value {
    fn from(json: Json) -> Self {
        match json {
            Json::Scalar(value) => value,
            Json::List(list) => list.into_iter().map(Self::from).collect(),
            Json::Object(fields) => {
                let fields = fields.into_iter().rev();
                let fields: Map<_, _> = fields.map(|(name, value)| (name, value.into())).collect();
                Self::Object(fields)
            }
        }
    }
}

/// Reads a value and counts it.
#[derive(Clone, Copy)]
struct Reader<'a> {
    count: &'a Cell<usize>,
}

impl<'de> DeserializeSeed<'de> for Reader<'_> {
    type Value = Json;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Json, D::Error> {
        self.count.set(self.count.get() + 1);
        if self.count.get() > MAX_VALUES {
            return Err(D::Error::custom("too many values"));
        }
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Reader<'_> {
    type Value = Json;

    fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str("a value")
    }

    fn visit_unit<E: Error>(self) -> Result<Json, E> {
        Ok(Json::Scalar(Value::Null))
    }

    fn visit_bool<E: Error>(self, on: bool) -> Result<Json, E> {
        Ok(Json::Scalar(on.into()))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Json, E> {
        Ok(Json::Scalar(number.into()))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Json, E> {
        Ok(Json::Scalar(number.into()))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Json, E> {
        Ok(Json::Scalar(number.into()))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Json, E> {
        Ok(Json::Scalar(text.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Json, A::Error> {
        let mut list = Vec::new();
        while let Some(value) = items.next_element_seed(self)? {
            list.push(value);
        }
        Ok(Json::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Json, A::Error> {
        let mut object = Vec::new();
        while let Some(name) = fields.next_key()? {
            object.push((name, fields.next_value_seed(self)?));
        }
        Ok(Json::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn refused(body: &str) -> String {
        Message::read(body.as_bytes()).unwrap_err().message
    }

    #[test]
    fn all_kinds_of_values_are_read_as_they_are() {
        let body = r#"{"id":null,"params":[null,true,-1,18446744073709551615,0.5,"ü",[[1]],{"a":{"b":2},"a":3}],"method":"a","method":"b"}"#;
        let Message::One(fields) = Message::read(body.as_bytes()).unwrap() else {
            panic!("one request");
        };
        assert_eq!(fields.id, Some(Value::Null));
        assert_eq!(fields.method, "a");
        let Params::List(list) = fields.params else {
            panic!("a list");
        };
        let expected = json!([null, true, -1, u64::MAX, 0.5, "ü", [[1]], { "a": { "b": 2 } }]);
        assert_eq!(Value::Array(list), expected);
    }

    #[test]
    fn what_is_no_json_is_told_from_what_is_too_much() {
        for broken in ["", "{", "{}{}", "[1,]", "\u{feff}{}"] {
            assert_eq!(refused(broken), "Parse error", "{broken}");
        }
        let requests = format!("[{}{{}}]", "{},".repeat(MAX_BATCH));
        assert_eq!(
            refused(&requests),
            "a batch has at most 10000 requests, not 10001; split it"
        );
        let values = format!(r#"{{"params":[{}0]}}"#, "{},".repeat(MAX_VALUES));
        assert_eq!(
            refused(&values),
            "a body has at most 200000 values; split it"
        );
    }
}
