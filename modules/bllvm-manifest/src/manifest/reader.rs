//! Takes a TOML table apart key by key and collects all that is wrong with it,
//! so that an author sees every mistake at once.

use std::cell::RefCell;
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;

use toml::{Table, Value};

use super::keys;
use crate::error::Problem;
use crate::name::shorten;
use crate::suggest::nearest;

/// A file of 64 KiB can hold thousands of mistakes; nobody reads that many.
const MAX_PROBLEMS: usize = 50;

/// All that was found wrong so far.
#[derive(Debug, Default)]
pub(super) struct Problems(RefCell<Vec<Problem>>);

impl Problems {
    pub(super) fn add(&self, key: String, problem: impl Into<String>, help: impl Into<String>) {
        let mut all = self.0.borrow_mut();
        if all.len() < MAX_PROBLEMS {
            all.push(Problem {
                key,
                problem: problem.into(),
                help: help.into(),
            });
        }
    }

    pub(super) fn into_vec(self) -> Vec<Problem> {
        self.0.into_inner()
    }
}

/// One table of the file, emptied key by key.
#[derive(Debug)]
pub(super) struct Section<'p> {
    path: String,
    table: Table,
    problems: &'p Problems,
}

impl<'p> Section<'p> {
    /// Opens the top of the file.
    pub(super) fn top(table: Table, problems: &'p Problems) -> Self {
        Self::open(String::new(), "", table, problems)
    }

    /// Opens a table whose keys are those of `section` and reports every other key.
    fn open(path: String, section: &str, table: Table, problems: &'p Problems) -> Self {
        let opened = Self {
            path,
            table,
            problems,
        };
        let known = keys::of(section);
        for key in opened
            .table
            .keys()
            .filter(|key| !known.contains(&key.as_str()))
        {
            let problem = format!("unknown key `{}`", shorten(key));
            let help = match (nearest(key, known.iter().copied()), keys::home_of(key)) {
                (Some(near), _) => format!("did you mean `{near}`?"),
                (None, Some("")) => "it belongs at the top of the file".to_owned(),
                (None, Some(home)) => format!("it belongs into [{home}]"),
                (None, None) => format!("known here: {}", known.join(", ")),
            };
            problems.add(opened.key(key), problem, help);
        }
        opened
    }

    /// The full dotted name of a key in this section.
    pub(super) fn key(&self, key: &str) -> String {
        let bare = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        let key = if !key.is_empty() && key.len() <= 64 && key.bytes().all(bare) {
            key.to_owned()
        } else {
            format!("\"{}\"", shorten(key))
        };
        if self.path.is_empty() {
            key
        } else {
            format!("{}.{key}", self.path)
        }
    }

    /// Reports something wrong with a key.
    pub(super) fn wrong(&self, key: &str, problem: impl Into<String>, help: impl Into<String>) {
        self.problems.add(self.key(key), problem, help);
    }

    /// Reports a required key that is not there, then says whether it is.
    pub(super) fn has(&self, key: &str, example: &str) -> bool {
        let there = self.table.contains_key(key);
        if !there {
            self.wrong(key, "is missing", format!("add `{key} = {example}`"));
        }
        there
    }

    /// Takes the value of a key, whatever it is.
    pub(super) fn take(&mut self, key: &str) -> Option<Value> {
        self.table.remove(key)
    }

    /// Reports a value of the wrong type.
    pub(super) fn mistyped(&self, key: &str, expected: &str, found: &Value) {
        self.wrong(
            key,
            format!("expected {expected}, found {}", kind(found)),
            "",
        );
    }

    /// Takes a text of one line, at most `longest` characters.
    pub(super) fn text(&mut self, key: &str, longest: usize) -> Option<String> {
        let text = self.any_text(key)?;
        let length = text.chars().count();
        if text.trim().is_empty() {
            self.wrong(key, "is empty", "write something or remove the key");
        } else if length > longest {
            self.wrong(
                key,
                format!("has {length} characters, at most {longest} fit"),
                "shorten it",
            );
        } else if text.chars().any(char::is_control) {
            self.wrong(key, "contains control characters", "write it on one line");
        } else {
            return Some(text);
        }
        None
    }

    /// Takes a text and reads it as `T`.
    pub(super) fn parsed<T>(&mut self, key: &str, help: &str) -> Option<T>
    where
        T: FromStr<Err: Display>,
    {
        let text = self.any_text(key)?;
        match text.parse() {
            Ok(value) => Some(value),
            Err(error) => {
                self.wrong(key, error.to_string(), help);
                None
            }
        }
    }

    fn any_text(&mut self, key: &str) -> Option<String> {
        match self.take(key)? {
            Value::String(text) => Some(text),
            other => {
                self.mistyped(key, "a text", &other);
                None
            }
        }
    }

