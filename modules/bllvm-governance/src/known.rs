//! What is known beforehand: repositories, keys, rules, and which chain this is.

use std::collections::BTreeMap;

use bitcoin::Network;
use bitcoin::constants::genesis_block;
use bitcoin::secp256k1::XOnlyPublicKey;

use crate::config::{Config, EconomicNode, Maintainer, Repository};
use crate::refusal::{Code, Refusal};
use crate::rules::{Preset, Rules};
use crate::statement::Action;

/// What an operator configured, made ready for look-ups, and the chain's first block.
#[derive(Clone, Debug)]
pub struct Known {
    /// The rules.
    pub rules: Rules,
    chain: Option<String>,
    repositories: BTreeMap<String, Repository>,
    maintainers: BTreeMap<XOnlyPublicKey, Maintainer>,
    economic: BTreeMap<XOnlyPublicKey, EconomicNode>,
}

impl Known {
    /// From a configuration that was checked.
    pub fn new(config: &Config, rules: Rules, chain: Option<String>) -> Self {
        let repositories = config.repositories.iter();
        let maintainers = config.maintainers.iter();
        let economic = config.economic_nodes.iter();
        Self {
            rules,
            chain,
            repositories: repositories
                .map(|one| (one.name.to_lowercase(), one.clone()))
                .collect(),
            maintainers: maintainers
                .filter_map(|one| Some((one.key.parse().ok()?, one.clone())))
                .collect(),
            economic: economic
                .filter_map(|one| Some((one.key.parse().ok()?, one.clone())))
                .collect(),
        }
    }

    /// The chain's first block.
    ///
    /// # Errors
    /// The node never had a chain.
    pub fn chain(&self) -> Result<&str, Refusal> {
        self.chain.as_deref().ok_or_else(|| {
            let text = "the node has no chain, and statements bind one; replay this delivery once \
                        the node has a base node";
            Refusal::new(Code::NoChain, text)
        })
    }

    /// Takes note of the chain's first block.
    pub fn set_chain(&mut self, genesis: String) {
        self.chain = Some(genesis);
    }

    /// A repository by its name in lower case.
    pub fn repository(&self, name: &str) -> Option<&Repository> {
        self.repositories.get(name)
    }

    /// All repositories' names.
    pub fn repository_names(&self) -> impl Iterator<Item = &str> {
        self.repositories.keys().map(String::as_str)
    }

    /// A maintainer by key.
    pub fn maintainer(&self, key: &str) -> Option<&Maintainer> {
        self.maintainers.get(&key.parse::<XOnlyPublicKey>().ok()?)
    }

    /// Those who may sign for a layer.
    pub fn maintainers_of(&self, layer: u8) -> impl Iterator<Item = &Maintainer> {
        let all = self.maintainers.values();
        all.filter(move |one| one.signs_for(layer))
    }

    /// Whether somebody of this GitHub name is a maintainer of a layer.
    pub fn is_maintainer(&self, login: &str, layer: u8) -> bool {
        let mut all = self.maintainers_of(layer);
        all.any(|one| one.login.eq_ignore_ascii_case(login))
    }

    /// The economic nodes, with their keys as statements have them.
    pub fn economic_nodes(&self) -> impl Iterator<Item = (String, &EconomicNode)> {
        let all = self.economic.iter();
        all.map(|(key, node)| (key.to_string(), node))
    }

    /// An economic node by its key.
    pub fn economic_node(&self, key: &str) -> Option<&EconomicNode> {
        self.economic.get(&key.parse::<XOnlyPublicKey>().ok()?)
    }

    /// Whether a key may say this.
    pub fn may_say(&self, action: Action, key: &XOnlyPublicKey) -> bool {
        match action {
            Action::Sign => self.maintainers.contains_key(key),
            Action::Veto | Action::Support | Action::Abstain => self.economic.contains_key(key),
        }
    }

    /// The first blocks of the public chains, for telling what a signature was made for.
    pub fn other_chains() -> impl Iterator<Item = String> {
        let all = [
            Network::Bitcoin,
            Network::Testnet,
            Network::Testnet4,
            Network::Signet,
            Network::Regtest,
        ];
        all.into_iter()
            .map(|network| genesis_block(network).block_hash().to_string())
    }

    /// The names of the rules that come along.
    pub fn other_rules() -> impl Iterator<Item = String> {
        Preset::ALL.into_iter().map(|preset| preset.rules().name)
    }
}
