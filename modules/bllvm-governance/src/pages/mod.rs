//! What the dashboard shows: the module's answers as pages of data. Nothing is computed here that an
//! answer does not say.

mod deliveries;
mod economic_nodes;
mod proposal;
mod proposals;
#[cfg(test)]
mod tests;
mod vetoes;

use bllvm_sdk::page::{Cell, Tone};

pub use deliveries::deliveries;
pub use economic_nodes::economic_nodes;
pub use proposal::proposal;
pub use proposals::proposals;
pub use vetoes::vetoes;

use crate::proposals::{Proposal, Standing};

/// Rows that a page has at most; a newer one pushes the oldest out.
const MOST: usize = 100;

/// RFC 3339 as people read it: `2026-01-02 00:01 UTC`.
fn when(stamp: &str) -> String {
    match (stamp.get(..10), stamp.get(11..16), stamp.ends_with('Z')) {
        (Some(day), Some(minute), true) => format!("{day} {minute} UTC"),
        _ => stamp.to_owned(),
    }
}

fn standing(standing: Standing) -> Cell {
    match standing {
        Standing::Waiting => Cell::badge(Tone::Busy, "waiting"),
        Standing::Ready => Cell::badge(Tone::Good, "nothing is missing"),
        Standing::Merged => Cell::badge(Tone::Info, "merged"),
        Standing::Closed => Cell::badge(Tone::Quiet, "closed"),
    }
}

/// What is missing, in one line.
fn missing(one: &Proposal) -> String {
    let ends_at = &one.review.ends_at;
    let all = one.missing.join("; ").replace(ends_at, &when(ends_at));
    brief(&all, 1000)
}

/// A commit as people name it.
fn short(commit: &str) -> String {
    commit.chars().take(12).collect()
}

/// `1,234,567`
fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Satoshi as bitcoin, with the digits that say something.
fn btc(sat: u64) -> String {
    let fraction = format!(".{:08}", sat % 100_000_000);
    let fraction = fraction.trim_end_matches('0').trim_end_matches('.');
    format!("{}{fraction} BTC", count(sat / 100_000_000))
}

/// Words that may come from anybody, within what a page takes.
fn brief(text: &str, most: usize) -> String {
    let plain = |c: &char| {
        !c.is_control() && !matches!(*c as u32, 0x200e..=0x200f | 0x202a..=0x202e | 0x2066..=0x2069)
    };
    let all: String = text.chars().filter(plain).take(most + 1).collect();
    match all.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &all[..end]),
        None => all,
    }
}
