//! The kinds of blocks. Numbers are whole: the module chooses the unit.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Block, Cell, Tone};

/// A heading between other blocks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Heading {
    /// Its words.
    pub text: String,
}

/// Paragraphs; an empty line parts them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Text {
    /// The words.
    pub text: String,
}

/// Something to read to the letter or to copy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Code {
    /// What it is.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub title: String,
    /// It.
    pub text: String,
    /// Whether it is shown only when somebody opens it; it has a title then.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub folded: bool,
}

/// Labels with their values.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Facts {
    /// The heading; none shows none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub title: String,
    /// In the order in which they are shown.
    pub facts: Vec<LabelledCell>,
}

/// A label with its value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LabelledCell {
    /// The label.
    pub label: String,
    /// The value.
    pub value: Cell,
}

/// Rows of cells.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Table {
    /// The heading: also what the table is called for those who do not see it.
    pub title: String,
    /// The columns' heads.
    pub columns: Vec<Column>,
    /// Each as long as there are columns.
    pub rows: Vec<Vec<Cell>>,
    /// What is said when there are no rows.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub empty: String,
}

/// A column.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Column {
    /// Its head.
    pub label: String,
    /// Whether it holds numbers, which stand at the right.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub number: bool,
    /// Whether narrow screens may leave it out.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub wide: bool,
}

/// Shares of one whole, each with the interval in which the true value may lie.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bars {
    /// The heading.
    pub title: String,
    /// The whole, in the bars' unit; above 0.
    pub of: u64,
    /// The bars.
    pub bars: Vec<Bar>,
    /// What is said when there are none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub empty: String,
}

/// One share: `low ≤ value ≤ high ≤ of`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bar {
    /// Whose share it is.
    pub label: Cell,
    /// The share.
    pub value: u64,
    /// The interval's lower end; none where there is no doubt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub low: Option<u64>,
    /// The interval's upper end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub high: Option<u64>,
    /// What its colour means; none is the usual one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tone: Option<Tone>,
    /// More about it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub words: String,
}

/// How far something is from what it needs. `have ≤ can ≤ of`, and it can still be reached where
/// `can` is at least `need`: the host says so in words, so that no bar promises more than is true.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Progress {
    /// What is to be reached.
    pub title: String,
    /// What there is.
    pub have: u64,
    /// What is needed; more than `of` where it cannot be met at all.
    pub need: u64,
    /// What there can be at most.
    pub can: u64,
    /// The whole.
    pub of: u64,
    /// What is counted: `blocks`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub unit: String,
    /// More about it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub words: String,
}

/// Lines over numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Chart {
    /// The heading.
    pub title: String,
    /// What lies to the right.
    pub x: String,
    /// What lies upwards.
    pub y: String,
    /// The lines.
    pub series: Vec<Series>,
}

/// One line.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Series {
    /// What it shows.
    pub label: String,
    /// Its points, from left to right.
    pub points: Vec<(i64, i64)>,
}

/// Something to notice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Notice {
    /// How much.
    pub level: Tone,
    /// What.
    pub text: String,
}

/// A form that calls one of the module's methods, by an operator's hand and in the audit trail. Its
/// fields are those of the method's parameters, whose schema also checks what is typed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Form {
    /// The method.
    pub method: String,
    /// The heading.
    pub title: String,
    /// What it does.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub text: String,
    /// The word on the button.
    pub button: String,
    /// What stands in the fields to begin with.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub values: BTreeMap<String, String>,
}

impl Facts {
    /// No facts yet.
    pub fn new(title: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            facts: Vec::new(),
        }
    }

    /// Adds one.
    #[must_use]
    pub fn fact(mut self, label: impl Into<String>, value: impl Into<Cell>) -> Self {
        self.facts.push(LabelledCell {
            label: label.into(),
            value: value.into(),
        });
        self
    }
}

impl Table {
    /// No rows yet. A label that begins with `#` is a column of numbers, one that begins with `+` one
    /// that narrow screens may leave out.
    pub fn new(title: impl Into<String>, columns: &[&str]) -> Self {
        let marks = |label: &str| {
            label[..label.len() - label.trim_start_matches(['#', '+']).len()].to_owned()
        };
        let column = |label: &&str| Column {
            label: label.trim_start_matches(['#', '+']).to_owned(),
            number: marks(label).contains('#'),
            wide: marks(label).contains('+'),
        };
        Self {
            title: title.into(),
            columns: columns.iter().map(column).collect(),
            ..Self::default()
        }
    }

    /// Adds a row.
    #[must_use]
    pub fn row(mut self, cells: impl IntoIterator<Item = Cell>) -> Self {
        self.rows.push(cells.into_iter().collect());
        self
    }

    /// Says what stands where there are no rows.
    #[must_use]
    pub fn or(mut self, empty: impl Into<String>) -> Self {
        self.empty = empty.into();
        self
    }
}

macro_rules! into_block {
    ($($kind:ident),* $(,)?) => {$(
        impl From<$kind> for Block {
            fn from(block: $kind) -> Self {
                Self::$kind(block)
            }
        }
    )*};
}

into_block! { Heading, Text, Code, Facts, Table, Bars, Progress, Chart, Notice, Form }

impl Block {
    /// A heading.
    pub fn heading(text: impl Into<String>) -> Self {
        Heading { text: text.into() }.into()
    }

    /// Paragraphs.
    pub fn text(text: impl Into<String>) -> Self {
        Text { text: text.into() }.into()
    }

    /// Something to notice.
    pub fn notice(level: Tone, text: impl Into<String>) -> Self {
        let text = text.into();
        Notice { level, text }.into()
    }
}
