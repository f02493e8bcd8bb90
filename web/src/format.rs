//! Numbers and times as people read them. The exact value is never lost: a
//! [`Stamp`] carries the full time as its title, a [`Hash`] the whole hash.

use std::fmt::Write as _;
use std::time::Duration;

use jiff::Timestamp;

/// A moment: how long ago, and exactly when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamp {
    /// For the `datetime` attribute, RFC 3339.
    pub iso: String,
    /// For the title: `2026-11-22 18:57:51 UTC`.
    pub exact: String,
    /// For the eye: `3 min ago`, `in 2 days`.
    pub ago: String,
    /// Time of day alone, for log lines: `18:57:51.204`.
    pub clock: String,
}

impl Stamp {
    /// The moment `at`, seen from `now`.
    pub fn new(at: Timestamp, now: Timestamp) -> Self {
        Self {
            iso: at.to_string(),
            exact: at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string(),
            ago: relative(at, now),
            clock: at.strftime("%H:%M:%S.%3f").to_string(),
        }
    }
}

fn relative(at: Timestamp, now: Timestamp) -> String {
    let seconds = now.as_second().saturating_sub(at.as_second());
    match seconds {
        -1..=1 => "just now".to_owned(),
        2.. => format!("{} ago", largest_unit(seconds.unsigned_abs())),
        _ => format!("in {}", largest_unit(seconds.unsigned_abs())),
    }
}

fn largest_unit(seconds: u64) -> String {
    let (value, unit) = match seconds {
        0..60 => (seconds, "s"),
        60..3600 => (seconds / 60, "min"),
        3600..172_800 => (seconds / 3600, "h"),
        _ => (seconds / 86_400, "days"),
    };
    format!("{value} {unit}")
}

/// A span in its two largest units: `2 h 14 min`, `850 ms`.
pub fn duration(span: Duration) -> String {
    let seconds = span.as_secs();
    match seconds {
        0 if span.subsec_millis() == 0 => format!("{} µs", span.subsec_micros()),
        0 => format!("{} ms", span.subsec_millis()),
        1..10 => format!("{:.1} s", span.as_secs_f64()),
        10..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{} h {} min", seconds / 3600, seconds / 60 % 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds / 3600 % 24),
    }
}

/// A block hash, transaction id or digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hash {
    /// All of it; also what the copy button copies.
    pub full: String,
    /// Its ends, or all of it if it is short.
    pub short: String,
}

impl Hash {
    /// Shortens `full`; the last characters are kept because block hashes begin with zeros.
    pub fn new(full: impl Into<String>) -> Self {
        let full = full.into();
        let characters = full.chars().count();
        let short = if characters <= 20 {
            full.clone()
        } else {
            let head: String = full.chars().take(8).collect();
            let tail: String = full.chars().skip(characters - 8).collect();
            format!("{head}…{tail}")
        };
        Self { full, short }
    }
}

