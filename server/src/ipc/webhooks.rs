//! `webhooks.*`: a module reads what came in, and says what became of it.

use bllvm_ipc::types::{Empty, WebhookBodyRequest, WebhookVerdict};
use bllvm_ipc::{ErrorReply, Raw};

use super::Session;
use super::error::stored;
use crate::model::{DeliveryState, Id};
use crate::store::commands::JudgeWebhook;

const MAX_CODE: usize = 64;
const MAX_DETAIL: usize = 1000;

fn delivery_id(text: &str) -> Result<Id, ErrorReply> {
    text.parse()
        .map_err(|_| ErrorReply::invalid("`delivery`: the id of a delivery, as its event has it"))
}

impl Session {
    pub(super) async fn webhook_body(
        &self,
        request: WebhookBodyRequest,
    ) -> Result<Raw, ErrorReply> {
        let id = delivery_id(&request.delivery)?;
        let body = self.services.store.webhook_body(id).await.map_err(stored)?;
        body.map(|body| Raw(body.into())).ok_or_else(|| {
            ErrorReply::not_found(format!(
                "there is no delivery `{id}`, or its body is kept no more"
            ))
        })
    }

    pub(super) async fn judge_webhook(&self, verdict: WebhookVerdict) -> Result<Empty, ErrorReply> {
        let id = delivery_id(&verdict.delivery)?;
        let state = DeliveryState::from_word(&verdict.verdict)
            .filter(|state| *state != DeliveryState::Waiting)
            .ok_or_else(|| ErrorReply::invalid("`verdict`: `applied`, `refused` or `failed`"))?;
        let letters = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
        let word =
            |code: &String| (1..=MAX_CODE).contains(&code.len()) && code.bytes().all(letters);
        if verdict.code.as_ref().is_some_and(|code| !word(code)) {
            return Err(ErrorReply::invalid(
                "`code`: 1 to 64 of a-z, 0-9 and _, such as `unknown_repository`",
            ));
        }
        if verdict.detail.chars().count() > MAX_DETAIL {
            return Err(ErrorReply::invalid("`detail`: at most 1,000 characters"));
        }
        let judge = JudgeWebhook {
            id,
            module: self.module.clone(),
            state,
            code: verdict.code,
            detail: verdict.detail,
        };
        self.services.store.commit(judge).await.map_err(stored)?;
        Ok(Empty {})
    }
}
