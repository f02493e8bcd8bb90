//! The wire between bllvm-node and its modules: frames, handshake, methods, events and limits.
//!
//! No policy lives here. The server decides who may call what; this crate only says which
//! capability each method needs ([`capability`]), in one table ([`method::METHODS`]) from which
//! the server's dispatch, the SDK's client, `PROTOCOL.md` and the tests are driven.
//!
//! A module author uses `bllvm-sdk` instead; another language reads `PROTOCOL.md`.

pub mod capability;
pub mod codec;
pub mod connection;
pub mod error;
pub mod event;
pub mod frame;
pub mod handshake;
pub mod inherited;
pub mod lifecycle;
pub mod limits;
pub mod log;
pub mod method;
mod outbox;
pub mod page;
pub mod types;

pub use capability::Capability;
pub use codec::{Raw, Wire};
pub use connection::{Connection, Handler, Incoming, Notice, Reply};
pub use error::{CallError, ErrorCode, ErrorReply, WireError};
pub use event::{EventClass, EventEnvelope};
pub use frame::{Frame, Kind};
pub use inherited::Stream;
pub use limits::Limits;
pub use method::{Direction, METHODS, Method, MethodInfo};

/// The protocol versions that this build speaks, oldest and newest.
pub const PROTOCOL_VERSIONS: std::ops::RangeInclusive<u16> = 1..=1;
