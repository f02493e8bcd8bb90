//! Which chain the embedded node works on. It travels to the node's process as arguments.

use bitcoin::hashes::{Hash as _, HashEngine as _, sha256d};
use bitcoin::p2p::Magic;
use bitcoin::{Network, ScriptBuf, VarInt, consensus};

/// The chain that the embedded node works on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum EmbeddedChain {
    /// A chain of one's own, whose blocks are mined on request.
    #[default]
    Regtest,
    /// A test network whose blocks are signed (BIP 325).
    Signet {
        /// The script that every block must satisfy; none for the public signet.
        challenge: Option<ScriptBuf>,
    },
    /// The public test network (BIP 94).
    Testnet4,
}

impl EmbeddedChain {
    /// From its name and, of a signet of one's own, the challenge.
    ///
    /// # Errors
    /// The problem and the way out, where the embedded node has no such chain.
    pub fn named(name: &str, challenge: Option<ScriptBuf>) -> Result<Self, String> {
        match (name, challenge) {
            ("signet", challenge) => Ok(Self::Signet { challenge }),
            ("regtest", _) => Ok(Self::Regtest),
            ("testnet4", _) => Ok(Self::Testnet4),
            ("main", _) => Err(
                "\"main\" is Bitcoin Core's: set `node.backend` to \"core\"; the embedded node keeps every block, and checks scripts on one thread".to_owned(),
            ),
            (other, _) => Err(format!(
                "must be \"regtest\", \"signet\" or \"testnet4\" for the embedded node, not \"{}\"; `node.backend = \"core\"` takes a running Bitcoin Core on it",
                other.escape_debug()
            )),
        }
    }

    /// Its name, as Bitcoin Core's RPC has it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Regtest => "regtest",
            Self::Signet { .. } => "signet",
            Self::Testnet4 => "testnet4",
        }
    }

    /// Of a signet of one's own, the script that every block must satisfy.
    pub fn challenge(&self) -> Option<&ScriptBuf> {
        match self {
            Self::Signet { challenge } => challenge.as_ref(),
            Self::Regtest | Self::Testnet4 => None,
        }
    }

    /// What begins each message of its peers, and each block of a block file.
    pub fn magic(&self) -> Magic {
        magic(self.name(), self.challenge())
    }

    /// The folder in the data directory that is its own.
    pub fn folder(&self) -> String {
        match self {
            Self::Regtest => "node".to_owned(),
            Self::Signet { challenge: Some(_) } => format!("node-signet-{:x}", self.magic()),
            Self::Signet { challenge: None } | Self::Testnet4 => format!("node-{}", self.name()),
        }
    }

    /// As arguments of `base-node`.
    pub fn to_args(&self) -> Vec<String> {
        let mut args = vec!["--chain".to_owned(), self.name().to_owned()];
        if let Some(challenge) = self.challenge() {
            args.extend(["--signet-challenge".to_owned(), challenge.to_hex_string()]);
        }
        args
    }
}

/// What begins each message and each stored block of a chain: a constant, or, of a signet of one's
/// own, the beginning of its challenge's hash (BIP 325).
pub(super) fn magic(chain: &str, challenge: Option<&ScriptBuf>) -> Magic {
    let Some(challenge) = challenge else {
        return Network::from_core_arg(chain)
            .unwrap_or(Network::Regtest)
            .into();
    };
    let mut engine = sha256d::Hash::engine();
    engine.input(&consensus::serialize(&VarInt::from(challenge.len())));
    engine.input(challenge.as_bytes());
    let hash = sha256d::Hash::from_engine(engine).to_byte_array();
    Magic::from_bytes([hash[0], hash[1], hash[2], hash[3]])
}

/// Reads a challenge as it is written in hex.
///
/// # Errors
/// What is wrong with it.
pub fn parse_challenge(text: &str) -> Result<ScriptBuf, String> {
    let wrong = |why: &str| {
        format!(
            "must be the script that every block of this signet satisfies, in hex, as Bitcoin Core's `signetchallenge`: \"{}\" {why}",
            text.escape_debug()
        )
    };
    match ScriptBuf::from_hex(text) {
        Ok(script) if !script.is_empty() => Ok(script),
        Ok(_) => Err(wrong("is empty")),
        Err(_) => Err(wrong("is no hex")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_magic_of_a_signet_is_its_challenges() {
        // The public signet's own challenge (BIP 325) gives what its peers begin with.
        let public = "512103ad5e0edad18cb1f0fc0d28a3d4f1f3e445640337489abb10404f2d1e086be430210359ef5021964fe22d6f8e05b2463c9540ce96883fe3b278760f048f5189f2e6c452ae";
        let signet = |text| EmbeddedChain::Signet {
            challenge: Some(parse_challenge(text).unwrap()),
        };
        assert_eq!(signet(public).magic(), Magic::SIGNET);
        assert_eq!(signet("51").magic().to_bytes(), [0x54, 0xd2, 0x6f, 0xbd]);
        assert_eq!(signet("51").folder(), "node-signet-54d26fbd");
        let args = signet("51").to_args();
        assert_eq!(args, ["--chain", "signet", "--signet-challenge", "51"]);
    }

    #[test]
    fn every_chain_has_a_folder_of_its_own() {
        let chain = |name| EmbeddedChain::named(name, None).unwrap();
        let folders = ["regtest", "signet", "testnet4"].map(|name| chain(name).folder());
        assert_eq!(folders, ["node", "node-signet", "node-testnet4"]);
        assert_eq!(chain("testnet4").magic(), Magic::TESTNET4);
        assert!(
            EmbeddedChain::named("main", None)
                .unwrap_err()
                .contains("core")
        );
        assert!(
            EmbeddedChain::named("test", None)
                .unwrap_err()
                .contains("\"test\"")
        );
        assert!(parse_challenge("5").unwrap_err().contains("no hex"));
        assert!(parse_challenge("").unwrap_err().contains("empty"));
    }
}
