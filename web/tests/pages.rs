//! What holds for every page in every state: it renders, it shows nothing
//! hostile unescaped, it needs no inline script or style, each form that
//! changes something carries the token, each control has a label.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use bllvm_web::samples::{self, Drawn};

fn pages() -> Vec<Drawn> {
    samples::draw_all().unwrap()
}

/// The opening tags of a page, attributes included. A `>` inside quotes does not end one.
fn tags(html: &str) -> Vec<&str> {
    let mut tags = Vec::new();
    let mut rest = html;
    while let Some(start) = rest.find('<') {
        rest = &rest[start..];
        let mut quote = None;
        let end = rest.char_indices().find_map(|(index, c)| {
            match (quote, c) {
                (None, '>') => return Some(index + 1),
                (None, '"' | '\'') => quote = Some(c),
                (Some(open), _) if open == c => quote = None,
                _ => {}
            }
            None
        });
        let end = end.unwrap_or(rest.len());
        if !rest.starts_with("</") && !rest.starts_with("<!") {
            tags.push(&rest[..end]);
        }
        rest = &rest[end..];
    }
    tags
}

fn name(tag: &str) -> &str {
    tag[1..]
        .split(|c: char| c.is_whitespace() || c == '>' || c == '/')
        .next()
        .unwrap()
}

/// The attributes of a tag; a value-less one has the empty value.
fn attributes(tag: &str) -> Vec<(&str, &str)> {
    let mut found = Vec::new();
    let mut rest = tag[1 + name(tag).len()..].trim_end_matches(['>', '/']);
    loop {
        rest = rest.trim_start();
        let Some(end) = rest.find(|c: char| c.is_whitespace() || c == '=') else {
            if !rest.is_empty() {
                found.push((rest, ""));
            }
            return found;
        };
        let key = &rest[..end];
        rest = &rest[end..];
        let Some(value) = rest.strip_prefix('=') else {
            found.push((key, ""));
            continue;
        };
        let quote = value.chars().next().unwrap();
        assert!(quote == '"' || quote == '\'', "unquoted value in {tag}");
        let (value, after) = value[1..].split_once(quote).unwrap();
        found.push((key, value));
        rest = after;
    }
}

fn attribute<'a>(tag: &'a str, key: &str) -> Option<&'a str> {
    attributes(tag)
        .into_iter()
        .find_map(|(name, value)| (name == key).then_some(value))
}

#[test]
fn every_page_is_a_whole_document_with_one_heading_of_the_first_rank() {
    for page in pages() {
        let tags = tags(&page.html);
        assert!(page.html.starts_with("<!doctype html>"), "{}", page.name);
        assert!(page.html.trim_end().ends_with("</html>"), "{}", page.name);
        for (element, count) in [("h1", 1), ("main", 1), ("title", 1)] {
            let found = tags.iter().filter(|tag| name(tag) == element).count();
            assert_eq!(found, count, "{} has {found} of {element}", page.name);
        }
        assert!(
            page.html.contains("href=\"#content\""),
            "{} lacks the skip link",
            page.name
        );
    }
}

#[test]
fn nothing_hostile_reaches_a_page_unescaped() {
    let mut escaped = 0;
    for page in pages() {
        assert!(!page.html.contains("<script>alert"), "{}", page.name);
        assert!(!page.html.contains("</textarea><b>"), "{}", page.name);
        escaped += usize::from(page.html.contains("alert(&#39;x&#39;)"));
        for tag in tags(&page.html) {
            for (key, _) in attributes(tag) {
                assert!(!key.starts_with("on"), "{}: {tag}", page.name);
            }
            assert_ne!(name(tag), "b", "{}: {tag}", page.name);
        }
    }
    assert!(
        escaped >= 20,
        "only {escaped} pages show the hostile string"
    );
}

