//! Times, actors and reasons in words.

use std::time::Duration;

use bllvm_web::format::{self, Stamp};
use jiff::Timestamp;

use crate::model::UtcTime;

/// A moment, seen from `now`.
pub fn stamp(at: UtcTime, now: UtcTime) -> Stamp {
    Stamp::new(timestamp(at), timestamp(now))
}

fn timestamp(at: UtcTime) -> Timestamp {
    Timestamp::from_millisecond(at.unix_ms()).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// How long it was from one moment to another.
pub fn lasted(from: UtcTime, to: UtcTime) -> String {
    let ms = u64::try_from(to.unix_ms() - from.unix_ms()).unwrap_or(0);
    if ms == 0 {
        return "1 ms".to_owned();
    }
    format::duration(Duration::from_millis(ms))
}

/// A reason, which is written as a fragment with code in backticks, as a sentence.
pub fn sentence(text: &str) -> String {
    let text = text.trim();
    let mut sentence = String::with_capacity(text.len() + 1);
    let mut quoted = false;
    for (place, character) in text.char_indices() {
        match character {
            '`' => {
                sentence.push(if quoted { '”' } else { '“' });
                quoted = !quoted;
            }
            _ if place == 0 => sentence.extend(character.to_uppercase()),
            _ => sentence.push(character),
        }
    }
    if !sentence.is_empty() && !sentence.ends_with(['.', '!', '?', ':', '…']) {
        sentence.push('.');
    }
    sentence
}

/// A key as a label: `old_after_seconds` is `Old after seconds`.
pub fn capital(key: &str) -> String {
    sentence(&key.replace(['_', '-'], " "))
        .trim_end_matches('.')
        .to_owned()
}

/// Who acted, as people call them.
pub fn who(actor: &str) -> String {
    match actor.split_once(':') {
        None if actor == "cookie" => "local administrator".to_owned(),
        None if actor == "host" => "the node".to_owned(),
        None if actor == "file" => "an edit of the file".to_owned(),
        Some(("session", _)) => "operator".to_owned(),
        Some(("unix", uid)) => format!("user {uid} on this machine"),
        Some(("token", id)) => {
            let tail = id.len().saturating_sub(6);
            format!("token …{}", id.get(tail..).unwrap_or(id))
        }
        Some(("module", name)) => format!("module {name}"),
        _ => actor.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fragment_becomes_a_sentence() {
        assert_eq!(sentence("the port is in use"), "The port is in use.");
        assert_eq!(sentence("`x` is gone."), "“x” is gone.");
        assert_eq!(sentence(" "), "");
    }

    #[test]
    fn actors_have_names_for_people() {
        assert_eq!(who("cookie"), "local administrator");
        assert_eq!(who("session:01J0000000000000000000000"), "operator");
        assert_eq!(who("token:01J00000000000000000ABCDEF"), "token …ABCDEF");
        assert_eq!(who("login code"), "login code");
    }

    #[test]
    fn a_span_is_never_negative() {
        let at = UtcTime::from_unix_ms;
        assert_eq!(lasted(at(5000), at(1000)), "1 ms");
        assert_eq!(lasted(at(0), at(125_000)), "2 min 5 s");
    }
}
