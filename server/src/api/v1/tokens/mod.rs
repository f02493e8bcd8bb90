//! Tokens of programs and people, and one-time login codes.

pub mod create;
pub mod list;
pub mod login_code;
pub mod revoke;
pub mod view;
pub mod whoami;
