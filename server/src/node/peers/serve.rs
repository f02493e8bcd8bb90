//! What a peer asks us for. Large things go out one at a time, when the line has room.

use std::collections::VecDeque;

use bitcoin::block::Header;
use bitcoin::consensus::encode::deserialize;
use bitcoin::p2p::message::{MAX_INV_SIZE, NetworkMessage};
use bitcoin::p2p::message_blockdata::{GetHeadersMessage, Inventory};
use tokio::sync::mpsc::OwnedPermit;

use super::branch::MAX_HEADERS;
use super::session::Session;
use super::wire::{Fault, block_frame, frame};

/// Hashes of a locator that are looked up.
const MAX_LOCATOR: usize = 101;

/// Questions for headers that wait for their answers.
const MAX_QUESTIONS: usize = 8;

/// What a peer asked for and did not get yet.
#[derive(Debug, Default)]
pub(super) struct Owed {
    headers: VecDeque<GetHeadersMessage>,
    things: VecDeque<Inventory>,
}

impl Owed {
    pub(super) fn is_empty(&self) -> bool {
        self.headers.is_empty() && self.things.is_empty()
    }

    /// Whether a peer that asks for more should read first what it asked for.
    pub(super) fn is_full(&self) -> bool {
        self.headers.len() >= MAX_QUESTIONS
    }

    pub(super) fn add(&mut self, list: Vec<Inventory>) -> Result<(), Fault> {
        if self.things.len() + list.len() > MAX_INV_SIZE {
            return Fault::broke("it asks for too much at once");
        }
        self.things.extend(list);
        Ok(())
    }

    pub(super) fn add_headers(&mut self, wanted: GetHeadersMessage) -> Result<(), Fault> {
        if wanted.locator_hashes.len() > MAX_LOCATOR {
            return Fault::broke("a locator that is too long");
        }
        self.headers.push_back(wanted);
        Ok(())
    }
}

impl Session<'_> {
    async fn headers(&self, wanted: GetHeadersMessage) -> Result<Vec<u8>, Fault> {
        let stop = wanted.stop_hash;
        let most = u32::try_from(MAX_HEADERS).unwrap_or(u32::MAX);
        let found = self
            .net
            .ask(move |engine| engine.headers(&wanted.locator_hashes, most))
            .await?;
        let mut headers = Vec::with_capacity(found.len());
        for info in found {
            let header: Result<Header, _> = deserialize(&info.header);
            match header {
                Ok(header) => headers.push(header),
                Err(error) => return Fault::broke(format!("our own header: {error}")),
            }
            if info.hash == stop {
                break;
            }
        }
        Ok(frame(self.net.magic, NetworkMessage::Headers(headers)))
    }

    /// Gives the next thing that is owed.
    pub(super) async fn pay(&mut self, room: OwnedPermit<Vec<u8>>) -> Result<(), Fault> {
        if let Some(wanted) = self.owed.headers.pop_front() {
            room.send(self.headers(wanted).await?);
            return Ok(());
        }
        let Some(item) = self.owed.things.pop_front() else {
            return Ok(());
        };
        let magic = self.net.magic;
        let found = match item {
            Inventory::Block(hash) | Inventory::WitnessBlock(hash) => {
                let asked = self.net.ask(move |engine| {
                    let raw = engine.block(&hash)?;
                    Ok(raw.map(|raw| block_frame(magic, &raw)))
                });
                asked.await?
            }
            Inventory::Transaction(txid) | Inventory::WitnessTransaction(txid) => {
                let found = self
                    .net
                    .engine
                    .mempool(|pool, _| pool.get(&txid).map(|entry| entry.transaction.clone()));
                found.map(|found| frame(magic, NetworkMessage::Tx((*found).clone())))
            }
            _ => None,
        };
        room.send(found.unwrap_or_else(|| frame(magic, NetworkMessage::NotFound(vec![item]))));
        Ok(())
    }
}
