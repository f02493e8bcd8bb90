//! A download that is cancelled, or whose node is killed in the middle of it: it goes on at the byte where it
//! was, or fails with a reason, and nothing of it is installed before it is whole.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex};

use bllvm_tests::TestServer;
use bllvm_tests::registry::Maker;
use bllvm_tests::wait::until;
use serde_json::{Value, json};

const INSTALL: &str = "/api/v1/catalog/example.org/hello/install";
/// So much of a large file comes before the web server waits.
const FIRST: usize = 300_000;

#[derive(Default)]
struct State {
    /// Whether large files come whole.
    open: bool,
    /// Whether nobody is answered any more.
    gone: bool,
    /// From which byte on large files were asked for.
    from: Vec<usize>,
}

/// A web server that holds back large files until it is told otherwise.
struct Holding {
    address: String,
    state: Arc<(Mutex<State>, Condvar)>,
}

impl Holding {
    fn serve(folder: PathBuf) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}/", listener.local_addr().unwrap());
        let state: Arc<(Mutex<State>, Condvar)> = Arc::default();
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (folder, state) = (folder.clone(), Arc::clone(&shared));
                std::thread::spawn(move || answer(&stream, &folder, &state));
            }
        });
        Self { address, state }
    }

    fn set(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.0.lock().unwrap());
        self.state.1.notify_all();
    }

    fn from(&self) -> Vec<usize> {
        self.state.0.lock().unwrap().from.clone()
    }
}

fn answer(mut stream: &TcpStream, folder: &Path, (state, changed): &(Mutex<State>, Condvar)) {
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    let first = lines.next().unwrap_or_default();
    let range = lines.take_while(|line| !line.is_empty()).find_map(|line| {
        let line = line.to_lowercase();
        let from = line.strip_prefix("range: bytes=")?.strip_suffix('-')?;
        from.parse::<usize>().ok()
    });
    let from = range.unwrap_or(0);
    let path = first.split(' ').nth(1).unwrap_or_default();
    let bytes = fs::read(folder.join(path.trim_start_matches('/')));
    let (Ok(bytes), false) = (bytes, state.lock().unwrap().gone) else {
        return;
    };
    let rest = &bytes[from.min(bytes.len())..];
    let head = if range.is_some() {
        let (last, all) = (bytes.len() - 1, bytes.len());
        format!("206 Partial Content\r\ncontent-range: bytes {from}-{last}/{all}")
    } else {
        "200 OK".to_owned()
    };
    let head = format!("HTTP/1.1 {head}\r\ncontent-length: {}\r\n\r\n", rest.len());
    // Whoever asked may have left.
    let _ = stream.write_all(head.as_bytes());
    let is_large = bytes.len() > 2 * FIRST;
    let now = if is_large {
        rest.len().min(FIRST)
    } else {
        rest.len()
    };
    let _ = stream.write_all(&rest[..now]);
    if is_large {
        let mut state = state.lock().unwrap();
        state.from.push(from);
        let state = changed.wait_while(state, |state| !state.open && !state.gone);
        if state.unwrap().gone {
            return;
        }
    }
    let _ = stream.write_all(&rest[now..]);
}

/// A node in the middle of a download.
async fn under_way() -> (TestServer, Maker, Holding, Value) {
    let server = TestServer::start().await;
    let maker = Maker::new();
    maker.release(1);
    maker.trusted(&server).await;
    let web = Holding::serve(maker.folder());
    maker.add(&server, &[&web.address]).await;
    let refresh = "/api/v1/registries/example.org/refresh";
    server.rest.post(refresh, &json!(null)).await.done();
    let begun = server.rest.post(INSTALL, &json!({})).await.done();
    let path = format!("/api/v1/operations/{}", begun["id"].as_str().unwrap());
    until("a part to have come", async || {
        let now = server.rest.get(&path).await.done();
        let is_part = now["step"] == "downloading" && now["done"].as_u64() >= Some(FIRST as u64);
        is_part.then_some(())
    })
    .await;
    (server, maker, web, begun)
}

fn nothing_is_installed(server: &TestServer) {
    let modules = fs::read_dir(server.modules_dir()).unwrap().count();
    assert_eq!(modules, 0, "nothing of it is installed");
}

/// What came before was not asked for again.
fn went_on(web: &Holding) {
    let from = web.from();
    let (first, last) = (from[0], *from.last().unwrap());
    assert!(from.len() >= 2 && first == 0 && last >= FIRST, "{from:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_download_that_was_cancelled_installs_nothing_and_goes_on_when_asked_again() {
    let (server, _maker, web, begun) = under_way().await;
    let path = format!("/api/v1/operations/{}", begun["id"].as_str().unwrap());

    server
        .rest
        .post(&format!("{path}/cancel"), &json!({}))
        .await
        .done();

    let ended = server.finished(&begun).await;
    assert_eq!(ended["status"], "cancelled", "{ended:#}");
    nothing_is_installed(&server);
    assert!(server.states().await.is_empty());
    web.set(|state| state.open = true);
    let again = until("the module to be free for another operation", async || {
        let answer = server.rest.post(INSTALL, &json!({})).await;
        answer.status.is_success().then(|| answer.json())
    })
    .await;
    server.succeeded(&again).await;
    went_on(&web);
    assert_eq!(server.module("hello").await["trust"], "signed");
    let left = fs::read_dir(server.data_dir().join("downloads")).unwrap();
    assert_eq!(left.count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_download_goes_on_where_it_was_when_the_node_was_killed() {
    let (mut server, _maker, web, begun) = under_way().await;

    server.kill9();
    web.set(|state| state.open = true);
    server.start_again().await;

    let ended = server.succeeded(&begun).await;
    assert_eq!(ended["result"]["module"], "hello");
    went_on(&web);
    assert_eq!(server.module("hello").await["trust"], "signed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_download_whose_registry_is_gone_after_a_restart_fails_with_the_reason() {
    let (mut server, maker, web, begun) = under_way().await;

    server.kill9();
    web.set(|state| state.gone = true);
    server.start_again().await;

    let failed = server.failed(&begun).await;
    assert_eq!(
        failed["failure"]["code"], "registry_unreachable",
        "{failed:#}"
    );
    let detail = failed["failure"]["detail"].as_str().unwrap();
    assert!(detail.contains(&web.address), "{detail}");
    nothing_is_installed(&server);

    // It is back, at another address: what came before counts.
    let folder = maker.folder().display().to_string();
    let gone = server.cli(&["catalog", "remove", "example.org"]).await;
    assert_eq!(gone.0, 0, "{gone:?}");
    maker.add(&server, &[&folder]).await;
    let refresh = "/api/v1/registries/example.org/refresh";
    server.rest.post(refresh, &json!(null)).await.done();
    let begun = server.rest.post(INSTALL, &json!({})).await.done();
    server.succeeded(&begun).await;
}
