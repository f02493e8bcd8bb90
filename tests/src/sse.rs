//! A reader of server-sent events.

use bytes::BytesMut;
use reqwest::Response;
use serde_json::Value;

/// One message.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Message {
    /// Its number, where it has one.
    pub id: Option<u64>,
    /// Its name; empty for a plain message.
    pub event: String,
    /// Its data.
    pub data: Value,
}

/// An open stream.
#[derive(Debug)]
pub struct Stream {
    response: Response,
    buffer: BytesMut,
}

impl Stream {
    /// Reads from a response.
    pub fn new(response: Response) -> Self {
        Self {
            response,
            buffer: BytesMut::new(),
        }
    }

    /// The next message; none when the stream ends.
    pub async fn next(&mut self) -> Option<Message> {
        loop {
            let end = self.buffer.windows(2).position(|two| two == b"\n\n");
            if let Some(end) = end {
                let text = self.buffer.split_to(end + 2);
                let message = parse(&String::from_utf8_lossy(&text));
                if message != Message::default() {
                    return Some(message);
                }
                continue;
            }
            let part = self.response.chunk().await.ok()??;
            self.buffer.extend_from_slice(&part);
        }
    }
}

fn parse(text: &str) -> Message {
    let mut message = Message::default();
    for line in text.lines() {
        match line.split_once(": ").or_else(|| line.split_once(':')) {
            Some(("id", id)) => message.id = id.parse().ok(),
            Some(("event", name)) => name.clone_into(&mut message.event),
            Some(("data", data)) => message.data = serde_json::from_str(data).unwrap_or_default(),
            _ => {}
        }
    }
    message
}
