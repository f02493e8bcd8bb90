//! The documented configuration file, written from the same table that is read.

use std::fmt::Write as _;

use super::load::keys;
use super::modules;

/// The sample: every key with its default, commented out.
pub fn sample() -> String {
    let mut text = String::from(
        "# Settings of bllvm-node. Everything below is the default; uncomment what you change.\n\
         # This file: bllvm-node.toml in the data directory, or `--config FILE`.\n\
         # Each key can also be set by a variable, as in BLLVM__HTTP__LISTEN=127.0.0.1:8481, or by a\n\
         # flag, as in --set http.listen=127.0.0.1:8481. Flags win over variables, variables over the file.\n",
    );
    let mut section = "";
    for key in keys() {
        let (its_section, name) = key.path.split_once('.').unwrap_or(("", key.path));
        if its_section != section {
            if section == "modules" {
                text.push('\n');
                text.push_str(modules::SAMPLE_TABLES);
            }
            section = its_section;
            // Writing to a text cannot fail.
            let _ = write!(text, "\n[{section}]\n");
        }
        for line in key.doc.lines() {
            let _ = writeln!(text, "# {line}");
        }
        let _ = writeln!(text, "# {name} = {}", key.example);
    }
    text
}
