//! The host's door: a document becomes a page, or is refused with the place that does not fit.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize as _;
use serde_json::Value;

use super::blocks::{Bar, Progress};
use super::{Block, Cell, Link, Page, limits};

/// What is wrong with a document, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageProblem {
    /// The place: `blocks[3].rows[0][2].link`; `page` for the whole.
    pub place: String,
    /// What is wrong with it.
    pub problem: String,
}

impl fmt::Display for PageProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.problem)
    }
}

impl std::error::Error for PageProblem {}

type Checked = Result<(), PageProblem>;

fn wrong<T>(place: &str, problem: impl Into<String>) -> Result<T, PageProblem> {
    Err(PageProblem {
        place: place.to_owned(),
        problem: problem.into(),
    })
}

impl Page {
    /// Reads what a method answered.
    ///
    /// # Errors
    /// The first thing that does not fit, with its place: a field that is unknown, missing or of the
    /// wrong type, too much of something, numbers out of order, characters that are no text.
    pub fn read(document: &Value) -> Result<Self, PageProblem> {
        if !no_deeper(document, limits::DEPTH) {
            return wrong(
                "page",
                format!("it is nested more than {} deep", limits::DEPTH),
            );
        }
        let bytes = serde_json::to_vec(document).map_or(usize::MAX, |text| text.len());
        at_most("page", "bytes", bytes, limits::BYTES)?;
        let Value::Object(fields) = document else {
            return wrong("page", "it is no object with `blocks`");
        };
        let known = ["title", "blocks"];
        if let Some(other) = fields.keys().find(|key| !known.contains(&key.as_str())) {
            let other: String = other.chars().take(64).collect();
            return wrong(
                "page",
                format!("unknown field `{other}`, expected `title`, `blocks`"),
            );
        }
        let title = match fields.get("title") {
            None => String::new(),
            Some(Value::String(title)) => title.clone(),
            Some(_) => return wrong("title", "it is no text"),
        };
        words("title", &title, limits::LABEL)?;
        let Some(Value::Array(list)) = fields.get("blocks") else {
            return wrong("blocks", "it is missing, or no list");
        };
        at_most("blocks", "blocks", list.len(), limits::BLOCKS)?;
        let mut blocks = Vec::with_capacity(list.len());
        for (number, value) in list.iter().enumerate() {
            let place = format!("blocks[{number}]");
            let block = match Block::deserialize(value) {
                Ok(block) => block,
                Err(error) => {
                    let problem = error.to_string();
                    return wrong(&place, problem.chars().take(300).collect::<String>());
                }
            };
            check(&place, &block)?;
            blocks.push(block);
        }
        Ok(Self { title, blocks })
    }
}

/// Whether a value's objects and lists lie no deeper than this within each other.
fn no_deeper(value: &Value, most: usize) -> bool {
    let inner: Box<dyn Iterator<Item = &Value>> = match value {
        Value::Array(items) => Box::new(items.iter()),
        Value::Object(fields) => Box::new(fields.values()),
        _ => return true,
    };
    let Some(rest) = most.checked_sub(1) else {
        return false;
    };
    let mut inner = inner;
    inner.all(|value| no_deeper(value, rest))
}