#[test]
fn no_page_has_inline_script_or_style_or_loads_from_elsewhere() {
    for page in pages() {
        for tag in tags(&page.html) {
            assert_ne!(name(tag), "style", "{}", page.name);
            assert!(attribute(tag, "style").is_none(), "{}: {tag}", page.name);
            if name(tag) == "script" {
                assert!(
                    attribute(tag, "src").unwrap().starts_with("/assets/"),
                    "{}: {tag}",
                    page.name
                );
            }
            for key in ["src", "srcset", "data"] {
                let elsewhere = attribute(tag, key).is_some_and(|value| value.contains("//"));
                assert!(!elsewhere, "{}: {tag}", page.name);
            }
        }
        assert!(!page.html.contains("></script>\n<script>"), "{}", page.name);
    }
}

#[test]
fn every_static_file_that_a_page_names_exists() {
    for page in pages() {
        for tag in tags(&page.html) {
            for (key, value) in attributes(tag) {
                let Some(file) = value.strip_prefix("/assets/") else {
                    continue;
                };
                let file = file.split('#').next().unwrap();
                assert!(
                    bllvm_web::assets::find(file).is_some(),
                    "{}: {key}={value}",
                    page.name
                );
            }
        }
    }
}

#[test]
fn every_icon_that_a_page_shows_is_in_the_sprite() {
    let sprite = bllvm_web::assets::all()
        .iter()
        .find(|asset| asset.name == "icons.svg")
        .unwrap();
    let sprite = std::str::from_utf8(sprite.bytes).unwrap();
    for page in pages() {
        for tag in tags(&page.html)
            .into_iter()
            .filter(|tag| name(tag) == "use")
        {
            let (_, symbol) = attribute(tag, "href").unwrap().split_once('#').unwrap();
            assert!(
                sprite.contains(&format!("<symbol id=\"{symbol}\"")),
                "{}: {symbol}",
                page.name
            );
        }
    }
}

#[test]
fn every_form_that_posts_carries_the_token_and_no_other_does() {
    for page in pages() {
        for form in page.html.split("<form ").skip(1) {
            let form = form.split("</form>").next().unwrap();
            let tokens = form.matches("name=\"_csrf\"").count();
            let posts = form.starts_with("method=\"post\"");
            assert!(
                posts || form.starts_with("method=\"get\""),
                "{}: {form}",
                page.name
            );
            assert_eq!(tokens, usize::from(posts), "{}: {form}", page.name);
        }
    }
}

#[test]
fn every_control_has_a_label_and_every_reference_its_target() {
    for page in pages() {
        let tags = tags(&page.html);
        let ids: Vec<_> = tags.iter().filter_map(|tag| attribute(tag, "id")).collect();
        let labels: Vec<_> = tags
            .iter()
            .filter(|tag| name(tag) == "label")
            .filter_map(|tag| attribute(tag, "for"))
            .collect();
        for tag in &tags {
            let control = matches!(name(tag), "input" | "select" | "textarea");
            if control && attribute(tag, "type") != Some("hidden") {
                let id = attribute(tag, "id")
                    .unwrap_or_else(|| panic!("{}: {tag} has no id", page.name));
                assert!(labels.contains(&id), "{}: {tag} has no label", page.name);
            }
            for key in ["for", "aria-labelledby", "aria-describedby"] {
                for id in attribute(tag, key).unwrap_or_default().split_whitespace() {
                    assert!(ids.contains(&id), "{}: {key}={id} leads nowhere", page.name);
                }
            }
        }
    }
}

#[test]
fn no_id_stands_twice_on_a_page() {
    for page in pages()
        .iter()
        .filter(|page| !page.name.ends_with("--hostile"))
    {
        let mut ids: Vec<_> = tags(&page.html)
            .iter()
            .filter_map(|tag| attribute(tag, "id"))
            .collect();
        ids.sort_unstable();
        for pair in ids.windows(2) {
            assert_ne!(pair[0], pair[1], "{}", page.name);
        }
    }
}

#[test]
fn escaping_is_never_switched_off() {
    fn templates(folder: &std::path::Path, found: &mut Vec<std::path::PathBuf>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                templates(&path, found);
            } else {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    templates(
        &std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("templates"),
        &mut found,
    );
    assert!(found.len() > 20);
    for path in found {
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(
            !text.contains("|safe") && !text.contains("| safe"),
            "{}",
            path.display()
        );
        assert!(
            !text.contains("style=") && !text.contains("<style"),
            "{}",
            path.display()
        );
    }
}
