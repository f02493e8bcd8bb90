//! What a maintainer, a miner or an economic node signs: a short text that binds everything.
//!
//! The text is what a person can read before signing; the signature is BIP340 over its tagged hash.
//! Whatever is not in the text cannot be claimed of the signature: another chain, repository, number,
//! commit, action, nonce or window is another text.

use std::fmt;

use bitcoin::hashes::{Hash, HashEngine, sha256};
use bitcoin::secp256k1::schnorr::Signature;
use bitcoin::secp256k1::{Message, Secp256k1, XOnlyPublicKey};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The tag of the hash that is signed (BIP340).
pub const TAG: &str = "bllvm-governance/statement/1";

/// What is said.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// A maintainer agrees.
    Sign,
    /// An economic node or a miner is against it.
    Veto,
    /// An economic node or a miner is for it.
    Support,
    /// An economic node or a miner takes no side.
    Abstain,
}

impl Action {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Sign, Self::Veto, Self::Support, Self::Abstain];

    /// The word in texts and comments.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Sign => "sign",
            Self::Veto => "veto",
            Self::Support => "support",
            Self::Abstain => "abstain",
        }
    }

    /// By its word.
    pub fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.word() == word)
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// Everything that a signature binds.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Statement {
    /// The chain's first block.
    pub chain: String,
    /// The name of the rules.
    pub rules: String,
    /// `owner/name`.
    pub repository: String,
    /// The pull request.
    pub number: u64,
    /// The commit that was looked at.
    pub head: String,
    /// What is said.
    pub action: Action,
    /// The newest of one key counts.
    pub nonce: u64,
    /// The first block height at which it holds.
    pub from: u32,
    /// The last block height at which it holds.
    pub to: u32,
    /// SHA-256 of the reason given; of nothing, where none is.
    pub reason: String,
}

impl Statement {
    /// The text that is signed.
    pub fn text(&self) -> String {
        format!(
            "{TAG}\nchain {}\nrules {}\nrepository {}\nnumber {}\nhead {}\naction {}\nnonce {}\n\
             from {}\nto {}\nreason {}\n",
            self.chain,
            self.rules,
            self.repository,
            self.number,
            self.head,
            self.action,
            self.nonce,
            self.from,
            self.to,
            self.reason,
        )
    }

    /// The 32 bytes that are signed.
    pub fn digest(&self) -> [u8; 32] {
        tagged_hash(TAG, self.text().as_bytes())
    }

    /// Whether a key signed exactly this.
    pub fn is_signed(&self, key: &XOnlyPublicKey, signature: &Signature) -> bool {
        let message = Message::from_digest(self.digest());
        Secp256k1::verification_only()
            .verify_schnorr(signature, &message, key)
            .is_ok()
    }
}

/// SHA-256 of a reason, as a statement has it.
pub fn reason_hash(reason: &str) -> String {
    sha256::Hash::hash(reason.as_bytes()).to_string()
}

/// The tagged hash of BIP340.
pub fn tagged_hash(tag: &str, message: &[u8]) -> [u8; 32] {
    let tag = sha256::Hash::hash(tag.as_bytes());
    let mut engine = sha256::Hash::engine();
    engine.input(tag.as_byte_array());
    engine.input(tag.as_byte_array());
    engine.input(message);
    sha256::Hash::from_engine(engine).to_byte_array()
}

#[cfg(test)]
pub mod tests {
    use bitcoin::secp256k1::{Keypair, SecretKey};

    use super::*;

    /// A key pair that is the same in each run.
    pub fn key(number: u8) -> Keypair {
        let secret = SecretKey::from_slice(&[number; 32]).unwrap();
        Keypair::from_secret_key(&Secp256k1::new(), &secret)
    }

    /// A signature as the owner of a key makes it.
    pub fn sign(statement: &Statement, key: &Keypair) -> Signature {
        let message = Message::from_digest(statement.digest());
        Secp256k1::new().sign_schnorr_no_aux_rand(&message, key)
    }

    /// A statement about one pull request.
    pub fn statement() -> Statement {
        Statement {
            chain: "0f9188f13cb7b2c71f2a335e3a4fc328bf5beb436012afca590b1a11466e2206".to_owned(),
            rules: "economic_veto_2025".to_owned(),
            repository: "example/node".to_owned(),
            number: 7,
            head: "a".repeat(40),
            action: Action::Sign,
            nonce: 1,
            from: 0,
            to: 1000,
            reason: reason_hash(""),
        }
    }

