//! Every key `module.toml` may have. The reader refuses what is not listed here,
//! and a test compares the list with MANIFEST.md.

/// Sections and their keys; the first, without a name, is the top of the file.
/// `dependencies`, `optional_dependencies` and `network.listeners` hold names
/// of the author's choice and so have no list.
const SECTIONS: &[(&str, &[&str])] = &[
    (
        "",
        &[
            "name",
            "version",
            "entry_point",
            "description",
            "author",
            "license",
            "homepage",
            "protocol",
            "capabilities",
            "dependencies",
            "optional_dependencies",
            "network",
            "resources",
            "sandbox",
            "config",
            "data",
            "ui",
            "reload",
            "restart",
            "runtime",
            "package",
        ],
    ),
    ("network", &["outgoing", "udp", "listeners"]),
    (
        "resources",
        &["memory", "cpu", "pids", "files", "file_size"],
    ),
    ("sandbox", &["programs"]),
    ("config", &["schema"]),
    ("data", &["compatible_from", "backup", "exclude"]),
    ("ui", &["title", "icon", "status", "pages"]),
    ("ui.pages", &["id", "title", "method", "listed"]),
    ("reload", &["mode"]),
    ("restart", &["initial_ms", "max_ms", "healthy_after_ms"]),
    ("runtime", &["interpreter"]),
    (
        "package",
        &["target", "release_seq", "expires", "publisher", "files"],
    ),
    ("package.files", &["path", "sha256", "size"]),
];

/// The keys allowed in a section.
pub(super) fn of(section: &str) -> &'static [&'static str] {
    SECTIONS
        .iter()
        .find(|(name, _)| *name == section)
        .map_or(&[], |(_, keys)| keys)
}

/// The section a key belongs to, where exactly one has it: for keys put in the wrong place.
pub(super) fn home_of(key: &str) -> Option<&'static str> {
    let mut homes = SECTIONS
        .iter()
        .filter(|(_, keys)| keys.contains(&key))
        .map(|(name, _)| *name);
    let home = homes.next()?;
    homes.next().is_none().then_some(home)
}

/// Every key of `module.toml` with its full dotted name, as the parser knows them.
pub fn known_keys() -> impl Iterator<Item = String> {
    SECTIONS.iter().flat_map(|(section, keys)| {
        keys.iter().map(move |key| match *section {
            "" => (*key).to_owned(),
            section => format!("{section}.{key}"),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reference_page_mentions_every_key() {
        let page = include_str!("../../MANIFEST.md");
        let missing: Vec<String> = known_keys()
            .filter(|key| !page.contains(&format!("`{key}`")))
            .collect();
        assert!(
            missing.is_empty(),
            "MANIFEST.md does not mention {missing:?}"
        );
    }

    #[test]
    fn the_reference_page_invents_no_key() {
        let page = include_str!("../../MANIFEST.md");
        for line in page.lines().filter_map(|line| line.strip_prefix("| `")) {
            let key = line.split('`').next().unwrap();
            assert!(
                key.contains('<') || known_keys().any(|known| known == key),
                "MANIFEST.md lists `{key}`, which the parser does not know"
            );
        }
    }
}
