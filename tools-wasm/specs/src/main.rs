//! Prints what every tool says of itself, as JSON: `cargo xtask tools` puts it into the manifest.
//! The order is that in which models are told of the tools.

use std::io::Write;

fn main() -> std::io::Result<()> {
    let specs = [
        boxagnts_tool_read::spec(),
        boxagnts_tool_list::spec(),
        boxagnts_tool_glob::spec(),
        boxagnts_tool_grep::spec(),
        boxagnts_tool_edit::spec(),
        boxagnts_tool_write::spec(),
        boxagnts_tool_rename::spec(),
        boxagnts_tool_delete::spec(),
        boxagnts_tool_web_fetch::spec(),
    ];
    let text = serde_json::to_string_pretty(&specs).map_err(std::io::Error::other)?;
    writeln!(std::io::stdout(), "{text}")
}
