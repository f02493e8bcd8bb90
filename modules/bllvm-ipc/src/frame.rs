//! Frames: `u32` big-endian length ‖ 16-byte header ‖ body.
//!
//! The header is `{kind u8, flags u8, method u16, reserved u32, id u64}`, all big-endian.
//! Routing, metering and authorising need the header only.

use bytes::{Buf, BufMut, Bytes, BytesMut};

use crate::WireError;

/// Bytes of the header that follows the length prefix.
pub const HEADER_BYTES: usize = 16;
/// Bytes of the length prefix.
pub const PREFIX_BYTES: usize = 4;

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Kind {
    /// The module's first frame.
    Hello = 1,
    /// The host's answer to it.
    Welcome = 2,
    /// A request of either side; `id` is chosen by the asker, `method` names it.
    Request = 3,
    /// The answer to the request with the same `id`; flag ERROR marks a refusal.
    Response = 4,
    /// The asker no longer wants the answer to `id`.
    Cancel = 5,
    /// An event, host to module; `method` is its class, `id` its sequence number.
    Event = 6,
    /// The module has applied all durable events up to and with `id`.
    Ack = 7,
    /// A log record, module to host.
    Log = 8,
    /// A metric, module to host.
    Metric = 9,
    /// Asks for a pong with the same `id`, given by the module's own dispatcher.
    Ping = 10,
    /// Answers a ping.
    Pong = 11,
    /// The last frame of a side; the body says why.
    Goodbye = 12,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 12] = [
        Self::Hello,
        Self::Welcome,
        Self::Request,
        Self::Response,
        Self::Cancel,
        Self::Event,
        Self::Ack,
        Self::Log,
        Self::Metric,
        Self::Ping,
        Self::Pong,
        Self::Goodbye,
    ];

    fn from_byte(byte: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| *kind as u8 == byte)
    }
}

/// Flag: the body is an [`crate::ErrorReply`].
pub const ERROR: u8 = 0b01;
/// Flag: the body is raw bytes, not MessagePack; the bulk limit applies.
pub const RAW: u8 = 0b10;
/// Flag: on a request, that the asker takes an answer up to the bulk limit; on a response, that the
/// bulk limit applies.
pub const LARGE: u8 = 0b100;

/// One frame, its body shared and not copied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// What it is.
    pub kind: Kind,
    /// [`ERROR`], [`RAW`] and [`LARGE`]; other bits are zero and ignored by readers.
    pub flags: u8,
    /// Method id, or event class.
    pub method: u16,
    /// Correlation id, or sequence number.
    pub id: u64,
    /// MessagePack, or raw bytes.
    pub body: Bytes,
}

impl Frame {
    /// A frame without flags.
    pub fn new(kind: Kind, method: u16, id: u64, body: Bytes) -> Self {
        Self {
            kind,
            flags: 0,
            method,
            id,
            body,
        }
    }

    /// Whether `flag` is set.
    pub fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// Writes prefix, header and body.
    pub fn write_to(&self, out: &mut BytesMut) {
        out.reserve(PREFIX_BYTES + HEADER_BYTES + self.body.len());
        self.write_head(out);
        out.put_slice(&self.body);
    }

    /// Writes prefix and header only: the caller sends the body after it.
    pub fn write_head(&self, out: &mut BytesMut) {
        let length = u32::try_from(HEADER_BYTES + self.body.len()).unwrap_or(u32::MAX);
        out.put_u32(length);
        out.put_u8(self.kind as u8);
        out.put_u8(self.flags);
        out.put_u16(self.method);
        out.put_u32(0);
        out.put_u64(self.id);
    }

    /// The whole frame as bytes: encoded once, sent to many.
    pub fn to_bytes(&self) -> Bytes {
        let mut out = BytesMut::new();
        self.write_to(&mut out);
        out.freeze()
    }

