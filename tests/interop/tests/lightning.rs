//! Two unmodified ldk-nodes whose only source of the chain is our face: they open a channel, pay
//! each other in both directions, and close it.

use bllvm_interop::rpc::RpcApi as _;
use bllvm_interop::{Node, free_port, until};
use ldk_node::bitcoin::{Amount, Network};
use ldk_node::lightning::ln::msgs::SocketAddress;
use ldk_node::lightning_invoice::{Bolt11InvoiceDescription, Description};
use ldk_node::{Builder, Event, Node as Lightning};

const CHANNEL_SAT: u64 = 1_000_000;
const FUNDS_SAT: u64 = 5_000_000_000;

struct Peer {
    node: Lightning,
    address: SocketAddress,
    name: &'static str,
}

impl Peer {
    fn start(base: &Node, name: &'static str) -> Self {
        let address: SocketAddress = format!("127.0.0.1:{}", free_port()).parse().unwrap();
        let mut builder = Builder::new();
        builder.set_network(Network::Regtest);
        builder.set_storage_dir_path(base.folder().join(name).to_str().unwrap().to_owned());
        builder.set_chain_source_bitcoind_rpc(
            "127.0.0.1".to_owned(),
            base.port,
            "anybody".to_owned(),
            base.password.clone(),
        );
        builder
            .set_listening_addresses(vec![address.clone()])
            .unwrap();
        builder.set_node_alias(name.to_owned()).unwrap();
        let node = builder.build().unwrap();
        node.start().unwrap();
        Self {
            node,
            address,
            name,
        }
    }

    /// Waits until it has seen the chain up to the node's tip.
    fn catch_up(&self, base: &Node) {
        let tip = base.rpc.get_block_count().unwrap();
        until("the wallet follows the chain", || {
            self.node.sync_wallets().unwrap();
            let seen = u64::from(self.node.status().current_best_block.height);
            (seen >= tip).then_some(())
        });
    }

    /// The next event that `wanted` takes; others pass by.
    fn event<T>(&self, what: &str, mut wanted: impl FnMut(Event) -> Option<T>) -> T {
        until(&format!("{}: {what}", self.name), || {
            let event = self.node.next_event()?;
            self.node.event_handled().unwrap();
            wanted(event)
        })
    }

    fn on_chain_sat(&self) -> u64 {
        self.node.list_balances().total_onchain_balance_sats
    }
}

fn pay(from: &Peer, to: &Peer, amount_msat: u64) {
    let words = Bolt11InvoiceDescription::Direct(Description::new("tea".to_owned()).unwrap());
    let invoice = to.node.bolt11_payment();
    let invoice = invoice.receive(amount_msat, &words, 3600).unwrap();
    // A payment needs the channel to be usable at this end, too.
    until("the payment is on its way", || {
        from.node.bolt11_payment().send(&invoice, None).ok()
    });
    from.event("the payment succeeded", |event| match event {
        Event::PaymentSuccessful { .. } => Some(()),
        Event::PaymentFailed { reason, .. } => panic!("the payment failed: {reason:?}"),
        _ => None,
    });
    to.event("the payment arrived", |event| match event {
        Event::PaymentReceived { amount_msat, .. } => Some(amount_msat),
        _ => None,
    });
}

#[test]
fn two_ldk_nodes_pay_each_other_on_the_embedded_node() {
    open_pay_and_close(&Node::embedded());
}

#[test]
fn two_ldk_nodes_pay_each_other_on_a_node_that_stands_on_core() {
    open_pay_and_close(&Node::on_core());
}

fn open_pay_and_close(base: &Node) {
    let (alice, bob) = (Peer::start(base, "alice"), Peer::start(base, "bob"));
    for peer in [&alice, &bob] {
        let address = peer.node.onchain_payment().new_address().unwrap();
        base.mine(1, &address);
    }
    base.bury(100);
    alice.catch_up(base);
    bob.catch_up(base);
    assert_eq!(alice.on_chain_sat(), FUNDS_SAT);
    assert_eq!(bob.on_chain_sat(), FUNDS_SAT);

    let bob_id = bob.node.node_id();
    let opened = alice.node.open_channel(
        bob_id,
        bob.address.clone(),
        CHANNEL_SAT,
        Some(CHANNEL_SAT * 1000 / 2),
        None,
    );
    let channel = opened.unwrap();
    let funding = alice.event("the funding is sent", |event| match event {
        Event::ChannelPending { funding_txo, .. } => Some(funding_txo),
        _ => None,
    });
    // The face has it as any Bitcoin Core would.
    until("the funding is in the mempool", || {
        base.rpc.get_mempool_entry(&funding.txid).ok()
    });
    base.bury(6);
    alice.catch_up(base);
    bob.catch_up(base);
    for peer in [&alice, &bob] {
        peer.event("the channel is ready", |event| {
            matches!(event, Event::ChannelReady { .. }).then_some(())
        });
    }
    let output = base.rpc.get_tx_out(&funding.txid, funding.vout, None);
    let output = output.unwrap().expect("the channel's output is unspent");
    assert_eq!(output.value, Amount::from_sat(CHANNEL_SAT));

    pay(&alice, &bob, 25_000_000);
    pay(&bob, &alice, 10_000_000);

    alice.node.close_channel(&channel, bob_id).unwrap();
    for peer in [&alice, &bob] {
        peer.event("the channel is closed", |event| {
            matches!(event, Event::ChannelClosed { .. }).then_some(())
        });
    }
    until("the closing transaction is in the mempool", || {
        let ids = base.rpc.get_raw_mempool().unwrap();
        (!ids.is_empty()).then_some(())
    });
    base.bury(6);
    until("both wallets have their part", || {
        alice.catch_up(base);
        bob.catch_up(base);
        let gained = bob.on_chain_sat().checked_sub(FUNDS_SAT)?;
        // Half of the channel, and what alice paid more than she got.
        (gained >= CHANNEL_SAT / 2 + 14_000 && alice.node.list_channels().is_empty()).then_some(())
    });
    assert!(alice.on_chain_sat() > FUNDS_SAT - CHANNEL_SAT);
    let gone = base.rpc.get_tx_out(&funding.txid, funding.vout, None);
    assert!(gone.unwrap().is_none());
    alice.node.stop().unwrap();
    bob.node.stop().unwrap();
}
