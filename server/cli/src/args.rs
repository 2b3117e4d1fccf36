//! The command line: commands, and the flags that several of them share. What a command takes is
//! declared in the file of that command.

use crate::commands::{
    acp, checkpoint, config, daemon, demo, doctor, lsp, permission, run, schedule, session, tool,
    undo, usage, worktree,
};
use crate::settings::Overrides;
use boxagnts_protocol::update::SessionMode;
use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};

/// A coding agent that cannot touch your files until you say so.
///
/// The model acts only through tools; tools run as WebAssembly in a sandbox and write to an overlay
/// over your workspace. What comes back is a proposal: hunks that you accept or reject.
#[derive(Debug, Parser)]
#[command(
    name = "boxagnts",
    version,
    max_term_width = 100,
    subcommand_required = true,
    arg_required_else_help = true,
    after_help = "\
Start here:
  boxagnts demo                                a sample repository, no key, no network
  boxagnts run \"rename total_cost to total\"    proposes a change of this folder
  boxagnts doctor                              checks that everything is in place

Exit codes: 0 done, 1 failed, 2 usage, 3 stopped by a limit, 4 denied by policy, 130 cancelled."
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
    /// Say more on standard error (-vv: much more); the environment variable BOXAGNTS_LOG takes a
    /// whole filter.
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub(crate) verbose: u8,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Lsp(lsp::Lsp),
    Acp(acp::Acp),
    Run(run::Run),
    Demo(demo::Demo),
    #[command(subcommand)]
    Tool(tool::Tool),
    #[command(subcommand)]
    Permission(permission::Permission),
    #[command(subcommand)]
    Session(session::Session),
    #[command(subcommand)]
    Schedule(schedule::Schedule),
    Daemon(daemon::Daemon),
    Usage(usage::Usage),
    Undo(undo::Undo),
    #[command(subcommand)]
    Checkpoint(checkpoint::Checkpoint),
    #[command(subcommand)]
    Worktree(worktree::Worktree),
    #[command(subcommand)]
    Config(config::Config),
    Doctor(doctor::Doctor),
}

/// How a session treats what its tools want.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ModeArg {
    /// Tools only read.
    Plan,
    /// Changes are proposed and wait for a decision.
    Review,
    /// As review; what is proposed is accepted at the end of the turn.
    Auto,
}

impl From<ModeArg> for SessionMode {
    fn from(mode: ModeArg) -> SessionMode {
        match mode {
            ModeArg::Plan => SessionMode::Plan,
            ModeArg::Review => SessionMode::Review,
            ModeArg::Auto => SessionMode::Auto,
        }
    }
}

impl ModeArg {
    pub(crate) fn name(self) -> &'static str {
        match self {
            ModeArg::Plan => "plan",
            ModeArg::Review => "review",
            ModeArg::Auto => "auto",
        }
    }
}

/// What governs tools: limits, network, mounts, rules.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct GovernanceArgs {
    /// Set a limit, as in wasm_timeout=5s or max_turns=10; may be given several times. `boxagnts
    /// config show` lists them.
    #[arg(long = "limit", value_name = "KEY=VALUE")]
    pub(crate) limits: Vec<String>,
    /// Set any key of the configuration, as in block_networks=10.0.0.0/8 or
    /// tools.grep.wasm_fuel=1000000; may be given several times. Lists are separated by commas.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(crate) sets: Vec<String>,
    /// Let tools connect to a host, as in https://api.example.com, http://*.example.com:8080 or
    /// tcp://192.0.2.7:5432; may be given several times, and replaces the configured hosts.
    #[arg(long = "allow-host", value_name = "SCHEME://HOST[:PORT]")]
    pub(crate) hosts: Vec<String>,
    /// Put a folder of this machine into the workspace, read-only unless it says rw; may be given
    /// several times, and replaces the configured folders.
    #[arg(long = "map-dir", value_name = "HOST:GUEST[:ro|rw]")]
    pub(crate) map_dirs: Vec<String>,
    /// The folder of the workspace that tools take for their root.
    #[arg(long, value_name = "DIR")]
    pub(crate) work_dir: Option<String>,
    /// Let calls run that would be asked about, as in web_fetch or
    /// web_fetch(url=https://docs.rs/*).
    #[arg(long = "allow", value_name = "RULE")]
    pub(crate) allow: Vec<String>,
    /// Ask about calls, as in delete or *(path=*.lock): whatever is called with such a path.
    #[arg(long = "ask", value_name = "RULE")]
    pub(crate) ask: Vec<String>,
    /// Refuse calls, as in delete or *(path=migrations/*), where * is every tool; beats --allow and
    /// --ask.
    #[arg(long = "deny", value_name = "RULE")]
    pub(crate) deny: Vec<String>,
}

