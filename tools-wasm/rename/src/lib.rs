//! `rename`: moving a file or a directory.

use boxagnts_tool_sdk::{Error, Output, failed, fs};
use schemars::JsonSchema;
use serde::Deserialize;

/// Input of `rename`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// What to move.
    from: String,
    /// Its new path.
    to: String,
}

fn run(input: Input) -> Result<Output, Error> {
    let Input { from, to } = input;
    if from == to {
        return failed(format!("`from` and `to` are both `{from}`"));
    }
    fs::rename(&from, &to)?;
    Ok(Output::new(format!("Renamed `{from}` to `{to}`.")))
}

boxagnts_tool_sdk::tool! {
    name: "rename", level: Write, capabilities: [WorkspaceRead, WorkspaceWrite],
    description: "Move or rename a file or directory.",
    input: Input, run: run,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(from: &str, to: &str, expect: Result<&str, &str>) {
        fs::set_files([("a", &b"x"[..]), ("b", b"y")]);
        match (
            run(Input {
                from: from.to_owned(),
                to: to.to_owned(),
            }),
            expect,
        ) {
            (Ok(output), Ok(text)) => assert_eq!(output.text, text),
            (Err(Error::Failed(why)), Err(part)) => assert!(why.contains(part), "{why}"),
            (got, expect) => panic!("{got:?}, expected {expect:?}"),
        }
    }

    #[test]
    fn files_move_and_nothing_is_overwritten() {
        check("a", "d/c", Ok("Renamed `a` to `d/c`."));
        check("a", "b", Err("exists already"));
        check("a", "a", Err("both"));
        check("nope", "c", Err("does not exist"));
    }
}
