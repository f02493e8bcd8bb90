//! Modules as files: what lies in the modules directory and in cargo's bin folder, and how a module's
//! folder is taken in or put away so that a crash leaves the old state or the new one.
//!
//! Nothing here runs a program or knows the store; `control` turns what is seen into rows.

mod cargo;
mod folder;
mod leftovers;
mod places;
mod scan;
mod schema;
mod versions;

pub use cargo::{Candidate, CargoScanner};
pub use folder::{
    Origin, PackageError, SignedAs, Taken, look_at, materialise, put_away, sweep, take_in,
};
pub use leftovers::{Referred, Swept, empty_trash_of, sweep_leftovers};
pub use places::Places;
pub use scan::{Scanner, Seen, digest_of, prints_its_schema, unknown_capabilities};
pub use schema::{SchemaProblem, read_schema};
pub use versions::{
    copy_installed, is_in_place, keep, keep_installed, put_in_place, sweep_versions,
};
