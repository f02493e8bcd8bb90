//! One file a command.

pub mod check;
pub mod completion;
pub mod fetch;
pub mod install;
pub mod keygen;
pub mod keys;
pub mod new;
pub mod package;
pub mod publish;
pub mod run;
pub mod sign;
pub mod test;
pub mod upgrade;
pub mod used;
pub mod verify;
