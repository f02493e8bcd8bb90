//! Other nodes: blocks and transactions come from them and go to them, by Bitcoin's peer protocol.
//!
//! Nobody is called but those that the settings name, and nobody is listened to unless the settings
//! say where. A peer is a stranger: what it sends is bounded, what it owes has a deadline, and what
//! it does costs itself its line and nobody else anything. No addresses are gathered or passed on.
//!
//! One task a peer holds all that is known about it ([`session`]); they share the engine, and the
//! right to fetch blocks, which one peer at a time has ([`net`]).

mod blocks;
mod branch;
mod handshake;
mod net;
mod serve;
mod session;
mod traffic;
mod transactions;
mod wire;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

pub use self::net::Net;

/// The pause before a peer that was lost is called again.
const SHORTEST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// A line that held so long was a good one.
const GOOD: Duration = Duration::from_secs(30);

/// Calls and listens until `stop`. Returns where it listens.
///
/// # Errors
/// If the address to listen on cannot be had.
pub async fn start(
    net: &Arc<Net>,
    stop: &CancellationToken,
) -> std::io::Result<Option<SocketAddr>> {
    let mut listening = None;
    if let Some(address) = net.settings.listen {
        let listener = TcpListener::bind(address).await?;
        listening = Some(listener.local_addr()?);
        tokio::spawn(answer(net.clone(), listener, stop.clone()));
    }
    for address in &net.settings.connect {
        tokio::spawn(keep_calling(net.clone(), *address, stop.clone()));
    }
    Ok(listening)
}

async fn answer(net: Arc<Net>, listener: TcpListener, stop: CancellationToken) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => return,
        };
        match accepted {
            Ok((line, address)) => {
                if net.inbound() >= net.settings.max_inbound {
                    tracing::debug!(%address, "a peer was turned away: there are enough");
                    continue;
                }
                let (net, stop) = (net.clone(), stop.clone());
                let place = net.join(address, true);
                tokio::spawn(async move {
                    session::run(&net, line, &place, &stop).await;
                });
            }
            Err(error) => {
                // Out of descriptors, for instance: others give theirs back meanwhile.
                tracing::warn!(%error, "a peer could not be taken");
                tokio::time::sleep(SHORTEST_PAUSE).await;
            }
        }
    }
}

async fn keep_calling(net: Arc<Net>, address: SocketAddr, stop: CancellationToken) {
    let mut pause = SHORTEST_PAUSE;
    while !stop.is_cancelled() {
        let called = Instant::now();
        let connecting = tokio::time::timeout(net.settings.patience, TcpStream::connect(address));
        let line = tokio::select! {
            line = connecting => line,
            () = stop.cancelled() => return,
        };
        match line {
            Ok(Ok(line)) => {
                let place = net.join(address, false);
                session::run(&net, line, &place, &stop).await;
            }
            Ok(Err(error)) => tracing::debug!(%address, %error, "a peer cannot be reached"),
            Err(_) => tracing::debug!(%address, "a peer does not answer"),
        }
        if called.elapsed() > GOOD {
            pause = SHORTEST_PAUSE;
        }
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = stop.cancelled() => return,
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use bitcoin::Work;
    use bitcoin::p2p::Magic;
    use bllvm_kernel_node::{Engine, Settings, anyone_can_spend};

    use super::*;
    use crate::node::PeerSettings;

    fn engine(dir: &tempfile::TempDir, least: Option<Work>) -> Engine {
        let mut settings = Settings::regtest(dir.path());
        if let Some(least) = least {
            settings.min_chain_work = least;
        }
        Engine::open(settings, Box::new(|_| {})).unwrap().0
    }

    fn net(engine: &Engine, settings: PeerSettings, nonce: u64) -> Arc<Net> {
        Net::new(
            engine.clone(),
            settings,
            Magic::REGTEST,
            nonce,
            Box::new(|| {}),
        )
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_node_without_a_chain_fetches_one_that_has_shown_the_least_work() {
        let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let far = engine(&dirs[0], None);
        let to = anyone_can_spend();
        far.mine(1150, &to, &AtomicBool::new(false), &mut |_| {})
            .unwrap();
        let tip = far.tip().unwrap();
        // Two hashes a block: marks at the heights 1000 and 1100.
        let mut least = [0; 32];
        least[30..].copy_from_slice(&(2 * 1101_u16).to_be_bytes());
        let near = engine(&dirs[1], Some(Work::from_be_bytes(least)));

        let stop = CancellationToken::new();
        let _stops = stop.clone().drop_guard();
        let listening = net(
            &far,
            PeerSettings {
                listen: Some("127.0.0.1:0".parse().unwrap()),
                ..PeerSettings::default()
            },
            1,
        );
        let address = start(&listening, &stop).await.unwrap().unwrap();
        let calling = net(
            &near,
            PeerSettings {
                connect: vec![address],
                ..PeerSettings::default()
            },
            2,
        );
        start(&calling, &stop).await.unwrap();
        let fetched = async {
            while near.tip().unwrap().hash != tip.hash {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(Duration::from_mins(2), fetched)
            .await
            .expect("the chain is fetched");
        assert_eq!(near.tip().unwrap().chain_work, tip.chain_work);
    }
}
