//! Scripts for the model `scripted:FILE`.

use serde_json::Value;
use std::path::Path;
use tempfile::TempPath;

/// A script in a file that goes away with this value.
#[derive(Debug)]
pub struct Script(TempPath);

impl Script {
    /// The file.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The model's name, for configurations and `--model`.
    pub fn model(&self) -> String {
        format!("scripted:{}", self.0.display())
    }
}

/// Writes a script: an array of turns, each
/// `{"text", "tool_calls": [{"name", "input"}], "stop", "usage", "delay_ms"}`.
pub fn script(turns: Value) -> Script {
    let file = tempfile::Builder::new()
        .suffix(".json")
        .tempfile()
        .expect("a temporary file");
    serde_json::to_writer(file.as_file(), &turns).expect("the script is written");
    Script(file.into_temp_path())
}
