//! What differs from chain to chain, as far as blocks that are made here and headers that are only
//! offered depend on it. Whether a block counts is decided by the kernel alone.

use bitcoin::{
    BlockHash, CompactTarget, Network, Script, ScriptBuf, Target, Work,
    block::Header,
    constants::genesis_block,
    hashes::{Hash, HashEngine, sha256d},
    params::Params,
};
use bitcoinkernel::{ChainParams, ChainType, ContextBuilder};

/// How far the first block of a period may lie before the last of the one before, in seconds
/// (BIP 94, `MAX_TIMEWARP`). Templates keep to it on every chain, as Bitcoin Core's do.
pub const MAX_TIMEWARP: u32 = 600;

/// Which chain to work on.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Chain {
    /// A private chain whose blocks cost nothing.
    Regtest,
    /// A test network whose blocks are signed (BIP 325).
    Signet {
        /// The script that every block must satisfy; none for the public signet.
        challenge: Option<ScriptBuf>,
    },
    /// The public test network (BIP 94).
    Testnet4,
    /// Bitcoin.
    Mainnet,
}

impl Chain {
    /// Its name, as Bitcoin Core's RPC has it.
    pub fn name(&self) -> &'static str {
        self.network().to_core_arg()
    }

    /// The network by which addresses are written.
    pub fn network(&self) -> Network {
        match self {
            Self::Regtest => Network::Regtest,
            Self::Signet { .. } => Network::Signet,
            Self::Testnet4 => Network::Testnet4,
            Self::Mainnet => Network::Bitcoin,
        }
    }

    /// The hash of block 0.
    pub fn genesis(&self) -> BlockHash {
        genesis_block(self.network()).block_hash()
    }

    /// Tells its files from those of other chains. All signets have one block 0, so the challenge
    /// of one's own counts as well.
    pub(crate) fn identity(&self) -> BlockHash {
        match self.challenge() {
            None => self.genesis(),
            Some(challenge) => {
                let mut engine = sha256d::Hash::engine();
                engine.input(self.genesis().as_byte_array());
                engine.input(challenge.as_bytes());
                BlockHash::from_raw_hash(sha256d::Hash::from_engine(engine))
            }
        }
    }

    /// The least work of a chain that a node without one follows: a stranger's chain of less is not
    /// fetched. Bitcoin Core's `nMinimumChainWork` (v30, `kernel/chainparams.cpp`); a network of
    /// one's own has none.
    pub fn min_chain_work(&self) -> Work {
        let mut work = [0; 32];
        let least: u128 = match self {
            Self::Signet { challenge: None } => 0x0b46_3ea0_a4b8,
            Self::Testnet4 => 0x09a0_fe15_d017_7d08_6304,
            Self::Regtest | Self::Signet { .. } | Self::Mainnet => 0,
        };
        work[16..].copy_from_slice(&least.to_be_bytes());
        Work::from_be_bytes(work)
    }

    pub(crate) fn rules(&self) -> Rules {
        let rules = |params, halving| Rules {
            params,
            halving,
            period: 2016,
            constant: false,
            min_difficulty: false,
            bip94: false,
        };
        match self {
            Self::Regtest => Rules {
                period: 144,
                constant: true,
                ..rules(&Params::REGTEST, 150)
            },
            Self::Signet { .. } => rules(&Params::SIGNET, 210_000),
            Self::Testnet4 => Rules {
                min_difficulty: true,
                bip94: true,
                ..rules(&Params::TESTNET4, 210_000)
            },
            Self::Mainnet => rules(&Params::BITCOIN, 210_000),
        }
    }

    pub(crate) fn kernel_params(&self) -> ChainParams {
        match self.challenge() {
            Some(challenge) => ChainParams::new_signet(challenge.as_bytes()),
            None => ChainParams::new(self.kernel_type()),
        }
    }

    pub(crate) fn of_context(&self, context: ContextBuilder) -> ContextBuilder {
        match self.challenge() {
            Some(challenge) => context.signet(challenge.as_bytes()),
            None => context.chain_type(self.kernel_type()),
        }
    }

    fn challenge(&self) -> Option<&Script> {
        match self {
            Self::Signet { challenge } => challenge.as_deref(),
            _ => None,
        }
    }

    fn kernel_type(&self) -> ChainType {
        match self {
            Self::Regtest => ChainType::Regtest,
            Self::Signet { .. } => ChainType::Signet,
            Self::Testnet4 => ChainType::Testnet4,
            Self::Mainnet => ChainType::Mainnet,
        }
    }
}

/// The numbers of a chain.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    params: &'static Params,
    /// Blocks between two halvings of the subsidy.
    pub halving: u32,
    /// Blocks between two changes of the target.
    pub period: u32,
    /// Whether the target never changes.
    constant: bool,
    /// Whether a block that comes late may be of the least difficulty.
    pub min_difficulty: bool,
    /// Whether the rules of BIP 94 hold.
    pub bip94: bool,
}

