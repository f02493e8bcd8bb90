//! A page as data: what a module wants people to see, as a list of typed blocks. The host draws it.
//!
//! A document has no markup, no addresses and no script: links name another page of the same module,
//! or a webhook delivery, and the host makes the address. So whatever stands in a document, the worst
//! that it can be is wrong. A method that the manifest names under `[ui] pages` answers with one;
//! [`Page::read`] is the host's door, which refuses by name what does not fit.
//!
//! ```
//! use bllvm_ipc::page::{Block, Cell, Facts, Page};
//!
//! let page = Page::new("Tip").with(Facts::new("Chain").fact("Height", "1,204"));
//! let document = serde_json::to_value(&page).unwrap();
//! assert_eq!(document["blocks"][0]["type"], "facts");
//! assert_eq!(Page::read(&document), Ok(page));
//!
//! let refused = Page::read(&serde_json::json!({ "blocks": [{ "type": "html", "html": "<b>" }] }));
//! assert!(refused.unwrap_err().to_string().starts_with("blocks[0]: unknown variant `html`"));
//! ```

mod blocks;
pub mod limits;
mod read;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use blocks::{
    Bar, Bars, Chart, Code, Column, Facts, Form, Heading, LabelledCell, Notice, Progress, Series,
    Table, Text,
};
pub use read::PageProblem;

/// A page: a heading, and blocks from top to bottom.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Page {
    /// The heading; empty takes the manifest's title.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub title: String,
    /// What is on it.
    pub blocks: Vec<Block>,
}

/// One part of a page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Block {
    /// A heading between other blocks.
    Heading(Heading),
    /// Paragraphs; an empty line parts them.
    Text(Text),
    /// Something to read to the letter or to copy.
    Code(Code),
    /// Labels with their values.
    Facts(Facts),
    /// Rows of cells.
    Table(Table),
    /// Shares, each with how sure it is.
    Bars(Bars),
    /// How far something is from what it needs, and whether it can still get there.
    Progress(Progress),
    /// Lines over numbers.
    Chart(Chart),
    /// Something to notice.
    Notice(Notice),
    /// A form that calls one of the module's methods.
    Form(Form),
}

/// Words, and what they lead to or mean.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cell {
    /// The words.
    pub text: String,
    /// Where they lead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<Link>,
    /// Shown as a badge of this meaning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tone: Option<Tone>,
    /// Whether they are to be read to the letter: hashes, keys, commands. Long ones are shortened,
    /// with all of them in the title and under the copy button.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub code: bool,
}

/// Where words lead. There are no addresses: the host makes them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Link {
    /// Another page of the same module.
    Page(PageLink),
    /// A webhook delivery, by its id.
    Delivery(String),
}

/// A page of the same module, with what its method is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PageLink {
    /// Its id in the manifest.
    pub id: String,
    /// Parameters; the host turns them into what the method's schema says.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub params: BTreeMap<String, String>,
}

/// What a colour means; it is never shown without an icon and words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tone {
    /// As wanted.
    Good,
    /// On its way.
    Busy,
    /// Look at it today.
    Warn,
    /// Someone must act.
    Bad,
    /// Neither good nor bad.
    Quiet,
    /// Worth a glance.
    Info,
}

impl Page {
    /// An empty page.
    pub fn new(title: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            blocks: Vec::new(),
        }
    }

    /// Adds a block.
    #[must_use]
    pub fn with(mut self, block: impl Into<Block>) -> Self {
        self.push(block);
        self
    }

    /// Adds a block.
    pub fn push(&mut self, block: impl Into<Block>) {
        self.blocks.push(block.into());
    }
}

impl Cell {
    /// Words.
    pub fn new(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            ..Self::default()
        }
    }

    /// To be read to the letter.
    pub fn code(text: impl Into<String>) -> Self {
        Self {
            code: true,
            ..Self::new(text)
        }
    }

    /// A badge.
    pub fn badge(tone: Tone, text: impl Into<String>) -> Self {
        Self {
            tone: Some(tone),
            ..Self::new(text)
        }
    }

    /// Leads to another page of the module.
    #[must_use]
    pub fn to_page(mut self, id: &str, params: &[(&str, &str)]) -> Self {
        let params = params.iter();
        self.link = Some(Link::Page(PageLink {
            id: id.to_owned(),
            params: params
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
        }));
        self
    }

    /// Leads to a webhook delivery.
    #[must_use]
    pub fn to_delivery(mut self, id: impl Into<String>) -> Self {
        self.link = Some(Link::Delivery(id.into()));
        self
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self::new(text)
    }
}
