//! The program put together: settings become parts, parts become a running node.
//!
//! [`App::build`] binds the listeners, opens what is kept and takes the data directory for itself;
//! nothing runs yet, so a test learns the address first. [`App::start`] starts the parts in the
//! order in which they need each other. [`Running::ended`] serves until it is asked to end, and
//! stops them in reverse.

mod build;
mod housekeeping;
mod late;
mod memory;
mod mempool;
mod run_files;
mod running;
mod start;

pub use build::{App, AppError, SOCKET_FILE};
pub use run_files::{ADDRESS_FILE, FACE_ADDRESS_FILE};
pub use running::Running;
