//! A resolver that lies: it gives an address that may be connected to while it is looked at, and one
//! of this machine's own afterwards. Those that the operator allows stand for the public internet here,
//! and `127.0.0.2` for what nobody may be led to.

use std::collections::VecDeque;
use std::net::{IpAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use reqwest::Url;

use super::super::client::{HttpClient, Post, Sent};
use super::AllowedAddresses;
use super::receiver::Receiver;
use crate::model::{AttemptCode, UtcTime};

/// Gives each answer once, the last one for ever, and writes down what it was asked.
#[derive(Clone, Debug)]
pub(in super::super) struct Resolver(Arc<Mutex<Script>>);

#[derive(Debug)]
struct Script {
    answers: VecDeque<Vec<IpAddr>>,
    asked: Vec<String>,
}

impl Resolver {
    fn new(answers: &[&[&str]]) -> Self {
        let parsed = |answer: &&[&str]| answer.iter().map(|one| one.parse().unwrap()).collect();
        Self(Arc::new(Mutex::new(Script {
            answers: answers.iter().map(parsed).collect(),
            asked: Vec::new(),
        })))
    }

    pub(in super::super) fn answer(&self, name: &str) -> Vec<IpAddr> {
        let mut script = self.0.lock().unwrap();
        script.asked.push(name.to_owned());
        if script.answers.len() > 1 {
            return script.answers.pop_front().unwrap();
        }
        script.answers[0].clone()
    }

    fn asked(&self) -> usize {
        self.0.lock().unwrap().asked.len()
    }
}

/// The machine's own service, which nobody must reach, on the port of a receiver.
struct Inner(TcpListener);

impl Inner {
    fn beside(receiver: &Receiver) -> Self {
        let listener = TcpListener::bind(("127.0.0.2", port(receiver))).unwrap();
        listener.set_nonblocking(true).unwrap();
        Self(listener)
    }

    /// A connection waits here, since nobody takes it.
    fn was_called(&self) -> bool {
        self.0.accept().is_ok()
    }
}

fn port(receiver: &Receiver) -> u16 {
    Url::parse(&receiver.url).unwrap().port().unwrap()
}

async fn post(client: &HttpClient, port: u16) -> Sent {
    let url = format!("http://rebound.example:{port}/hook?a=b");
    let url = Url::parse(&url).unwrap();
    let header = |name| (name, "x".to_owned());
    let post = Post {
        url: &url,
        headers: [
            header("webhook-id"),
            header("webhook-timestamp"),
            header("webhook-signature"),
        ],
        body: "{}",
        timeout: Duration::from_secs(30),
        now: UtcTime::from_unix_ms(0),
    };
    client.post(post).await
}

fn allowed() -> AllowedAddresses {
    let nets = ["127.0.0.1", "127.0.0.3"].map(|net| net.parse().unwrap());
    AllowedAddresses::new(nets.to_vec())
}

#[tokio::test]
async fn a_name_is_resolved_once_and_the_address_that_was_judged_is_connected_to() {
    let receiver = Receiver::new([]).await;
    let inner = Inner::beside(&receiver);
    let resolver = Resolver::new(&[&["127.0.0.1"], &["127.0.0.2"]]);
    let client = HttpClient::resolving(allowed(), resolver.clone());

    let first = post(&client, port(&receiver)).await;
    assert_eq!(first.code, AttemptCode::Delivered, "{}", first.detail);
    assert_eq!(resolver.asked(), 1);
    let host = &receiver.came()[0].headers["host"];
    assert_eq!(*host, format!("rebound.example:{}", port(&receiver)));

    // The next attempt asks anew, and judges anew.
    let second = post(&client, port(&receiver)).await;
    assert_eq!(second.code, AttemptCode::AddressRefused);
    assert!(
        second.detail.contains("127.0.0.2 is loopback"),
        "{}",
        second.detail
    );
    assert_eq!((resolver.asked(), receiver.came().len()), (2, 1));
    assert!(!inner.was_called());
}

#[tokio::test]
async fn an_address_that_is_refused_is_passed_over_even_where_the_others_fail() {
    let receiver = Receiver::new([]).await;
    let inner = Inner::beside(&receiver);
    let both = HttpClient::resolving(allowed(), Resolver::new(&[&["127.0.0.2", "127.0.0.1"]]));
    let sent = post(&both, port(&receiver)).await;
    assert_eq!(sent.code, AttemptCode::Delivered, "{}", sent.detail);

    // Allowed, and nobody is there: the forbidden one is no way out.
    let resolver = Resolver::new(&[&["127.0.0.3", "127.0.0.2"]]);
    let sent = post(&HttpClient::resolving(allowed(), resolver), port(&receiver)).await;
    assert_eq!(sent.code, AttemptCode::Connect, "{}", sent.detail);
    assert!(!inner.was_called());
    // Who is let through would be seen.
    let _seen = TcpStream::connect(("127.0.0.2", port(&receiver))).unwrap();
    assert!(inner.was_called());

    let nothing = HttpClient::resolving(allowed(), Resolver::new(&[&[]]));
    assert_eq!(post(&nothing, port(&receiver)).await.code, AttemptCode::Dns);
}
