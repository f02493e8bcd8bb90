//! Same unconfirmed transactions, same answers.

use bllvm_ipc::types as t;
use bllvm_kernel_node::bitcoin;
use bllvm_kernel_node::bitcoin::hashes::Hash as _;
use bllvm_kernel_node::bitcoin::{Amount, OutPoint, Transaction};
use bllvm_kernel_node::testing::BlockBuilder;
use bllvm_node::node::MempoolEntry;

use super::answers::Transcript;
use super::benches::Bench;
use super::story::{Story, spending_of};

/// The transaction of the block that left is unconfirmed again.
pub async fn tell(bench: &Bench, story: &Story, said: &mut Transcript) {
    let (read, submit) = (&*bench.read, &*bench.submit);
    let txid = t::Txid(story.transaction.compute_txid().to_byte_array());
    let first = t::PageRequest {
        cursor: None,
        limit: Some(10),
    };
    said.note("unconfirmed ids", read.mempool_list(first).await);
    said.note("mempool", read.mempool_info().await);
    let entry = read.mempool_entry(txid).await;
    said.note(
        "entry",
        entry.map(|entry| MempoolEntry { time: 0, ..entry }),
    );
    said.note("no entry", read.mempool_entry(t::Txid([9; 32])).await);
    let of = |txid| t::TransactionRequest { txid, block: None };
    said.note("unconfirmed", read.mempool_transaction(of(txid)).await);
    said.note(
        "not unconfirmed",
        read.mempool_transaction(of(t::Txid([9; 32]))).await,
    );
    for (name, txid) in [
        ("made by the mempool", txid),
        (
            "spent by the mempool",
            t::Txid(story.spent.txid.to_byte_array()),
        ),
    ] {
        for include_mempool in [true, false] {
            let request = t::UtxoRequest {
                txid,
                vout: 0,
                include_mempool,
            };
            said.note(name, read.utxo(request).await);
        }
    }
    let mut conflict = story.transaction.clone();
    conflict.output[0].value += Amount::from_sat(1000);
    let unknown = bitcoin::Txid::from_byte_array([8; 32]);
    let missing = spending_of(OutPoint::new(unknown, 0));
    for (name, transaction) in [("conflict", &conflict), ("missing input", &missing)] {
        let raw = list([transaction]);
        said.note(name, read.test_accept(raw.clone()).await);
        let verdicts = submit.broadcast(raw).await.unwrap().results;
        assert!(!verdicts[0].accepted, "{}: {name}", bench.name);
    }
    lists(bench, &conflict, &missing, said).await;
    let again = list([&story.transaction]);
    submit.broadcast(again).await.unwrap();
    let fee = read.fee(t::FeeRequest { target_blocks: 6 }).await;
    said.note("fee", fee.map(|fee| fee.sat_per_kvb));
    let request = t::TemplateRequest {
        coinbase_weight: 8000,
        longpoll_id: None,
    };
    let template = submit.template(request).await;
    said.note(
        "template",
        template.map(|template| t::Template {
            longpoll_id: String::new(),
            ..template
        }),
    );
    propose(bench, story, said).await;
}

fn list<'a>(transactions: impl IntoIterator<Item = &'a Transaction>) -> t::Transactions {
    let raw = |one| t::Hex(bitcoin::consensus::serialize(one));
    t::Transactions {
        transactions: transactions.into_iter().map(raw).collect(),
    }
}

/// Two that have nothing to do with each other, of which nobody takes either.
async fn lists(
    bench: &Bench,
    conflict: &Transaction,
    missing: &Transaction,
    said: &mut Transcript,
) {
    for (name, two) in [
        ("a list that begins with a conflict", [conflict, missing]),
        (
            "a list that begins with a missing input",
            [missing, conflict],
        ),
        ("a list of the same", [conflict, conflict]),
    ] {
        said.note(name, bench.read.test_accept(list(two)).await);
    }
    let sent = bench.submit.broadcast(list([conflict, missing])).await;
    let verdicts = sent.unwrap().results.into_iter();
    let verdicts = verdicts.map(|one| (one.txid, one.accepted));
    said.note("strangers sent together", Ok(verdicts.collect::<Vec<_>>()));
}

/// Blocks that nobody has mined yet, and one that everybody has.
async fn propose(bench: &Bench, story: &Story, said: &mut Transcript) {
    let tip = *story.branch.last().unwrap();
    let next = BlockBuilder::on(tip).salt(11);
    let below = BlockBuilder::on(story.branch[0]).salt(12);
    let cases = [
        ("proposal", next.clone().raw(&story.engine).unwrap()),
        (
            "proposal that pays too much",
            next.clone().overpaid().raw(&story.engine).unwrap(),
        ),
        (
            "proposal that commits to something else",
            next.with_wrong_merkle_root().raw(&story.engine).unwrap(),
        ),
        ("proposal below the tip", below.raw(&story.engine).unwrap()),
        ("proposal of the tip", story.raw(&tip).to_vec()),
    ];
    for (name, raw) in cases {
        said.note(name, bench.submit.check_block(raw.into()).await);
    }
}
