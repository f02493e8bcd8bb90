//! How large a page may be. A page is for people, and a browser draws all of it.

/// The whole document, as JSON.
pub const BYTES: usize = 256 << 10;
/// Objects and lists within each other.
pub const DEPTH: usize = 16;
/// Blocks of a page.
pub const BLOCKS: usize = 100;
/// Characters of a title, a label, a column's head or a button.
pub const LABEL: usize = 200;
/// Characters of a cell.
pub const CELL: usize = 1000;
/// Characters of a text, a notice or a piece of code.
pub const TEXT: usize = 16_000;
/// Facts of a block.
pub const FACTS: usize = 100;
/// Columns of a table.
pub const COLUMNS: usize = 12;
/// Rows of a table.
pub const ROWS: usize = 500;
/// Bars of a block.
pub const BARS: usize = 200;
/// Lines of a chart.
pub const SERIES: usize = 4;
/// Points of a line.
pub const POINTS: usize = 500;
/// Parameters of a link, and values that a form begins with.
pub const PARAMS: usize = 8;
