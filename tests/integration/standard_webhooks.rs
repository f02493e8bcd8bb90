//! Standard Webhooks v1 and v1a, against others: what we sign is checked by Python, and what Python
//! signs is checked by us. v1 there is the specification's own library, v1a is RFC 8032 written out.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use bllvm_node::clock::{Clock as _, SystemClock};
use bllvm_tests::{Answer, TestServer};
use reqwest::Method;
use serde_json::{Value, json};

const SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
const SEED: &str = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60";
/// Whatever text is, its bytes are what is signed.
const BODY: &str = "{\"type\":\"a.b\",\"data\":{\"name\":\"J\u{fc}rgen \u{1f9c5}\"}}\n";

/// The others, a process that answers a question a line.
struct Others(Child);

impl Drop for Others {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Others {
    /// None, said aloud, where there is no Python with the library.
    fn start() -> Option<Self> {
        let python = std::env::var_os("BLLVM_TEST_PYTHON").unwrap_or_else(|| "python3".into());
        let has = Command::new(&python)
            .args(["-c", "import standardwebhooks"])
            .stderr(Stdio::null())
            .status();
        if !has.is_ok_and(|status| status.success()) {
            eprintln!("SKIPPED: no Python with standardwebhooks; name one by BLLVM_TEST_PYTHON");
            return None;
        }
        let script = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
        let child = Command::new(&python)
            .arg(script.join("fixtures/standard_webhooks.py"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn();
        Some(Self(child.unwrap()))
    }

    fn ask(&mut self, question: &Value) -> Value {
        let mut line = question.to_string();
        line.push('\n');
        let ask = self.0.stdin.as_mut().unwrap();
        ask.write_all(line.as_bytes()).unwrap();
        let mut answer = String::new();
        // One answer is whole before the next question is asked: nothing is read too far.
        let mut told = BufReader::new(self.0.stdout.as_mut().unwrap());
        told.read_line(&mut answer).unwrap();
        serde_json::from_str(&answer).expect("Python answers; see above why not")
    }

    fn verify(
        &mut self,
        came: &(Value, String),
        secret: Option<&str>,
        public: Option<&str>,
    ) -> Value {
        self.ask(&json!({
            "do": "verify", "headers": came.0, "body": came.1, "secret": secret, "public": public,
        }))
    }

    fn sign(&mut self, id: &str, time: u64) -> Value {
        self.ask(&json!({
            "do": "sign", "id": id, "time": time, "body": BODY, "secret": SECRET, "seed": SEED,
        }))
    }
}

type Came = Arc<Mutex<Vec<(Value, String)>>>;

async fn take(State(came): State<Came>, headers: HeaderMap, body: String) -> StatusCode {
    let named = headers.iter();
    let named = named.map(|(name, value)| (name.to_string(), json!(value.to_str().unwrap())));
    came.lock().unwrap().push((named.collect(), body));
    StatusCode::OK
}

async fn receiver() -> (String, Came) {
    let came = Came::default();
    let app = Router::new()
        .route("/", post(take))
        .with_state(came.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    (url, came)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_we_sign_others_verify() {
    let Some(mut others) = Others::start() else {
        return;
    };
    let (url, came) = receiver().await;
    let server = TestServer::builder().set("webhooks.allow_addresses=127.0.0.1");
    let server = server.start().await;
    let endpoints = "/api/v1/webhooks/endpoints";
    let new = json!({ "name": "ours", "url": url, "events": ["webhook.none"], "key": SECRET });
    server.rest.post(endpoints, &new).await.done();
    let test = async || {
        let at = format!("{endpoints}/ours/test");
        let tested = server.rest.post(&at, &json!({})).await.done();
        assert_eq!(tested["delivered"], true, "{tested}");
        came.lock().unwrap().pop().unwrap()
    };
    let first = test().await;
    let both = |v1, v1a| json!({ "v1": v1, "v1a": v1a });
    assert_eq!(others.verify(&first, Some(SECRET), None), both(true, false));

    // During a rotation both keys sign; afterwards the new one alone.
    let rotate = async |overlap: u64| {
        let wanted = json!({ "signing": "v1a", "overlap_s": overlap });
        let at = format!("{endpoints}/ours/rotate");
        let rotated = server.rest.post(&at, &wanted).await.done();
        let mut keys = rotated["keys"].as_array().unwrap().iter();
        let public = keys.find_map(|key| key["public"].as_str());
        public.unwrap().to_owned()
    };
    let public = rotate(3600).await;
    let second = test().await;
    let judged = others.verify(&second, Some(SECRET), Some(&public));
    assert_eq!(judged, both(true, true), "{second:?}");
    let public = rotate(0).await;
    let third = test().await;
    let judged = others.verify(&third, Some(SECRET), Some(&public));
    assert_eq!(judged["v1a"], true, "{third:?}");

    // What was changed on the way holds for nobody.
    for change in ["webhook-id", "webhook-timestamp", "body"] {
        let (mut headers, mut body) = second.clone();
        if change == "body" {
            body.push(' ');
        } else {
            let changed = format!("{}0", headers[change].as_str().unwrap());
            headers[change] = json!(changed);
        }
        let judged = others.verify(&(headers, body), Some(SECRET), Some(&public));
        assert_eq!(judged, both(false, false), "{change}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_others_sign_we_verify() {
    let Some(mut others) = Others::start() else {
        return;
    };
    let server = TestServer::start().await;
    let now = SystemClock.now().unix_ms().unsigned_abs() / 1000;
    let public = others.sign("msg_0", now)["public"]
        .as_str()
        .unwrap()
        .to_owned();
    for (name, secret) in [("shared", SECRET), ("public", public.as_str())] {
        let new = json!({ "name": name, "scheme": "standard", "secret": secret });
        server
            .rest
            .post("/api/v1/webhooks/sources", &new)
            .await
            .done();
    }
    let send = async |source: &str, id: &str, signature: &str, body: String| -> Answer {
        let request = server
            .rest
            .request(Method::POST, &format!("/webhooks/{source}"));
        let request = request
            .header("webhook-id", id)
            .header("webhook-timestamp", now.to_string())
            .header("webhook-signature", signature);
        server.rest.send(request.body(body)).await
    };
    for (source, scheme, other) in [("shared", "v1", "v1a"), ("public", "v1a", "v1")] {
        let id = format!("msg_{scheme}");
        let signed = others.sign(&id, now);
        let word = |scheme: &str| signed[scheme].as_str().unwrap();
        let (right, wrong) = (word(scheme), word(other));
        let status = async |id: &str, signature: &str, body: &str| {
            let answer = send(source, id, signature, body.to_owned()).await;
            answer.status.as_u16()
        };
        assert_eq!(status(&id, wrong, BODY).await, 401, "{source}");
        assert_eq!(status(&id, right, BODY.trim_end()).await, 401, "{source}");
        assert_eq!(status("msg_other", right, BODY).await, 401, "{source}");
        // Of several, one that fits is enough.
        assert_eq!(
            status(&id, &format!("{wrong} {right}"), BODY).await,
            202,
            "{source}"
        );
        assert_eq!(
            status(&id, right, BODY).await,
            200,
            "it came before: {source}"
        );
    }
}