/// `--model`, `--mode`, and what governs tools.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct SettingArgs {
    /// Model as PROVIDER:MODEL, e.g. anthropic:…, openai:…, ollama:…, or builtin.
    #[arg(short, long, value_name = "MODEL")]
    pub(crate) model: Option<String>,
    /// What to do with what the tools want.
    #[arg(long, value_enum, value_name = "MODE")]
    pub(crate) mode: Option<ModeArg>,
    #[command(flatten)]
    pub(crate) governance: GovernanceArgs,
}

impl SettingArgs {
    pub(crate) fn overrides(&self) -> Overrides {
        Overrides {
            model: self.model.clone(),
            mode: self.mode,
            governance: self.governance.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_declaration_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_says_what_it_is_for_and_shows_an_example() {
        fn check(command: &clap::Command, path: &str) {
            let path = format!("{path} {}", command.get_name());
            assert!(command.get_about().is_some(), "{path} has no about");
            if command.has_subcommands() {
                command.get_subcommands().for_each(|sub| check(sub, &path));
            } else {
                let example = command.get_after_help().map(ToString::to_string);
                assert!(
                    example.is_some_and(|text| text.contains(&path[1..])),
                    "{path}"
                );
            }
            for argument in command.get_arguments() {
                assert!(
                    argument.get_help().is_some(),
                    "{path}: {}",
                    argument.get_id()
                );
            }
        }
        check(&Cli::command(), "");
    }

    fn check(line: &str, expect: Result<&str, &str>) {
        let parsed = Cli::try_parse_from(line.split_whitespace());
        match (parsed, expect) {
            (Ok(cli), Ok(part)) => {
                let shown = format!("{:?}", cli.command);
                assert!(shown.contains(part), "{line}: {shown}");
            }
            (Err(error), Err(part)) => {
                assert_eq!(error.exit_code(), 2, "{line}");
                assert!(error.to_string().contains(part), "{line}: {error}");
            }
            (got, _) => panic!("{line}: {got:?}"),
        }
    }

    #[test]
    fn lines_are_understood() {
        check("boxagnts lsp --stdio", Ok("stdio: true"));
        check(
            "boxagnts lsp --model m --limit a=1 --limit b=2",
            Ok(r#"["a=1", "b=2"]"#),
        );
        check(
            "boxagnts run rename a to b",
            Ok(r#"["rename", "a", "to", "b"]"#),
        );
        check("boxagnts run - --mode auto --json", Ok("Some(Auto)"));
        check(
            "boxagnts run x --mode yolo",
            Err("possible values: plan, review, auto"),
        );
        check("boxagnts run", Err("<PROMPT>..."));
        check(
            "boxagnts run x --session s --model m",
            Err("cannot be used with"),
        );
        check(
            "boxagnts run x --continue --session s",
            Err("cannot be used with"),
        );
        check("boxagnts usage --by week", Err("day, session, model"));
        check(
            "boxagnts tool run read --input {} -v",
            Ok(r#"name: "read""#),
        );
        check(
            "boxagnts session list --all --workspace w",
            Err("cannot be used with"),
        );
        check(
            "boxagnts schedule add --name n --cron @daily --timeout 1h30m tidy up",
            Ok("timeout: 1h 30m"),
        );
        check(
            "boxagnts schedule add --name n --cron @daily --timeout soon tidy up",
            Err("invalid value 'soon'"),
        );
        check(
            "boxagnts schedule add --cron @daily x",
            Err("--name <NAME>"),
        );
        check("boxagnts nonsense", Err("unrecognized subcommand"));
    }
}
