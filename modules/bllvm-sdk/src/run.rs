//! A module's `main`: its few flags, the inherited channel, signals and the exit code.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use bllvm_ipc::Stream;
use bllvm_manifest::Manifest;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::inherit::{self, InheritError, Inherited};
use crate::session::{self, Ending, SessionError, Start};
use crate::{Module, logging, methods};

/// Wrong use: an unknown flag, or started by hand.
const USAGE: u8 = 64;
/// The module cannot go on.
const SOFTWARE: u8 = 70;
/// The system refused something that every start needs.
const SYSTEM: u8 = 71;
/// The channel broke, or the handshake was refused.
const PROTOCOL: u8 = 76;
/// The manifest inside the program is not valid.
const CONFIGURATION: u8 = 78;

/// The variable that names the module's own directory.
const DATA_DIR_VARIABLE: &str = "BLLVM_DATA_DIR";

/// Runs a module until its host ends it. [`crate::main!`] calls it with the embedded manifest.
///
/// `--manifest` prints the manifest, `--config-schema` the JSON Schema of the configuration,
/// `--version` name and version. Without a flag it expects the channel that the host hands over.
pub fn run<M: Module>(manifest: &'static [u8]) -> ExitCode {
    let described = match Manifest::parse_bytes(manifest) {
        Ok(described) => described,
        Err(error) => return fail(CONFIGURATION, &format!("its own module.toml: {error}")),
    };
    let mut arguments = std::env::args().skip(1);
    match (arguments.next().as_deref(), arguments.next()) {
        (None, _) => serve::<M>(&described),
        (Some("--manifest"), None) => print(manifest),
        (Some("--config-schema"), None) => {
            let schema = methods::schema_of::<M::Config>();
            print(format!("{schema:#}\n").as_bytes())
        }
        (Some("--version"), None) => {
            print(format!("{} {}\n", described.name, described.version).as_bytes())
        }
        (Some("--help" | "-h"), None) => print(about(&described).as_bytes()),
        _ => fail(
            USAGE,
            "it takes --manifest, --config-schema, --version or nothing",
        ),
    }
}

fn serve<M: Module>(manifest: &Manifest) -> ExitCode {
    let inherited = match inherit::take() {
        Ok(inherited) => inherited,
        Err(InheritError::ByHand) => return fail(USAGE, &about(manifest)),
        Err(error) => return fail(USAGE, &format!("the host's handover: {error}")),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return fail(SYSTEM, &format!("its threads could not start: {error}")),
    };
    let outcome = runtime.block_on(serve_inherited::<M>(manifest, inherited));
    // Threads that the module blocked must not keep the process.
    runtime.shutdown_background();
    match outcome {
        Ok(Ending::HostGone(_) | Ending::Terminated) => ExitCode::SUCCESS,
        Err(error @ (SessionError::Handshake(_) | SessionError::Channel(_))) => {
            fail(PROTOCOL, &error.to_string())
        }
        Err(error @ (SessionError::Module(_) | SessionError::Panicked)) => {
            fail(SOFTWARE, &error.to_string())
        }
    }
}

async fn serve_inherited<M: Module>(
    manifest: &Manifest,
    inherited: Inherited,
) -> Result<Ending, SessionError> {
    let system = |error: std::io::Error| SessionError::Channel(error.to_string());
    let start = Start {
        stream: Stream::from_fd(inherited.channel).map_err(system)?,
        name: manifest.name.to_string(),
        version: manifest.version.to_string(),
        data_dir: std::env::var_os(DATA_DIR_VARIABLE)
            .map_or_else(|| PathBuf::from("."), PathBuf::from),
        listeners: inherited.listeners,
        terminate: terminate_on_signal().map_err(system)?,
    };
    session::run::<M>(start, |connection| {
        let logs = tracing::Dispatch::new(logging::subscriber(connection.clone()));
        // Only a module that brought a subscriber of its own has one already.
        let _ = tracing::dispatcher::set_global_default(logs.clone());
        logging::log_panics();
        logs
    })
    .await
}

/// SIGTERM and SIGINT ask for a drain.
fn terminate_on_signal() -> std::io::Result<CancellationToken> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let token = CancellationToken::new();
    let fired = token.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        fired.cancel();
    });
    Ok(token)
}

fn about(manifest: &Manifest) -> String {
    format!(
        "{} {} is a module of bllvm-node, which starts it and hands it its channel.\n\
         It does nothing when started by hand. Install it, then load it:\n\
         \n\
         \x20 bllvm-node module load {}\n\
         \n\
         --manifest, --config-schema and --version print what their names say.\n",
        manifest.name, manifest.version, manifest.name
    )
}

fn print(bytes: &[u8]) -> ExitCode {
    match std::io::stdout().write_all(bytes) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::from(SYSTEM),
    }
}

fn fail(code: u8, words: &str) -> ExitCode {
    // Without a readable standard error nobody is left to tell.
    let _ = writeln!(std::io::stderr(), "{}", words.trim_end());
    ExitCode::from(code)
}
