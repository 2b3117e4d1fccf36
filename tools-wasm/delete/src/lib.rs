//! `delete`: removing a file.

use boxagnts_tool_sdk::fs::{self, ErrorCode};
use boxagnts_tool_sdk::{Error, Output};
use schemars::JsonSchema;
use serde::Deserialize;

/// Input of `delete`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// File to delete.
    path: String,
}

fn run(input: Input) -> Result<Output, Error> {
    let Input { path } = input;
    fs::remove(&path).map_err(|error| {
        let hint = match error.code {
            ErrorCode::IsDirectory => "; delete its files one by one",
            _ => "",
        };
        Error::Failed(format!("{}{hint}", error.message))
    })?;
    Ok(Output::new(format!("Deleted `{path}`.")))
}

boxagnts_tool_sdk::tool! {
    name: "delete", level: Write, capabilities: [WorkspaceRead, WorkspaceWrite],
    description: "Delete a file.",
    input: Input, run: run,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_go_away_once() {
        fs::set_files([("a", &b"x"[..])]);
        let delete = || {
            run(Input {
                path: "a".to_owned(),
            })
        };
        assert_eq!(delete().unwrap().text, "Deleted `a`.");
        assert!(fs::file("a").is_none());
        assert!(matches!(delete(), Err(Error::Failed(why)) if why.contains("does not exist")));
    }
}
