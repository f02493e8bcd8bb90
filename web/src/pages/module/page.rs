//! A page that the module describes as data.

use askama::Template;

use super::head::{ModuleHead, PageTab, Tab};
use crate::format::Hash;
use crate::layout::Chrome;
use crate::pages::overview::hostile_problem;
use crate::parts::{
    Badge, BarList, BarRow, DataTable, Field, LineChart, MethodForm, PageBlock, PageCell, PageFact,
    Problem, ProgressBar, Section, Tone, Value,
};
use crate::samples::{self, BLOCK, HOSTILE};

/// `GET /modules/{name}/pages/{id}`, and the answer to a form on it.
#[derive(Debug, Clone, Template)]
#[template(path = "pages/module/page.html")]
pub struct ModulePage {
    /// The frame.
    pub chrome: Chrome,
    /// The module.
    pub head: ModuleHead,
    /// The page's heading.
    pub title: String,
    /// Why there is no page.
    pub problem: Option<Problem>,
    /// What a form on it came to.
    pub outcome: Option<Outcome>,
    /// What is on it.
    pub blocks: Vec<PageBlock>,
}

/// What a form came to.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// Its heading.
    pub title: String,
    /// Why it was refused.
    pub failure: Option<String>,
    /// What was answered: names with values, of which some are to be copied.
    pub answers: Vec<(String, String)>,
}

fn cell(value: Value, href: Option<&str>) -> PageCell {
    PageCell {
        value,
        href: href.map(str::to_owned),
    }
}

impl ModulePage {
    /// A page with a block of each kind.
    pub fn sample() -> Self {
        let mut head = ModuleHead::sample(Tab::Page { live: false });
        head.pages = vec![PageTab {
            path: "/pages/proposals".to_owned(),
            title: "Proposals".to_owned(),
            current: true,
        }];
        Self {
            chrome: samples::chrome("/modules/block-clock/pages/proposals"),
            head,
            title: "Proposals".to_owned(),
            problem: None,
            outcome: Some(Outcome {
                title: "get_challenge answered".to_owned(),
                failure: None,
                answers: vec![("message".to_owned(), "two\nlines".to_owned())],
            }),
            blocks: blocks("Words", "/modules/block-clock/pages/proposal?number=7"),
        }
    }

    /// The hard states.
    pub fn samples() -> Vec<(&'static str, Self)> {
        let refused = Self {
            problem: Some(Problem {
                what: "The module’s page is not shown: blocks[0]: unknown variant “html”."
                    .to_owned(),
                advice: "This is a fault of the module.".to_owned(),
                lines: Vec::new(),
            }),
            outcome: None,
            blocks: Vec::new(),
            ..Self::sample()
        };
        let hostile = Self {
            chrome: samples::chrome_hostile("/modules/x/pages/y"),
            head: ModuleHead {
                pages: vec![PageTab {
                    path: HOSTILE.to_owned(),
                    title: HOSTILE.to_owned(),
                    current: true,
                }],
                ..ModuleHead::hostile(Tab::Page { live: true })
            },
            title: HOSTILE.to_owned(),
            problem: Some(hostile_problem()),
            outcome: Some(Outcome {
                title: HOSTILE.to_owned(),
                failure: Some(HOSTILE.to_owned()),
                answers: vec![(HOSTILE.to_owned(), HOSTILE.to_owned())],
            }),
            blocks: blocks(HOSTILE, HOSTILE),
        };
        vec![
            ("sample", Self::sample()),
            ("refused", refused),
            ("hostile", hostile),
        ]
    }
}

fn blocks(text: &str, href: &str) -> Vec<PageBlock> {
    let words = || text.to_owned();
    let plain = |text: &str| cell(Value::Text(text.to_owned()), None);
    let hash = || cell(Value::Hash(Hash::new(BLOCK)), None);
    let badge = || cell(Value::Badge(Badge::new(Tone::Good, text)), Some(href));
    let bar = |value, interval| BarRow {
        label: plain(text),
        tone: Tone::Busy,
        value,
        interval,
        share: "20.0 %".to_owned(),
        between: "18.3 to 21.8 %".to_owned(),
        words: words(),
    };
    let field = Field {
        scope: "0-".to_owned(),
        ..Field::text("key", text, text)
    };
    let section = Section {
        title: String::new(),
        description: String::new(),
        fields: vec![field],
    };
    vec![
        PageBlock::Heading(words()),
        PageBlock::Text(vec![words(), words()]),
        PageBlock::Code {
            title: words(),
            text: words(),
            folded: true,
        },
        PageBlock::Code {
            title: String::new(),
            text: words(),
            folded: false,
        },
        PageBlock::Facts {
            title: words(),
            facts: vec![
                PageFact {
                    label: words(),
                    cell: hash(),
                },
                PageFact {
                    label: words(),
                    cell: badge(),
                },
            ],
        },
        PageBlock::Table(DataTable {
            title: words(),
            columns: vec![(words(), ""), (words(), "number"), (words(), "wide")],
            rows: vec![vec![
                (badge(), ""),
                (plain("7"), "number"),
                (hash(), "wide"),
            ]],
            empty: String::new(),
        }),
        PageBlock::Table(DataTable {
            title: words(),
            columns: vec![(words(), "")],
            rows: Vec::new(),
            empty: words(),
        }),
        PageBlock::Bars(BarList {
            title: words(),
            scale: "The full width is 25 %.".to_owned(),
            bars: vec![bar(800, Some((732, 140))), bar(40, None)],
            empty: String::new(),
        }),
        PageBlock::Progress(ProgressBar {
            title: words(),
            have: 100,
            can: 400,
            need: Some(300),
            line: words(),
            badge: Badge::new(Tone::Info, "can still be reached: yes"),
            words: words(),
        }),
        PageBlock::Chart(LineChart {
            title: words(),
            x: words(),
            y: words(),
            lines: vec![(words(), "line-0", "0,10 500,90".to_owned())],
        }),
        PageBlock::Notice {
            tone: Tone::Warn,
            text: words(),
        },
        PageBlock::Form(MethodForm {
            method: words(),
            title: words(),
            text: words(),
            button: "Send".to_owned(),
            sections: vec![section],
            unavailable: None,
        }),
        PageBlock::Form(MethodForm {
            method: words(),
            title: words(),
            text: words(),
            button: "Send".to_owned(),
            sections: Vec::new(),
            unavailable: Some(words()),
        }),
    ]
}
