//! The first words: who speaks which version, and that it is not ourselves.

use std::net::SocketAddr;

use bitcoin::p2p::message::NetworkMessage;
use bitcoin::p2p::message_network::VersionMessage;
use bitcoin::p2p::{Address, ServiceFlags};

use super::net::{Net, Place};
use super::session::Line;
use super::wire::Fault;

/// The protocol with headers first, witnesses and `sendheaders`.
const OLDEST: u32 = 70_014;
const OURS: u32 = 70_016;
/// Bytes of a peer's name for itself, as Bitcoin Core has it. It is shown to people.
const LONGEST_NAME: usize = 256;
const USER_AGENT: &str = concat!("/bllvm:", env!("CARGO_PKG_VERSION"), "/");

/// Greets, and learns what the peer is. Tells whether it wants to be told of transactions.
pub(super) async fn greet(net: &Net, line: &mut Line, place: &Place) -> Result<bool, Fault> {
    let greeted = async {
        let ours = version(net, place.address).await?;
        if !place.inbound {
            line.out.send(ours.clone())?;
        }
        let theirs = match line.read().await? {
            NetworkMessage::Version(theirs) => theirs,
            // Before the first words nothing may be said.
            other => return Fault::broke(format!("`{}` before `version`", other.cmd())),
        };
        judge(net, place, &theirs)?;
        if place.inbound {
            line.out.send(ours)?;
        }
        line.out.send(NetworkMessage::Verack)?;
        loop {
            match line.read().await? {
                NetworkMessage::Verack => break,
                NetworkMessage::Version(_) => return Fault::broke("a second `version`"),
                // What else it can do is said here; we use none of it.
                _ => {}
            }
        }
        place.greeted(&theirs);
        Ok(theirs.relay)
    };
    tokio::time::timeout(net.settings.patience, greeted)
        .await
        .unwrap_or(Err(Fault::Slow("it did not greet in time")))
}

fn judge(net: &Net, place: &Place, theirs: &VersionMessage) -> Result<(), Fault> {
    if theirs.nonce == net.nonce {
        return Fault::broke("it is this node itself");
    }
    if theirs.version < OLDEST {
        return Fault::broke(format!(
            "it speaks version {} of the protocol; {OLDEST} is the oldest that is understood",
            theirs.version
        ));
    }
    let named = theirs.user_agent.len();
    if named > LONGEST_NAME {
        return Fault::broke(format!(
            "it calls itself by a name of {named} bytes; {LONGEST_NAME} are the most"
        ));
    }
    let needed = ServiceFlags::NETWORK | ServiceFlags::WITNESS;
    if !place.inbound && !theirs.services.has(needed) {
        return Fault::broke("it does not serve whole blocks");
    }
    Ok(())
}

async fn version(net: &Net, them: SocketAddr) -> Result<NetworkMessage, Fault> {
    let tip = net.ask(bllvm_kernel_node::Engine::tip).await?;
    let services = ServiceFlags::NETWORK | ServiceFlags::WITNESS;
    let now = net.engine.mempool(|_, now| now);
    let mut version = VersionMessage::new(
        services,
        i64::try_from(now).unwrap_or(i64::MAX),
        Address::new(&them, ServiceFlags::NONE),
        Address::new(&SocketAddr::from(([0, 0, 0, 0], 0)), services),
        net.nonce,
        USER_AGENT.to_owned(),
        i32::try_from(tip.height).unwrap_or(i32::MAX),
    );
    version.version = OURS;
    version.relay = true;
    Ok(NetworkMessage::Version(version))
}
