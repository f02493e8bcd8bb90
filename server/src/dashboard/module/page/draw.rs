//! From a checked document to what the template draws: lengths, percents, addresses.

use bllvm_ipc::page::{
    Bars, Block, Cell, Chart, Column, Link, Page, PageProblem, Progress, Table, Tone as Meant,
};
use bllvm_web::format::{self, Hash};
use bllvm_web::parts::{
    Badge, BarList, BarRow, DataTable, LineChart, PageBlock, PageCell, PageFact, ProgressBar, Tone,
    Value,
};

use super::{Sent, address, forms};
use crate::dashboard::present::module::Seen;

/// The drawing's width.
const WIDTH: u64 = 1000;
/// Longer words to be read to the letter are shortened.
const LONG: usize = 40;

/// Whether each link leads to a page that the manifest names.
///
/// # Errors
/// The first that does not.
pub fn known_links(page: &Page, seen: &Seen) -> Result<(), PageProblem> {
    let ui = &seen.module.manifest.ui;
    for (number, block) in page.blocks.iter().enumerate() {
        let cells: Vec<&Cell> = match block {
            Block::Facts(facts) => facts.facts.iter().map(|fact| &fact.value).collect(),
            Block::Table(table) => table.rows.iter().flatten().collect(),
            Block::Bars(bars) => bars.bars.iter().map(|bar| &bar.label).collect(),
            _ => continue,
        };
        for cell in cells {
            if let Some(Link::Page(link)) = &cell.link
                && ui.page(&link.id).is_none()
            {
                return Err(PageProblem {
                    place: format!("blocks[{number}]"),
                    problem: format!(
                        "a link leads to `{}`, which the manifest does not name",
                        link.id
                    ),
                });
            }
        }
    }
    Ok(())
}

/// The blocks of a document.
pub fn blocks(page: &Page, seen: &Seen, sent: Option<&Sent>) -> Vec<PageBlock> {
    let blocks = page.blocks.iter().enumerate();
    blocks
        .map(|(place, block)| drawn(block, place, seen, sent))
        .collect()
}

fn drawn(block: &Block, place: usize, seen: &Seen, sent: Option<&Sent>) -> PageBlock {
    match block {
        Block::Heading(heading) => PageBlock::Heading(heading.text.clone()),
        Block::Text(text) => {
            let paragraphs = text.text.split("\n\n").map(str::trim);
            let paragraphs = paragraphs.filter(|one| !one.is_empty());
            PageBlock::Text(paragraphs.map(str::to_owned).collect())
        }
        Block::Code(code) => PageBlock::Code {
            title: code.title.clone(),
            text: code.text.clone(),
            folded: code.folded,
        },
        Block::Facts(facts) => PageBlock::Facts {
            title: facts.title.clone(),
            facts: facts
                .facts
                .iter()
                .map(|fact| PageFact {
                    label: fact.label.clone(),
                    cell: cell(&fact.value, seen),
                })
                .collect(),
        },
        Block::Table(one) => PageBlock::Table(table(one, seen)),
        Block::Bars(list) => PageBlock::Bars(bars(list, seen)),
        Block::Progress(one) => PageBlock::Progress(progress(one)),
        Block::Chart(one) => PageBlock::Chart(chart(one)),
        Block::Notice(notice) => PageBlock::Notice {
            tone: tone(notice.level),
            text: notice.text.clone(),
        },
        Block::Form(form) => PageBlock::Form(forms::form(form, place, seen, sent)),
    }
}

fn tone(meant: Meant) -> Tone {
    match meant {
        Meant::Good => Tone::Good,
        Meant::Busy => Tone::Busy,
        Meant::Warn => Tone::Warn,
        Meant::Bad => Tone::Bad,
        Meant::Quiet => Tone::Quiet,
        Meant::Info => Tone::Info,
    }
}

fn cell(cell: &Cell, seen: &Seen) -> PageCell {
    let text = &cell.text;
    let value = match cell.tone {
        Some(meant) => Value::Badge(Badge::new(tone(meant), text)),
        None if cell.code && text.len() > LONG && text.is_ascii() => Value::Hash(Hash::new(text)),
        None if cell.code => Value::Code(text.clone()),
        None => Value::Text(text.clone()),
    };
    let href = cell.link.as_ref().map(|link| match link {
        Link::Delivery(id) => format!("/deliveries/{id}"),
        Link::Page(page) => address(seen.name(), &page.id, &page.params),
    });
    PageCell { value, href }
}

