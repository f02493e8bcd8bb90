//! The list of pools, in the shape of pools-v2.json, and whose block a coinbase is.

use std::collections::{BTreeMap, BTreeSet};

use bitcoin::address::{Address, NetworkUnchecked};
use bitcoin::hashes::{Hash, sha256};
use bitcoin::{Script, ScriptBuf};
use serde::Deserialize;

use crate::mining::coinbase::Mined;

/// The list that comes with the module.
pub const BUILT_IN: &[u8] = include_bytes!("../../pools.json");

/// One pool. Keys of other lists that are not named here are left aside.
#[derive(Clone, Debug, Deserialize)]
pub struct Pool {
    /// Its number; the same in every version of a list.
    pub id: u32,
    /// Its name.
    pub name: String,
    /// Where its coinbases pay.
    #[serde(default)]
    pub addresses: Vec<Address<NetworkUnchecked>>,
    /// What its coinbases say; literal text, whatever its case.
    #[serde(default)]
    pub tags: Vec<String>,
    /// Its web page.
    #[serde(default)]
    pub link: String,
}

/// How a block was attributed, weakest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Strength {
    /// The coinbase says so; any miner can write any text.
    Tag,
    /// At least half of the coinbase is paid to its address; a lie would give the money away.
    Address,
}

/// A list, made ready for look-ups.
#[derive(Debug)]
pub struct Pools {
    by_id: BTreeMap<u32, Pool>,
    scripts: BTreeMap<ScriptBuf, u32>,
    /// Folded to lower case, longest first: `/ViaBTC/Some Pool/` is not `/ViaBTC/`.
    tags: Vec<(Vec<u8>, u32)>,
    digest: String,
}

/// Why a list cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ListError {
    /// It is not JSON of this shape.
    #[error("the pool list is not in the shape of pools-v2.json: {0}")]
    Shape(#[from] serde_json::Error),
    /// Two entries share what must be one's own.
    #[error("the pool list has {what} {value} twice; remove one")]
    Twice {
        /// What it is.
        what: &'static str,
        /// Which one.
        value: String,
    },
    /// A tag that every block would have.
    #[error("pool {name} has an empty tag; remove it")]
    EmptyTag {
        /// The pool.
        name: String,
    },
}

impl Pools {
    /// Reads a list.
    pub fn read(json: &[u8]) -> Result<Self, ListError> {
        let list: Vec<Pool> = serde_json::from_slice(json)?;
        let mut pools = Self {
            by_id: BTreeMap::new(),
            scripts: BTreeMap::new(),
            tags: Vec::new(),
            digest: sha256::Hash::hash(json).to_string(),
        };
        let mut seen = BTreeSet::new();
        for pool in list {
            pools.take(pool, &mut seen)?;
        }
        // Equal lengths by text, so that the list's order decides nothing.
        pools
            .tags
            .sort_by(|a, b| b.0.len().cmp(&a.0.len()).then_with(|| a.cmp(b)));
        Ok(pools)
    }

    fn take(&mut self, pool: Pool, seen: &mut BTreeSet<Vec<u8>>) -> Result<(), ListError> {
        let twice = |what, value: &dyn std::fmt::Display| ListError::Twice {
            what,
            value: value.to_string(),
        };
        for address in &pool.addresses {
            let address = address.clone().assume_checked();
            if self
                .scripts
                .insert(address.script_pubkey(), pool.id)
                .is_some()
            {
                return Err(twice("the address", &address));
            }
        }
        for tag in &pool.tags {
            let folded = tag.as_bytes().to_ascii_lowercase();
            if folded.is_empty() {
                return Err(ListError::EmptyTag { name: pool.name });
            }
            // One pool may name a tag in two cases, as public lists do; two pools may not share it.
            if seen.insert(folded.clone()) {
                self.tags.push((folded, pool.id));
            } else if !self.tags.contains(&(folded, pool.id)) {
                return Err(twice("the tag", tag));
            }
        }
        let id = pool.id;
        if self.by_id.insert(id, pool).is_some() {
            return Err(twice("the id", &id));
        }
        Ok(())
    }

    /// SHA-256 of the list's bytes.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// A pool by its number.
    pub fn get(&self, id: u32) -> Option<&Pool> {
        self.by_id.get(&id)
    }

