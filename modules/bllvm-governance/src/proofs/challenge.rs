//! What a proof's message says: five lines, so that one proof serves one key on one chain for a while.

use bllvm_sdk::types::BlockHash;

/// A challenge's block lies no deeper than this.
pub const FRESH: u32 = 144;

const TITLE: &str = "bllvm-governance/proof/1";

/// The words that are signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge {
    /// The chain's first block.
    pub chain: String,
    /// The node's key, x-only in hex.
    pub key: String,
    /// A young block.
    pub block: BlockHash,
}

impl Challenge {
    /// The message.
    pub fn text(&self) -> String {
        format!(
            "{TITLE}\nchain {}\nkey {}\nblock {}\n",
            self.chain, self.key, self.block
        )
    }

    /// Reads a message; none if it is not one of these.
    pub fn read(text: &str) -> Option<Self> {
        let text = text.replace("\r\n", "\n");
        let mut lines = text.trim_end().lines();
        if lines.next()? != TITLE {
            return None;
        }
        let mut line = |name: &str| lines.next()?.strip_prefix(name)?.strip_prefix(' ');
        let challenge = Self {
            chain: line("chain")?.to_owned(),
            key: line("key")?.to_owned(),
            block: line("block")?.parse().ok()?,
        };
        lines.next().is_none().then_some(challenge)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_challenge_is_read_back_and_nothing_else_is() {
        let challenge = Challenge {
            chain: "c".to_owned(),
            key: "k".to_owned(),
            block: BlockHash([7; 32]),
        };
        let text = challenge.text();
        assert_eq!(Challenge::read(&text), Some(challenge.clone()));
        assert_eq!(Challenge::read(text.trim_end()), Some(challenge.clone()));
        assert_eq!(Challenge::read(&format!("{text}more")), None);
        assert_eq!(Challenge::read(&text.replace("chain", "Chain")), None);
        assert_eq!(Challenge::read(""), None);
    }
}
