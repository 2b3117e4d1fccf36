//! Tells Zed how to start the language server: the program on the user's path, or the one that the
//! settings name.

use zed_extension_api::settings::LspSettings;
use zed_extension_api::{self as zed, Command, LanguageServerId, Result, Worktree, serde_json};

struct BoxAgnts;

impl zed::Extension for BoxAgnts {
    fn new() -> Self {
        BoxAgnts
    }

    fn language_server_command(
        &mut self,
        server: &LanguageServerId,
        worktree: &Worktree,
    ) -> Result<Command> {
        let settings = LspSettings::for_worktree(server.as_ref(), worktree)?;
        let own = settings.binary.unwrap_or_else(|| zed::settings::CommandSettings {
            path: None,
            arguments: None,
            env: None,
        });
        let missing = "boxagnts is not on your path; set lsp.boxagnts.binary.path in settings.json";
        let path = own.path.or_else(|| worktree.which("boxagnts"));
        Ok(Command {
            command: path.ok_or(missing)?,
            args: own.arguments.unwrap_or_else(|| vec!["lsp".to_owned()]),
            env: worktree.shell_env(),
        })
    }

    fn language_server_initialization_options(
        &mut self,
        server: &LanguageServerId,
        worktree: &Worktree,
    ) -> Result<Option<serde_json::Value>> {
        let settings = LspSettings::for_worktree(server.as_ref(), worktree)?;
        Ok(settings.initialization_options)
    }
}

zed::register_extension!(BoxAgnts);
