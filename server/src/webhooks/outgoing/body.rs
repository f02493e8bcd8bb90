//! The body of a message, in the shape that Standard Webhooks suggests: `type`, `timestamp`,
//! `data`. The event's number goes with it, so that a receiver can tell the order.

use serde_json::{Value, json};

use crate::model::{EventEnvelope, Id, UtcTime, kinds};

/// The largest body that is sent; Standard Webhooks asks for less than 20 kB.
const MAX_BYTES: usize = 20_000;

/// The body for an event. Data that are too large to be sent are left out, and the receiver is told
/// where to read them.
pub fn of_event(event: &EventEnvelope) -> String {
    let whole = json!({
        "type": event.kind, "timestamp": event.time, "seq": event.seq,
        "publisher": event.publisher, "data": event.data,
    })
    .to_string();
    if whole.len() <= MAX_BYTES {
        return whole;
    }
    json!({
        "type": event.kind, "timestamp": event.time, "seq": event.seq,
        "publisher": event.publisher, "data": Value::Null, "data_omitted": true,
        "read_at": format!("/api/v1/events?after={}&limit=1", event.seq - 1),
    })
    .to_string()
}

/// The body of a test.
pub fn of_test(endpoint: &str, id: Id, now: UtcTime) -> String {
    json!({
        "type": kinds::WEBHOOK_TEST, "timestamp": now, "publisher": "host",
        "data": { "endpoint": endpoint, "message": id },
    })
    .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::EventClass;

    fn event(data: Value) -> EventEnvelope {
        EventEnvelope {
            seq: 8,
            kind: "chain.block_connected".to_owned(),
            class: EventClass::Durable,
            publisher: "host".to_owned(),
            time: "2026-11-22T19:00:00.000Z".to_owned(),
            data,
        }
    }

    #[test]
    fn an_event_is_sent_whole_and_a_large_one_by_its_number() {
        let small: Value = serde_json::from_str(&of_event(&event(json!({ "height": 7 })))).unwrap();
        assert_eq!(small["type"], "chain.block_connected");
        assert_eq!(
            (&small["seq"], &small["data"]["height"]),
            (&json!(8), &json!(7))
        );
        let large = of_event(&event(json!("x".repeat(MAX_BYTES))));
        assert!(large.len() < 500);
        let large: Value = serde_json::from_str(&large).unwrap();
        assert_eq!(large["data_omitted"], true);
        assert_eq!(large["read_at"], "/api/v1/events?after=7&limit=1");
    }
}
