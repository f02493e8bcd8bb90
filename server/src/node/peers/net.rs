//! What all peers' sessions share.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bitcoin::p2p::Magic;
use bitcoin::p2p::message_network::VersionMessage;
use bllvm_ipc::types as t;
use bllvm_kernel_node::{Engine, EngineError, bitcoin};
use tokio::sync::broadcast;

use super::traffic::Traffic;
use crate::node::PeerSettings;

/// News that a session was too busy to hear make it look at everything.
const UNHEARD: usize = 64;

/// What sessions tell each other, or are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum News {
    /// The best chain moved.
    Chain,
    /// The mempool moved.
    Pool,
    /// The right to fetch blocks is free.
    Free,
}

/// What all peers' sessions share.
pub struct Net {
    pub(super) engine: Engine,
    pub(super) settings: PeerSettings,
    pub(super) magic: Magic,
    /// By it we know ourselves.
    pub(super) nonce: u64,
    peers: Mutex<BTreeMap<u64, (t::Peer, Arc<Traffic>)>>,
    next: AtomicU64,
    /// How high the chain goes that is being fetched.
    offered: AtomicU32,
    /// Who fetches blocks now, and whether it called us.
    fetching: Mutex<Option<(u64, bool)>>,
    news: broadcast::Sender<News>,
    /// Hears that a peer's transaction got in.
    pool_moved: Box<dyn Fn() + Send + Sync>,
}

impl fmt::Debug for Net {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Net")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

impl Net {
    /// The peers of an engine. `nonce` is random; `pool_moved` hears of transactions from peers.
    pub fn new(
        engine: Engine,
        settings: PeerSettings,
        magic: Magic,
        nonce: u64,
        pool_moved: Box<dyn Fn() + Send + Sync>,
    ) -> Arc<Self> {
        Arc::new(Self {
            engine,
            settings,
            magic,
            nonce,
            peers: Mutex::default(),
            next: AtomicU64::new(0),
            offered: AtomicU32::new(0),
            fetching: Mutex::new(None),
            news: broadcast::Sender::new(UNHEARD),
            pool_moved,
        })
    }

    /// The best chain moved.
    pub fn chain_moved(&self) {
        // Without peers there is nobody to tell.
        let _ = self.news.send(News::Chain);
    }

    /// The mempool moved.
    pub fn pool_moved(&self) {
        let _ = self.news.send(News::Pool);
    }

    /// The peers that shook hands.
    pub fn peers(&self) -> Vec<t::Peer> {
        let peers = lock(&self.peers);
        let greeted = peers
            .values()
            .filter(|(peer, _)| !peer.user_agent.is_empty());
        let told = greeted.map(|(peer, traffic)| {
            let mut peer = peer.clone();
            traffic.tell(&mut peer);
            peer
        });
        told.collect()
    }

    /// The height of the best chain that a peer offers and that is being fetched.
    pub fn best_offer(&self) -> u32 {
        self.offered.load(Ordering::Relaxed)
    }

    pub(super) fn inbound(&self) -> usize {
        lock(&self.peers)
            .values()
            .filter(|(peer, _)| peer.inbound)
            .count()
    }

    pub(super) fn join(self: &Arc<Self>, address: SocketAddr, inbound: bool) -> Place {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let peer = t::Peer {
            address: address.to_string(),
            inbound,
            user_agent: String::new(),
            height: 0,
            services: 0,
            protocol: 0,
            since: 0,
            sent_bytes: 0,
            received_bytes: 0,
            last_sent: 0,
            last_received: 0,
        };
        let traffic = Arc::new(Traffic::new(self.engine.mempool(|_, now| now)));
        lock(&self.peers).insert(id, (peer, traffic.clone()));
        Place {
            net: self.clone(),
            id,
            traffic,
            address,
            inbound,
        }
    }

    pub(super) fn news(&self) -> broadcast::Receiver<News> {
        self.news.subscribe()
    }

    /// A peer's transaction got in.
    pub(super) fn took_in(&self) {
        (self.pool_moved)();
        self.pool_moved();
    }

    /// Asks the engine, away from the tasks.
    pub(super) async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Engine) -> Result<T, EngineError> + Send + 'static,
    ) -> Result<T, EngineError> {
        let engine = self.engine.clone();
        let answer = tokio::task::spawn_blocking(move || question(&engine));
        answer.await.unwrap_or_else(|error| {
            Err(EngineError::Index {
                detail: format!("a question to the engine was lost: {error}"),
            })
        })
    }
}

/// A peer's place among the others; given up with it.
#[derive(Debug)]
pub(super) struct Place {
    net: Arc<Net>,
    pub(super) id: u64,
    pub(super) traffic: Arc<Traffic>,
    pub(super) address: SocketAddr,
    pub(super) inbound: bool,
}

impl Place {
    /// What the peer said of itself.
    pub(super) fn greeted(&self, theirs: &VersionMessage) {
        if let Some((peer, _)) = lock(&self.net.peers).get_mut(&self.id) {
            let said = theirs.user_agent.chars();
            let shown: String = said.filter(|c| !c.is_control()).collect();
            peer.user_agent = if shown.is_empty() {
                "?".to_owned()
            } else {
                shown
            };
            peer.height = u32::try_from(theirs.start_height).unwrap_or(0);
            peer.services = theirs.services.to_u64();
            peer.protocol = theirs.version;
        }
    }

    /// The peer's chain ends here, as far as it told.
    pub(super) fn reached(&self, height: u32) {
        if let Some((peer, _)) = lock(&self.net.peers).get_mut(&self.id) {
            peer.height = peer.height.max(height);
        }
    }

    /// Takes the right to fetch blocks, if nobody else has it. One that the settings name takes it from
    /// one that called us: that may be anybody, and deliver just fast enough to keep it for ever.
    pub(super) fn may_fetch(&self) -> bool {
        let mut fetching = lock(&self.net.fetching);
        match *fetching {
            Some((id, _)) if id == self.id => return true,
            Some((_, inbound)) if !inbound || self.inbound => return false,
            _ => {}
        }
        *fetching = Some((self.id, self.inbound));
        true
    }

    /// How high the chain goes that this peer, which has the right, is asked for.
    pub(super) fn fetches(&self, height: u32) {
        self.net.offered.store(height, Ordering::Relaxed);
    }

    /// Gives the right back, if this peer has it.
    pub(super) fn done_fetching(&self) {
        let mut fetching = lock(&self.net.fetching);
        if fetching.is_some_and(|(id, _)| id == self.id) {
            *fetching = None;
            drop(fetching);
            self.net.offered.store(0, Ordering::Relaxed);
            let _ = self.net.news.send(News::Free);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        lock(&self.net.peers).remove(&self.id);
        self.done_fetching();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
