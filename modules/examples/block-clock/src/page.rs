//! The page: one string, every value escaped.

use std::fmt::Write;

use crate::clock::TipAge;

/// The whole page.
pub fn render(title: &str, age: &TipAge) -> String {
    let title = escape(title);
    let mut lines = String::new();
    match (age.height, age.seconds) {
        (Some(height), Some(seconds)) => {
            line(&mut lines, "Height", &height.to_string());
            if let Some(hash) = &age.hash {
                line(&mut lines, "Hash", hash);
            }
            line(&mut lines, "Time since", &words(seconds));
        }
        _ => line(&mut lines, "Tip", "the node has not told it yet"),
    }
    let note = if age.old {
        "<p>No block for a long time.</p>"
    } else {
        ""
    };
    format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\">\
         <meta http-equiv=\"refresh\" content=\"5\"><title>{title}</title>\
         <h1>{title}</h1><dl>{lines}</dl>{note}</html>\n"
    )
}

fn line(lines: &mut String, name: &str, value: &str) {
    // Writing to a string cannot fail.
    let _ = write!(lines, "<dt>{name}</dt><dd>{}</dd>", escape(value));
}

fn words(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_cannot_become_markup_and_an_unknown_tip_says_so() {
        let age = TipAge {
            height: None,
            hash: None,
            seconds: None,
            old: false,
        };
        let page = render("<script>", &age);
        assert!(page.contains("<h1>&lt;script&gt;</h1>"));
        assert!(page.contains("has not told it yet"));
    }

    #[test]
    fn an_age_is_told_in_words() {
        assert_eq!(words(59), "59 s");
        assert_eq!(words(61), "1 min 1 s");
        assert_eq!(words(7260), "2 h 1 min");
    }
}
