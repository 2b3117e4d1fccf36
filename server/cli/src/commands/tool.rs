//! `boxagnts tool`: the tools by themselves, without a model.

mod add;
mod describe;
mod list;
mod remove;
mod run;

use crate::exit::{Exit, Failure};
use clap::Subcommand;
use std::path::Path;

/// List, describe, run, add and remove tools, each in its sandbox.
#[derive(Debug, Subcommand)]
pub(crate) enum Tool {
    List(list::List),
    Describe(describe::Describe),
    Run(Box<run::Run>),
    Add(Box<add::Add>),
    Remove(remove::Remove),
}

impl Tool {
    pub(crate) async fn run(self) -> Result<Exit, Failure> {
        match self {
            Tool::List(args) => args.run(),
            Tool::Describe(args) => args.run().await,
            Tool::Run(args) => Box::pin(args.run()).await,
            Tool::Add(args) => Box::pin(args.run()).await,
            Tool::Remove(args) => args.run(),
        }
    }
}

/// Whether a tool is named by its file.
fn is_file(name: &str) -> bool {
    Path::new(name)
        .extension()
        .is_some_and(|extension| extension == "wasm")
        || name.chars().any(std::path::is_separator)
}

#[cfg(test)]
mod tests {
    #[test]
    fn names_and_files_are_told_apart() {
        for file in ["a.wasm", "./a", "/x/a.wasm", "dir/tool"] {
            assert!(super::is_file(file), "{file}");
        }
        for name in ["read", "wasm", "a.wat"] {
            assert!(!super::is_file(name), "{name}");
        }
    }
}
