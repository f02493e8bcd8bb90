//! What an operator can set. `enabled`, `node_id` and `webhook_url` are keys of older installations.

use std::collections::BTreeSet;

use bitcoin::secp256k1::XOnlyPublicKey;
use bllvm_sdk::Problems;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::rules::Preset;

/// Governance
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Whether anything is counted. Off, the module runs and answers that it is off.
    pub enabled: bool,
    /// The name under which this node's answers are shown; none needs no name.
    #[schemars(length(max = 64))]
    pub node_id: String,
    /// Taken from older configurations. Nothing is sent there: the node itself sends webhooks.
    #[schemars(length(max = 2048))]
    pub webhook_url: String,
    /// The node's webhook source that speaks for the repositories. Deliveries of others are not read.
    #[schemars(length(min = 1, max = 64))]
    pub webhook_source: String,
    /// The rules that come along.
    pub preset: Preset,
    /// Other rules: the name of a TOML file in the module's data directory. Empty: the preset.
    #[schemars(length(max = 255))]
    pub rules_file: String,
    /// The repositories whose pull requests are proposals.
    #[schemars(length(max = 200))]
    pub repositories: Vec<Repository>,
    /// Those who sign for repositories.
    #[schemars(length(max = 200))]
    pub maintainers: Vec<Maintainer>,
    /// Those who may veto, support or abstain.
    #[schemars(length(max = 1000))]
    pub economic_nodes: Vec<EconomicNode>,
    /// A pool list in the shape of pools-v2.json: a file's name in the module's data directory.
    /// Empty: the list that comes with the module.
    #[schemars(length(max = 255))]
    pub pool_list: String,
}

/// A repository
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Repository {
    /// `owner/name`, as GitHub has it.
    pub name: String,
    /// Its layer in the rules.
    pub layer: u8,
    /// The tier of its proposals that say nothing else; none takes the rules' own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tier: Option<u8>,
}

/// A maintainer
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Maintainer {
    /// The name at GitHub.
    pub login: String,
    /// The x-only public key, 64 hexadecimal digits.
    pub key: String,
    /// The layers that this one signs for; none is all.
    #[serde(default)]
    pub layers: Vec<u8>,
}

/// An economic node
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EconomicNode {
    /// A name for people.
    pub name: String,
    /// The x-only public key that signs, 64 hexadecimal digits.
    pub key: String,
    /// Satoshi that you attest without a proof. They count, and are shown as attested.
    #[serde(default)]
    pub attested_sat: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            enabled: true,
            node_id: String::new(),
            webhook_url: String::new(),
            webhook_source: "github".to_owned(),
            preset: Preset::default(),
            rules_file: String::new(),
            repositories: Vec::new(),
            maintainers: Vec::new(),
            economic_nodes: Vec::new(),
            pool_list: String::new(),
        }
    }
}

impl Maintainer {
    /// Whether this one signs for a layer.
    pub fn signs_for(&self, layer: u8) -> bool {
        self.layers.is_empty() || self.layers.contains(&layer)
    }
}

impl Config {
    /// What the schema cannot say.
    pub fn check(&self) -> Result<(), Problems> {
        let url = self.webhook_url.as_str();
        if !url.is_empty() && !url.starts_with("https://") && !url.starts_with("http://") {
            return Err(Problems::key(
                "webhook_url",
                "it is not an address; write https://… or leave it empty",
            ));
        }
        in_data_dir("pool_list", &self.pool_list)?;
        in_data_dir("rules_file", &self.rules_file)?;
        self.check_repositories()?;
        let maintainers = self.maintainers.iter().map(|one| &one.key);
        check_keys("maintainers", maintainers)?;
        let economic = self.economic_nodes.iter().map(|one| &one.key);
        check_keys("economic_nodes", economic)
    }

