//! A client that costs little, so that the server is what is measured: one kept connection, one
//! request at a time, bytes made once.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use bllvm_tests::Rest;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A kept connection.
pub struct Client {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Client {
    /// Connects to `host:port`.
    pub async fn connect(address: &str) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            buffer: Vec::new(),
        })
    }

    /// Sends a request and reads the answer; its body. Any answer but 200 is an error.
    pub async fn ask(&mut self, request: &[u8]) -> anyhow::Result<&[u8]> {
        self.stream.write_all(request).await?;
        self.buffer.clear();
        let head = loop {
            let end = self.buffer.windows(4).position(|four| four == b"\r\n\r\n");
            match end {
                Some(end) => break end + 4,
                None => self.read().await?,
            }
        };
        let text = std::str::from_utf8(&self.buffer[..head])?.to_ascii_lowercase();
        anyhow::ensure!(text.starts_with("http/1.1 200"), "{text}");
        let length: usize = text
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "))
            .context("an answer without a length")?
            .parse()?;
        while self.buffer.len() < head + length {
            self.read().await?;
        }
        Ok(&self.buffer[head..])
    }

    async fn read(&mut self) -> anyhow::Result<()> {
        self.buffer.reserve(16 << 10);
        let count = self.stream.read_buf(&mut self.buffer).await?;
        anyhow::ensure!(count > 0, "the connection was closed");
        Ok(())
    }
}

/// A GET as bytes, with a bearer token where one is given.
pub fn get(path: &str, token: Option<&str>) -> Vec<u8> {
    let auth = token.map_or(String::new(), |token| {
        format!("authorization: Bearer {token}\r\n")
    });
    format!("GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\n{auth}accept: application/json\r\n\r\n")
        .into_bytes()
}

/// A POST of JSON as bytes.
pub fn post(path: &str, token: &str, body: &str) -> Vec<u8> {
    format!(
        "POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {token}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// A POST of JSON as bytes, with a password as Bitcoin Core's clients send it.
#[cfg(feature = "kernel")]
pub fn post_basic(path: &str, password: &str, body: &str) -> Vec<u8> {
    use base64::Engine as _;
    let known = base64::engine::general_purpose::STANDARD.encode(format!("bench:{password}"));
    format!(
        "POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Basic {known}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// The host and port of a server.
pub fn address(rest: &Rest) -> &str {
    rest.base.trim_start_matches("http://")
}

/// Requests a second over some connections, each asking without a pause.
pub async fn rate(
    address: &str,
    request: &[u8],
    connections: usize,
    time: Duration,
) -> anyhow::Result<f64> {
    let begin = Instant::now();
    let asking: Vec<_> = (0..connections)
        .map(|_| {
            let (address, request) = (address.to_owned(), request.to_vec());
            tokio::spawn(async move {
                let mut client = Client::connect(&address).await?;
                let mut answers = 0_u32;
                while begin.elapsed() < time {
                    client.ask(&request).await?;
                    answers += 1;
                }
                anyhow::Ok(answers)
            })
        })
        .collect();
    let mut answers = 0;
    for one in asking {
        answers += one.await??;
    }
    Ok(f64::from(answers) / begin.elapsed().as_secs_f64())
}
