//! Names in a configuration that none of the workspace's tools has.

use boxagnts_policy::config::Config;
use boxagnts_policy::rules::KnownTool;
use boxagnts_tools::Toolbox;

/// What a configuration says of tools that there are not, in words for the user.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Misspelt {
    /// Of hooks, which fail.
    pub hooks: Vec<String>,
    /// Of rules and settings, which mean nothing.
    pub names: Vec<String>,
}

impl Misspelt {
    /// Compares the names in a configuration with the tools of its workspace.
    pub fn of(config: &Config, toolbox: &Toolbox) -> Misspelt {
        let specs = toolbox.specs();
        let known = specs.iter().map(|spec| KnownTool {
            name: &spec.name,
            input_schema: &spec.input_schema,
        });
        let known: Vec<KnownTool<'_>> = known.collect();
        Misspelt {
            hooks: config.missing_hooks(&known),
            names: config.misspelt(&known),
        }
    }

    /// All of it.
    pub fn into_problems(self) -> impl Iterator<Item = String> {
        self.hooks.into_iter().chain(self.names)
    }
}
