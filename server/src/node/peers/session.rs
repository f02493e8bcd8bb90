//! One peer: what it says, what is owed to it, and what it owes.

use std::net::SocketAddr;
use std::time::Duration;

use bitcoin::BlockHash;
use bitcoin::p2p::message::NetworkMessage;
use bitcoin::p2p::message_blockdata::Inventory;
use tokio::net::TcpStream;
use tokio::sync::broadcast;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use super::blocks::Blocks;
use super::net::{Net, News, Place};
use super::serve::Owed;
use super::transactions::Relay;
use super::wire::{Fault, In, Out};

/// How often deadlines are looked at and news of transactions passed on.
const TICK: Duration = Duration::from_millis(100);
/// After so long a silence the peer is asked whether it lives.
const QUIET: Duration = Duration::from_mins(1);

/// Both directions of a peer's line.
pub(super) struct Line {
    messages: In,
    pub(super) out: Out,
}

impl Line {
    fn start(net: &Net, line: TcpStream, place: &Place) -> Self {
        // A message is written whole; waiting for more to go with it only delays it.
        let _ = line.set_nodelay(true);
        let (read, write) = line.into_split();
        Self {
            messages: In::start(read, net.magic, place.traffic.clone()),
            out: Out::start(write, net.magic, place.traffic.clone()),
        }
    }

    pub(super) async fn read(&mut self) -> Result<NetworkMessage, Fault> {
        self.messages
            .next()
            .await
            .unwrap_or_else(|| Err(std::io::Error::from(std::io::ErrorKind::BrokenPipe).into()))
    }
}

/// Talks with a peer until one of both has enough.
pub(super) async fn run(net: &Net, line: TcpStream, place: &Place, stop: &CancellationToken) {
    let address: SocketAddr = place.address;
    let talked = tokio::select! {
        talked = talk(net, line, place) => talked,
        () = stop.cancelled() => Err(Fault::Stopped),
    };
    match talked {
        Ok(()) | Err(Fault::Stopped) => {}
        Err(fault @ Fault::Lost(_)) => tracing::info!(%address, %fault, "a peer left"),
        Err(fault) => tracing::warn!(%address, %fault, "a peer was left"),
    }
}

async fn talk(net: &Net, line: TcpStream, place: &Place) -> Result<(), Fault> {
    let mut news = net.news();
    let mut line = Line::start(net, line, place);
    let takes_transactions = super::handshake::greet(net, &mut line, place).await?;
    tracing::info!(address = %place.address, inbound = place.inbound, "a peer greeted");
    let mut session = Session {
        net,
        place,
        blocks: Blocks::default(),
        relay: Relay::new(takes_transactions),
        owed: Owed::default(),
        told: None,
        heard: Instant::now(),
        pinged: false,
        line,
    };
    session.ask_headers().await?;
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            message = session.line.messages.next(), if !session.owed.is_full() => match message {
                Some(message) => session.hear(message?).await?,
                None => return Ok(()),
            },
            room = session.line.out.room(), if !session.owed.is_empty() => {
                session.pay(room?).await?;
            }
            heard = news.recv() => match heard {
                Ok(heard) => session.react(heard).await?,
                Err(broadcast::error::RecvError::Lagged(_)) => {
                    for each in [News::Chain, News::Pool, News::Free] {
                        session.react(each).await?;
                    }
                }
                Err(broadcast::error::RecvError::Closed) => return Ok(()),
            },
            _ = ticks.tick() => session.tick().await?,
        }
    }
}

/// All that is known about one peer.
pub(super) struct Session<'a> {
    pub(super) net: &'a Net,
    pub(super) place: &'a Place,
    pub(super) line: Line,
    pub(super) blocks: Blocks,
    pub(super) relay: Relay,
    pub(super) owed: Owed,
    /// The last block that it told us of, or we told it of.
    pub(super) told: Option<BlockHash>,
    heard: Instant,
    pinged: bool,
}

impl Session<'_> {
    pub(super) fn send(&self, message: NetworkMessage) -> Result<(), Fault> {
        self.line.out.send(message)
    }

    async fn hear(&mut self, message: NetworkMessage) -> Result<(), Fault> {
        (self.heard, self.pinged) = (Instant::now(), false);
        match message {
            NetworkMessage::Ping(nonce) => self.send(NetworkMessage::Pong(nonce)),
            NetworkMessage::Inv(list) => self.told_of(list).await,
            NetworkMessage::Headers(headers) => self.take_headers(headers).await,
            NetworkMessage::Block(block) => self.take_block(block).await,
            NetworkMessage::Tx(transaction) => self.take_transaction(transaction).await,
            NetworkMessage::NotFound(list) => self.not_found(&list),
            NetworkMessage::GetHeaders(wanted) => self.owed.add_headers(wanted),
            NetworkMessage::GetData(list) => self.owed.add(list),
            NetworkMessage::Version(_) => Fault::broke("a second `version`"),
            // Addresses, filters, compact blocks: not offered, so nobody waits for an answer.
            _ => Ok(()),
        }
    }

    async fn told_of(&mut self, list: Vec<Inventory>) -> Result<(), Fault> {
        if list.len() > bitcoin::p2p::message::MAX_INV_SIZE {
            return Fault::broke("an `inv` that is too long");
        }
        let mut transactions = Vec::new();
        let mut last_block = None;
        for item in list {
            match item {
                Inventory::Block(hash) | Inventory::WitnessBlock(hash) => last_block = Some(hash),
                Inventory::Transaction(txid) | Inventory::WitnessTransaction(txid) => {
                    transactions.push(txid);
                }
                _ => {}
            }
        }
        if let Some(hash) = last_block {
            self.told = Some(hash);
            let known = self.net.ask(move |engine| {
                let found = engine.header(bllvm_kernel_node::BlockId::Hash(hash))?;
                Ok(found.is_some_and(|header| header.in_best_chain))
            });
            if !known.await? {
                self.ask_headers().await?;
            }
        }
        self.ask_transactions(transactions)
    }

    async fn react(&mut self, news: News) -> Result<(), Fault> {
        match news {
            News::Pool => {
                self.relay.moved();
                Ok(())
            }
            News::Free => self.fetch().await,
            News::Chain => {
                // Blocks take transactions away, or give them back.
                self.relay.chain_moved();
                let tip = self.net.ask(bllvm_kernel_node::Engine::tip).await?.hash;
                if self.told == Some(tip) {
                    return Ok(());
                }
                self.told = Some(tip);
                self.send(NetworkMessage::Inv(vec![Inventory::Block(tip)]))
            }
        }
    }

    async fn tick(&mut self) -> Result<(), Fault> {
        let patience = self.net.settings.patience;
        self.blocks.check(patience, self.place.inbound)?;
        let silence = self.heard.elapsed();
        if silence > QUIET + patience {
            return Err(Fault::Slow("it does not answer any more"));
        }
        if silence > QUIET && !self.pinged {
            self.pinged = true;
            self.send(NetworkMessage::Ping(self.net.nonce))?;
        }
        self.announce_transactions().await
    }
}
