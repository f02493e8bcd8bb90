//! `[ui]`: how a module shows itself in the dashboard.

use serde::Serialize;
use utoipa::ToSchema;

use super::reader::Section;

/// Title, icon and the fields worth a card.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct Ui {
    /// What people read instead of the name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// A name from the dashboard's set of icons; an unknown one shows the default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub icon: Option<String>,
    /// The status fields, reported by the module while it runs, that the
    /// overview shows, most important first.
    pub status: Vec<String>,
    /// Pages that the dashboard draws from what the module's methods answer.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub pages: Vec<UiPage>,
}

/// A page of the module in the dashboard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct UiPage {
    /// Its name in the address.
    pub id: String,
    /// What people read.
    pub title: String,
    /// The method that answers with it; it changes nothing.
    pub method: String,
    /// Whether it has a tab; one that needs parameters is linked from another page instead.
    #[serde(skip_serializing_if = "is_true")]
    pub listed: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn is_true(listed: &bool) -> bool {
    *listed
}

impl Ui {
    pub(super) fn read(top: &mut Section<'_>) -> Self {
        let Some(mut section) = top.section("ui") else {
            return Self::default();
        };
        let icon = section.text("icon", 32);
        if let Some(icon) = &icon
            && !icon
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        {
            section.wrong(
                "icon",
                "is no icon's name",
                "a-z, 0-9 and -, such as \"bolt\"",
            );
        }
        Self {
            title: section.text("title", 64),
            icon,
            status: section.text_list("status", 8, field),
            pages: pages(&mut section),
        }
    }

    /// A page by its id.
    pub fn page(&self, id: &str) -> Option<&UiPage> {
        self.pages.iter().find(|page| page.id == id)
    }
}

fn pages(section: &mut Section<'_>) -> Vec<UiPage> {
    let mut pages: Vec<UiPage> = Vec::new();
    for mut one in section.sections("pages", 16) {
        let there = one.has("id", "\"overview\"")
            & one.has("title", "\"Overview\"")
            & one.has("method", "\"overview_page\"");
        let (id, title, method) = (
            one.text("id", 32),
            one.text("title", 64),
            one.text("method", 64),
        );
        let listed = one.boolean("listed").unwrap_or(true);
        let (true, Some(id), Some(title), Some(method)) = (there, id, title, method) else {
            continue;
        };
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        if !id.bytes().all(|b| plain(b) || b == b'-') {
            one.wrong(
                "id",
                "is no page's name",
                "a-z, 0-9 and -, such as \"overview\"",
            );
        } else if pages.iter().any(|page| page.id == id) {
            one.wrong(
                "id",
                format!("`{id}` is listed twice"),
                "give each page its own",
            );
        } else if !method.bytes().all(|b| plain(b) || b == b'_') {
            one.wrong(
                "method",
                "is no method's name",
                "a-z, 0-9 and _, such as \"overview_page\"",
            );
        } else {
            pages.push(UiPage {
                id,
                title,
                method,
                listed,
            });
        }
    }
    pages
}

fn field(text: &str) -> Result<String, &'static str> {
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'.';
    if text.is_empty() || text.len() > 64 || !text.bytes().all(allowed) {
        return Err("is no status field: a-z, 0-9, _ and ., at most 64 characters");
    }
    Ok(text.to_owned())
}
