//! The program put together: settings become parts, parts become a running node.
//!
//! [`App::build`] binds the listeners, opens what is kept and takes the data directory for itself;
//! nothing runs yet, so a test learns the address before it starts. [`App::run`] starts the parts
//! in the order in which they need each other, serves until it is asked to end, and stops them in
//! reverse.

mod build;
mod housekeeping;
mod late;
mod run;

pub use build::{ADDRESS_FILE, App, AppError, SOCKET_FILE};
