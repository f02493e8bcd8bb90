//! From a delivery's event to its effect: read the body, turn it into facts, keep them, once.

use bllvm_sdk::{CallError, Context, ErrorCode, Event, Result};
use serde::Deserialize;

use crate::facts::Fact;
use crate::github::{self, Reading};
use crate::known::Known;
use crate::refusal::{Code, Refusal};
use crate::store::{Effect, Store, Verdict};

/// The event's fields that are used. The kind that a header tells is not among them: it is not signed.
#[derive(Deserialize)]
struct Received {
    delivery: String,
    source: String,
}

/// Takes in the delivery that an event announces, if it is of our source. Whether anything was new.
///
/// # Errors
/// Node or database refuse for the moment; the event comes again.
pub async fn take(
    event: &Event,
    source: &str,
    context: &Context,
    store: &Store,
    known: &Known,
) -> Result<bool> {
    let received = Received::deserialize(&event.data)?;
    if received.source != source {
        return Ok(false);
    }
    let body = match context.webhook_body(&received.delivery).await {
        Ok(body) => body,
        Err(CallError::Reply(reply)) if reply.code == ErrorCode::NotFound => {
            let gone = Refusal::new(Code::BodyGone, reply.message);
            let (verdict, facts) = judge(Err(gone));
            store.apply(&received.delivery, &verdict, facts).await?;
            return Ok(true);
        }
        Err(error) => return Err(error.into()),
    };
    let (verdict, facts) = judge(github::read(&body, known));
    let effect = store.apply(&received.delivery, &verdict, facts).await?;
    Ok(effect == Effect::Judged)
}

/// What becomes of a delivery that reads so.
pub fn judge(reading: Result<Reading, Refusal>) -> (Verdict, Vec<Fact>) {
    let reading = match reading {
        Ok(reading) => reading,
        Err(refusal) => {
            let verdict = Verdict::refused(refusal.code, refusal.detail);
            return (verdict, Vec::new());
        }
    };
    let detail = || {
        let all = reading.refused.iter().map(ToString::to_string);
        let all = all.collect::<Vec<_>>().join("; ");
        all.chars().take(1000).collect::<String>()
    };
    let weak = reading
        .facts
        .iter()
        .any(|fact| matches!(fact, Fact::Weak(_)));
    let verdict = match reading.refused.first() {
        Some(first) if reading.facts.is_empty() => Verdict::refused(first.code, detail()),
        Some(_) => Verdict::applied(Some("partly_refused"), detail()),
        None if reading.unused => Verdict::applied(Some("not_used"), "nothing here is about this"),
        None if weak => Verdict::applied(
            Some(Code::WeakSignature.word()),
            "a signature over upstream's text binds neither commit nor action: it is shown and \
             never counted",
        ),
        None => Verdict::applied(None, ""),
    };
    (verdict, reading.facts)
}
