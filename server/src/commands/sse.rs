//! Reads a stream of server-sent events, and comes back after a broken connection.

use std::time::Duration;

use anyhow::Result;
use futures_util::StreamExt as _;

use super::client::Client;

/// How often a broken stream is opened again before it is given up.
const TRIES: u32 = 5;

/// One event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    /// Its id.
    pub id: Option<String>,
    /// Its name.
    pub event: String,
    /// Its text.
    pub data: String,
}

/// Takes the lines of a stream together to events.
#[derive(Debug, Default)]
struct Parser {
    rest: Vec<u8>,
    message: Message,
}

impl Parser {
    fn take(&mut self, bytes: &[u8]) -> Vec<Message> {
        self.rest.extend_from_slice(bytes);
        let mut messages = Vec::new();
        while let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.rest.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line);
            let line = line.trim_end_matches(['\n', '\r']);
            if line.is_empty() {
                let message = std::mem::take(&mut self.message);
                if !message.data.is_empty() {
                    messages.push(message);
                }
                continue;
            }
            let (field, value) = line.split_once(':').unwrap_or((line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match field {
                "id" => self.message.id = Some(value.to_owned()),
                "event" => value.clone_into(&mut self.message.event),
                "data" => {
                    if !self.message.data.is_empty() {
                        self.message.data.push('\n');
                    }
                    self.message.data.push_str(value);
                }
                _ => {}
            }
        }
        messages
    }
}

/// Hands every event of a stream to `show`, until Ctrl-C or until the node is gone.
///
/// # Errors
/// When the node refuses, or stays away.
pub async fn follow(client: &Client, path: &str, mut show: impl FnMut(&Message)) -> Result<()> {
    let mut last_id: Option<String> = None;
    let mut failures = 0;
    let reading = async {
        loop {
            let response = match client.stream(path, last_id.as_deref()).await {
                Ok(response) => response,
                Err(error) if last_id.is_none() || failures >= TRIES => return Err(error),
                Err(_) => {
                    failures += 1;
                    tokio::time::sleep(Duration::from_secs(1)).await;
                    continue;
                }
            };
            failures = 0;
            let mut parser = Parser::default();
            let mut bytes = response.bytes_stream();
            while let Some(Ok(part)) = bytes.next().await {
                for message in parser.take(&part) {
                    if message.id.is_some() {
                        last_id.clone_from(&message.id);
                    }
                    show(&message);
                }
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    };
    tokio::select! {
        ended = reading => ended,
        _ = tokio::signal::ctrl_c() => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_whole_however_the_bytes_are_cut() {
        let stream = b": open\n\nid: 7\nevent: chain.block_connected\ndata: {\"a\":1}\n\ndata: x\ndata: y\r\n\r\n";
        let mut parser = Parser::default();
        let messages: Vec<Message> = stream
            .chunks(3)
            .flat_map(|part| parser.take(part))
            .collect();
        assert_eq!(messages.len(), 2);
        assert_eq!(messages[0].id.as_deref(), Some("7"));
        assert_eq!(messages[0].event, "chain.block_connected");
        assert_eq!(messages[0].data, "{\"a\":1}");
        assert_eq!(messages[1].data, "x\ny");
    }
}
