//! The node as a stranger's program meets it: an address, a user name, a password.
//!
//! Nothing of our own crates is used here. The node is the program that `BLLVM_NODE` names, started
//! on an empty directory; everything else goes through the client that Rust programs use for
//! Bitcoin Core.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

pub use bdk_bitcoind_rpc::bitcoincore_rpc as rpc;
use bdk_wallet::bitcoin::{Address, Network};
use rpc::{Auth, Client, RpcApi};
use tempfile::TempDir;

/// Long enough for a loaded machine; nothing is asserted about time itself.
pub const DEADLINE: Duration = Duration::from_secs(120);

/// Waits until `state` gives something.
///
/// # Panics
/// When it does not within [`DEADLINE`].
pub fn until<T>(what: &str, mut state: impl FnMut() -> Option<T>) -> T {
    let begin = Instant::now();
    loop {
        if let Some(found) = state() {
            return found;
        }
        assert!(
            begin.elapsed() < DEADLINE,
            "not within {DEADLINE:?}: {what}"
        );
        sleep(Duration::from_millis(20));
    }
}

/// A port that nobody listens on.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("its address").port()
}

/// A running node on regtest.
pub struct Node {
    child: Child,
    /// What this one asks by Bitcoin Core's RPC, if it has no chain of its own.
    _beneath: Option<Box<Node>>,
    folder: TempDir,
    /// Where its face listens.
    pub port: u16,
    /// The cookie's password.
    pub password: String,
    /// A client of it.
    pub rpc: Client,
}

impl Node {
    /// Starts the program that `BLLVM_NODE` names, with a chain of its own.
    pub fn embedded() -> Self {
        Self::start(&["node.backend=embedded".to_owned()], None)
    }

    /// Starts it twice: one with a chain of its own, and this one, for which that one's face is the
    /// Bitcoin Core it stands on.
    pub fn on_core() -> Self {
        let beneath = Self::embedded();
        let cookie = beneath.folder().join("data/.cookie");
        let settings = [
            "node.backend=core".to_owned(),
            format!("node.core_url=http://127.0.0.1:{}", beneath.port),
            format!("node.core_cookie={}", cookie.display()),
            "node.core_poll=50 ms".to_owned(),
        ];
        Self::start(&settings, Some(Box::new(beneath)))
    }

    fn start(settings: &[String], beneath: Option<Box<Node>>) -> Self {
        let program = std::env::var("BLLVM_NODE")
            .expect("BLLVM_NODE names the program to test; tests/interop/run sets it");
        let folder = tempfile::Builder::new().prefix("bllvm-interop-").tempdir();
        let folder = folder.expect("a folder");
        let data = folder.path().join("data");
        let log = fs::File::create(folder.path().join("node.log")).expect("a log");
        let mut child = Command::new(&program)
            .env_clear()
            .env("HOME", folder.path())
            .arg("--data-dir")
            .arg(&data)
            .arg("run")
            .args(["--set", "http.listen=127.0.0.1:0"])
            .args(["--set", "face.listen=127.0.0.1:0"])
            .args(["--set", "modules.cargo_bin="])
            .args(settings.iter().flat_map(|setting| ["--set", setting]))
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("the log twice"))
            .stderr(log)
            .spawn()
            .unwrap_or_else(|error| panic!("{program} does not start: {error}"));
        let (port, password, rpc) = until("the node answers", || {
            if let Ok(Some(status)) = child.try_wait() {
                let log = fs::read_to_string(folder.path().join("node.log")).unwrap_or_default();
                panic!("the node ended: {status}\n{log}");
            }
            reached(&data)
        });
        Self {
            child,
            _beneath: beneath,
            folder,
            port,
            password,
            rpc,
        }
    }

    /// Mines blocks whose coinbases pay `to`.
    pub fn mine(&self, count: u64, to: &Address) {
        let mined = self.rpc.generate_to_address(count, to).expect("blocks");
        assert_eq!(mined.len() as u64, count);
    }

    /// Mines blocks that pay nobody in particular.
    pub fn bury(&self, count: u64) {
        let nobody = "bcrt1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqdku202";
        let nobody: Address<_> = nobody.parse().expect("an address");
        let nobody = nobody.require_network(Network::Regtest);
        self.mine(count, &nobody.expect("of regtest"));
    }

    /// A folder for those who stand on it.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
}

fn reached(data: &Path) -> Option<(u16, String, Client)> {
    let address = fs::read_to_string(data.join("face-address")).ok()?;
    let cookie = fs::read_to_string(data.join(".cookie")).ok()?;
    let (user, password) = cookie.trim().split_once(':')?;
    let address = address.trim();
    let auth = Auth::UserPass(user.to_owned(), password.to_owned());
    let url = match address.strip_prefix("http://") {
        Some(_) => address.to_owned(),
        None => format!("http://{address}"),
    };
    let rpc = Client::new(&url, auth).ok()?;
    rpc.get_block_count().ok()?;
    let port = url.rsplit(':').next()?.parse().ok()?;
    Some((port, password.to_owned(), rpc))
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
