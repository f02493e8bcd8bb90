//! The limits of what is taken, with Bitcoin Core's defaults.

/// Fees are satoshi per 1,000 virtual bytes, sizes virtual bytes where nothing else is said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// The lowest fee rate that is relayed at all.
    pub min_relay: u64,
    /// What a replacement pays for its own relay, on top of what it replaces.
    pub incremental: u64,
    /// The fee rate at which spending an output would cost more than a dust output holds.
    pub dust_relay: u64,
    /// The most transactions that one and its unconfirmed ancestors may be.
    pub max_ancestors: usize,
    /// The most they may measure together.
    pub max_ancestor_size: u64,
    /// The most transactions that one and its unconfirmed descendants may be.
    pub max_descendants: usize,
    /// The most they may measure together.
    pub max_descendant_size: u64,
    /// The most transactions that one replacement may remove.
    pub max_replaced: usize,
    /// The most bytes of memory, estimated.
    pub max_usage: u64,
    /// Seconds after which an unconfirmed transaction is forgotten.
    pub expiry: u64,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            min_relay: 100,
            incremental: 100,
            dust_relay: 3000,
            max_ancestors: 25,
            max_ancestor_size: 101_000,
            max_descendants: 25,
            max_descendant_size: 101_000,
            max_replaced: 100,
            max_usage: 300_000_000,
            expiry: 336 * 3600,
        }
    }
}

/// The fee that a rate asks of a size, rounded up.
pub fn fee_at(rate: u64, vsize: u64) -> u64 {
    rate.saturating_mul(vsize).div_ceil(1000)
}

/// The rate that a fee is for a size, rounded down.
pub fn rate_of(fee: u64, vsize: u64) -> u64 {
    fee.saturating_mul(1000) / vsize.max(1)
}

/// Whether the first fee rate (fee, size) is higher than the second, without rounding.
pub fn higher(one: (u64, u64), other: (u64, u64)) -> bool {
    u128::from(one.0) * u128::from(other.1) > u128::from(other.0) * u128::from(one.1)
}
