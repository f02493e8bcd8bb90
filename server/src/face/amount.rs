//! Amounts in bitcoin as Bitcoin Core reads them: a JSON number, written out or as text, that is a
//! whole number of satoshi.

/// Digits behind the point that a bitcoin has.
const DIGITS: i32 = 8;
/// More digits than any amount has.
const LONGEST: usize = 18;

/// The satoshi of a text; none where it is no number, finer than a satoshi, or beyond all amounts.
pub(super) fn satoshi(text: &str) -> Option<i64> {
    let (negative, rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (number, exponent) = match rest.split_once(['e', 'E']) {
        Some((number, exponent)) => (number, whole(exponent)?),
        None => (rest, 0),
    };
    let (before, behind) = match number.split_once('.') {
        Some((_, "")) => return None,
        parts => parts.unwrap_or((number, "")),
    };
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    // No zero goes before other digits.
    let leads = before == "0" || !before.is_empty() && !before.starts_with('0');
    if !leads || !digits(before) || !digits(behind) {
        return None;
    }
    let written = format!("{before}{behind}");
    let significant = written.trim_start_matches('0').trim_end_matches('0');
    if significant.is_empty() {
        return Some(0);
    }
    let trailing = written.len() - written.trim_end_matches('0').len();
    let scale = i32::try_from(trailing).ok()? - i32::try_from(behind.len()).ok()?;
    let zeros = usize::try_from(exponent.checked_add(scale)?.checked_add(DIGITS)?).ok()?;
    if significant.len().checked_add(zeros)? > LONGEST {
        return None;
    }
    let magnitude: i64 = format!("{significant}{}", "0".repeat(zeros)).parse().ok()?;
    Some(if negative { -magnitude } else { magnitude })
}

/// An exponent, with or without a sign.
fn whole(text: &str) -> Option<i32> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_exact_or_refused() {
        for (text, expected) in [
            ("0", Some(0)),
            ("-0", Some(0)),
            ("-0.0", Some(0)),
            ("1", Some(100_000_000)),
            ("0.1", Some(10_000_000)),
            ("0.00000001", Some(1)),
            ("1e-8", Some(1)),
            ("1E-8", Some(1)),
            ("-0.5", Some(-50_000_000)),
            ("20999999.99999999", Some(2_099_999_999_999_999)),
            ("0.100000000000000", Some(10_000_000)),
            ("100e-2", Some(100_000_000)),
            ("1e+9", Some(100_000_000_000_000_000)),
            ("9999999999", Some(999_999_999_900_000_000)),
            ("10000000000", None),
            ("0.000000001", None),
            ("1e-9", None),
            ("1e300", None),
            ("1e99999999999", None),
            ("", None),
            ("-", None),
            ("+1", None),
            (" 1", None),
            ("1.", None),
            (".1", None),
            ("00", None),
            ("01", None),
            ("1e", None),
            ("1e+", None),
            ("0x1", None),
            ("NaN", None),
            ("1.2.3", None),
            ("1e5e5", None),
        ] {
            assert_eq!(satoshi(text), expected, "{text}");
        }
    }
}