    fn check_repositories(&self) -> Result<(), Problems> {
        let mut seen = BTreeSet::new();
        let rules = self.rules_file.is_empty().then(|| self.preset.rules());
        for (place, repository) in self.repositories.iter().enumerate() {
            let problem =
                |key, text: &str| Err(Problems::key(format!("repositories.{place}.{key}"), text));
            if !is_repository(&repository.name) {
                return problem("name", "it must be `owner/name`, as GitHub has it");
            }
            if !seen.insert(repository.name.to_lowercase()) {
                return problem("name", "it is there twice; remove one");
            }
            let Some(rules) = &rules else { continue };
            if rules.layer(repository.layer).is_none() {
                return problem("layer", "the rules have no layer of this number");
            }
            if repository
                .tier
                .is_some_and(|tier| rules.tier(tier).is_none())
            {
                return problem("tier", "the rules have no tier of this number");
            }
        }
        Ok(())
    }
}

fn in_data_dir(key: &str, file: &str) -> Result<(), Problems> {
    if file.contains('/') || file == ".." {
        return Err(Problems::key(
            key,
            "it names a path; put the file into the module's data directory and write its name",
        ));
    }
    Ok(())
}

fn check_keys<'a>(list: &str, keys: impl Iterator<Item = &'a String>) -> Result<(), Problems> {
    let mut seen = BTreeSet::new();
    for (place, key) in keys.enumerate() {
        let problem = |text: &str| Err(Problems::key(format!("{list}.{place}.key"), text));
        let Ok(key) = key.parse::<XOnlyPublicKey>() else {
            return problem(
                "it is not an x-only key of 64 hexadecimal digits; `bllvm-governance keygen FILE` \
                 makes one",
            );
        };
        if !seen.insert(key) {
            return problem("another entry has this key; each has one of its own");
        }
    }
    Ok(())
}

fn is_repository(name: &str) -> bool {
    let fits = |part: &str| {
        let letter = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
        (1..=100).contains(&part.len()) && part.bytes().all(letter)
    };
    name.split_once('/')
        .is_some_and(|(owner, name)| fits(owner) && fits(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "f9308a019258c31049344f85f89d5229b531c845836f99b08601f113bce036f9";

    fn maintainer(key: &str) -> Maintainer {
        Maintainer {
            login: "alice".to_owned(),
            key: key.to_owned(),
            layers: Vec::new(),
        }
    }

    fn repository(name: &str, layer: u8, tier: Option<u8>) -> Repository {
        Repository {
            name: name.to_owned(),
            layer,
            tier,
        }
    }

    #[test]
    fn defaults_are_fit_and_each_bad_value_is_named() {
        assert!(Config::default().check().is_ok());
        let refusal = |change: &dyn Fn(&mut Config)| {
            let mut config = Config::default();
            change(&mut config);
            config.check().unwrap_err().to_string()
        };
        let names = |change: &dyn Fn(&mut Config), key: &str| {
            let refusal = refusal(change);
            assert!(refusal.starts_with(&format!("{key}: ")), "{refusal}");
        };
        names(&|c| c.webhook_url = "example.org".into(), "webhook_url");
        names(&|c| c.pool_list = "../pools.json".into(), "pool_list");
        names(&|c| c.rules_file = "a/b".into(), "rules_file");
        names(
            &|c| c.repositories = vec![repository("name", 4, None)],
            "repositories.0.name",
        );
        names(
            &|c| c.repositories = vec![repository("a/b", 4, None), repository("A/B", 4, None)],
            "repositories.1.name",
        );
        names(
            &|c| c.repositories = vec![repository("a/b", 9, None)],
            "repositories.0.layer",
        );
        names(
            &|c| c.repositories = vec![repository("a/b", 4, Some(9))],
            "repositories.0.tier",
        );
        names(
            &|c| c.maintainers = vec![maintainer("02ab")],
            "maintainers.0.key",
        );
        names(
            &|c| c.maintainers = vec![maintainer(KEY), maintainer(KEY)],
            "maintainers.1.key",
        );
    }

    #[test]
    fn the_keys_of_older_configurations_are_understood() {
        let old = r#"{"webhook_url":"https://example.org/hook","node_id":"n1","enabled":true}"#;
        let config: Config = serde_json::from_str(old).unwrap();
        assert!(config.check().is_ok());
        assert_eq!(config.node_id, "n1");
    }
}