/// `1,234,567`
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1,234,567 sat`
pub fn sats(amount: u64) -> String {
    format!("{} sat", count(amount))
}

/// `12.3 MiB`
pub fn bytes(size: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if size < 1024 {
        return format!("{size} B");
    }
    let mut unit = 0;
    let mut divisor = 1024_u64;
    while size / divisor >= 1024 && unit < UNITS.len() - 1 {
        divisor *= 1024;
        unit += 1;
    }
    let whole = size / divisor;
    let tenth = size % divisor * 10 / divisor;
    if whole >= 100 {
        format!("{whole} {}", UNITS[unit])
    } else {
        format!("{whole}.{tenth} {}", UNITS[unit])
    }
}

/// `0.4 %`, from a share of one.
pub fn percent(share: f64) -> String {
    if share >= 0.1 {
        format!("{:.0} %", share * 100.0)
    } else {
        format!("{:.1} %", share * 100.0)
    }
}

/// `20.0 %`, `0.99 %`: a part of a whole, exact to the last digit that is shown.
pub fn part(part: u64, whole: u64) -> String {
    let hundredths = |scale: u128| {
        let (part, whole) = (u128::from(part), u128::from(whole.max(1)));
        (part * scale + whole / 2) / whole
    };
    let small = hundredths(10_000);
    if small < 1000 {
        return format!("{}.{:02} %", small / 100, small % 100);
    }
    let tenths = hundredths(1000);
    format!("{}.{} %", tenths / 10, tenths % 10)
}

/// `1 block`, `2 blocks`
pub fn plural(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", count(number), if number == 1 { one } else { many })
}

/// A small line chart without axes; the number beside it is its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sparkline {
    /// For an SVG polyline in a view box of 120 by 28.
    pub points: String,
}

impl Sparkline {
    /// Scales the values to the box; zero is the floor. `None` below two values.
    pub fn new(values: &[f64]) -> Option<Self> {
        if values.len() < 2 {
            return None;
        }
        let highest = values.iter().copied().fold(f64::EPSILON, f64::max);
        let mut points = String::new();
        let last = values.len() - 1;
        for (index, value) in values.iter().enumerate() {
            #[expect(
                clippy::cast_precision_loss,
                reason = "a chart has a few hundred points"
            )]
            let x = index as f64 / last as f64 * 118.0 + 1.0;
            let y = 26.0 - value.max(0.0) / highest * 24.0;
            let _ = write!(points, "{x:.1},{y:.1} ");
        }
        points.pop();
        Some(Self { points })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_part_keeps_the_digits_that_say_something() {
        for (some, whole, text) in [
            (20, 2016, "0.99 %"),
            (403, 2016, "20.0 %"),
            (0, 0, "0.00 %"),
            (u64::MAX, u64::MAX, "100.0 %"),
        ] {
            assert_eq!(part(some, whole), text);
        }
    }

    #[test]
    fn a_stamp_keeps_the_exact_time() {
        let stamp = Stamp::new(second(1_795_372_671), second(1_795_372_671 + 185));
        assert_eq!(stamp.ago, "3 min ago");
        assert_eq!(stamp.exact, "2026-11-22 18:37:51 UTC");
        assert_eq!(stamp.iso, "2026-11-22T18:37:51Z");
        assert_eq!(Stamp::new(second(90_000), second(0)).ago, "in 25 h");
        assert_eq!(Stamp::new(second(5), second(5)).ago, "just now");
    }

    #[test]
    fn a_hash_is_shortened_at_its_middle() {
        let hash = Hash::new("0000000000000000000123456789abcdef0123456789abcdef0123456789abcd");
        assert_eq!(hash.short, "00000000…6789abcd");
        assert_eq!(Hash::new("abc").short, "abc");
        assert_eq!(Hash::new("ß".repeat(30)).short.chars().count(), 17);
    }

    #[test]
    fn numbers_are_grouped_and_sizes_rounded() {
        assert_eq!(count(0), "0");
        assert_eq!(count(1_234_567), "1,234,567");
        assert_eq!(sats(312_500_000), "312,500,000 sat");
        assert_eq!(bytes(1023), "1023 B");
        assert_eq!(bytes(12_900_000), "12.3 MiB");
        assert_eq!(bytes(u64::MAX), "16383 PiB");
        assert_eq!(percent(0.004), "0.4 %");
        assert_eq!(percent(1.37), "137 %");
        assert_eq!(plural(1, "block", "blocks"), "1 block");
    }

    #[test]
    fn a_duration_shows_its_two_largest_units() {
        assert_eq!(duration(Duration::from_micros(900)), "900 µs");
        assert_eq!(duration(Duration::from_millis(850)), "850 ms");
        assert_eq!(duration(Duration::from_mins(134)), "2 h 14 min");
        assert_eq!(duration(Duration::from_secs(90_061)), "1 d 1 h");
    }

    #[test]
    fn a_sparkline_needs_two_values_and_stays_in_its_box() {
        assert!(Sparkline::new(&[1.0]).is_none());
        assert_eq!(
            Sparkline::new(&[0.0, 2.0]).unwrap().points,
            "1.0,26.0 119.0,2.0"
        );
    }
}
