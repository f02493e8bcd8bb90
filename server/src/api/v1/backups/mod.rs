//! Backups: encrypted archives of everything but the chain. They are opened on the command line, so
//! that what opens them never comes here.

pub mod create;
pub mod list;
