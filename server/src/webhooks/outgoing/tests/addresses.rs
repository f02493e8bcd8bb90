//! Where the node lets itself be led, over real sockets and names.

use super::Sender;
use super::receiver::{Act, Receiver};
use crate::model::AttemptCode;
use crate::webhooks::outgoing::Step;

/// What comes of a message to an address.
async fn sent_to(sender: &Sender, name: &str, url: &str) -> (AttemptCode, String) {
    sender.told(name, url).await;
    sender.tell(0..1).await;
    match sender.step(name).await {
        Step::Tried(_, sent) => (sent.code, sent.detail),
        idle @ Step::Idle(_) => panic!("{idle:?}"),
    }
}

#[tokio::test]
async fn this_machine_is_refused_by_address_and_by_name() {
    let receiver = Receiver::new([]).await;
    let sender = Sender::allowing(&[]).await;
    let port = receiver.url.split(':').nth(2).unwrap();
    for (name, url) in [
        ("address", receiver.url.clone()),
        ("name", format!("http://localhost:{port}")),
        ("mapped", format!("http://[::ffff:127.0.0.1]:{port}")),
        ("secured", format!("https://localhost:{port}")),
        (
            "metadata",
            "http://169.254.169.254/latest/meta-data/".to_owned(),
        ),
    ] {
        let (code, detail) = sent_to(&sender, name, &url).await;
        assert_eq!(code, AttemptCode::AddressRefused, "{url}: {detail}");
        assert!(detail.contains("webhooks.allow_addresses"), "{detail}");
    }
    assert!(receiver.came().is_empty());
}

#[tokio::test]
async fn what_the_operator_allows_is_reached_and_a_redirect_leads_nowhere() {
    let inner = Receiver::new([]).await;
    let location = format!("location: {}\r\n", inner.url);
    let receiver = Receiver::new([Act::with(307, &location)]).await;
    let sender = Sender::new().await;
    let (code, detail) = sent_to(&sender, "redirect", &receiver.url).await;
    assert_eq!(code, AttemptCode::Redirect, "{detail}");
    assert!(inner.came().is_empty(), "nothing is followed");
    let by_name = receiver.url.replace("127.0.0.1", "localhost");
    let (code, detail) = sent_to(&sender, "name", &by_name).await;
    assert_eq!(code, AttemptCode::Delivered, "{detail}");
    let host = &receiver.came()[1].headers["host"];
    assert!(host.starts_with("localhost:"), "{host}");
}

#[tokio::test]
async fn a_flood_of_an_answer_is_cut() {
    let flood = format!("HTTP/1.1 200 OK\r\n\r\n{}", "x".repeat(1 << 20));
    let head = format!("HTTP/1.1 200 OK\r\nx-long: {}\r\n\r\n", "x".repeat(1 << 20));
    let receiver = Receiver::new([Act::Answer(flood), Act::Answer(head)]).await;
    let sender = Sender::new().await;
    let (code, detail) = sent_to(&sender, "flood", &receiver.url).await;
    assert_eq!(code, AttemptCode::Delivered, "{detail}");
    let message = sender.messages("flood").await.remove(0);
    let reply = sender.attempts(&message).await.remove(0).reply;
    assert_eq!(reply.unwrap().len(), 1024);
    let (code, detail) = sent_to(&sender, "head", &receiver.url).await;
    assert_eq!(code, AttemptCode::BrokenAnswer, "{detail}");
}
