//! Standard output and error: always drained, into the log, and the last lines kept.

use std::collections::VecDeque;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::net::unix::pipe;
use tokio::time::Instant;

/// Lines that are kept for a run that ends badly.
const KEPT_LINES: usize = 20;
/// A longer line is cut into several.
const MAX_LINE: usize = 8 << 10;
/// Bytes that are read at once.
const READ: usize = 16 << 10;
/// Bytes a second that are read of one pipe, and at once after a silence. Whoever writes more waits
/// in its own `write`, and its neighbours keep the processor.
const RATE: u32 = 16 << 20;
const BURST: u32 = 1 << 20;

/// The last lines of a process's output. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Tail(Arc<Mutex<VecDeque<String>>>);

impl Tail {
    fn push(&self, line: String) {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() == KEPT_LINES {
            lines.pop_front();
        }
        lines.push_back(line);
    }

    /// The lines, oldest first, with each of `secrets` replaced.
    pub fn lines(&self, secrets: &[String]) -> Vec<String> {
        let lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let redact = |line: &String| {
            secrets
                .iter()
                .filter(|secret| !secret.is_empty())
                .fold(line.clone(), |line, secret| {
                    line.replace(secret, "[redacted]")
                })
        };
        lines.iter().map(redact).collect()
    }
}

/// Reads a pipe to its end, line by line. It never stops reading, and only a writer of more than
/// [`RATE`] bytes a second is held up.
pub async fn drain(pipe: OwnedFd, tail: Tail, mut each: impl FnMut(String)) {
    let Ok(pipe) = pipe::Receiver::from_owned_fd(pipe) else {
        return;
    };
    let (mut lines, mut pace) = (Lines::default(), Pace::new());
    while pipe.readable().await.is_ok() {
        let count = read_some(&pipe, &mut lines, |line| {
            tail.push(line.clone());
            each(line);
        });
        let Some(count) = count else { break };
        match pace.wait_after(count) {
            // A module that only writes shall not keep a thread of ours to itself.
            Duration::ZERO => tokio::task::yield_now().await,
            wait => tokio::time::sleep(wait).await,
        }
    }
    lines.rest(|line| {
        tail.push(line.clone());
        each(line);
    });
}

/// How far ahead of [`RATE`] a pipe was read.
struct Pace {
    /// The time by which everything that was read may have been read.
    due: Instant,
}

impl Pace {
    fn new() -> Self {
        Self {
            due: Instant::now(),
        }
    }

    /// How long to wait after reading so much.
    fn wait_after(&mut self, bytes: usize) -> Duration {
        let now = Instant::now();
        let burst = Duration::from_secs(1) * BURST / RATE;
        let cost = Duration::from_secs(1) * u32::try_from(bytes).unwrap_or(u32::MAX) / RATE;
        self.due = self.due.max(now) + cost;
        (self.due - now).saturating_sub(burst)
    }
}

/// Reads once and gives the number of bytes; none at the end. The buffer is on the stack, because most pipes are silent and one
/// for each would be much of what an idle module costs.
fn read_some(pipe: &pipe::Receiver, lines: &mut Lines, each: impl FnMut(String)) -> Option<usize> {
    let mut buffer = [0; READ];
    match pipe.try_read(&mut buffer) {
        Ok(0) => None,
        Ok(count) => {
            lines.take(&buffer[..count], each);
            Some(count)
        }
        Err(error) => (error.kind() == std::io::ErrorKind::WouldBlock).then_some(0),
    }
}

/// Bytes that become lines.
#[derive(Debug, Default)]
struct Lines(Vec<u8>);

impl Lines {
    fn take(&mut self, bytes: &[u8], mut each: impl FnMut(String)) {
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            let mut part = part;
            while self.0.len() + part.len() > MAX_LINE {
                let (now, later) = part.split_at(MAX_LINE - self.0.len());
                self.0.extend_from_slice(now);
                part = later;
                self.rest(&mut each);
            }
            self.0.extend_from_slice(part);
            if self.0.last() == Some(&b'\n') {
                self.rest(&mut each);
            }
        }
    }

    fn rest(&mut self, mut each: impl FnMut(String)) {
        let text = String::from_utf8_lossy(&self.0);
        let text = text.trim_end_matches(['\n', '\r']);
        if !text.is_empty() {
            each(text.to_owned());
        }
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines_of(chunks: &[&[u8]]) -> Vec<String> {
        let mut lines = Lines::default();
        let mut all = Vec::new();
        for chunk in chunks {
            lines.take(chunk, |line| all.push(line));
        }
        lines.rest(|line| all.push(line));
        all
    }

    #[test]
    fn lines_are_found_however_the_bytes_are_cut() {
        assert_eq!(
            lines_of(&[b"one\ntw", b"o\r\n", b"three"]),
            ["one", "two", "three"]
        );
        assert_eq!(lines_of(&[b"\xff\n\n"]), ["\u{fffd}"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_flood_is_read_whole_and_at_its_pace() {
        const LINES: usize = 4096;
        let line = "x".repeat(1023);
        let (read, write) = std::io::pipe().unwrap();
        let flood = std::thread::spawn({
            let line = line.clone();
            move || {
                let mut write = write;
                for _ in 0..LINES {
                    std::io::Write::write_all(&mut write, format!("{line}\n").as_bytes()).unwrap();
                }
            }
        });
        let begin = Instant::now();
        let mut count = 0;
        drain(OwnedFd::from(read), Tail::default(), |found| {
            assert_eq!(found, line);
            count += 1;
        })
        .await;
        flood.join().unwrap();
        assert_eq!(count, LINES);
        // Four megabytes, of which one is free, at sixteen a second.
        assert!(begin.elapsed() >= Duration::from_millis(180));
    }

    #[test]
    fn a_line_without_end_is_cut() {
        let long = vec![b'x'; MAX_LINE * 2 + 5];
        let lengths: Vec<usize> = lines_of(&[&long]).iter().map(String::len).collect();
        assert_eq!(lengths, [MAX_LINE, MAX_LINE, 5]);
    }

    #[test]
    fn only_the_last_lines_are_kept_and_secrets_are_not() {
        let tail = Tail::default();
        for number in 0..30 {
            tail.push(format!("line {number} hunter2"));
        }
        let lines = tail.lines(&["hunter2".to_owned()]);
        assert_eq!(lines.len(), KEPT_LINES);
        assert_eq!(lines[0], "line 10 [redacted]");
    }
}
