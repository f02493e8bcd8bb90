//! A bdk wallet on the face by `bdk_bitcoind_rpc`, as on any Bitcoin Core: it finds its coins, sends
//! one, sees it unconfirmed, confirmed, and unconfirmed again when its block leaves.

use bdk_bitcoind_rpc::{Emitter, NO_EXPECTED_MEMPOOL_TXS};
use bdk_wallet::bitcoin::absolute::LockTime;
use bdk_wallet::bitcoin::block::{Header, Version};
use bdk_wallet::bitcoin::hashes::Hash as _;
use bdk_wallet::bitcoin::script::Builder;
use bdk_wallet::bitcoin::{
    Amount, Block, BlockHash, FeeRate, Network, OutPoint, ScriptBuf, Sequence, Transaction, TxIn,
    TxMerkleNode, TxOut, Txid, WPubkeyHash, Witness, transaction,
};
use bdk_wallet::{KeychainKind, SignOptions, Wallet};
use bllvm_interop::Node;
use bllvm_interop::rpc::{Client, RpcApi};

const RECEIVE: &str = "tr(tprv8ZgxMBicQKsPdcAqYBpzAFwU5yxBUo88ggoBqu1qPcHUfSbKK1sKMLmC7EAk438btHQrSdu3jGGQa6PA71nvH5nkDexhLteJqkM4dQmWF9g/86'/1'/0'/0/*)";
const CHANGE: &str = "tr(tprv8ZgxMBicQKsPdcAqYBpzAFwU5yxBUo88ggoBqu1qPcHUfSbKK1sKMLmC7EAk438btHQrSdu3jGGQa6PA71nvH5nkDexhLteJqkM4dQmWF9g/86'/1'/0'/1/*)";

struct Follower<'a> {
    wallet: Wallet,
    emitter: Emitter<&'a Client>,
}

impl<'a> Follower<'a> {
    fn on(node: &'a Node) -> Self {
        let wallet = Wallet::create(RECEIVE, CHANGE)
            .network(Network::Regtest)
            .create_wallet_no_persist()
            .unwrap();
        let start = wallet.latest_checkpoint();
        let emitter = Emitter::new(&node.rpc, start, 0, NO_EXPECTED_MEMPOOL_TXS);
        Self { wallet, emitter }
    }

    /// Takes in what is new: blocks, then the mempool.
    fn sync(&mut self) {
        while let Some(event) = self.emitter.next_block().unwrap() {
            let (height, before) = (event.block_height(), event.connected_to());
            self.wallet
                .apply_block_connected_to(&event.block, height, before)
                .unwrap();
        }
        let mempool = self.emitter.mempool().unwrap();
        self.wallet.apply_evicted_txs(mempool.evicted);
        self.wallet.apply_unconfirmed_txs(mempool.update);
    }

    fn is_confirmed(&self, txid: Txid) -> bool {
        let found = self.wallet.get_tx(txid).expect("the wallet knows it");
        found.chain_position.is_confirmed()
    }
}

#[test]
fn a_bdk_wallet_finds_sends_and_follows_a_reorganisation_of_the_embedded_node() {
    follow_a_reorganisation(&Node::embedded());
}

#[test]
fn a_bdk_wallet_does_the_same_on_a_node_that_stands_on_core() {
    follow_a_reorganisation(&Node::on_core());
}

