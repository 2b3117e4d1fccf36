//! Names of tools that the configuration has and nobody else: slips, which would otherwise pass
//! silently.

use super::Config;
use crate::rules::{KnownTool, Verdict, no_tool};

impl Config {
    /// What of the rules and of `[tools.NAME]` names no tool, or none of its arguments, in words for the
    /// user. No error: the tool may be added later.
    pub fn misspelt(&self, tools: &[KnownTool<'_>]) -> Vec<String> {
        let mut all = Vec::new();
        for verdict in [Verdict::Deny, Verdict::Ask, Verdict::Allow] {
            let knob = verdict.knob();
            let rules = self.rules.of(verdict).iter();
            all.extend(rules.filter_map(|rule| {
                let why = rule.misspelt(verdict, tools)?;
                let origin = self.origin(knob);
                Some(format!(
                    "the rule `{rule}` in `{knob}` of {origin} is never met: {why}"
                ))
            }));
        }
        for hook in &self.hooks {
            let rule = hook.matcher.as_ref();
            // A matcher takes a call as widely as a rule that denies.
            let why = rule.and_then(|rule| Some((rule, rule.misspelt(Verdict::Deny, tools)?)));
            all.extend(why.map(|(rule, why)| {
                let (tool, origin) = (&hook.tool, self.origin("hooks"));
                format!("the matcher `{rule}` of the hook `{tool}` of {origin} is never met: {why}")
            }));
        }
        for name in self.tools.keys().filter(|name| !is_there(name, tools)) {
            let prefix = format!("tools.{name}.");
            let set = self
                .origins
                .iter()
                .find(|(key, _)| key.starts_with(&prefix));
            let origin = set.map_or("the configuration", |(_, origin)| origin.as_str());
            let why = no_tool(name, names(tools));
            all.push(format!("`[tools.{name}]` of {origin} sets nothing: {why}"));
        }
        all
    }

    /// Hooks whose tool there is not: those that guard refuse everything.
    pub fn missing_hooks(&self, tools: &[KnownTool<'_>]) -> Vec<String> {
        let missing = self
            .hooks
            .iter()
            .filter(|hook| !is_there(&hook.tool, tools));
        let told = missing.map(|hook| {
            let why = no_tool(&hook.tool, names(tools));
            let origin = self.origin("hooks");
            let then = match hook.event.guards() {
                true => "what it guards is refused",
                false => "it does nothing",
            };
            format!(
                "the hook `{}` of {origin} cannot run, so that {then}: {why}",
                hook.shown()
            )
        });
        told.collect()
    }
}

fn is_there(name: &str, tools: &[KnownTool<'_>]) -> bool {
    names(tools).any(|tool| tool == name)
}

fn names<'a>(tools: &[KnownTool<'a>]) -> impl Iterator<Item = &'a str> {
    tools.iter().map(|tool| tool.name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Layer;
    use serde_json::json;

    fn check(toml: &str, expect: &[&str]) {
        let schema = |names: &[&str]| {
            let properties = names.iter().map(|name| ((*name).to_owned(), json!({})));
            json!({"properties": serde_json::Map::from_iter(properties)})
        };
        let (write, rename, any) = (
            schema(&["path", "content"]),
            schema(&["from", "to"]),
            json!({}),
        );
        let tool = |name, input_schema| KnownTool { name, input_schema };
        let tools = [
            tool("write", &write),
            tool("rename", &rename),
            tool("weigh", &any),
        ];
        let mut builder = Config::builder();
        builder
            .add_toml(Layer::User, "u.toml", toml)
            .expect("it is configuration");
        let config = builder.build();
        let all = [config.misspelt(&tools), config.missing_hooks(&tools)].concat();
        assert_eq!(all.len(), expect.len(), "{all:?}");
        for (got, part) in all.iter().zip(expect) {
            assert!(got.contains(part) && got.contains("user (u.toml)"), "{got}");
        }
    }

    #[test]
    fn names_that_no_tool_has_are_told() {
        check(
            "deny = [\"write\", \"*(path=*.lock)\", \"Rename(path=a)\", \"weigh(kg=*)\"]",
            &[],
        );
        check(
            "deny = [\"wirte(path=x)\"]",
            &["no tool `wirte`; did you mean `write`?"],
        );
        check(
            "ask = [\"shell\"]",
            &["no tool `shell`; `boxagnts tool list`"],
        );
        check(
            "allow = [\"Write\"]",
            &["no tool `Write`; did you mean `write`?"],
        );
        check(
            "deny = [\"write(pth=x)\"]",
            &["has no argument `pth`; did you mean `path`?"],
        );
        check("deny = [\"write(url=x)\"]", &["`url`; it has "]);
        check("deny = [\"{write,rename}(url=x)\"]", &["tool describe"]);
        check("tools.writ.wasm_fuel = 1000000", &["`[tools.writ]`"]);
        let hook = "[[hooks]]\nevent = \"before_tool\"\ntool = \"weihg\"\nmatcher = \"wrte\"";
        check(hook, &["the matcher `wrte`", "did you mean `weigh`?"]);
    }
}
