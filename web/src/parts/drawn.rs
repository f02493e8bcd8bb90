//! The blocks of a page that a module describes as data, ready to be drawn.
//!
//! Lengths are in thousandths of the drawing's width, so that a template needs no arithmetic and a
//! page no inline style.

use super::badge::{Badge, Tone};
use super::field::Section;
use super::rows::Value;

/// One block.
#[derive(Debug, Clone)]
pub enum PageBlock {
    /// A heading.
    Heading(String),
    /// Paragraphs.
    Text(Vec<String>),
    /// To be read to the letter.
    Code {
        /// What it is; empty shows none.
        title: String,
        /// It.
        text: String,
        /// Whether it is shown only when opened.
        folded: bool,
    },
    /// Labels with values.
    Facts {
        /// The heading; empty shows none.
        title: String,
        /// The facts.
        facts: Vec<PageFact>,
    },
    /// Rows of cells.
    Table(DataTable),
    /// Shares with intervals.
    Bars(BarList),
    /// How far something is.
    Progress(ProgressBar),
    /// Lines.
    Chart(LineChart),
    /// Something to notice.
    Notice {
        /// How much.
        tone: Tone,
        /// What.
        text: String,
    },
    /// A form for a method.
    Form(MethodForm),
}

/// A value that may lead somewhere.
#[derive(Debug, Clone)]
pub struct PageCell {
    /// What is shown.
    pub value: Value,
    /// Where it leads, on this dashboard.
    pub href: Option<String>,
}

/// A label with a cell.
#[derive(Debug, Clone)]
pub struct PageFact {
    /// The label.
    pub label: String,
    /// The cell.
    pub cell: PageCell,
}

/// A table.
#[derive(Debug, Clone)]
pub struct DataTable {
    /// Its heading.
    pub title: String,
    /// Heads of columns, each with its class.
    pub columns: Vec<(String, &'static str)>,
    /// Rows of cells, each with its column's class.
    pub rows: Vec<Vec<(PageCell, &'static str)>>,
    /// What is said where there are no rows.
    pub empty: String,
}

/// Shares of one whole.
#[derive(Debug, Clone)]
pub struct BarList {
    /// The heading.
    pub title: String,
    /// What the drawing's width stands for: `The full width is 35 %.`
    pub scale: String,
    /// The bars.
    pub bars: Vec<BarRow>,
    /// What is said where there are none.
    pub empty: String,
}

/// One share.
#[derive(Debug, Clone)]
pub struct BarRow {
    /// Whose.
    pub label: PageCell,
    /// Its colour.
    pub tone: Tone,
    /// Length of the bar.
    pub value: u64,
    /// Where the interval begins and how long it is; none where there is no doubt.
    pub interval: Option<(u64, u64)>,
    /// `20.0 %`.
    pub share: String,
    /// `18.3 to 21.8 %`; empty where there is no doubt.
    pub between: String,
    /// More.
    pub words: String,
}

/// How far something is from what it needs.
#[derive(Debug, Clone)]
pub struct ProgressBar {
    /// What is to be reached.
    pub title: String,
    /// Length of what there is.
    pub have: u64,
    /// Length of what there can be.
    pub can: u64,
    /// Where the need lies; none if it is beyond the whole.
    pub need: Option<u64>,
    /// `12 of the 605 blocks needed`.
    pub line: String,
    /// Reached, or whether it can still be.
    pub badge: Badge,
    /// More.
    pub words: String,
}

/// Lines over numbers, in a view box of 1000 by 200.
#[derive(Debug, Clone)]
pub struct LineChart {
    /// The heading.
    pub title: String,
    /// What lies to the right, and from where to where.
    pub x: String,
    /// What lies upwards, and from where to where.
    pub y: String,
    /// Label, class and points of each line.
    pub lines: Vec<(String, &'static str, String)>,
}

/// A form for one of the module's methods.
#[derive(Debug, Clone)]
pub struct MethodForm {
    /// The method.
    pub method: String,
    /// The heading.
    pub title: String,
    /// What it does.
    pub text: String,
    /// The word on the button.
    pub button: String,
    /// Its fields.
    pub sections: Vec<Section>,
    /// Why it cannot be sent: the method is not there, or needs more rights.
    pub unavailable: Option<String>,
}
