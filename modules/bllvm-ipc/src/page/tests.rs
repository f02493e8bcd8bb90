//! What fits is read back as it was; each thing that does not is refused by its place.

use serde_json::{Value, json};

use super::{
    Bar, Bars, Block, Cell, Chart, Code, Facts, Form, Page, Progress, Series, Table, Tone,
};

fn full() -> Page {
    let form = Form {
        method: "submit_proof".to_owned(),
        title: "Prove".to_owned(),
        button: "Check".to_owned(),
        values: [("key".to_owned(), "ab".to_owned())].into(),
        ..Form::default()
    };
    let bar = Bar {
        label: "one".into(),
        value: 20,
        low: Some(10),
        high: Some(30),
        tone: Some(Tone::Quiet),
        words: "20 blocks".to_owned(),
    };
    let progress = Progress {
        title: "Mining".to_owned(),
        have: 1,
        need: 30,
        can: 20,
        of: 100,
        unit: "blocks".to_owned(),
        ..Progress::default()
    };
    let line = Series {
        label: "share".to_owned(),
        points: vec![(1, -5), (2, 7)],
    };
    Page::new("All")
        .with(Block::heading("A heading"))
        .with(Block::text("One.\n\nTwo."))
        .with(Code {
            title: "Run".to_owned(),
            text: "x\ty".to_owned(),
            folded: true,
        })
        .with(Facts::new("Facts").fact("Height", Cell::code("12")))
        .with(
            Table::new("Rows", &["Name", "#Number", "+Hash"])
                .row([
                    Cell::new("a").to_page("one", &[("n", "7")]),
                    "7".into(),
                    "".into(),
                ])
                .or("none"),
        )
        .with(Bars {
            title: "Shares".to_owned(),
            of: 100,
            bars: vec![bar],
            ..Bars::default()
        })
        .with(progress)
        .with(Chart {
            title: "Over time".to_owned(),
            x: "height".to_owned(),
            y: "ppm".to_owned(),
            series: vec![line],
        })
        .with(Block::notice(Tone::Warn, "Look."))
        .with(form)
        .with(Facts::new("").fact("Delivery", Cell::new("x").to_delivery("01K")))
}

#[test]
fn what_was_written_is_read_back() {
    let document = serde_json::to_value(full()).unwrap();
    assert_eq!(Page::read(&document), Ok(full()));
    assert_eq!(
        document["blocks"][4]["rows"][0][0]["link"]["page"]["params"]["n"],
        "7"
    );
}

#[test]
fn what_does_not_fit_is_refused_by_its_place() {
    let block = |block: Value| json!({ "blocks": [block] });
    let cell = |cell: Value| {
        block(
            json!({ "type": "table", "title": "t", "columns": [{ "label": "a" }], "rows": [[cell]] }),
        )
    };
    let bar = |value: u64, low: u64, high: u64| {
        let bar = json!({ "label": { "text": "a" }, "value": value, "low": low, "high": high });
        block(json!({ "type": "bars", "title": "t", "of": 100, "bars": [bar] }))
    };
    let mut deep = json!([]);
    for _ in 0..100 {
        deep = json!([deep]);
    }
    let wide = json!({ "type": "facts", "facts": vec![json!({ "label": "a", "value": { "text": "" } }); 101] });
    for (document, place, problem) in [
        (json!("<script>"), "page", "no object"),
        (json!({ "title": "t" }), "blocks", "missing"),
        (json!({ "title": 7, "blocks": [] }), "title", "no text"),
        (
            json!({ "blocks": [], "script": "alert(1)" }),
            "page",
            "unknown field `script`",
        ),
        (
            json!({ "blocks": [deep] }),
            "page",
            "nested more than 16 deep",
        ),
        (
            json!({ "blocks": [], "title": "x".repeat(201) }),
            "title",
            "201 characters",
        ),
        (
            json!({ "blocks": vec![json!({ "type": "text", "text": "" }); 101] }),
            "blocks",
            "101 blocks",
        ),
        (
            json!({ "blocks": vec![json!({ "type": "text", "text": "x".repeat(16_000) }); 17] }),
            "page",
            "bytes",
        ),
        (
            block(json!({ "type": "html", "html": "<b>" })),
            "blocks[0]",
            "unknown variant `html`",
        ),
        (
            block(json!({ "text": "no type" })),
            "blocks[0]",
            "missing field `type`",
        ),
        (
            block(json!({ "type": "text", "text": 5 })),
            "blocks[0]",
            "invalid type: integer",
        ),
        (
            block(json!({ "type": "text", "text": "a", "onclick": "x" })),
            "blocks[0]",
            "unknown field `onclick`",
        ),
        (
            block(json!({ "type": "text", "text": "a\u{0}" })),
            "blocks[0].text",
            "u{0}",
        ),
        (
            block(json!({ "type": "heading", "text": "a\u{202e}b" })),
            "blocks[0].text",
            "u{202e}",
        ),
        (
            block(json!({ "type": "code", "text": "a", "folded": true })),
            "blocks[0].title",
            "missing",
        ),
        (block(wide), "blocks[0].facts", "101 facts"),
        (
            cell(json!({ "text": "a", "href": "javascript:alert(1)" })),
            "blocks[0]",
            "unknown field `href`",
        ),
        (
            cell(json!({ "text": "a", "link": { "url": "javascript:alert(1)" } })),
            "blocks[0]",
            "unknown variant `url`",
        ),
        (
            cell(json!({ "text": "a", "link": { "page": { "id": "javascript:alert(1)" } } })),
            "blocks[0].rows[0][0].link.page.id",
            "no name",
        ),
        (
            cell(json!({ "text": "a", "link": { "delivery": "../../tokens" } })),
            "blocks[0].rows[0][0].link.delivery",
            "no name",
        ),
        (
            block(
                json!({ "type": "table", "title": "t", "columns": [], "rows": [[{ "text": "a" }]] }),
            ),
            "blocks[0].rows[0]",
            "1 cells for 0 columns",
        ),
        (bar(5, 6, 7), "blocks[0].bars[0]", "not low 6"),
        (bar(5, 1, 101), "blocks[0].bars[0]", "high 101"),
        (
            block(json!({ "type": "bars", "title": "t", "of": 0, "bars": [] })),
            "blocks[0].of",
            "nothing",
        ),
        (
            block(
                json!({ "type": "progress", "title": "t", "have": 3, "need": 9, "can": 2, "of": 5 }),
            ),
            "blocks[0]",
            "not have 3",
        ),
        (
            block(
                json!({ "type": "progress", "title": "t", "have": -3, "need": 9, "can": 2, "of": 5 }),
            ),
            "blocks[0]",
            "invalid value: integer `-3`",
        ),
        (
            block(
                json!({ "type": "chart", "title": "t", "x": "", "y": "", "series": [{ "label": "", "points": [[2, 1], [1, 1]] }] }),
            ),
            "blocks[0].series[0]",
            "left to right",
        ),
        (
            block(json!({ "type": "form", "method": "a/b", "title": "t", "button": "b" })),
            "blocks[0].method",
            "no name",
        ),
        (
            block(json!({ "type": "form", "method": "a", "title": "t", "button": " " })),
            "blocks[0].button",
            "empty",
        ),
    ] {
        let refused = Page::read(&document).unwrap_err();
        assert_eq!(refused.place, place, "{refused}");
        assert!(refused.problem.contains(problem), "{refused}");
    }
}