impl Rules {
    /// The easiest target.
    pub fn limit(&self) -> CompactTarget {
        self.params.max_attainable_target.to_compact_lossy()
    }

    /// The most seconds between two blocks before one of the least difficulty may come.
    fn patience(&self) -> u64 {
        2 * self.params.pow_target_spacing
    }
}

/// What the target of the next block depends on.
#[derive(Debug, Clone, Copy)]
pub struct Difficulty {
    pub(crate) rules: Rules,
    /// The last block's height, time and target.
    pub(crate) height: u32,
    pub(crate) time: u32,
    pub(crate) bits: CompactTarget,
    /// The time and target of the first block of its period.
    pub(crate) first: (u32, CompactTarget),
    /// The last target of the period that was not given for coming late.
    pub(crate) real_bits: CompactTarget,
}

impl Difficulty {
    /// The target of a next block with this time (Bitcoin Core's `GetNextWorkRequired`).
    pub fn next_bits(&self, time: u32) -> CompactTarget {
        let rules = &self.rules;
        if rules.constant {
            return self.bits;
        }
        if (self.height + 1).is_multiple_of(rules.period) {
            let (first_time, first_bits) = self.first;
            let base = if rules.bip94 { first_bits } else { self.bits };
            // A period that ends before it began counts as the shortest.
            let timespan = self.time.saturating_sub(first_time).into();
            return CompactTarget::from_next_work_required(base, timespan, rules.params);
        }
        if !rules.min_difficulty {
            return self.bits;
        }
        if u64::from(time) > u64::from(self.time) + rules.patience() {
            rules.limit()
        } else {
            self.real_bits
        }
    }

    /// The earliest time of a next block by BIP 94's rule against time warps, where one begins a
    /// period; the median of the blocks before counts besides.
    pub(crate) fn unwarped(&self) -> Option<u32> {
        let begins = (self.height + 1).is_multiple_of(self.rules.period);
        begins.then(|| self.time.saturating_sub(MAX_TIMEWARP))
    }

    /// Whether a next block with this time would begin its period too early (BIP 94).
    pub(crate) fn warps(&self, time: u32) -> bool {
        self.rules.bip94 && self.unwarped().is_some_and(|earliest| time < earliest)
    }

    fn step(&mut self, header: &Header) {
        self.height += 1;
        (self.time, self.bits) = (header.time, header.bits);
        if self.height.is_multiple_of(self.rules.period) {
            self.first = (header.time, header.bits);
            self.real_bits = header.bits;
        } else if header.bits != self.rules.limit() {
            self.real_bits = header.bits;
        }
    }
}

/// Why a header does not go on with a chain; the words in parentheses are Bitcoin Core's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HeaderFault {
    /// It stands on another block.
    #[error("headers that do not follow each other")]
    Unlinked,
    /// Its target is not the one that the chain asks for.
    #[error("a header with a target of its own (bad-diffbits)")]
    Target,
    /// Its hash is above its target.
    #[error("a header without its work (high-hash)")]
    Work,
}

/// Where a chain of headers stands, and what its next header must show.
#[derive(Debug, Clone, Copy)]
pub struct Standing {
    /// The last header's hash.
    pub hash: BlockHash,
    /// The work of the whole chain.
    pub work: Work,
    pub(crate) difficulty: Difficulty,
}

impl Standing {
    /// Before the first header that peers offer.
    pub fn at_genesis(chain: &Chain) -> Self {
        let header = genesis_block(chain.network()).header;
        Self {
            hash: header.block_hash(),
            work: header.work(),
            difficulty: Difficulty {
                rules: chain.rules(),
                height: 0,
                time: header.time,
                bits: header.bits,
                first: (header.time, header.bits),
                real_bits: header.bits,
            },
        }
    }

    /// The last header's height.
    pub fn height(&self) -> u32 {
        self.difficulty.height
    }

    /// Goes on to the next header.
    ///
    /// # Errors
    /// Where it is not linked to the last, or does not carry its work; nothing has changed then.
    pub fn step(&mut self, header: &Header) -> Result<(), HeaderFault> {
        if header.prev_blockhash != self.hash {
            return Err(HeaderFault::Unlinked);
        }
        if header.bits != self.difficulty.next_bits(header.time) {
            return Err(HeaderFault::Target);
        }
        let target = Target::from_compact(header.bits);
        self.hash = header.validate_pow(target).map_err(|_| HeaderFault::Work)?;
        self.work = self.work + target.to_work();
        self.difficulty.step(header);
        Ok(())
    }
}

#[cfg(test)]
#[path = "rules_tests.rs"]
mod tests;
