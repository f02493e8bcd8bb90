//! What a browser without script does: pages, and forms with what stands in them.

use axum::body::Body;
use axum::http::header::{ACCEPT, CONTENT_TYPE, COOKIE, LOCATION, ORIGIN, REFERER, SET_COOKIE};
use axum::http::{Request, StatusCode};

use crate::api::tests::harness::{Answer, HOST_NAME, Node};
use crate::model::Actor;

const HTML: &str = "text/html,application/xhtml+xml,*/*;q=0.8";

/// A browser beside a node.
pub(super) struct Browser {
    pub(super) node: Node,
    cookie: String,
}

impl Browser {
    /// A node, and a browser that is not logged in.
    pub(super) async fn stranger() -> Self {
        let node = Node::start_with(crate::dashboard::router).await;
        // The node makes it when it starts.
        std::fs::create_dir_all(&node.api.modules_dir).unwrap();
        Self {
            node,
            cookie: String::new(),
        }
    }

    /// A node, and a browser that is logged in by a one-time code.
    pub(super) async fn start() -> Self {
        let mut browser = Self::stranger().await;
        let code = browser.code().await;
        let answer = browser
            .post("/login", &[("token", &code), ("next", "/")])
            .await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text);
        browser
    }

    /// A fresh one-time code.
    pub(super) async fn code(&self) -> String {
        let made = self
            .node
            .api
            .control
            .create_login_code(&Actor::host())
            .await;
        made.unwrap().code
    }

    /// What it sends as `Cookie`.
    pub(super) fn cookie(&self) -> &str {
        &self.cookie
    }

    pub(super) async fn get(&self, path: &str) -> Answer {
        let request = Request::get(path)
            .header(ACCEPT, HTML)
            .header(COOKIE, &self.cookie);
        self.node.ask(request.body(Body::empty()).unwrap()).await
    }

    /// A page that must be there.
    pub(super) async fn page(&self, path: &str) -> String {
        let answer = self.get(path).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.text);
        answer.text
    }

    /// Sends fields as they are.
    pub(super) async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let origin = format!("http://{HOST_NAME}");
        let request = Request::post(path)
            .header(ACCEPT, HTML)
            .header(COOKIE, &self.cookie)
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(REFERER, format!("{origin}/modules"))
            .header(ORIGIN, origin);
        let body: Vec<_> = fields
            .iter()
            .map(|(name, value)| format!("{name}={}", crate::dashboard::address::encode(value)))
            .collect();
        let answer = self
            .node
            .ask(request.body(Body::from(body.join("&"))).unwrap())
            .await;
        if let Some(cookie) = answer.headers.get(SET_COOKIE) {
            let pair = cookie.to_str().unwrap().split(';').next().unwrap();
            pair.clone_into(&mut self.cookie);
        }
        answer
    }

    /// Fills in a form of a page and presses its button.
    pub(super) async fn submit(
        &mut self,
        page: &str,
        path: &str,
        fields: &[(&str, &str)],
    ) -> Answer {
        let csrf = hidden(&self.page(page).await, "_csrf");
        let fields = [fields, &[("_csrf", csrf.as_str())]].concat();
        self.post(path, &fields).await
    }

    /// The same, and the page that the answer leads to.
    pub(super) async fn press(
        &mut self,
        page: &str,
        path: &str,
        fields: &[(&str, &str)],
    ) -> String {
        let answer = self.submit(page, path, fields).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text);
        self.page(answer.headers[LOCATION].to_str().unwrap()).await
    }
}

/// The value of a hidden field.
pub(super) fn hidden(page: &str, name: &str) -> String {
    let start = format!("name=\"{name}\" value=\"");
    let rest = page
        .split_once(&start)
        .unwrap_or_else(|| panic!("no field {name}: {page}"))
        .1;
    rest.split('"').next().unwrap().replace("&#34;", "\"")
}