fn follow_a_reorganisation(node: &Node) {
    let mut follower = Follower::on(node);
    let own = follower.wallet.reveal_next_address(KeychainKind::External);
    node.mine(2, &own.address);
    node.bury(98);
    follower.sync();
    let balance = follower.wallet.balance();
    assert_eq!(follower.wallet.latest_checkpoint().height(), 100);
    // The first coinbase may be spent in block 101, the second not yet.
    assert_eq!(balance.total(), Amount::from_int_btc(100));
    assert_eq!(balance.immature, Amount::from_int_btc(50));

    let elsewhere = ScriptBuf::new_p2wpkh(&WPubkeyHash::from_byte_array([7; 20]));
    let mut building = follower.wallet.build_tx();
    building
        .add_recipient(elsewhere, Amount::from_int_btc(3))
        .fee_rate(FeeRate::from_sat_per_vb(5).unwrap());
    let mut psbt = building.finish().unwrap();
    let signed = follower.wallet.sign(&mut psbt, SignOptions::default());
    assert!(signed.unwrap());
    let sent = psbt.extract_tx().unwrap();
    let txid = node.rpc.send_raw_transaction(&sent).unwrap();
    assert_eq!(txid, sent.compute_txid());
    follower.sync();
    assert!(!follower.is_confirmed(txid));
    assert!(follower.wallet.balance().trusted_pending > Amount::from_int_btc(46));

    let fork = node.rpc.get_best_block_hash().unwrap();
    node.bury(1);
    follower.sync();
    assert!(follower.is_confirmed(txid));
    assert_eq!(follower.wallet.latest_checkpoint().height(), 101);

    // Two empty blocks take the place of the one that held it.
    let mut prev = fork;
    for height in 101..=102 {
        let block = empty_block(&node.rpc, prev, height);
        prev = block.block_hash();
        // The first has no more work than the chain, and is kept aside ("inconclusive").
        let submitted = node.rpc.submit_block(&block);
        assert_eq!(submitted.is_ok(), height == 102, "{submitted:?}");
    }
    assert_eq!(node.rpc.get_best_block_hash().unwrap(), prev);
    follower.sync();
    assert_eq!(follower.wallet.latest_checkpoint().hash(), prev);
    assert!(!follower.is_confirmed(txid));
    node.bury(1);
    follower.sync();
    assert!(follower.is_confirmed(txid));
}

/// A block with nothing but its coinbase, on a block of our choice.
fn empty_block(rpc: &Client, prev: BlockHash, height: u32) -> Block {
    let parent = rpc.get_block_header(&prev).unwrap();
    let coinbase = Transaction {
        version: transaction::Version::ONE,
        lock_time: LockTime::ZERO,
        input: vec![TxIn {
            previous_output: OutPoint::null(),
            script_sig: Builder::new()
                .push_int(i64::from(height))
                .push_slice(b"elsewhere")
                .into_script(),
            sequence: Sequence::MAX,
            witness: Witness::new(),
        }],
        output: vec![TxOut {
            value: Amount::from_int_btc(50),
            script_pubkey: ScriptBuf::from_bytes(vec![0x51]),
        }],
    };
    let mut block = Block {
        header: Header {
            version: Version::from_consensus(0x2000_0000),
            prev_blockhash: prev,
            merkle_root: TxMerkleNode::all_zeros(),
            time: parent.time + 1,
            bits: parent.bits,
            nonce: 0,
        },
        txdata: vec![coinbase],
    };
    block.header.merkle_root = block.compute_merkle_root().unwrap();
    let target = block.header.target();
    while block.header.validate_pow(target).is_err() {
        block.header.nonce += 1;
    }
    block
}

#[test]
fn every_answer_has_the_fields_that_bitcoincore_rpc_reads() {
    for node in [Node::embedded(), Node::on_core()] {
        read_every_answer(&node);
    }
}

fn read_every_answer(node: &Node) {
    node.bury(3);
    let rpc = &node.rpc;
    let chain = rpc.get_blockchain_info().unwrap();
    assert_eq!((chain.chain, chain.blocks), (Network::Regtest, 3));
    assert!(chain.size_on_disk > 0);
    assert_eq!(rpc.get_network_info().unwrap().version, 300_000);
    assert_eq!(rpc.get_mempool_info().unwrap().size, 0);
    let hash = rpc.get_block_hash(2).unwrap();
    let block = rpc.get_block_info(&hash).unwrap();
    assert_eq!((block.height, block.n_tx), (2, 1));
    let header = rpc.get_block_header_info(&hash).unwrap();
    assert_eq!(header.confirmations, 2);
    let coinbase = block.tx[0];
    let found = rpc.get_raw_transaction_info(&coinbase, None).unwrap();
    assert_eq!(found.blockhash, Some(hash));
    let output = rpc.get_tx_out(&coinbase, 0, None).unwrap().unwrap();
    assert!(output.coinbase);
    let estimate = rpc.estimate_smart_fee(6, None).unwrap();
    assert!(estimate.fee_rate.is_some() != estimate.errors.is_some());
    let filter = rpc.get_block_filter(&hash).unwrap();
    assert!(!filter.filter.is_empty());
    let template = rpc
        .get_block_template(
            bllvm_interop::rpc::json::GetBlockTemplateModes::Template,
            &[bllvm_interop::rpc::json::GetBlockTemplateRules::SegWit],
            &[],
        )
        .unwrap();
    assert_eq!(template.height, 4);
    assert_eq!(template.coinbase_value, Amount::from_int_btc(50));
}
