//! Hooks: tools that run at points of a session, and what `[[hooks]]` says of them.

use super::knobs::text;
use super::tools::ToolSetting;
use super::{Config, Layer};
use crate::limits::{self, Limit};
use crate::permission::Mode;
use crate::rules::Rule;
use serde_json::{Map, Value, json};

/// Hooks that one layer may have: each of them runs a tool at every call.
const MAX_HOOKS: usize = 50;

/// When a hook runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HookEvent {
    /// Before a tool call; it can refuse the call, or have the user asked.
    BeforeTool,
    /// After a tool call; it can say something about it to the model.
    AfterTool,
    /// When the model says that it is done; it can have the model go on.
    Stop,
    /// Before accepted hunks are applied; it can refuse them.
    Accept,
}

const EVENTS: &[(&str, HookEvent)] = &[
    ("before_tool", HookEvent::BeforeTool),
    ("after_tool", HookEvent::AfterTool),
    ("stop", HookEvent::Stop),
    ("accept", HookEvent::Accept),
];

impl HookEvent {
    /// Whether a hook of it can only forbid, so that one that does not work forbids.
    pub fn guards(self) -> bool {
        matches!(self, HookEvent::BeforeTool | HookEvent::Accept)
    }

    fn has_call(self) -> bool {
        matches!(self, HookEvent::BeforeTool | HookEvent::AfterTool)
    }

    fn name(self) -> &'static str {
        let found = EVENTS.iter().find(|(_, event)| *event == self);
        found.map_or("", |(name, _)| name)
    }
}

/// A tool that runs at a point of every session.
#[derive(Debug, Clone, PartialEq)]
pub struct Hook {
    /// When.
    pub event: HookEvent,
    /// The tool.
    pub tool: String,
    /// Of which tool calls; all when absent.
    pub matcher: Option<Rule>,
    /// What the tool is told besides what happens.
    pub input: Map<String, Value>,
    /// Wall clock, in milliseconds, where it is less than the tool's `wasm_timeout`.
    pub timeout_ms: Option<f64>,
    /// Whether a project set it: it may only forbid.
    pub by_project: bool,
}

impl Hook {
    /// Whether it runs at a call.
    pub fn is_for(&self, tool: &str, input: &Value) -> bool {
        let matcher = self.matcher.as_ref();
        matcher.is_none_or(|rule| rule.matches_widely(tool, input))
    }

    /// Whether it may only read: what a project chose, and what looks at hunks that are about to be
    /// applied.
    pub fn only_reads(&self) -> bool {
        self.by_project || self.event == HookEvent::Accept
    }

    fn parse(place: &str, value: &Value) -> Result<Hook, String> {
        let Value::Object(fields) = value else {
            return Err(format!(
                "`{place}` is {value}; expected a table with `event` and `tool`"
            ));
        };
        let (mut event, mut tool) = (None, None);
        let (mut matcher, mut input, mut timeout_ms) = (None, Map::new(), None);
        for (field, value) in fields {
            let key = format!("{place}.{field}");
            match field.as_str() {
                "event" => event = Some(super::providers::choice(&key, value, EVENTS)?),
                "tool" => tool = Some(text(&key, value)?),
                "matcher" => {
                    let rule = text(&key, value)?;
                    let parsed = Rule::parse(&rule);
                    matcher = Some(parsed.map_err(|why| format!("`{key}`: `{rule}` {why}"))?);
                }
                "input" => match value {
                    Value::Object(fixed) => input = fixed.clone(),
                    other => return Err(format!("`{key}` is {other}; expected a table")),
                },
                "timeout" => {
                    let given = super::knobs::scalar(&key, value)?;
                    let limit = limits::parse(Limit::wasm_timeout, given.trim());
                    timeout_ms = Some(limit.map_err(|error| format!("`{key}`: {error}"))?);
                }
                _ => {
                    return Err(format!(
                        "unknown key `{key}`; a hook has event, tool, matcher, input, timeout"
                    ));
                }
            }
        }
        let Some(event) = event else {
            let names: Vec<&str> = EVENTS.iter().map(|(name, _)| *name).collect();
            let names = names.join(", ");
            return Err(format!("`{place}` has no `event`; expected one of {names}"));
        };
        let tool = tool.filter(|tool| !tool.trim().is_empty());
        let Some(tool) = tool else {
            return Err(format!(
                "`{place}` has no `tool`; name the tool that it runs"
            ));
        };
        if matcher.is_some() && !event.has_call() {
            let event = event.name();
            return Err(format!(
                "`{place}.matcher` is of before_tool and after_tool alone; {event} has no tool call"
            ));
        }
        Ok(Hook {
            event,
            tool,
            matcher,
            input,
            timeout_ms,
            by_project: false,
        })
    }

