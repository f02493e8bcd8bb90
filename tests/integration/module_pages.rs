//! Pages that a module describes as data: drawn by the node, and refused by name where they do not fit.

use bllvm_tests::{Browser, Fixture, TestServer};
use reqwest::StatusCode;
use serde_json::{Value, json};

const NAME: &str = "fixture-well";
const ANY: &str = "/modules/fixture-well/pages/any";
const EVIL: &str = "<script>alert(1)</script>\" onmouseover=\"alert(1)";
const PAGES: &str = "[[ui.pages]]\nid = \"any\"\ntitle = \"Anything\"\nmethod = \"page\"\n\
                     [[ui.pages]]\nid = \"lost\"\ntitle = \"Lost\"\nmethod = \"no_such\"\nlisted = false\n\
                     [[ui.pages]]\nid = \"slow\"\ntitle = \"Slow\"\nmethod = \"hang\"\n";

async fn start() -> (TestServer, Browser) {
    let server = TestServer::builder()
        .set("limits.call_deadline=2 s")
        .start()
        .await;
    server.install(&Fixture::new("well").last(PAGES)).await;
    server.load(NAME).await;
    let browser = Browser::log_in(&server).await;
    (server, browser)
}

async fn shown(browser: &Browser, document: &Value) -> bllvm_tests::Answer {
    let document = document.to_string();
    browser.get(ANY, &[("document", document.as_str())]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_modules_page_is_drawn_by_the_node_and_its_form_calls_a_method() {
    let (server, browser) = start().await;
    let link = |text: &str| json!({ "text": text, "link": { "page": { "id": "any", "params": { "document": "a&b=\"" } } } });
    let document = json!({ "title": "Everything", "blocks": [
        { "type": "heading", "text": EVIL },
        { "type": "text", "text": format!("one\n\ntwo {EVIL}") },
        { "type": "code", "text": EVIL },
        { "type": "facts", "facts": [{ "label": EVIL, "value": { "text": EVIL, "tone": "good" } }] },
        { "type": "table", "title": "Rows", "columns": [{ "label": "A" }, { "label": "B", "number": true }],
          "rows": [[link(EVIL), { "text": "7", "link": { "delivery": "01K" } }]] },
        { "type": "bars", "title": "Shares", "of": 2016, "bars":
          [{ "label": { "text": EVIL }, "value": 403, "low": 369, "high": 439, "words": EVIL }] },
        { "type": "progress", "title": "Mining", "have": 10, "need": 605, "can": 900, "of": 2016, "unit": "blocks" },
        { "type": "progress", "title": "Coins", "have": 10, "need": 605, "can": 500, "of": 2016 },
        { "type": "chart", "title": "Line", "x": "h", "y": "n", "series": [{ "label": EVIL, "points": [[0, 1], [9, 5]] }] },
        { "type": "notice", "level": "warn", "text": EVIL },
        { "type": "form", "method": "exit", "title": "End", "button": "End it", "values": { "code": "3" } },
        { "type": "form", "method": "no_such", "title": "Lost", "button": "Lost" },
    ] });
    let answer = shown(&browser, &document).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    let page = &answer.text;
    let policy = answer.headers["content-security-policy"].to_str().unwrap();
    assert!(policy.contains("script-src 'self'"), "{policy}");
    assert!(
        !page.contains("<script>alert") && !page.contains("\" onmouseover"),
        "{page}"
    );
    for wanted in [
        "Everything",
        "&#60;script&#62;alert(1)",
        "href=\"/modules/fixture-well/pages/any?document=a%26b%3D%22\"",
        "href=\"/deliveries/01K\"",
        "20.0 %",
        "18.3 to 21.8 %",
        "can still be reached: yes",
        "can still be reached: no",
        "name=\"c.code\" value=\"3\"",
        "offers no method “no_such” now",
    ] {
        assert!(page.contains(wanted), "{wanted}: {page}");
    }
    let overview = browser.get("/modules/fixture-well", &[]).await.text;
    assert!(overview.contains("href=\"/modules/fixture-well/pages/any\">Anything"));
    assert!(!overview.contains("/pages/lost"), "it is not listed");
    let lost = "/modules/fixture-well/pages/lost";
    let open = browser.get(lost, &[("number", "7&8")]).await.text;
    let own = "href=\"/modules/fixture-well/pages/lost?number=7%268\" aria-current=\"page\">Lost";
    assert!(open.contains(own), "it has a tab while it is open: {open}");
    assert!(!open.contains("/pages/any\" aria-current"), "{open}");

    // The form calls the method, which the audit trail shows; what does not fit is said beside it.
    let form = json!({ "blocks": [{ "type": "form", "method": "echo", "title": "Say", "button": "Say" },
        { "type": "form", "method": "exit", "title": "End", "button": "End it" }] });
    let form = form.to_string();
    let query = [("document", form.as_str())];
    let answer = browser.submit(ANY, &query, &[("_method", "echo")]).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    assert!(answer.text.contains("echo answered"), "{}", answer.text);
    let fields = [("_method", "exit"), ("c.code", "999")];
    let answer = browser.submit(ANY, &query, &fields).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(answer.text.contains("value=\"999\""), "{}", answer.text);
    assert!(answer.text.contains("255"), "{}", answer.text);
    let refused = browser.post(ANY, &fields).await;
    assert_eq!(
        refused.status,
        StatusCode::FORBIDDEN,
        "no token: {}",
        refused.text
    );
    let audit = server.rest.get("/api/v1/audit?limit=200").await.done();
    let calls = audit["items"].as_array().unwrap().iter();
    let calls: Vec<_> = calls
        .filter(|row| row["action"] == "call_module")
        .map(|row| row["target"].as_str().unwrap().to_owned())
        .collect();
    assert!(calls.contains(&"fixture-well/echo".to_owned()), "{calls:?}");
    assert!(
        !calls.contains(&"fixture-well/page".to_owned()),
        "looking changes nothing"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hostile_document_is_refused_by_name_and_nothing_of_it_is_shown() {
    let (_server, browser) = start().await;
    let block = |block: Value| json!({ "blocks": [block] });
    let cell =
        |cell: Value| block(json!({ "type": "facts", "facts": [{ "label": "l", "value": cell }] }));
    let mut deep = json!("SECRET");
    for _ in 0..60 {
        deep = json!([deep]);
    }
    for (document, named) in [
        (json!("<script>SECRET</script>"), "page: it is no object"),
        (json!({ "html": "SECRET" }), "page: unknown field “html”"),
        (json!({ "title": "SECRET" }), "blocks: it is missing"),
        (
            block(json!({ "type": "html", "html": "SECRET" })),
            "blocks[0]: unknown variant “html”",
        ),
        (
            block(json!({ "type": "text", "text": 7 })),
            "blocks[0]: invalid type",
        ),
        (
            block(json!({ "type": "text", "text": "SECRET", "onload": "x" })),
            "blocks[0]: unknown field “onload”",
        ),
        (
            block(json!({ "type": "text", "text": "SECRET\u{202e}" })),
            "blocks[0].text: it contains",
        ),
        (
            cell(json!({ "text": "SECRET", "href": "javascript:alert(1)" })),
            "blocks[0]: unknown field “href”",
        ),
        (
            cell(json!({ "text": "SECRET", "link": { "page": { "id": "tokens" } } })),
            "a link leads to “tokens”",
        ),
        (
            cell(json!({ "text": "SECRET", "link": { "page": { "id": "../../tokens" } } })),
            "link.page.id: it is no name",
        ),
        (
            json!({ "blocks": [deep] }),
            "page: it is nested more than 16 deep",
        ),
    ] {
        let answer = shown(&browser, &document).await;
        assert_eq!(
            answer.status,
            StatusCode::BAD_GATEWAY,
            "{document}: {}",
            answer.text
        );
        let text = &answer.text;
        assert!(text.contains(named), "{named}: {text}");
        let shown = text.split("class=\"problem\"").nth(1).unwrap();
        assert!(!shown.contains("SECRET"), "{shown}");
    }
    let long = json!({ "blocks": [{ "type": "text", "text": "$LONG" }] }).to_string();
    for (size, named) in [
        ("300000", "page: it has 300"),
        ("20000", "blocks[0].text: it has 20000 characters"),
        ("900000", "page: it has 900"),
    ] {
        let answer = browser
            .get(ANY, &[("document", long.as_str()), ("size", size)])
            .await;
        assert!(!answer.status.is_success(), "{size}");
        assert!(
            answer.text.contains(named) && answer.text.len() < 60_000,
            "{named}: {}",
            answer.text
        );
    }

    // What the module cannot answer is said in words, and the tabs stay.
    for (path, query, status, words) in [
        (ANY, &[][..], 422, "document"),
        (ANY, &[("document", "{")][..], 422, "EOF"),
        (ANY, &[("document", "{}"), ("what", "x")][..], 422, "what"),
        (
            "/modules/fixture-well/pages/lost",
            &[],
            404,
            "no method “no_such”",
        ),
        (
            "/modules/fixture-well/pages/slow",
            &[],
            504,
            "did not answer",
        ),
        ("/modules/fixture-well/pages/none", &[], 404, "has no page"),
        ("/modules/nobody/pages/any", &[], 404, "There is no module"),
    ] {
        let answer = browser.get(path, query).await;
        let text = answer.text.replace('`', "“");
        assert!(text.contains(words), "{path} {query:?}: {text}");
        assert_eq!(answer.status.as_u16(), status, "{path} {query:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_a_stopped_module_says_that_it_has_to_run() {
    let (server, browser) = start().await;
    server.unload(NAME).await;
    let answer = browser.get(ANY, &[("document", "{}")]).await;
    assert_eq!(answer.status, StatusCode::CONFLICT, "{}", answer.text);
    assert!(
        answer.text.contains("while fixture-well runs"),
        "{}",
        answer.text
    );
}
