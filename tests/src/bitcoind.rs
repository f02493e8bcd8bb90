//! A real bitcoind, where `BITCOIND_EXE` names one (`scripts/bitcoind` brings one on Debian).

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::json;

use crate::CoreRpc;
use crate::wait::until;

/// A bitcoind on a chain of its own, which ends with the value.
#[derive(Debug)]
pub struct Bitcoind {
    program: PathBuf,
    options: Vec<String>,
    child: Child,
    dir: tempfile::TempDir,
    rpc_port: u16,
    p2p_port: u16,
    zmq_port: u16,
}

impl Drop for Bitcoind {
    fn drop(&mut self) {
        self.kill();
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("its address").port()
}

impl Bitcoind {
    /// Starts the one that `BITCOIND_EXE` names, on regtest unless an option has `-chain=`; `None`, said aloud, where it names
    /// none.
    ///
    /// # Panics
    /// When the program that it names does not start.
    pub fn start(options: &[&str]) -> Option<Self> {
        let Some(program) = std::env::var_os("BITCOIND_EXE") else {
            eprintln!("SKIPPED: no real bitcoind; name one by BITCOIND_EXE (see scripts/bitcoind)");
            return None;
        };
        let dir = tempfile::tempdir().expect("a folder");
        let (rpc_port, p2p_port, zmq_port) = (free_port(), free_port(), free_port());
        let options: Vec<_> = options.iter().map(|option| (*option).to_owned()).collect();
        let program = PathBuf::from(program);
        let child = spawn(
            &program,
            dir.path(),
            [rpc_port, p2p_port, zmq_port],
            &options,
        );
        Some(Self {
            program,
            options,
            child,
            dir,
            rpc_port,
            p2p_port,
            zmq_port,
        })
    }

    /// Where its JSON-RPC is.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.rpc_port)
    }

    /// Where its peers call.
    pub fn p2p(&self) -> String {
        format!("127.0.0.1:{}", self.p2p_port)
    }

    /// Where it tells of blocks.
    pub fn zmq(&self) -> String {
        format!("tcp://127.0.0.1:{}", self.zmq_port)
    }

    /// The file with its password.
    pub fn cookie(&self) -> PathBuf {
        self.chain_dir().join(".cookie")
    }

    /// Its block files.
    pub fn blocks(&self) -> PathBuf {
        self.chain_dir().join("blocks")
    }

    /// `bitcoin-cli`, if it lies beside the program.
    pub fn cli(&self) -> Option<PathBuf> {
        let cli = self.program.with_file_name("bitcoin-cli");
        cli.is_file().then_some(cli)
    }

    /// A client of it, as soon as it answers.
    ///
    /// # Panics
    /// When it never does.
    pub async fn rpc(&self) -> CoreRpc {
        until("bitcoind answers", async || {
            let cookie = std::fs::read_to_string(self.cookie()).ok()?;
            let (user, password) = cookie.trim().split_once(':')?;
            let rpc = CoreRpc::new(&self.url(), user, password);
            // Nobody listens yet, or it warms up.
            let request = rpc.anonymous(reqwest::Method::POST, "/");
            request.send().await.ok()?;
            rpc.call("getblockcount", json!([])).await.ok()?;
            Some(rpc)
        })
        .await
    }

    /// Ends it in good order: what it had is on the disk.
    ///
    /// # Panics
    /// When it does not end.
    pub async fn stop(&mut self) {
        self.rpc().await.done("stop", json!([])).await;
        until("bitcoind ends", async || self.child.try_wait().ok()?).await;
    }

    /// Ends it at once; blocks that it had not written to the disk are lost.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Starts it again on its data, with a new cookie.
    pub fn start_again(&mut self) {
        self.kill();
        // What the one that was killed left is no password any more.
        let _ = std::fs::remove_file(self.cookie());
        self.child = spawn(
            &self.program,
            self.dir.path(),
            [self.rpc_port, self.p2p_port, self.zmq_port],
            &self.options,
        );
    }

    /// Takes its data away, as one who deletes the folder.
    ///
    /// # Panics
    /// When they cannot be removed.
    pub fn reset(&mut self) {
        self.kill();
        std::fs::remove_dir_all(self.chain_dir()).expect("its data go");
    }
}

impl Bitcoind {
    fn chain_dir(&self) -> PathBuf {
        let named = self
            .options
            .iter()
            .find_map(|one| one.strip_prefix("-chain="));
        self.dir.path().join(named.unwrap_or("regtest"))
    }
}

fn spawn(program: &Path, dir: &Path, ports: [u16; 3], options: &[String]) -> Child {
    let [rpc, p2p, zmq] = ports;
    Command::new(program)
        .args(["-server", "-txindex", "-blockfilterindex"])
        .args(["-fallbackfee=0.0001", "-dnsseed=0", "-discover=0"])
        .arg(format!("-datadir={}", dir.display()))
        .arg(format!("-rpcport={rpc}"))
        .arg(format!("-bind=127.0.0.1:{p2p}"))
        .arg(format!("-zmqpubhashblock=tcp://127.0.0.1:{zmq}"))
        .args(
            options
                .iter()
                .all(|one| !one.starts_with("-chain="))
                .then_some("-chain=regtest"),
        )
        .args(options)
        .stdout(Stdio::null())
        .spawn()
        .expect("BITCOIND_EXE starts")
}
