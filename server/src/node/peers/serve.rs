//! What a peer asks us for. Large things go out one at a time, when the line has room.

use std::collections::VecDeque;

use bitcoin::block::Header;
use bitcoin::consensus::encode::deserialize;
use bitcoin::p2p::message::{MAX_INV_SIZE, NetworkMessage};
use bitcoin::p2p::message_blockdata::{GetHeadersMessage, Inventory};
use tokio::sync::mpsc::OwnedPermit;

use super::branch::MAX_HEADERS;
use super::session::Session;
use super::wire::Fault;

/// Hashes of a locator that are looked up.
const MAX_LOCATOR: usize = 101;

/// What a peer asked for and did not get yet.
#[derive(Debug, Default)]
pub(super) struct Owed(VecDeque<Inventory>);

impl Owed {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn add(&mut self, list: Vec<Inventory>) -> Result<(), Fault> {
        if self.0.len() + list.len() > MAX_INV_SIZE {
            return Fault::broke("it asks for too much at once");
        }
        self.0.extend(list);
        Ok(())
    }
}

impl Session<'_> {
    pub(super) async fn give_headers(&mut self, wanted: GetHeadersMessage) -> Result<(), Fault> {
        if wanted.locator_hashes.len() > MAX_LOCATOR {
            return Fault::broke("a locator that is too long");
        }
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
        self.send(NetworkMessage::Headers(headers))
    }

    /// Gives the next thing that is owed.
    pub(super) async fn pay(&mut self, room: OwnedPermit<NetworkMessage>) -> Result<(), Fault> {
        let Some(item) = self.owed.0.pop_front() else {
            return Ok(());
        };
        let found = match item {
            Inventory::Block(hash) | Inventory::WitnessBlock(hash) => {
                let raw = self.net.ask(move |engine| engine.block(&hash)).await?;
                raw.and_then(|raw| deserialize(&raw).ok())
                    .map(NetworkMessage::Block)
            }
            Inventory::Transaction(txid) | Inventory::WitnessTransaction(txid) => {
                let found = self
                    .net
                    .engine
                    .mempool(|pool, _| pool.get(&txid).map(|entry| entry.transaction.clone()));
                found.map(|transaction| NetworkMessage::Tx((*transaction).clone()))
            }
            _ => None,
        };
        room.send(found.unwrap_or_else(|| NetworkMessage::NotFound(vec![item])));
        Ok(())
    }
}
