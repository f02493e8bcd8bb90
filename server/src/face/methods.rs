//! The methods, in one table: their names, parameters, and the scope that each asks for.

use futures_util::future::BoxFuture;

use super::Face;
use super::error::Outcome;
use super::params::{Args, Kind, Param};
use super::{chain, filters, general, mempool, mining, packages, sending};
use crate::api::auth::Caller;
use crate::model::Scope;

type Run = for<'a> fn(&'a Face, &'a Caller, Args) -> BoxFuture<'a, Outcome>;

/// A method.
pub(super) struct Method {
    pub(super) name: &'static str,
    pub(super) params: &'static [Param],
    about: &'static str,
    /// None where every known caller may ask.
    pub(super) scope: Option<Scope>,
    pub(super) run: Run,
}

impl Method {
    /// As `help` shows it: the name, then each parameter, optional ones in brackets.
    pub(super) fn usage(&self) -> String {
        let params = self.params.iter().map(|param| {
            let name = param.name.split('|').next().unwrap_or_default();
            if param.required {
                format!(" {name}")
            } else {
                format!(" ({name})")
            }
        });
        std::iter::once(self.name.to_owned())
            .chain(params)
            .collect()
    }

    pub(super) fn help(&self) -> String {
        format!("{}\n\n{}\n", self.usage(), self.about)
    }
}

/// The method of a name.
pub(super) fn find(name: &str) -> Option<&'static Method> {
    METHODS.iter().find(|method| method.name == name)
}

macro_rules! methods {
    ($( $about:literal $scope:expr, $name:ident($( $param:literal: $kind:ident $need:ident ),*) = $run:path; )+) => {
        pub(super) static METHODS: &[Method] = &[ $( Method {
            name: stringify!($name),
            params: &[ $( Param { name: $param, kind: Kind::$kind, required: methods!(@$need) } ),* ],
            about: $about,
            scope: $scope,
            run: |face, caller, args| Box::pin($run(face, caller, args)),
        } ),+ ];
    };
    (@required) => { true };
    (@optional) => { false };
}

const READ: Option<Scope> = Some(Scope::NodeRead);
const SEND: Option<Scope> = Some(Scope::NodeBroadcast);
const MINE: Option<Scope> = Some(Scope::NodeControl);

methods! {
    "The hash of the best chain's last block." READ, getbestblockhash() = chain::best_block_hash;
    "A block by its hash: 0 hex, 1 with ids, 2 with transactions, 3 with what they spend." READ,
        getblock("blockhash": Text required, "verbosity|verbose": Level optional) = chain::block;
    "What the node knows of the chain." READ, getblockchaininfo() = chain::info;
    "The height of the best chain's last block." READ, getblockcount() = chain::block_count;
    "A block's compact filter (BIP157)." READ,
        getblockfilter("blockhash": Text required, "filtertype": Text optional) = filters::block_filter;
    "The hash of the best chain's block at a height." READ,
        getblockhash("height": Number required) = chain::block_hash;
    "A block's header by its hash." READ,
        getblockheader("blockhash": Text required, "verbose": Bool optional) = chain::block_header;
    "A template of the next block (BIP22, BIP23)." MINE,
        getblocktemplate("template_request": Object required) = mining::block_template;
    "An unconfirmed transaction's fee, age and relatives." READ,
        getmempoolentry("txid": Text required) = mempool::entry;
    "The mempool's size." READ, getmempoolinfo() = mempool::info;
    "How many peers the base node has." READ, getconnectioncount() = general::connection_count;
    "What the node is." READ, getnetworkinfo() = general::network_info;
    "The base node's peers." READ, getpeerinfo() = general::peers;
    "The ids of unconfirmed transactions." READ,
        getrawmempool("verbose": Bool optional, "mempool_sequence": Bool optional) = mempool::list;
    "A transaction by its id." READ,
        getrawtransaction("txid": Text required, "verbosity|verbose": Level optional, "blockhash": Text optional) = mempool::raw_transaction;
    "An unspent output." READ,
        gettxout("txid": Text required, "n": Number required, "include_mempool": Bool optional) = chain::tx_out;
    "The fee rate for a confirmation within so many blocks." READ,
        estimatesmartfee("conf_target": Number required, "estimate_mode": Text optional) = mempool::smart_fee;
    "Mines blocks on regtest." MINE,
        generatetoaddress("nblocks": Number required, "address": Text required, "maxtries": Number optional) = mining::generate;
    "Mines blocks on regtest, to `raw(51)` or `addr(...)`." MINE,
        generatetodescriptor("num_blocks": Number required, "descriptor": Text required, "maxtries": Number optional) = mining::generate_to_descriptor;
    "Lists the methods, or explains one." None, help("command": Text optional) = general::help;
    "Sends a transaction." SEND,
        sendrawtransaction("hexstring": Text required, "maxfeerate": Amount optional, "maxburnamount": Amount optional) = sending::send;
    "Refused: the node is stopped where it was started." None, stop("wait": Number optional) = general::stop;
    "Submits a block." MINE,
        submitblock("hexdata": Text required, "dummy": Text optional) = mining::submit_block;
    "Sends transactions that depend on each other." SEND,
        submitpackage("package": List required, "maxfeerate": Amount optional, "maxburnamount": Amount optional) = packages::submit_package;
    "Whether transactions would be accepted." READ,
        testmempoolaccept("rawtxs": List required, "maxfeerate": Amount optional) = packages::test_accept;
    "How long the node has been running, in seconds." READ, uptime() = general::uptime;
}