fn check(place: &str, block: &Block) -> Checked {
    let label = |field: &str, text: &str| words(&format!("{place}.{field}"), text, limits::LABEL);
    let long = |field: &str, text: &str| words(&format!("{place}.{field}"), text, limits::TEXT);
    match block {
        Block::Heading(heading) => label("text", &heading.text),
        Block::Text(text) => long("text", &text.text),
        Block::Notice(notice) => long("text", &notice.text),
        Block::Code(code) => {
            label("title", &code.title)?;
            if code.folded && code.title.trim().is_empty() {
                return wrong(
                    &format!("{place}.title"),
                    "it is missing; `folded` needs one",
                );
            }
            long("text", &code.text)
        }
        Block::Facts(facts) => {
            label("title", &facts.title)?;
            at_most(
                &format!("{place}.facts"),
                "facts",
                facts.facts.len(),
                limits::FACTS,
            )?;
            each(place, "facts", &facts.facts, |place, fact| {
                words(&format!("{place}.label"), &fact.label, limits::LABEL)?;
                cell(&format!("{place}.value"), &fact.value)
            })
        }
        Block::Table(table) => {
            label("title", &table.title)?;
            long("empty", &table.empty)?;
            let columns = table.columns.len();
            at_most(
                &format!("{place}.columns"),
                "columns",
                columns,
                limits::COLUMNS,
            )?;
            each(place, "columns", &table.columns, |place, column| {
                words(&format!("{place}.label"), &column.label, limits::LABEL)
            })?;
            at_most(
                &format!("{place}.rows"),
                "rows",
                table.rows.len(),
                limits::ROWS,
            )?;
            each(place, "rows", &table.rows, |place, row| {
                if row.len() != columns {
                    let problem = format!("it has {} cells for {columns} columns", row.len());
                    return wrong(place, problem);
                }
                let mut cells = row.iter().enumerate();
                cells.try_for_each(|(number, one)| cell(&format!("{place}[{number}]"), one))
            })
        }
        Block::Bars(bars) => {
            label("title", &bars.title)?;
            long("empty", &bars.empty)?;
            at_most(
                &format!("{place}.bars"),
                "bars",
                bars.bars.len(),
                limits::BARS,
            )?;
            if bars.of == 0 {
                return wrong(
                    &format!("{place}.of"),
                    "it is 0; nothing is a share of nothing",
                );
            }
            each(place, "bars", &bars.bars, |place, one| {
                bar(place, one, bars.of)
            })
        }
        Block::Progress(one) => {
            label("title", &one.title)?;
            label("unit", &one.unit)?;
            long("words", &one.words)?;
            progress(place, one)
        }
        Block::Chart(chart) => {
            label("title", &chart.title)?;
            label("x", &chart.x)?;
            label("y", &chart.y)?;
            at_most(
                &format!("{place}.series"),
                "series",
                chart.series.len(),
                limits::SERIES,
            )?;
            each(place, "series", &chart.series, |place, series| {
                words(&format!("{place}.label"), &series.label, limits::LABEL)?;
                let points = series.points.len();
                at_most(&format!("{place}.points"), "points", points, limits::POINTS)?;
                let sorted = series.points.is_sorted_by_key(|(x, _)| *x);
                if sorted {
                    Ok(())
                } else {
                    wrong(place, "its points do not go from left to right")
                }
            })
        }
        Block::Form(form) => {
            label("title", &form.title)?;
            long("text", &form.text)?;
            label("button", &form.button)?;
            if form.button.trim().is_empty() {
                return wrong(
                    &format!("{place}.button"),
                    "it is empty; say what the button does",
                );
            }
            name(&format!("{place}.method"), &form.method)?;
            params(&format!("{place}.values"), &form.values)
        }
    }
}

fn each<T>(place: &str, field: &str, items: &[T], check: impl Fn(&str, &T) -> Checked) -> Checked {
    let mut items = items.iter().enumerate();
    items.try_for_each(|(number, item)| check(&format!("{place}.{field}[{number}]"), item))
}

fn cell(place: &str, cell: &Cell) -> Checked {
    words(place, &cell.text, limits::CELL)?;
    match &cell.link {
        None => Ok(()),
        Some(Link::Page(link)) => {
            name(&format!("{place}.link.page.id"), &link.id)?;
            params(&format!("{place}.link.page.params"), &link.params)
        }
        Some(Link::Delivery(id)) => name(&format!("{place}.link.delivery"), id),
    }
}

fn bar(place: &str, bar: &Bar, of: u64) -> Checked {
    cell(&format!("{place}.label"), &bar.label)?;
    words(&format!("{place}.words"), &bar.words, limits::CELL)?;
    let (low, high) = (bar.low.unwrap_or(bar.value), bar.high.unwrap_or(bar.value));
    if low <= bar.value && bar.value <= high && high <= of {
        return Ok(());
    }
    let value = bar.value;
    wrong(
        place,
        format!("not low {low} ≤ value {value} ≤ high {high} ≤ of {of}"),
    )
}

fn progress(place: &str, one: &Progress) -> Checked {
    let Progress { have, can, of, .. } = one;
    if have <= can && can <= of {
        return Ok(());
    }
    wrong(place, format!("not have {have} ≤ can {can} ≤ of {of}"))
}

fn params(place: &str, params: &BTreeMap<String, String>) -> Checked {
    at_most(place, "entries", params.len(), limits::PARAMS)?;
    for (key, value) in params {
        name(place, key)?;
        words(&format!("{place}.{key}"), value, limits::CELL)?;
    }
    Ok(())
}

/// A name as methods, parameters, pages and deliveries have it.
fn name(place: &str, text: &str) -> Checked {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if !text.is_empty() && text.len() <= 64 && text.chars().all(fits) {
        return Ok(());
    }
    wrong(
        place,
        "it is no name: A-Z, a-z, 0-9, `_` and `-`, 1 to 64 of them",
    )
}

fn at_most(place: &str, what: &str, found: usize, most: usize) -> Checked {
    if found <= most {
        return Ok(());
    }
    wrong(
        place,
        format!("it has {found} {what}, and at most {most} fit"),
    )
}

/// Text of no more than so many characters, none of which moves what stands beside it.
fn words(place: &str, text: &str, most: usize) -> Checked {
    // A character has four bytes at most, so this bounds the count that follows.
    if text.len() > most.saturating_mul(4) {
        return wrong(place, format!("it has more than {most} characters"));
    }
    at_most(place, "characters", text.chars().count(), most)?;
    match text.chars().find(|c| is_unfit(*c)) {
        None => Ok(()),
        Some(unfit) => wrong(place, format!("it contains {}", unfit.escape_unicode())),
    }
}

/// Control characters, and those that turn the direction of what follows them.
fn is_unfit(c: char) -> bool {
    (c.is_control() && c != '\n' && c != '\t')
        || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}')
}
