//! Repository chores, as `cargo xtask NAME`.

mod guests;
mod manifest;
mod protocol;
mod typescript;

use clap::{Parser, Subcommand};
use std::path::{Path, PathBuf};

#[derive(Parser)]
#[command(name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand)]
enum Chore {
    /// Builds the tools to tools-wasm/dist.
    Tools {
        /// Builds them elsewhere and compares: byte for byte when the compiler is the recorded
        /// one, else by running the tests of the tools on what was built.
        #[arg(long)]
        check: bool,
        /// Another folder than tools-wasm/dist.
        #[arg(long, conflicts_with = "check")]
        out: Option<PathBuf>,
    },
    /// Writes protocol/PROTOCOL.md, protocol/schema.json and the types of the extension of VS Code.
    Protocol {
        /// Only compares.
        #[arg(long)]
        check: bool,
    },
}

fn main() -> anyhow::Result<()> {
    let root = root()?;
    match Arguments::parse().chore {
        Chore::Tools { check: true, .. } => guests::check(&root),
        Chore::Tools { out, .. } => {
            let out = out.unwrap_or_else(|| root.join("tools-wasm/dist"));
            guests::build(&root, &out).map(drop)
        }
        Chore::Protocol { check: true } => protocol::check(&root),
        Chore::Protocol { check: false } => protocol::write(&root),
    }
}

fn root() -> anyhow::Result<PathBuf> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    Ok(here.join("../..").canonicalize()?)
}