    /// Takes a whole number within a range.
    /// `true` or `false`.
    pub(super) fn boolean(&mut self, key: &str) -> Option<bool> {
        match self.take(key)? {
            Value::Boolean(value) => Some(value),
            other => {
                self.mistyped(key, "true or false", &other);
                None
            }
        }
    }

    pub(super) fn integer(&mut self, key: &str, range: RangeInclusive<u64>) -> Option<u64> {
        let value = self.take(key)?;
        self.integer_in(key, &value, range)
    }

    /// Reads a value as a whole number within a range.
    pub(super) fn integer_in(
        &self,
        key: &str,
        value: &Value,
        range: RangeInclusive<u64>,
    ) -> Option<u64> {
        let Value::Integer(number) = value else {
            self.mistyped(key, "a whole number", value);
            return None;
        };
        match u64::try_from(*number) {
            Ok(number) if range.contains(&number) => Some(number),
            _ => {
                let (low, high) = range.into_inner();
                self.wrong(
                    key,
                    format!("{number} is out of range"),
                    format!("{low} to {high}"),
                );
                None
            }
        }
    }

    /// Takes a list of at most `longest` values.
    pub(super) fn list(&mut self, key: &str, longest: usize) -> Option<Vec<Value>> {
        match self.take(key)? {
            Value::Array(values) if values.len() > longest => {
                let count = values.len();
                self.wrong(
                    key,
                    format!("has {count} entries, at most {longest} fit"),
                    "",
                );
                None
            }
            Value::Array(values) => Some(values),
            other => {
                self.mistyped(key, "a list", &other);
                None
            }
        }
    }

    /// Takes a list of texts, each read by `read`, none twice.
    pub(super) fn text_list<T, E: Display>(
        &mut self,
        key: &str,
        longest: usize,
        read: impl Fn(&str) -> Result<T, E>,
    ) -> Vec<T> {
        let mut seen: Vec<String> = Vec::new();
        let mut all = Vec::new();
        for (index, value) in self
            .list(key, longest)
            .unwrap_or_default()
            .into_iter()
            .enumerate()
        {
            let here = format!("{}[{index}]", self.key(key));
            let Value::String(text) = value else {
                let problem = format!("expected a text, found {}", kind(&value));
                self.problems.add(here, problem, "");
                continue;
            };
            match read(&text) {
                Err(error) => self.problems.add(here, error.to_string(), ""),
                Ok(_) if seen.contains(&text) => {
                    self.problems
                        .add(here, format!("`{text}` is listed twice"), "remove one");
                }
                Ok(value) => {
                    seen.push(text);
                    all.push(value);
                }
            }
        }
        all
    }

    /// Takes a table whose keys are names of the author's choice.
    pub(super) fn table(&mut self, key: &str, longest: usize) -> Option<Section<'p>> {
        match self.take(key)? {
            Value::Table(table) if table.len() > longest => {
                let count = table.len();
                self.wrong(
                    key,
                    format!("has {count} entries, at most {longest} fit"),
                    "",
                );
                None
            }
            Value::Table(table) => Some(Self {
                path: self.key(key),
                table,
                problems: self.problems,
            }),
            other => {
                self.mistyped(key, "a table", &other);
                None
            }
        }
    }

    /// Takes a table whose keys are fixed.
    pub(super) fn section(&mut self, key: &str) -> Option<Section<'p>> {
        match self.take(key)? {
            Value::Table(table) => {
                let path = self.key(key);
                Some(Self::open(path.clone(), &path, table, self.problems))
            }
            other => {
                self.mistyped(key, "a table", &other);
                None
            }
        }
    }

    /// Takes a list of tables whose keys are fixed.
    pub(super) fn sections(&mut self, key: &str, longest: usize) -> Vec<Section<'p>> {
        let list = self.key(key);
        let mut all = Vec::new();
        for (index, value) in self
            .list(key, longest)
            .unwrap_or_default()
            .into_iter()
            .enumerate()
        {
            let path = format!("{list}[{index}]");
            match value {
                Value::Table(table) => all.push(Self::open(path, &list, table, self.problems)),
                other => {
                    self.problems.add(
                        path,
                        format!("expected a table, found {}", kind(&other)),
                        "",
                    );
                }
            }
        }
        all
    }

    /// The names in a table of the author's choice.
    pub(super) fn names(&self) -> Vec<String> {
        self.table.keys().cloned().collect()
    }
}

/// What a value is, in words.
fn kind(value: &Value) -> &'static str {
    match value {
        Value::String(_) => "a text",
        Value::Integer(_) => "a whole number",
        Value::Float(_) => "a number with a point",
        Value::Boolean(_) => "true or false",
        Value::Datetime(_) => "a date",
        Value::Array(_) => "a list",
        Value::Table(_) => "a table",
    }
}
