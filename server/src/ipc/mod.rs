//! Our end of the wire: who asks, whether they may, and the answer.
//!
//! A session is one connection of one process. Its module is known by the descriptor that the
//! process inherited; nothing in a message names the sender.

mod authorize;
mod dispatch;
mod error;
mod events;
mod handshake;
mod params;
mod session;
mod storage;
mod submissions;
mod webhooks;

pub use authorize::{Rights, authorize};
pub use handshake::{Identity, welcome};
pub use params::ParamsSchemas;
pub use session::{Services, Session};
pub use submissions::Submissions;