    pub(super) fn parse_all(key: &str, value: &Value) -> Result<Vec<Hook>, String> {
        let Value::Array(hooks) = value else {
            return Err(format!(
                "`{key}` is {value}; expected a list of tables, as in `[[hooks]]`"
            ));
        };
        if hooks.len() > MAX_HOOKS {
            let count = hooks.len();
            return Err(format!(
                "`{key}` has {count} hooks; at most {MAX_HOOKS} can be"
            ));
        }
        let parse = |(at, hook)| Hook::parse(&format!("{key}[{at}]"), hook);
        hooks.iter().enumerate().map(parse).collect()
    }

    /// For `boxagnts config show`.
    pub(super) fn shown(&self) -> String {
        let matcher = self.matcher.as_ref();
        let matcher = matcher.map_or(String::new(), |rule| format!(" at {rule}"));
        format!("{}: {}{matcher}", self.event.name(), self.tool)
    }
}

impl Config {
    /// The hooks, in the order in which they run.
    pub fn hooks(&self) -> &[Hook] {
        &self.hooks
    }

    /// The settings that a hook's tool runs under: these, or stricter ones.
    pub fn for_hook(&self, hook: &Hook) -> Config {
        let mut config = self.clone();
        if hook.only_reads() {
            config.mode = Mode::Plan;
        }
        if let Some(timeout) = hook.timeout_ms {
            let own = config.tools.entry(hook.tool.clone()).or_default();
            own.tighten(&ToolSetting::Limit(Limit::wasm_timeout, timeout));
        }
        config
    }

    pub(super) fn add_hooks(&mut self, layer: Layer, hooks: &[Hook]) {
        self.hooks.extend(hooks.iter().map(|hook| Hook {
            by_project: layer == Layer::Project,
            ..hook.clone()
        }));
    }
}

/// What of a project's hooks does not forbid.
pub(super) fn loosens(hooks: &[Hook]) -> Option<String> {
    let other = hooks.iter().find(|hook| !hook.event.guards())?;
    Some(format!(
        "a project may only forbid, by hooks of before_tool and accept; set {} in your own \
         configuration",
        other.event.name()
    ))
}

pub(super) fn schema() -> Value {
    let names: Vec<&str> = EVENTS.iter().map(|(name, _)| *name).collect();
    json!({
        "type": "array",
        "maxItems": MAX_HOOKS,
        "items": {
            "type": "object",
            "required": ["event", "tool"],
            "additionalProperties": false,
            "properties": {
                "event": {"enum": names, "description": "When it runs."},
                "tool": {"type": "string", "description": "The tool that it runs: a built-in one, or one that `boxagnts tool add` registered."},
                "matcher": {"type": "string", "description": "Tool calls that it is for, written as in `ask`; all when absent."},
                "input": {"type": "object", "description": "What the tool is told besides what happens."},
                "timeout": {"type": ["string", "number"], "description": "Wall clock, where it is less than the tool's `wasm_timeout`."},
            },
        },
    })
}
