//! A receiver over real sockets that does as it was told.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// What a receiver does with one request.
#[derive(Clone, Debug)]
pub(super) enum Act {
    /// Answers this, as it goes over the wire.
    Answer(String),
    /// Never answers.
    Hang,
    /// Promises a body, sends a part of it, and resets the connection.
    Reset,
    /// Closes without an answer.
    Close,
}

impl Act {
    pub(super) fn status(status: u16) -> Self {
        Self::with(status, "")
    }

    pub(super) fn with(status: u16, headers: &str) -> Self {
        Self::Answer(format!(
            "HTTP/1.1 {status} x\r\n{headers}content-length: 2\r\n\r\nok"
        ))
    }
}

/// A request as it came.
#[derive(Clone, Debug)]
pub(super) struct Came {
    pub(super) headers: BTreeMap<String, String>,
    pub(super) body: String,
}

pub(super) struct Receiver {
    pub(super) url: String,
    came: Arc<Mutex<Vec<Came>>>,
    script: Arc<Mutex<VecDeque<Act>>>,
    serving: JoinHandle<()>,
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Receiver {
    /// Acts by the script, then answers 200.
    pub(super) async fn new(script: impl IntoIterator<Item = Act>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook?a=b", listener.local_addr().unwrap());
        let came = Arc::<Mutex<Vec<Came>>>::default();
        let script = Arc::new(Mutex::new(script.into_iter().collect::<VecDeque<_>>()));
        let serving = tokio::spawn(serve(listener, Arc::clone(&came), Arc::clone(&script)));
        Self {
            url,
            came,
            script,
            serving,
        }
    }

    pub(super) fn came(&self) -> Vec<Came> {
        self.came.lock().unwrap().clone()
    }

    pub(super) fn then(&self, acts: impl IntoIterator<Item = Act>) {
        self.script.lock().unwrap().extend(acts);
    }
}

async fn serve(
    listener: TcpListener,
    came: Arc<Mutex<Vec<Came>>>,
    script: Arc<Mutex<VecDeque<Act>>>,
) {
    let mut hanging = Vec::new();
    loop {
        let (mut stream, _) = listener.accept().await.unwrap();
        let Some(request) = read(&mut stream).await else {
            continue;
        };
        came.lock().unwrap().push(request);
        let act = script.lock().unwrap().pop_front();
        match act.unwrap_or_else(|| Act::status(200)) {
            Act::Answer(text) => {
                let _ = stream.write_all(text.as_bytes()).await;
            }
            Act::Hang => hanging.push(stream),
            Act::Reset => {
                let part = "HTTP/1.1 200 OK\r\ncontent-length: 5000\r\n\r\nhalf";
                let _ = stream.write_all(part.as_bytes()).await;
                stream.set_zero_linger().unwrap();
            }
            Act::Close => {}
        }
    }
}

async fn read(stream: &mut TcpStream) -> Option<Came> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let mut lines = head.lines();
            assert_eq!(lines.next(), Some("POST /hook?a=b HTTP/1.1"));
            let headers: BTreeMap<_, _> = lines
                .filter_map(|line| line.split_once(": "))
                .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
                .collect();
            if body.len() >= headers["content-length"].parse().unwrap() {
                return Some(Came {
                    headers,
                    body: body.to_owned(),
                });
            }
        }
        let mut part = [0; 4096];
        let read = stream.read(&mut part).await.ok().filter(|read| *read > 0)?;
        bytes.extend_from_slice(&part[..read]);
    }
}
