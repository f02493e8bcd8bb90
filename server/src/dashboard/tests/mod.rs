//! The dashboard through its router: a real store, verbs and files; no socket, no module's process.

mod browser;
mod forms;
mod login;
mod pages;
mod webhooks;
