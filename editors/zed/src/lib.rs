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
        let (path, arguments, variables) = match settings.binary {
            Some(own) => (own.path, own.arguments, own.env),
            None => (None, None, None),
        };
        let missing = "boxagnts is not on your path; set lsp.boxagnts.binary.path in settings.json";
        let path = path.or_else(|| worktree.which("boxagnts"));
        // Of a name that is there twice, the later value counts.
        let mut env = worktree.shell_env();
        env.extend(variables.unwrap_or_default());
        Ok(Command {
            command: path.ok_or(missing)?,
            args: arguments.unwrap_or_else(|| vec!["lsp".to_owned()]),
            env,
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
