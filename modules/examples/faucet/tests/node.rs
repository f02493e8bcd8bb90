//! The faucet on a running node, by the commands that people type. `BLLVM_NODE` names the node's program;
//! `tests/interop/run` sets it.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

const DEADLINE: Duration = Duration::from_secs(120);
const ELSEWHERE: &str = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080";

/// A node that ends with the test.
struct Node {
    program: String,
    child: Child,
    folder: TempDir,
}

impl Node {
    fn start() -> Self {
        let program = std::env::var("BLLVM_NODE")
            .expect("BLLVM_NODE names the program to test; tests/interop/run sets it");
        let folder = tempfile::tempdir().expect("a folder");
        let child = Command::new(&program)
            .arg("--data-dir")
            .arg(folder.path().join("data"))
            .args(["run", "--set", "http.listen=127.0.0.1:0"])
            .args(["--set", "face.listen=127.0.0.1:0"])
            .args(["--set", "modules.cargo_bin="])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the node starts");
        let node = Self {
            program,
            child,
            folder,
        };
        let begin = Instant::now();
        while node.ask(&["node", "mine", "1"]).is_err() {
            assert!(begin.elapsed() < DEADLINE, "the node does not answer");
            sleep(Duration::from_millis(50));
        }
        node
    }

    /// What a command prints, or what it complains about.
    fn ask(&self, words: &[&str]) -> Result<String, String> {
        let output = Command::new(&self.program)
            .arg("--data-dir")
            .arg(self.folder.path().join("data"))
            .args(words)
            .output()
            .expect("the command starts");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        if output.status.success() {
            Ok(text(&output.stdout))
        } else {
            Err(text(&output.stderr) + &text(&output.stdout))
        }
    }

    fn done(&self, words: &[&str]) -> String {
        self.ask(words)
            .unwrap_or_else(|why| panic!("{words:?}: {why}"))
    }

    fn call(&self, method: &str, params: &str) -> Result<Value, String> {
        let said = self.ask(&["--json", "module", "call", "faucet", method, params])?;
        let answer: Value = serde_json::from_str(&said).expect("JSON");
        Ok(answer.get("result").cloned().unwrap_or(answer))
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The folder that a person would make.
fn folder(below: &Path) -> String {
    let folder = below.join("incoming/faucet");
    let release = folder.join("target/release");
    fs::create_dir_all(&release).expect("a folder");
    fs::copy(env!("CARGO_BIN_EXE_faucet"), release.join("faucet")).expect("the program");
    for file in ["module.toml", "config.schema.json"] {
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
        fs::copy(from, folder.join(file)).expect("the sample's files");
    }
    folder.to_str().expect("a path in UTF-8").to_owned()
}

#[test]
fn what_is_mined_to_the_faucet_is_given_away() {
    let node = Node::start();
    node.done(&["module", "install", &folder(node.folder.path())]);
    node.done(&["module", "load", "faucet"]);
    let address = node.call("address", "{}").expect("an address");
    let address = address["address"].as_str().expect("an address");
    node.done(&["node", "mine", "1", "--address", address]);
    node.done(&["node", "mine", "100"]);
    let full = node.call("balance", "{}").expect("a balance");
    assert_eq!(full["spendable_sat"], 5_000_000_000_u64, "{full}");
    assert_eq!(full["height"], 102, "{full}");

    let wanted = format!(r#"{{"address":"{ELSEWHERE}","amount_sat":30000000}}"#);
    let sent = node.call("send", &wanted).expect("it is sent");
    let txid = sent["txid"].as_str().expect("an id");
    assert!(node.done(&["node", "mempool", txid]).contains(txid));
    let fee = sent["fee_sat"].as_u64().expect("a fee");
    let left = 5_000_000_000 - 30_000_000 - fee;
    let rest = node.call("balance", "{}").expect("a balance");
    assert_eq!(rest["spendable_sat"], left, "{rest}");
    node.done(&["node", "mine", "1"]);

    // What it needs is learnt anew from its seed and the chain.
    node.done(&["module", "reload", "faucet"]);
    let again = node.call("balance", "{}").expect("a balance");
    assert_eq!(again["spendable_sat"], left, "{again}");
    assert_eq!(again["unconfirmed_sat"], 0, "{again}");

    let mainnet = "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4";
    for (to, amount, why) in [
        (ELSEWHERE, 2_000_000_000_u64, "gives 1000000000 at once"),
        (mainnet, 1000, "another chain than regtest"),
        ("nonsense", 1000, "`address`"),
        (ELSEWHERE, 1, "dust"),
    ] {
        let wanted = format!(r#"{{"address":"{to}","amount_sat":{amount}}}"#);
        let refused = node.call("send", &wanted).expect_err("it is refused");
        assert!(refused.contains(why), "{why}: {refused}");
    }
}
