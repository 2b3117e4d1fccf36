//! What native tools are given, and what the model is told of each.

use super::schema::input_schema;
use boxagnts_policy::permission::Level;
use boxagnts_protocol::question::AnswerChoice;
use boxagnts_protocol::tool::ToolSpec;
use boxagnts_protocol::update::{Isolation, PlanItem};
use schemars::JsonSchema;
use serde::Deserialize;

/// Asks the user.
pub const ASK_USER: &str = "ask_user";
/// Shows the user what is to be done and how far it is.
pub const TODO: &str = "todo";
/// Has the user approve a plan, in mode `plan` alone.
pub const PROPOSE_PLAN: &str = "propose_plan";
/// Has a question answered in a conversation of its own.
pub const QUESTION: &str = "question";

/// Has a task done by an executor.
pub const SPAWN_EXECUTOR: &str = "spawn_executor";

/// Input of [`SPAWN_EXECUTOR`].
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SpawnExecutor {
    /// All that it must know: it sees nothing of this conversation.
    #[schemars(length(min = 1, max = 40000))]
    pub task: String,
    /// As the user configured.
    #[serde(default)]
    pub kind: Option<String>,
    /// One of a kind (default: yours).
    #[serde(default)]
    pub model: Option<String>,
    /// Default: overlay.
    #[serde(default)]
    pub isolation: Option<Isolation>,
    /// The only ones of yours.
    #[serde(default)]
    #[schemars(length(min = 1))]
    pub tools: Option<Vec<String>>,
    /// At most.
    #[serde(default)]
    pub budget: Option<SpawnBudget>,
    /// Its model requests.
    #[serde(default)]
    #[schemars(range(min = 1))]
    pub max_turns: Option<u64>,
}

/// What an executor may spend.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("additionalProperties" = false))]
pub struct SpawnBudget {
    /// Tokens, all kinds together.
    #[serde(default)]
    #[schemars(range(min = 1))]
    pub tokens: Option<u64>,
    /// US dollars.
    #[serde(default)]
    #[schemars(range(min = 0))]
    pub usd: Option<f64>,
}

/// Input of [`ASK_USER`].
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AskUser {
    /// One question, with what the user needs to decide.
    #[schemars(length(min = 1, max = 4000))]
    pub question: String,
    /// Answers to choose from, the one you would take first.
    #[serde(default)]
    #[schemars(length(min = 2, max = 8))]
    pub choices: Option<Vec<AnswerChoice>>,
    /// Several can be chosen.
    #[serde(default)]
    pub multi_select: Option<bool>,
    /// The user may answer in words; always so without choices (default true).
    #[serde(default)]
    pub allow_free_text: Option<bool>,
}

/// Input of [`TODO`].
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Todo {
    /// The whole list, in order; it replaces the one before.
    #[schemars(length(max = 50))]
    pub items: Vec<PlanItem>,
}

/// Input of [`PROPOSE_PLAN`].
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProposePlan {
    /// Markdown: what changes in which file, in which order, and how it is checked.
    #[schemars(length(min = 1, max = 40000))]
    pub plan: String,
}

/// Input of [`QUESTION`].
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SubQuestion {
    /// All that the other needs to know: it sees nothing of this conversation.
    #[schemars(length(min = 1, max = 20000))]
    pub prompt: String,
}

/// Every native tool with its level: none of them leaves the sandbox.
pub(super) fn specs() -> Vec<(ToolSpec, Level)> {
    let spec = |name: &str, description: &str, input_schema| ToolSpec {
        name: name.to_owned(),
        description: description.to_owned(),
        input_schema,
    };
    vec![
        (
            spec(
                ASK_USER,
                "Ask the user and wait for the answer. Only for what you cannot find out and what \
                 would be wrong to guess.",
                input_schema::<AskUser>(),
            ),
            Level::None,
        ),
        (
            spec(
                TODO,
                "Show the user your list of steps for a task of three or more, and keep it current: \
                 one step in progress at a time.",
                input_schema::<Todo>(),
            ),
            Level::None,
        ),
        (
            spec(
                PROPOSE_PLAN,
                "Show the user your plan and have it approved, when you know what is to be changed. \
                 You can change files only when it is.",
                input_schema::<ProposePlan>(),
            ),
            Level::None,
        ),
        (
            spec(
                QUESTION,
                "Have a question about the workspace answered by another who reads on your behalf \
                 and tells you the answer alone: for searches through many files. Independent ones \
                 can run in parallel.",
                input_schema::<SubQuestion>(),
            ),
            Level::Read,
        ),
        (
            spec(
                SPAWN_EXECUTOR,
                "Have another agent do a part of a large task, on other lines than others. Several calls \
                 in one answer run in parallel. Changes join your proposal; edit the lines of those \
                 that do not fit.",
                input_schema::<SpawnExecutor>(),
            ),
            Level::Write,
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    fn check(name: &str, expect: Expect) {
        let specs = specs();
        let (spec, level) = specs.iter().find(|(spec, _)| spec.name == name).unwrap();
        assert!(*level <= Level::Read);
        expect.assert_eq(&spec.input_schema.to_string());
    }

    #[test]
    fn schemas_say_what_is_taken_and_no_more() {
        check(
            ASK_USER,
            expect![[
                r#"{"type":"object","additionalProperties":false,"properties":{"question":{"type":"string","description":"One question, with what the user needs to decide.","minLength":1,"maxLength":4000},"choices":{"type":"array","items":{"description":"One answer that can be chosen.","type":"object","properties":{"label":{"description":"A few words, unlike those of the others.","type":"string","minLength":1,"maxLength":100},"description":{"description":"What it means or leads to.","type":"string","maxLength":500}},"required":["label"],"additionalProperties":false},"description":"Answers to choose from, the one you would take first.","minItems":2,"maxItems":8},"multi_select":{"type":"boolean","description":"Several can be chosen."},"allow_free_text":{"type":"boolean","description":"The user may answer in words; always so without choices (default true)."}},"required":["question"]}"#
            ]],
        );
        check(
            TODO,
            expect![[
                r#"{"type":"object","additionalProperties":false,"properties":{"items":{"type":"array","items":{"description":"A step of a model's plan.","type":"object","properties":{"text":{"description":"What is to be done.","type":"string","minLength":1,"maxLength":500},"status":{"type":"string","enum":["pending","in_progress","completed"]}},"required":["text","status"],"additionalProperties":false},"description":"The whole list, in order; it replaces the one before.","maxItems":50}},"required":["items"]}"#
            ]],
        );
        check(
            PROPOSE_PLAN,
            expect![[
                r#"{"type":"object","additionalProperties":false,"properties":{"plan":{"type":"string","description":"Markdown: what changes in which file, in which order, and how it is checked.","minLength":1,"maxLength":40000}},"required":["plan"]}"#
            ]],
        );
        check(
            QUESTION,
            expect![[
                r#"{"type":"object","additionalProperties":false,"properties":{"prompt":{"type":"string","description":"All that the other needs to know: it sees nothing of this conversation.","minLength":1,"maxLength":20000}},"required":["prompt"]}"#
            ]],
        );
    }
}
