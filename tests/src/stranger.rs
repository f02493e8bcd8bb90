//! A peer on the line that does as a test wants, and headers with nothing behind them.

use bllvm_kernel_node::bitcoin::block::Header;
use bllvm_kernel_node::bitcoin::consensus::encode::{deserialize, serialize};
use bllvm_kernel_node::bitcoin::constants::genesis_block;
use bllvm_kernel_node::bitcoin::hashes::{Hash as _, sha256d};
use bllvm_kernel_node::bitcoin::p2p::message::{NetworkMessage, RawNetworkMessage};
use bllvm_kernel_node::bitcoin::p2p::message_blockdata::Inventory;
use bllvm_kernel_node::bitcoin::p2p::message_network::VersionMessage;
use bllvm_kernel_node::bitcoin::p2p::{Address, Magic, ServiceFlags};
use bllvm_kernel_node::bitcoin::{BlockHash, Network, TxMerkleNode, Txid};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// A frame of any command and payload, with its right checksum.
pub fn frame(command: &str, payload: &[u8]) -> Vec<u8> {
    let mut name = [0; 12];
    name[..command.len()].copy_from_slice(command.as_bytes());
    let size = u32::try_from(payload.len()).expect("a payload that fits");
    let sum = sha256d::Hash::hash(payload).to_byte_array();
    let head = [
        &Magic::REGTEST.to_bytes()[..],
        &name,
        &size.to_le_bytes(),
        &sum[..4],
    ];
    [&head.concat(), payload].concat()
}

/// What a stranger says first.
pub fn version(agent: &str) -> NetworkMessage {
    version_of(agent, false)
}

/// The same of one that wants to be told of transactions, or does not.
fn version_of(agent: &str, relay: bool) -> NetworkMessage {
    let here = Address::new(
        &"127.0.0.1:1".parse().expect("an address"),
        ServiceFlags::NETWORK,
    );
    let agent = agent.to_owned();
    let mut version =
        VersionMessage::new(ServiceFlags::NETWORK, 0, here.clone(), here, 7, agent, 0);
    version.version = 70_016;
    version.relay = relay;
    NetworkMessage::Version(version)
}

/// A peer that says what a test wants.
#[derive(Debug)]
pub struct Stranger {
    /// The line itself.
    pub line: TcpStream,
}

impl Stranger {
    /// Calls, and says nothing.
    ///
    /// # Panics
    /// When nobody listens.
    pub async fn call(address: &str) -> Self {
        let line = TcpStream::connect(address).await.expect("somebody listens");
        Self { line }
    }

    /// Calls, and shakes hands.
    pub async fn greeted(address: &str) -> Self {
        Self::greeted_with(address, version("/stranger/")).await
    }

    /// Calls, shakes hands, and wants to be told of transactions.
    pub async fn curious(address: &str) -> Self {
        Self::greeted_with(address, version_of("/curious/", true)).await
    }

    async fn greeted_with(address: &str, version: NetworkMessage) -> Self {
        let mut stranger = Self::call(address).await;
        stranger.say(version).await;
        stranger.say(NetworkMessage::Verack).await;
        stranger
            .hears(|message| matches!(message, NetworkMessage::Verack))
            .await;
        stranger
    }

    /// Says a message.
    pub async fn say(&mut self, message: NetworkMessage) {
        let frame = serialize(&RawNetworkMessage::new(Magic::REGTEST, message));
        self.send(&frame).await;
    }

    /// Sends bytes. Who was left already is heard no more, which is no fault.
    pub async fn send(&mut self, bytes: &[u8]) {
        let _ = self.line.write_all(bytes).await;
    }

    /// The next message; none once the line is closed.
    async fn next(&mut self) -> Option<NetworkMessage> {
        let mut frame = vec![0; 24];
        self.line.read_exact(&mut frame).await.ok()?;
        let size = u32::from_le_bytes(frame[16..20].try_into().expect("four bytes")) as usize;
        frame.resize(24 + size, 0);
        self.line.read_exact(&mut frame[24..]).await.ok()?;
        let message: RawNetworkMessage = deserialize(&frame).expect("a message");
        Some(message.into_payload())
    }

    /// The first message that fits; none once the line is closed.
    ///
    /// # Panics
    /// When neither comes.
    pub async fn hears(
        &mut self,
        fits: impl Fn(&NetworkMessage) -> bool,
    ) -> Option<NetworkMessage> {
        let heard = async {
            while let Some(message) = self.next().await {
                if fits(&message) {
                    return Some(message);
                }
            }
            None
        };
        let heard = tokio::time::timeout(crate::wait::DEADLINE, heard);
        heard.await.expect("a message, or the end of the line")
    }

    /// Waits until everything that was said has been looked at.
    ///
    /// # Panics
    /// When the line is closed.
    pub async fn is_heard(&mut self) {
        self.say(NetworkMessage::Ping(0x5eed)).await;
        self.hears(|message| *message == NetworkMessage::Pong(0x5eed))
            .await
            .expect("an answer");
    }

    /// Waits for the announcement of a block; the transactions that were announced before.
    ///
    /// # Panics
    /// When the line is closed.
    pub async fn told_until(&mut self, block: BlockHash) -> Vec<Txid> {
        let mut told = Vec::new();
        loop {
            let heard = self.hears(|message| matches!(message, NetworkMessage::Inv(_)));
            let Some(NetworkMessage::Inv(list)) = heard.await else {
                panic!("the line was closed");
            };
            for item in list {
                match item {
                    Inventory::Block(hash) if hash == block => return told,
                    Inventory::Transaction(txid) => told.push(txid),
                    _ => {}
                }
            }
        }
    }

    /// The line is closed by the other side.
    ///
    /// # Panics
    /// When it is not.
    pub async fn is_left(&mut self) {
        assert_eq!(self.hears(|_| false).await, None);
    }
}

/// Headers from genesis on, with their work and nothing behind them.
pub fn empty_promises(count: usize) -> Vec<Header> {
    headers(count, |header| {
        while header.validate_pow(header.target()).is_err() {
            header.nonce += 1;
        }
    })
}

/// Headers from genesis on, each finished by `finish` before the next one stands on it.
pub fn headers(count: usize, finish: impl Fn(&mut Header)) -> Vec<Header> {
    let mut last = genesis_block(Network::Regtest).header;
    let mut headers = Vec::with_capacity(count);
    for _ in 0..count {
        last.prev_blockhash = last.block_hash();
        last.merkle_root = TxMerkleNode::from_byte_array([9; 32]);
        last.time += 1;
        last.nonce = 0;
        finish(&mut last);
        headers.push(last);
    }
    headers
}