    /// Takes one frame off the front of `buffer`, or `None` while it is incomplete.
    ///
    /// # Errors
    /// A length outside the limits (judged before the body is awaited) or an unknown kind.
    pub fn read_from(
        buffer: &mut BytesMut,
        control_bytes: u32,
        bulk_bytes: u32,
    ) -> Result<Option<Self>, WireError> {
        if buffer.len() < PREFIX_BYTES {
            return Ok(None);
        }
        let length = u32::from_be_bytes([buffer[0], buffer[1], buffer[2], buffer[3]]);
        let outer = control_bytes.max(bulk_bytes);
        if (length as usize) < HEADER_BYTES || length > outer {
            return Err(WireError::Length {
                found: length,
                limit: outer,
            });
        }
        if buffer.len() < PREFIX_BYTES + 2 {
            return Ok(None);
        }
        let kind = Kind::from_byte(buffer[4]).ok_or(WireError::Kind(buffer[4]))?;
        let flags = buffer[5];
        let limit = match kind {
            _ if flags & RAW != 0 => bulk_bytes,
            Kind::Response if flags & LARGE != 0 => outer,
            _ => control_bytes,
        };
        if length > limit {
            return Err(WireError::Length {
                found: length,
                limit,
            });
        }
        let whole = PREFIX_BYTES + length as usize;
        if buffer.len() < whole {
            // Large bodies are read straight into place; small ones do not reallocate.
            buffer.reserve(whole - buffer.len());
            return Ok(None);
        }
        let mut frame = buffer.split_to(whole).freeze();
        frame.advance(PREFIX_BYTES + 2);
        let method = frame.get_u16();
        frame.advance(4);
        let id = frame.get_u64();
        Ok(Some(Self {
            kind,
            flags,
            method,
            id,
            body: frame,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_survives_any_chunking() {
        let frame = Frame::new(Kind::Request, 0x0101, 7, Bytes::from_static(b"\x80"));
        let bytes = frame.to_bytes();
        for cut in 0..bytes.len() {
            let mut buffer = BytesMut::from(&bytes[..cut]);
            assert!(Frame::read_from(&mut buffer, 1024, 1024).unwrap().is_none());
            buffer.extend_from_slice(&bytes[cut..]);
            let read = Frame::read_from(&mut buffer, 1024, 1024).unwrap().unwrap();
            assert_eq!(read, frame);
            assert!(buffer.is_empty());
        }
    }

    #[test]
    fn a_length_beyond_the_limit_is_refused_before_its_body_comes() {
        let mut buffer = BytesMut::from(&[0xff, 0xff, 0xff, 0xff][..]);
        let refused = Frame::read_from(&mut buffer, 1024, 2048);
        assert!(matches!(
            refused,
            Err(WireError::Length { limit: 2048, .. })
        ));
    }

    #[test]
    fn a_raw_frame_may_use_the_bulk_limit() {
        let mut frame = Frame::new(Kind::Response, 1, 1, Bytes::from(vec![0; 1500]));
        let refused = Frame::read_from(&mut BytesMut::from(&frame.to_bytes()[..]), 1024, 2048);
        assert!(matches!(
            refused,
            Err(WireError::Length { limit: 1024, .. })
        ));
        frame.flags = RAW;
        let read = Frame::read_from(&mut BytesMut::from(&frame.to_bytes()[..]), 1024, 2048);
        assert_eq!(read.unwrap(), Some(frame));
    }

    #[test]
    fn a_large_answer_may_use_the_bulk_limit_and_a_request_may_not() {
        let mut frame = Frame::new(Kind::Response, 1, 1, Bytes::from(vec![0; 1500]));
        frame.flags = LARGE;
        let read = Frame::read_from(&mut BytesMut::from(&frame.to_bytes()[..]), 1024, 2048);
        assert_eq!(read.unwrap(), Some(frame.clone()));
        frame.kind = Kind::Request;
        let refused = Frame::read_from(&mut BytesMut::from(&frame.to_bytes()[..]), 1024, 2048);
        assert!(matches!(
            refused,
            Err(WireError::Length { limit: 1024, .. })
        ));
    }
}
