//! The binary `boxagnts`: a face that converts and forwards, and never decides.

mod args;
mod asking;
mod commands;
mod exit;
mod exports;
mod interrupt;
mod log;
mod outfile;
mod render;
mod settings;
mod setup;
mod terminal;
mod turn;
mod word_diff;

use args::{Cli, Command};
use clap::Parser;
use exit::{Exit, Failure};
use std::panic::AssertUnwindSafe;
use tokio::runtime::Builder;

fn main() {
    let cli = Cli::parse();
    log::init(cli.verbose);
    let ended = std::panic::catch_unwind(AssertUnwindSafe(|| dispatch(cli.command)));
    let exit = match ended {
        Ok(Ok(exit)) => exit,
        Ok(Err(failure)) => {
            terminal::complain(&failure.message);
            failure.exit
        }
        Err(_) => {
            let log = log::folder().map(|folder| folder.display().to_string());
            terminal::complain(&format!(
                "an internal error stopped boxagnts; please report it with the log in {}",
                log.unwrap_or_default()
            ));
            Exit::Failed
        }
    };
    // Not by returning: a thread that still waits for input, or compiles, must not hold up the end.
    std::process::exit(exit.code());
}

fn dispatch(command: Command) -> Result<Exit, Failure> {
    match command {
        Command::Lsp(args) => block_on(4, args.run()),
        Command::Acp(args) => block_on(4, args.run()),
        Command::Run(args) => block_on(2, args.run()),
        Command::Demo(args) => block_on(2, args.run()),
        Command::Tool(command) => block_on(2, command.run()),
        Command::Permission(command) => command.run(),
        Command::Session(command) => command.run(),
        Command::Schedule(command) => command.run(),
        Command::Daemon(args) => block_on(4, args.run()),
        Command::Usage(args) => args.run(),
        Command::Undo(args) => block_on(2, args.run()),
        Command::Checkpoint(command) => block_on(2, command.run()),
        Command::Worktree(command) => command.run(),
        Command::Config(command) => command.run(),
        Command::Doctor(args) => block_on(2, args.run()),
    }
}

/// Tools run on the blocking pool. Two workers are enough for one turn, with one free for signals
/// while the other waits for the disk; a language server serves several requests at a time.
fn block_on(
    workers: usize,
    command: impl Future<Output = Result<Exit, Failure>>,
) -> Result<Exit, Failure> {
    let runtime = Builder::new_multi_thread()
        .worker_threads(workers)
        // What comes from an editor is looked for behind every step of a task, and not behind 61 of
        // them, which may write to the journal for a tenth of a second.
        .event_interval(1)
        .enable_all()
        .build()
        .map_err(|error| Failure::failed(format!("cannot start threads: {error}")))?;
    let ended = runtime.block_on(command);
    // A thread of the pool may wait for input that never comes.
    runtime.shutdown_background();
    ended
}
