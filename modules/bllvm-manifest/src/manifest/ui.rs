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
        }
    }
}

fn field(text: &str) -> Result<String, &'static str> {
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'.';
    if text.is_empty() || text.len() > 64 || !text.bytes().all(allowed) {
        return Err("is no status field: a-z, 0-9, _ and ., at most 64 characters");
    }
    Ok(text.to_owned())
}