    /// Whose block it is: by address where at least half of the coinbase says so, else by tag.
    pub fn attribute(&self, mined: &Mined) -> Option<(u32, Strength)> {
        self.by_address(mined)
            .map(|id| (id, Strength::Address))
            .or_else(|| self.by_tag(&mined.text).map(|id| (id, Strength::Tag)))
    }

    fn by_address(&self, mined: &Mined) -> Option<u32> {
        let mut paid: BTreeMap<u32, u64> = BTreeMap::new();
        for payout in &mined.payouts {
            let script: &Script = &payout.script;
            if let Some(id) = self.scripts.get(script) {
                *paid.entry(*id).or_default() += payout.value_sat;
            }
        }
        let (value, id) = paid.into_iter().map(|(id, value)| (value, id)).max()?;
        (u128::from(value) * 2 >= u128::from(mined.total_sat)).then_some(id)
    }

    fn by_tag(&self, text: &[u8]) -> Option<u32> {
        let text = text.to_ascii_lowercase();
        let says = |tag: &[u8]| text.windows(tag.len()).any(|part| part == tag);
        let (_, id) = self.tags.iter().find(|(tag, _)| says(tag))?;
        Some(*id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mining::coinbase::Payout;

    const PAID: &str = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080";

    fn list() -> Pools {
        let json = format!(
            r#"[{{"id":1,"name":"Paid","addresses":["{PAID}"],"tags":["/paid/"],"link":""}},
                {{"id":2,"name":"Via","tags":["/Via/"]}},
                {{"id":3,"name":"Via's client","tags":["/Via/Client/","/VIA/CLIENT/"]}}]"#
        );
        Pools::read(json.as_bytes()).unwrap()
    }

    fn mined(text: &str, to_pool: u64, to_others: u64) -> Mined {
        let script = PAID.parse::<Address<NetworkUnchecked>>().unwrap();
        Mined {
            hash: bllvm_sdk::types::BlockHash([1; 32]),
            previous: bllvm_sdk::types::BlockHash([0; 32]),
            text: text.as_bytes().to_vec(),
            total_sat: to_pool + to_others,
            payouts: vec![Payout {
                script: script.assume_checked().script_pubkey(),
                value_sat: to_pool,
            }],
        }
    }

    #[test]
    fn the_list_that_comes_along_is_readable_and_has_a_digest() {
        let pools = Pools::read(BUILT_IN).unwrap();
        assert_eq!(pools.by_id.len(), 20);
        assert_eq!(pools.digest().len(), 64);
    }

    #[test]
    fn an_address_beats_a_tag_from_half_of_the_coinbase_on() {
        let pools = list();
        let of = |mined: &Mined| pools.attribute(mined);
        assert_eq!(of(&mined("/Via/", 50, 50)), Some((1, Strength::Address)));
        assert_eq!(of(&mined("/Via/", 49, 51)), Some((2, Strength::Tag)));
        assert_eq!(of(&mined("nobody", 49, 51)), None);
    }

    #[test]
    fn the_longest_tag_wins_and_case_does_not_matter() {
        let pools = list();
        let of = |text| pools.attribute(&mined(text, 0, 1));
        assert_eq!(of("x/via/client/y"), Some((3, Strength::Tag)));
        assert_eq!(of("x/VIA/y"), Some((2, Strength::Tag)));
    }

    #[test]
    fn a_bad_list_is_refused_by_what_is_wrong_in_it() {
        let refusal = |json: &str| Pools::read(json.as_bytes()).unwrap_err().to_string();
        let shared = r#"[{"id":1,"name":"a","tags":["x"]},{"id":2,"name":"b","tags":["X"]}]"#;
        assert!(refusal(shared).contains("the tag X twice"));
        let same = r#"[{"id":1,"name":"a"},{"id":1,"name":"b"}]"#;
        assert!(refusal(same).contains("the id 1 twice"));
        assert!(refusal(r#"[{"id":1,"name":"a","tags":[""]}]"#).contains("empty tag"));
        assert!(refusal(r#"[{"id":1}]"#).contains("`name`"));
        assert!(refusal(r#"[{"id":1,"name":"a","addresses":["bc1nonsense"]}]"#).contains("line 1"));
    }
}
