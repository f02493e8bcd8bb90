//! What several pages show: states, rows of lists, facts, form fields.

mod badge;
mod drawn;
mod field;
mod rows;

pub use badge::{Badge, Health, ModuleState, OperationStatus, Tone};
pub use drawn::{
    BarList, BarRow, DataTable, LineChart, MethodForm, PageBlock, PageCell, PageFact, ProgressBar,
};
pub use field::{Choice, Field, FieldError, FieldKind, Section};
pub use rows::{
    Actions, EventRow, Fact, ListenerRow, LogLine, LogLines, ModuleCard, OperationRow, Pager,
    Problem, Stat, Task, Value,
};
