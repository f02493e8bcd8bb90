//! What must hold of every count: random cases, the edges, and a mutant that must be caught.

use super::{LEAST_NODES, Tally, Weight, tally};
use crate::statement::Action;

/// The full count under `BLLVM_TEST_FULL=1`, a twentieth of it otherwise.
fn cases() -> u64 {
    let full = std::env::var_os("BLLVM_TEST_FULL").is_some_and(|value| value == "1");
    if full { 1_000_000 } else { 50_000 }
}

/// A small xorshift: the same numbers in each run.
pub struct Dice(pub u64);

impl Dice {
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound.max(1)
    }

    fn weights(&mut self) -> (Vec<Weight>, u64) {
        let count = self.below(8);
        // Small numbers meet edges often, large ones show overflow.
        let scale = [4, 100, 2_100_000_000_000_000][usize::try_from(self.below(3)).unwrap()];
        let weights: Vec<_> = (0..count)
            .map(|_| Weight {
                blocks: self.below(300),
                sat: self.below(scale),
                says: match self.below(4) {
                    0 => None,
                    1 => Some(Action::Support),
                    2 => Some(Action::Abstain),
                    _ => Some(Action::Veto),
                },
            })
            .collect();
        let known = weights.iter().map(|one| one.blocks).sum::<u64>();
        (weights, known + self.below(1000))
    }
}

fn vetoed(weights: &[Weight], blocks: u64, mining: u32, economic: u32) -> bool {
    tally(weights, blocks, mining, economic).vetoed
}

#[test]
fn a_count_is_fair_in_every_case() {
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    let (mut yes, mut no) = (0_u64, 0_u64);
    for _ in 0..cases() {
        let (weights, blocks) = dice.weights();
        let mining = u32::try_from(dice.below(100)).unwrap() + 1;
        let economic = u32::try_from(dice.below(100)).unwrap() + 1;
        let counted = tally(&weights, blocks, mining, economic);
        *(if counted.vetoed { &mut yes } else { &mut no }) += 1;
        sides(&counted, &weights, blocks);

        // Whoever changes to veto takes nothing away, and whoever changes from it adds nothing.
        if let Some(place) = weights.len().checked_sub(1) {
            let mut more = weights.clone();
            more[place].says = Some(Action::Veto);
            let more = vetoed(&more, blocks, mining, economic);
            assert!(more || !counted.vetoed, "{weights:?}");
            let mut less = weights.clone();
            less[place].says = None;
            let less = vetoed(&less, blocks, mining, economic);
            assert!(!less || counted.vetoed, "{weights:?}");
        }
        // The order decides nothing.
        let mut turned = weights.clone();
        turned.reverse();
        let by = dice.below(turned.len() as u64);
        turned.rotate_left(usize::try_from(by).unwrap());
        assert_eq!(tally(&turned, blocks, mining, economic), counted);
        // Two halves weigh what the whole does; only the quorum counts heads.
        if let Some(first) = weights.first().copied() {
            let mut split = weights.clone();
            let half = Weight {
                blocks: first.blocks / 2,
                sat: first.sat / 2,
                ..first
            };
            split[0] = Weight {
                blocks: first.blocks - half.blocks,
                sat: first.sat - half.sat,
                ..first
            };
            split.push(half);
            let split = tally(&split, blocks, mining, economic);
            assert_eq!(
                (split.mining, split.economic),
                (counted.mining, counted.economic)
            );
        }
        // Blocks of strangers make a veto harder, never easier.
        let more = tally(&weights, blocks + 1, mining, economic);
        assert!(!more.mining.met || counted.mining.met, "{weights:?}");
    }
    assert!(
        yes > cases() / 1000 && no > cases() / 10,
        "{yes} and {no}: both are met often"
    );
}

fn sides(counted: &Tally, weights: &[Weight], blocks: u64) {
    let (mining, economic) = (counted.mining, counted.economic);
    assert_eq!(
        mining.total, blocks,
        "unknown blocks are in the denominator"
    );
    assert_eq!(
        economic.total,
        weights.iter().map(|one| one.sat).sum::<u64>()
    );
    for side in [mining, economic] {
        // By long division, another way than the product's.
        let exact = |part: u64| {
            let wanted = u128::from(side.percent) * u128::from(side.total);
            side.total > 0 && u128::from(part) >= wanted.div_ceil(100)
        };
        assert_eq!(side.met, exact(side.veto));
        assert!(side.reachable || !side.met);
    }
    // The AND: never by one side, never by a side that weighs nothing, never without quorum.
    assert!(
        !counted.vetoed || (mining.met && economic.met),
        "OR for AND"
    );
    if mining.veto == 0 || economic.veto == 0 {
        assert!(!counted.vetoed, "one side is empty");
    }
    assert!(!counted.vetoed || counted.nodes >= LEAST_NODES);
    assert!(counted.reachable || !counted.vetoed);
}

/// The mutant: OR for AND.
fn mutant(weights: &[Weight], blocks: u64, mining: u32, economic: u32) -> Tally {
    let mut counted = tally(weights, blocks, mining, economic);
    counted.vetoed = (counted.mining.met || counted.economic.met) && counted.quorum;
    counted.reachable |= counted.vetoed;
    counted
}

#[test]
fn or_for_and_would_be_caught() {
    let mut dice = Dice(1);
    let caught = (0..1000).any(|_| {
        let (weights, blocks) = dice.weights();
        let wrong = mutant(&weights, blocks, 30, 40);
        wrong.vetoed && !(wrong.mining.met && wrong.economic.met)
    });
    assert!(caught, "the property over the AND would not notice an OR");
}

#[test]
fn one_block_and_one_satoshi_decide_at_the_edge() {
    let node = |blocks, sat, says| Weight { blocks, sat, says };
    let silent = node(0, 30, None);
    let at = |blocks, sat| {
        let others = [silent, node(0, 100 - 30 - sat, None)];
        let weights = [node(blocks, sat, Some(Action::Veto)), others[0], others[1]];
        tally(&weights, 2016, 30, 40)
    };
    // 30 % of 2,016 is 604.8.
    assert!(!at(604, 40).mining.met);
    assert!(at(605, 40).mining.met);
    assert!(at(605, 40).vetoed);
    assert!(!at(605, 39).vetoed);
    assert!(!at(604, 40).vetoed);
    assert!(!tally(&[], 0, 1, 1).mining.met, "nothing of nothing");
    let two = [
        node(2016, 50, Some(Action::Veto)),
        node(0, 50, Some(Action::Veto)),
    ];
    let counted = tally(&two, 2016, 30, 40);
    assert!(counted.mining.met && counted.economic.met && !counted.quorum && !counted.vetoed);
}
