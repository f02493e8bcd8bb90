//! Places, and how two facts of one place become one.

use super::{Fact, Place};

impl Fact {
    /// Where it belongs.
    pub fn place(&self) -> Place {
        let (kind, repository, number, key) = match self {
            Self::Pull(pull) => ("pull", &pull.repository, pull.number, String::new()),
            Self::Head(head) => ("head", &head.repository, head.number, head.head.clone()),
            Self::Review(review) => (
                "review",
                &review.repository,
                review.number,
                review.id.to_string(),
            ),
            Self::Signed(signed) => (
                "signed",
                &signed.statement.repository,
                signed.statement.number,
                format!("{}/{}", signed.key, hex::encode(signed.statement.digest())),
            ),
            Self::Weak(weak) => (
                "weak",
                &weak.repository,
                weak.number,
                format!("{}/{}", weak.login, weak.signature),
            ),
            Self::Tier(wish) => (
                "tier",
                &wish.repository,
                wish.number,
                format!("{}/{}", wish.login, wish.tier),
            ),
            Self::Release(release) => ("release", &release.repository, 0, release.id.to_string()),
        };
        Place {
            repository: repository.clone(),
            number,
            kind,
            key,
        }
    }

    /// The one fact that two of the same place are together.
    #[must_use]
    pub fn join(self, other: Self) -> Self {
        match (self, other) {
            (Self::Pull(a), Self::Pull(b)) => {
                let rank = |pull: &super::Pull| {
                    let merged = pull.state == super::State::Merged;
                    (merged, pull.updated_at)
                };
                let newer = (rank(&a), &a) >= (rank(&b), &b);
                Self::Pull(if newer { a } else { b })
            }
            (Self::Head(a), Self::Head(b)) => {
                Self::Head(if a.seen_at <= b.seen_at { a } else { b })
            }
            (Self::Review(a), Self::Review(b)) => Self::Review(a.max(b)),
            (Self::Release(a), Self::Release(b)) => Self::Release(a.max(b)),
            // The rest of a signed fact may differ: BIP340 signatures of one text are many.
            (Self::Signed(a), Self::Signed(b)) => {
                let rank =
                    |one: &super::Signed| (one.seen_at, one.signature.clone(), one.reason.clone());
                Self::Signed(if rank(&a) <= rank(&b) { a } else { b })
            }
            (Self::Weak(a), Self::Weak(b)) => {
                Self::Weak(if a.seen_at <= b.seen_at { a } else { b })
            }
            (Self::Tier(a), Self::Tier(b)) => {
                let rank = |one: &super::TierWish| (one.seen_at, one.reason.clone());
                Self::Tier(if rank(&a) <= rank(&b) { a } else { b })
            }
            // Kinds have places of their own, so this is never asked.
            (kept, _) => kept,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::facts::{Pull, Release, Review, Signed, State, TierWish};
    use crate::statement::tests::statement;

    fn any_fact() -> impl Strategy<Value = Fact> {
        let state = prop_oneof![Just(State::Open), Just(State::Closed), Just(State::Merged)];
        let pull = (0..3_i64, state, "[ab]", 0..2_i64).prop_map(|(updated_at, state, head, at)| {
            Fact::Pull(Pull {
                updated_at,
                state,
                repository: "a/b".to_owned(),
                number: 1,
                title: "t".to_owned(),
                author: "x".to_owned(),
                head,
                base: "main".to_owned(),
                labels: Vec::new(),
                created_at: 0,
                merged_at: Some(at),
                merge_commit: None,
            })
        });
        let review = (any::<bool>(), 0..3_i64, "[ab]").prop_map(|(dismissed, at, state)| {
            Fact::Review(Review {
                dismissed,
                submitted_at: at,
                repository: "a/b".to_owned(),
                number: 1,
                id: 1,
                login: "x".to_owned(),
                state,
                commit: "c".to_owned(),
            })
        });
        let signed = (0..3_i64, "[ab]").prop_map(|(seen_at, signature)| {
            Fact::Signed(Signed {
                statement: statement(),
                key: "k".to_owned(),
                signature,
                reason: String::new(),
                seen_at,
            })
        });
        let wish = (0..3_i64, "[ab]").prop_map(|(seen_at, reason)| {
            Fact::Tier(TierWish {
                repository: "a/b".to_owned(),
                number: 1,
                login: "x".to_owned(),
                tier: 3,
                reason,
                seen_at,
            })
        });
        let release = (any::<bool>(), 0..3_i64, "[ab]").prop_map(|(deleted, updated_at, tag)| {
            Fact::Release(Release {
                deleted,
                updated_at,
                repository: "a/b".to_owned(),
                id: 1,
                tag,
                target: "main".to_owned(),
                author: "x".to_owned(),
                draft: false,
                prerelease: false,
            })
        });
        prop_oneof![pull, review, signed, wish, release]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn joining_is_commutative_associative_and_idempotent(
            a in any_fact(), b in any_fact(), c in any_fact(),
        ) {
            prop_assert_eq!(a.clone().join(a.clone()), a.clone());
            if a.place() == b.place() {
                prop_assert_eq!(a.clone().join(b.clone()), b.clone().join(a.clone()));
                if b.place() == c.place() {
                    let left = a.clone().join(b.clone()).join(c.clone());
                    prop_assert_eq!(left, a.join(b.join(c)));
                }
            }
        }
    }
}
