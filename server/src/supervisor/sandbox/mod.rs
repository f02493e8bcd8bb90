//! From grants to layers: what a module's process shall be kept from, and as whom it runs.
//!
//! `bllvm-launch` puts the layers up and tells how far each holds; here it is decided which.

mod control_groups;
mod plan;
mod reach;
mod users;
mod words;

pub use control_groups::{ControlGroups, Leaf};
pub use plan::{Wishes, plan};
pub use users::{Users, give_data_dir};
pub use words::{Words, words};
