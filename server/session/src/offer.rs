//! The tools that a model is told of.

use crate::environment::Environment;
use boxagnts_policy::config::Config;
use boxagnts_policy::permission::{Level, Mode};
use boxagnts_protocol::tool::ToolSpec;
use boxagnts_query::ToolInfo;
use boxagnts_tools::{PROPOSE_PLAN, SPAWN_EXECUTOR, TODO, Toolbox};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Bytes that a wire format puts around a tool, marks for characters in its texts included: the longest
/// has some 100.
const AROUND: u64 = 128;

/// Tools as the model and as the query loop are told of them.
#[derive(Debug, Clone)]
pub(crate) struct Offer {
    pub(crate) specs: Arc<[ToolSpec]>,
    pub(crate) known: Vec<ToolInfo>,
}

impl Offer {
    /// What the mode lets a model use; naming others would only invite refusals.
    pub(crate) fn of(environment: &Environment, config: &Config) -> Offer {
        let toolbox = environment.toolbox();
        let plans = config.mode() == Mode::Plan;
        let fits = |spec: &ToolSpec| match spec.name.as_str() {
            PROPOSE_PLAN => plans,
            _ => !plans || reads(toolbox, spec),
        };
        Offer::made(toolbox, fits, &kinds(config))
    }

    /// What an executor may use: nobody can be asked, and it has no executors and no plan of its own.
    pub(crate) fn of_executor(
        environment: &Environment,
        mode: Mode,
        allowed: Option<&BTreeSet<String>>,
    ) -> Offer {
        let toolbox = environment.toolbox();
        Offer::some(toolbox, |spec| {
            let name = spec.name.as_str();
            let allowed = allowed.is_none_or(|allowed| allowed.contains(name));
            let own = name == TODO || !toolbox.is_native(name);
            allowed && own && (mode != Mode::Plan || reads(toolbox, spec))
        })
    }

    /// What only reads, and asks nobody.
    pub(crate) fn reading(environment: &Environment) -> Offer {
        let toolbox = environment.toolbox();
        Offer::some(toolbox, |spec| {
            reads(toolbox, spec) && !toolbox.is_native(&spec.name)
        })
    }

    fn some(toolbox: &Toolbox, fits: impl Fn(&ToolSpec) -> bool) -> Offer {
        Offer::made(toolbox, fits, "")
    }

    /// `kinds` is what there is to know of kinds of executors.
    fn made(toolbox: &Toolbox, fits: impl Fn(&ToolSpec) -> bool, kinds: &str) -> Offer {
        let specs = toolbox.specs();
        let mut specs: Vec<ToolSpec> = specs.iter().filter(|spec| fits(spec)).cloned().collect();
        let spawns = |spec: &&mut ToolSpec| spec.name == SPAWN_EXECUTOR;
        if let Some(spec) = specs.iter_mut().find(spawns) {
            spec.description.push_str(kinds);
        }
        let known = |spec: &ToolSpec| ToolInfo {
            name: spec.name.clone(),
            // Executors work beside each other; what they leave is merged.
            read_only: reads(toolbox, spec) || spec.name == SPAWN_EXECUTOR,
            bytes: AROUND
                + (spec.name.len() + spec.description.len()) as u64
                + spec.input_schema.to_string().len() as u64,
        };
        Offer {
            known: specs.iter().map(known).collect(),
            specs: specs.into(),
        }
    }
}

/// The kinds of executors that the user configured, in words.
fn kinds(config: &Config) -> String {
    let named = config.executors().iter().map(|(name, kind)| {
        let about = kind.about.as_deref().map(|about| format!(" ({about})"));
        let model = kind.model.as_deref().map(|model| format!(" with {model}"));
        format!(
            "`{name}`{}{}",
            about.unwrap_or_default(),
            model.unwrap_or_default()
        )
    });
    let named: Vec<String> = named.collect();
    match named.is_empty() {
        true => String::new(),
        false => format!(" Kinds: {}.", named.join(", ")),
    }
}

fn reads(toolbox: &Toolbox, spec: &ToolSpec) -> bool {
    let level = toolbox.level(&spec.name);
    level.is_some_and(|level| level <= Level::Read)
}
