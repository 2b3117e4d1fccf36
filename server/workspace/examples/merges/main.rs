//! `cargo run -p boxagnts-workspace --example merges -- [--repo PATH]... [--registry] [--limit N]
//! [--keep FOLDER]`: merges histories by ours and by `git merge-file`, and counts where they agree.
//!
//! Without `--repo` and `--registry` it takes the repository of the current folder. `--keep` puts the
//! texts of every merge on which the two disagree into a folder, to look at.
#![allow(clippy::print_stdout)]

mod classify;
mod compare;
mod corpus;
mod table;

use compare::Comparison;
use corpus::Case;
use std::error::Error;
use std::path::{Path, PathBuf};
use table::Table;

fn main() -> Result<(), Box<dyn Error>> {
    let (mut repositories, mut registry) = (Vec::new(), false);
    let (mut limit, mut keep) = (usize::MAX, None);
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        let mut value = || args.next().ok_or(format!("`{arg}` needs a value"));
        match arg.as_str() {
            "--repo" => repositories.push(PathBuf::from(value()?)),
            "--registry" => registry = true,
            "--limit" => limit = value()?.parse().map_err(|e| format!("`--limit`: {e}"))?,
            "--keep" => keep = Some(PathBuf::from(value()?)),
            other => return Err(format!("`{other}` is no option; see the head of main.rs").into()),
        }
    }
    if repositories.is_empty() && !registry {
        repositories.push(PathBuf::from("."));
    }
    let comparison = Comparison::new()?;
    let run = |name: &str, cases: &[Case]| -> Result<(), Box<dyn Error>> {
        let mut table = Table::default();
        for (number, case) in cases.iter().enumerate() {
            let verdict = classify::verdict(&comparison, case)?;
            table.count(case.kind, verdict);
            if let (Some(keep), false) = (&keep, verdict.agrees()) {
                store(
                    &keep.join(verdict.name()).join(format!("{name}-{number}")),
                    case,
                    &comparison,
                )?;
            }
        }
        println!("\n{name}: {} merges\n\n{table}", cases.len());
        Ok(())
    };
    for repository in repositories {
        let name = repository.canonicalize()?;
        let name = name.file_name().unwrap_or_default().to_string_lossy();
        run(&name, &corpus::of_repository(&repository, limit)?)?;
    }
    if registry {
        run("registry", &corpus::of_registry(limit)?)?;
    }
    Ok(())
}

/// The texts of a merge, and what each made of it.
fn store(folder: &Path, case: &Case, comparison: &Comparison) -> Result<(), Box<dyn Error>> {
    std::fs::create_dir_all(folder)?;
    let outcome = |outcome| match outcome {
        compare::Outcome::Clean(text) => text,
        compare::Outcome::Conflict => "conflict\n".to_owned(),
    };
    let place = format!("{}, {}\n", case.place, case.kind.name());
    for (name, text) in [
        ("base", &case.base),
        ("ours", &case.ours),
        ("theirs", &case.theirs),
        ("place", &place),
        ("merged", &outcome(comparison.ours(case)?)),
        ("merged-by-git", &outcome(comparison.git(case)?)),
    ] {
        std::fs::write(folder.join(name), text)?;
    }
    Ok(())
}
