//! What native tools are given, and what the model is told of each.

use super::schema::input_schema;
use boxagnts_policy::permission::Level;
use boxagnts_protocol::question::AnswerChoice;
use boxagnts_protocol::tool::ToolSpec;
use boxagnts_protocol::update::PlanItem;
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
                r#"{"additionalProperties":false,"properties":{"allow_free_text":{"description":"The user may answer in words; always so without choices (default true).","type":"boolean"},"choices":{"description":"Answers to choose from, the one you would take first.","items":{"additionalProperties":false,"description":"One answer that can be chosen.","properties":{"description":{"description":"What it means or leads to.","maxLength":500,"type":"string"},"label":{"description":"A few words, unlike those of the others.","maxLength":100,"minLength":1,"type":"string"}},"required":["label"],"type":"object"},"maxItems":8,"minItems":2,"type":"array"},"multi_select":{"description":"Several can be chosen.","type":"boolean"},"question":{"description":"One question, with what the user needs to decide.","maxLength":4000,"minLength":1,"type":"string"}},"required":["question"],"type":"object"}"#
            ]],
        );
        check(
            TODO,
            expect![[
                r#"{"additionalProperties":false,"properties":{"items":{"description":"The whole list, in order; it replaces the one before.","items":{"additionalProperties":false,"description":"A step of a model's plan.","properties":{"status":{"enum":["pending","in_progress","completed"],"type":"string"},"text":{"description":"What is to be done.","maxLength":500,"minLength":1,"type":"string"}},"required":["text","status"],"type":"object"},"maxItems":50,"type":"array"}},"required":["items"],"type":"object"}"#
            ]],
        );
        check(
            PROPOSE_PLAN,
            expect![[
                r#"{"additionalProperties":false,"properties":{"plan":{"description":"Markdown: what changes in which file, in which order, and how it is checked.","maxLength":40000,"minLength":1,"type":"string"}},"required":["plan"],"type":"object"}"#
            ]],
        );
        check(
            QUESTION,
            expect![[
                r#"{"additionalProperties":false,"properties":{"prompt":{"description":"All that the other needs to know: it sees nothing of this conversation.","maxLength":20000,"minLength":1,"type":"string"}},"required":["prompt"],"type":"object"}"#
            ]],
        );
    }
}