fn table(table: &Table, seen: &Seen) -> DataTable {
    let class = |column: &Column| match (column.number, column.wide) {
        (false, false) => "",
        (true, false) => "number",
        (false, true) => "wide",
        (true, true) => "number wide",
    };
    let classes: Vec<_> = table.columns.iter().map(class).collect();
    let row = |row: &Vec<Cell>| {
        let cells = row.iter().map(|one| cell(one, seen));
        cells.zip(classes.iter().copied()).collect()
    };
    let labels = table.columns.iter().map(|column| column.label.clone());
    DataTable {
        title: table.title.clone(),
        columns: labels.zip(classes.iter().copied()).collect(),
        rows: table.rows.iter().map(row).collect(),
        empty: table.empty.clone(),
    }
}

/// So long as a part of the whole is of the drawing's width.
fn length(part: u64, whole: u64) -> u64 {
    let length = u128::from(part.min(whole)) * u128::from(WIDTH) / u128::from(whole.max(1));
    u64::try_from(length).unwrap_or(WIDTH)
}

fn bars(list: &Bars, seen: &Seen) -> BarList {
    // The width stands for what the longest interval needs, in steps of a twentieth.
    let highest = list
        .bars
        .iter()
        .map(|bar| bar.high.unwrap_or(bar.value))
        .max();
    let step = list.of.div_ceil(20).max(1);
    let width = highest.unwrap_or_default().div_ceil(step).max(1);
    let width = width.saturating_mul(step).min(list.of);
    let row = |bar: &bllvm_ipc::page::Bar| {
        let doubt = (bar.low.is_some() || bar.high.is_some())
            .then(|| (bar.low.unwrap_or(bar.value), bar.high.unwrap_or(bar.value)));
        let percent = |part| format::part(part, list.of);
        BarRow {
            label: cell(&bar.label, seen),
            tone: bar.tone.map_or(Tone::Busy, tone),
            value: length(bar.value, width),
            interval: doubt.map(|(low, high)| {
                let from = length(low, width);
                (from, length(high, width).saturating_sub(from).max(1))
            }),
            share: percent(bar.value),
            between: doubt
                .map(|(low, high)| {
                    let low = percent(low);
                    format!("{} to {}", low.trim_end_matches(" %"), percent(high))
                })
                .unwrap_or_default(),
            words: bar.words.clone(),
        }
    };
    BarList {
        title: list.title.clone(),
        scale: format!(
            "The full width is {}. The thin line is the interval that stands beside the share.",
            format::part(width, list.of)
        ),
        bars: list.bars.iter().map(row).collect(),
        empty: list.empty.clone(),
    }
}

fn progress(one: &Progress) -> ProgressBar {
    let (have, need) = (format::count(one.have), format::count(one.need));
    let unit = if one.unit.is_empty() {
        String::new()
    } else {
        format!(" {}", one.unit)
    };
    let badge = if one.have >= one.need {
        Badge::new(Tone::Good, "reached")
    } else if one.can >= one.need {
        Badge::new(Tone::Busy, "can still be reached: yes")
    } else {
        Badge::new(Tone::Quiet, "can still be reached: no")
    };
    let share = format::part(one.need, one.of);
    ProgressBar {
        title: one.title.clone(),
        have: length(one.have, one.of),
        can: length(one.can, one.of),
        need: (one.need <= one.of && one.of > 0).then(|| length(one.need, one.of).min(WIDTH - 4)),
        line: if one.of == 0 {
            format!("{have} of {need}{unit} needed; there are none")
        } else {
            format!(
                "{have} of the {need}{unit} needed, which is {share} of {}; at most {} can come together",
                format::count(one.of),
                format::count(one.can)
            )
        },
        badge,
        words: one.words.clone(),
    }
}

fn chart(chart: &Chart) -> LineChart {
    const CLASSES: [&str; 4] = ["line-0", "line-1", "line-2", "line-3"];
    let points = || chart.series.iter().flat_map(|series| &series.points);
    let range = |of: fn(&(i64, i64)) -> i64| {
        let (least, most) = (points().map(of).min(), points().map(of).max());
        (least.unwrap_or_default(), most.unwrap_or_default())
    };
    let (left, right) = range(|point| point.0);
    let (low, high) = range(|point| point.1);
    let low = low.min(0);
    let at = |value: i64, from: i64, to: i64, size: u64| {
        let whole = to.abs_diff(from);
        u128::from(value.abs_diff(from)) * u128::from(size) / u128::from(whole.max(1))
    };
    let lines = chart.series.iter().zip(CLASSES).map(|(series, class)| {
        let points = series.points.iter().map(|(x, y)| {
            let height = 196 - at(*y, low, high, 192);
            format!("{},{height}", at(*x, left, right, WIDTH))
        });
        (
            series.label.clone(),
            class,
            points.collect::<Vec<_>>().join(" "),
        )
    });
    LineChart {
        title: chart.title.clone(),
        x: format!("To the right: {}, {left} to {right}", chart.x),
        y: format!("Upwards: {}, {low} to {high}", chart.y),
        lines: lines.collect(),
    }
}