    /// Lines of BIP340's published test vectors with messages of 32 bytes: public key, message,
    /// signature, result.
    const BIP340: [(&str, &str, &str, bool); 5] = [
        (
            "F9308A019258C31049344F85F89D5229B531C845836F99B08601F113BCE036F9",
            "0000000000000000000000000000000000000000000000000000000000000000",
            "E907831F80848D1069A5371B402410364BDF1C5F8307B0084C55F1CE2DCA821525F66A4A85EA8B71E482A74F382D2CE5EBEEE8FDB2172F477DF4900D310536C0",
            true,
        ),
        (
            "DFF1D77F2A671C5F36183726DB2341BE58FEAE1DA2DECED843240F7B502BA659",
            "243F6A8885A308D313198A2E03707344A4093822299F31D0082EFA98EC4E6C89",
            "6896BD60EEAE296DB48A229FF71DFE071BDE413E6D43F917DC8DCF8C78DE33418906D11AC976ABCCB20B091292BFF4EA897EFCB639EA871CFA95F6DE339E4B0A",
            true,
        ),
        (
            "DD308AFEC5777E13121FA72B9CC1B7CC0139715309B086C960E18FD969774EB8",
            "7E2D58D8B3BCDF1ABADEC7829054F90DDA9805AAB56C77333024B9D0A508B75C",
            "5831AAEED7B44BB74E5EAB94BA9D4294C49BCF2A60728D8B4C200F50DD313C1BAB745879A5AD954A72C45A91C3A51D3C7ADEA98D82F8481E0E1E03674A6F3FB7",
            true,
        ),
        (
            "DFF1D77F2A671C5F36183726DB2341BE58FEAE1DA2DECED843240F7B502BA659",
            "243F6A8885A308D313198A2E03707344A4093822299F31D0082EFA98EC4E6C89",
            "FFF97BD5755EEEA420453A14355235D382F6472F8568A18B2F057A14602975563CC27944640AC607CD107AE10923D9EF7A73C643E166BE5EBEAFA34B1AC553E2",
            false,
        ),
        (
            "DFF1D77F2A671C5F36183726DB2341BE58FEAE1DA2DECED843240F7B502BA659",
            "243F6A8885A308D313198A2E03707344A4093822299F31D0082EFA98EC4E6C89",
            "1FA62E331EDBC21C394792D2AB1100A7B432B013DF3F6FF4F99FCB33E0E1515F28890B3EDB6E7189B630448B515CE4F8622A954CFE545735AAEA5134FCCDB2BD",
            false,
        ),
    ];

    #[test]
    fn published_signatures_are_judged_as_published() {
        for (key, message, signature, good) in BIP340 {
            let key: XOnlyPublicKey = key.parse().unwrap();
            let message: sha256::Hash = message.parse().unwrap();
            let signature: Signature = signature.parse().unwrap();
            let judged = Secp256k1::verification_only()
                .verify_schnorr(
                    &signature,
                    &Message::from_digest(message.to_byte_array()),
                    &key,
                )
                .is_ok();
            assert_eq!(judged, good, "{signature}");
        }
    }

    #[test]
    fn a_tagged_hash_is_that_of_bip340() {
        // BIP341's tag over nothing, computed by hand from SHA-256.
        let twice = sha256::Hash::hash(b"TapLeaf").to_byte_array().repeat(2);
        let wanted = sha256::Hash::hash(&twice).to_byte_array();
        assert_eq!(tagged_hash("TapLeaf", b""), wanted);
    }

    #[test]
    fn whatever_is_changed_the_signature_holds_no_more() {
        let (said, pair) = (statement(), key(1));
        let signature = sign(&said, &pair);
        let public = pair.x_only_public_key().0;
        assert!(said.is_signed(&public, &signature));
        let changes: [fn(&mut Statement); 10] = [
            |s| s.chain.replace_range(..1, "1"),
            |s| s.rules.push('x'),
            |s| s.repository.push('x'),
            |s| s.number += 1,
            |s| s.head.replace_range(..1, "b"),
            |s| s.action = Action::Veto,
            |s| s.nonce += 1,
            |s| s.from += 1,
            |s| s.to += 1,
            |s| s.reason = reason_hash("because"),
        ];
        for (place, change) in changes.into_iter().enumerate() {
            let mut other = said.clone();
            change(&mut other);
            assert!(!other.is_signed(&public, &signature), "change {place}");
        }
        let stranger = key(2).x_only_public_key().0;
        assert!(!said.is_signed(&stranger, &signature));
    }
}
