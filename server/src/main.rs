//! bllvm-node: parses the command line, runs one command, says how it ended.

use std::process::ExitCode;

use bllvm_node::commands::{Cli, Exit, report};
use clap::Parser as _;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are answers, not errors. Nobody hears of a failed write.
            let _ = error.print();
            return if error.use_stderr() {
                Exit::Usage
            } else {
                Exit::Done
            }
            .into();
        }
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return report(&error.into()).into(),
    };
    let ended = runtime.block_on(cli.run());
    // Whatever blocks by now is a thread that nobody waits for.
    runtime.shutdown_background();
    match ended {
        Ok(()) => Exit::Done.into(),
        Err(error) => report(&error).into(),
    }
}
