//! The journal as its followers see it.

mod cursors;
mod feeds;
mod receiver;
