//! The real program on a data directory of its own, started, killed and started again.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;

use rustix::process::Signal;
use tempfile::TempDir;

use crate::processes::{self, Process};
use crate::programs::program;
use crate::wait::until;
use crate::{CoreRpc, Rest};

/// A server, and the folder that everything of it lies in. Dropping it kills what is left.
#[derive(Debug)]
pub struct TestServer {
    folder: Arc<TempDir>,
    settings: Vec<String>,
    environment: Vec<(&'static str, PathBuf)>,
    child: Child,
    /// The client.
    pub rest: Rest,
}

/// A server to be.
#[derive(Debug)]
pub struct Builder {
    folder: Arc<TempDir>,
    settings: Vec<String>,
    environment: Vec<(&'static str, PathBuf)>,
}

impl Builder {
    /// Sets a key of the node's configuration, as in `modules.hello_deadline=500 ms`.
    #[must_use]
    pub fn set(mut self, assignment: &str) -> Self {
        self.settings.push(assignment.to_owned());
        self
    }

    /// Sets a variable of the program's environment.
    #[must_use]
    pub fn environment(mut self, name: &'static str, value: impl Into<PathBuf>) -> Self {
        self.environment.push((name, value.into()));
        self
    }

    /// The folder around the data directory.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The data directory, for what has to be there before the start.
    pub fn data_dir(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Where modules are put by hand.
    pub fn modules_dir(&self) -> PathBuf {
        self.data_dir().join("modules")
    }

    /// Starts the program and waits until it is ready.
    pub async fn start(self) -> TestServer {
        let mut server = self.spawn();
        server.connect().await;
        server
    }

    /// Starts the program without waiting.
    pub fn spawn(self) -> TestServer {
        let child = spawn(&self.folder, &self.settings, &self.environment);
        TestServer {
            folder: self.folder,
            settings: self.settings,
            environment: self.environment,
            child,
            rest: Rest::new("http://127.0.0.1:0", ""),
        }
    }
}

fn spawn(folder: &TempDir, settings: &[String], environment: &[(&'static str, PathBuf)]) -> Child {
    let log = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(folder.path().join("server.log"))
        .expect("the server's log opens");
    let mut command = command(folder.path());
    command.arg("run");
    command.envs(environment.iter().map(|(name, value)| (name, value)));
    for setting in settings {
        command.args(["--set", setting]);
    }
    command
        .stdin(Stdio::null())
        .stdout(log.try_clone().expect("a second handle to the log"))
        .stderr(log)
        .spawn()
        .expect("bllvm-node starts")
}

/// The program on the data directory in `folder`, in a clean environment.
fn command(folder: &Path) -> Command {
    let mut command = Command::new(program("bllvm-node"));
    command.env_clear();
    for name in ["PATH", "LLVM_PROFILE_FILE"] {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command
        .env("HOME", folder.join("home"))
        .arg("--data-dir")
        .arg(folder.join("data"));
    command
}

impl TestServer {
    /// A server to be: no base node, a free port, patience as people have it.
    pub fn builder() -> Builder {
        let folder = tempfile::Builder::new().prefix("bllvm-test-").tempdir();
        let folder = Arc::new(folder.expect("a folder"));
        std::fs::create_dir_all(folder.path().join("data/modules")).expect("the data directory");
        let settings = [
            "http.listen=127.0.0.1:0",
            "face.listen=127.0.0.1:0",
            "node.backend=none",
            "modules.cargo_bin=",
        ];
        Builder {
            folder,
            settings: settings.map(str::to_owned).to_vec(),
            environment: Vec::new(),
        }
    }

    /// A server without anything special.
    pub async fn start() -> Self {
        Self::builder().start().await
    }

    /// The folder around the data directory; it is removed at the end.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The data directory.
    pub fn data_dir(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Where modules are put by hand.
    pub fn modules_dir(&self) -> PathBuf {
        self.data_dir().join("modules")
    }

    /// The directory that a module keeps its data in.
    pub fn module_data(&self, name: &str) -> PathBuf {
        self.data_dir().join("module-data").join(name)
    }

    /// A client of its Core-compatible face, with a token or the cookie's password.
    pub fn face(&self, password: &str) -> CoreRpc {
        let address = std::fs::read_to_string(self.data_dir().join("face-address"));
        let address = address.expect("the face has an address");
        CoreRpc::new(address.trim(), "anybody", password)
    }

    /// The most memory that its process ever had at once, in bytes.
    ///
    /// # Panics
    /// When /proc does not tell.
    pub fn peak_memory(&self) -> u64 {
        processes::peak_memory(self.pid()).expect("/proc tells of the server")
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it printed so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("server.log")).unwrap_or_default()
    }

    /// Waits until it is ready, and finds its address and cookie.
    pub async fn connect(&mut self) {
        let dir = self.data_dir();
        let mut last = String::new();
        let ready = async {
            loop {
                if let Ok(Some(status)) = self.child.try_wait() {
                    panic!("bllvm-node ended: {status}\n{}", self.log());
                }
                let address = std::fs::read_to_string(dir.join("http-address"));
                let cookie = std::fs::read_to_string(dir.join(".cookie"));
                if let (Ok(address), Ok(cookie)) = (address, cookie) {
                    let rest = Rest::new(&base_of(address.trim()), &cookie);
                    let asked = rest.anonymous(reqwest::Method::GET, "/readyz");
                    match rest.try_send(asked).await {
                        Some(answer) if answer.status.is_success() => break rest,
                        Some(answer) => last = answer.text,
                        None => {}
                    }
                }
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
        };
        let ready = tokio::time::timeout(crate::wait::DEADLINE, ready).await;
        let Ok(rest) = ready else {
            panic!("bllvm-node is not ready: {last}\n{}", self.log());
        };
        self.rest = rest;
    }

    /// Kills it with SIGKILL and waits for its end.
    pub fn kill9(&mut self) {
        processes::kill9(self.pid());
        let _ = self.child.wait();
    }

    /// Whether it has ended.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().is_ok_and(|status| status.is_some())
    }

    /// Asks it to end, and waits for that.
    pub async fn stop(&mut self) -> ExitStatus {
        processes::signal(self.pid(), Signal::TERM);
        self.ended().await
    }

    /// Waits for its end.
    pub async fn ended(&mut self) -> ExitStatus {
        until("bllvm-node ends", async || {
            self.child.try_wait().expect("its status")
        })
        .await
    }

    /// Starts it again on the same data directory, without waiting. It must have ended.
    pub fn respawn(&mut self) {
        // A file of the one before would lead to nowhere.
        let _ = std::fs::remove_file(self.data_dir().join("http-address"));
        self.child = spawn(&self.folder, &self.settings, &self.environment);
    }

    /// Starts it again on the same data directory, and waits until it is ready.
    pub async fn start_again(&mut self) {
        self.respawn();
        self.connect().await;
    }

    /// Ends it in good order and starts it again.
    pub async fn restart(&mut self) {
        let status = self.stop().await;
        assert!(status.success(), "{status}\n{}", self.log());
        self.start_again().await;
    }

    /// Sets a key for the next start.
    pub fn set(&mut self, assignment: &str) {
        self.settings.push(assignment.to_owned());
    }

    /// Everything it started that has not ended, zombies included.
    pub fn child_processes(&self) -> Vec<Process> {
        processes::descendants(self.pid())
    }

    /// Its zombies.
    pub fn zombies(&self) -> Vec<Process> {
        let mut children = self.child_processes();
        children.retain(|one| one.state == 'Z');
        children
    }

    /// Its open descriptors.
    pub fn descriptors(&self) -> usize {
        processes::descriptors(self.pid())
    }

    /// Starts the program as a command line beside the server; its output is piped, and it is
    /// killed when it is dropped.
    pub fn cli_spawn(&self, args: &[&str]) -> tokio::process::Child {
        let mut command = tokio::process::Command::from(command(self.folder.path()));
        command.args(args).stdin(Stdio::null()).kill_on_drop(true);
        command.stdout(Stdio::piped()).stderr(Stdio::inherit());
        command.spawn().expect("bllvm-node starts")
    }

    /// Runs the program as a command line beside the server; status, stdout and stderr.
    pub async fn cli(&self, args: &[&str]) -> (i32, String, String) {
        let mut command = tokio::process::Command::from(command(self.folder.path()));
        let output = command.args(args).stdin(Stdio::null()).output().await;
        let output = output.expect("bllvm-node runs");
        (
            output.status.code().unwrap_or(-1),
            String::from_utf8_lossy(&output.stdout).into_owned(),
            String::from_utf8_lossy(&output.stderr).into_owned(),
        )
    }
}

fn base_of(address: &str) -> String {
    if address.starts_with("http") {
        address.to_owned()
    } else {
        format!("http://{address}")
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        for left in processes::of_data_dir(&self.data_dir(), std::process::id()) {
            processes::kill9(left.pid);
        }
        if std::thread::panicking() {
            let log = self.log();
            let tail = log.len().saturating_sub(6000);
            let start = (tail..log.len()).find(|at| log.is_char_boundary(*at));
            eprintln!("the server's last words:\n{}", &log[start.unwrap_or(0)..]);
        }
    }
}
