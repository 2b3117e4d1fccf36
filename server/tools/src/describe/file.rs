//! `NAME.toml` beside `NAME.wasm`: a description of a command that does not describe itself well
//! enough.

use super::arguments::Invocation;
use super::field::{self, Field, Kind};
use super::{Asked, tool_name, usable};
use boxagnts_policy::permission::Level;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeSet;

/// Longest file.
pub(crate) const MAX_BYTES: u64 = 256 << 10;
/// Most fields.
const MAX_FIELDS: usize = 200;
/// Longest description, in bytes.
const MAX_DESCRIPTION: usize = 8 << 10;

/// What the file says; what it does not say is found out elsewhere.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Declared {
    pub(crate) name: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) level: Option<Level>,
    /// Hosts that the tool asks to talk to.
    pub(crate) hosts: Vec<String>,
    /// The input and how it becomes arguments.
    pub(crate) input: Option<(Value, Invocation)>,
    /// Fields by their place, of an input that is described elsewhere.
    pub(crate) positional: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    name: Option<String>,
    description: Option<String>,
    level: Option<String>,
    positional: Option<Vec<String>>,
    #[serde(default)]
    hosts: Vec<String>,
    #[serde(default)]
    flag: Vec<Flag>,
    input_schema: Option<Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Flag {
    name: String,
    #[serde(default, rename = "type")]
    kind: FlagKind,
    #[serde(default)]
    required: bool,
    #[serde(default)]
    repeatable: bool,
    default: Option<Value>,
    #[serde(default)]
    choices: Vec<Value>,
    #[serde(default)]
    help: String,
}

#[derive(Default, Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum FlagKind {
    #[default]
    String,
    Path,
    Integer,
    Number,
    Boolean,
}

/// Reads the file at `place`.
///
/// # Errors
/// What is wrong, with the file and the key.
pub(crate) fn parse(place: &str, text: &str) -> Result<Declared, String> {
    let file: File = toml::from_str(text).map_err(|error| {
        let line = error.span().map(|span| {
            let before = text.get(..span.start).unwrap_or_default();
            format!(":{}", 1 + before.matches('\n').count())
        });
        format!("{place}{}: {}", line.unwrap_or_default(), error.message())
    })?;
    file.check().map_err(|error| format!("{place}: {error}"))
}

impl File {
    fn check(self) -> Result<Declared, String> {
        let name = match self.name {
            Some(name) if tool_name(&name).as_deref() == Some(&name) => Some(name),
            Some(name) => {
                return Err(format!(
                    "`name = {name:?}` is no name of a tool; use at most 64 of a-z, 0-9, _ and -"
                ));
            }
            None => None,
        };
        let level = match self.level.as_deref().map(Asked::parse) {
            None => None,
            Some(Asked::Level(level)) => Some(level),
            Some(Asked::Unknown(word)) => {
                return Err(format!(
                    "`level = {word:?}` is no level; use none, read, write, execute or network"
                ));
            }
        };
        if self
            .description
            .as_ref()
            .is_some_and(|text| text.len() > MAX_DESCRIPTION)
        {
            return Err(format!(
                "`description` has more than {MAX_DESCRIPTION} bytes"
            ));
        }
        if self.flag.len() > MAX_FIELDS {
            return Err(format!("there are more than {MAX_FIELDS} of `flag`"));
        }
        let mut twice = BTreeSet::new();
        for field in self.positional.iter().flatten() {
            if !twice.insert(field) {
                return Err(format!("`positional` has {field:?} twice"));
            }
        }
        let (input, positional) = match (self.input_schema, self.flag.is_empty()) {
            (Some(_), false) => {
                return Err("give either `input_schema` or `flag`, not both".to_owned());
            }
            (Some(schema), true) => {
                let input = from_schema(schema, self.positional.unwrap_or_default())?;
                (Some(input), None)
            }
            (None, false) => {
                let fields = fields(self.flag, self.positional.unwrap_or_default())?;
                (Some(field::input(&fields, field::Others::None)), None)
            }
            (None, true) => (None, self.positional),
        };
        Ok(Declared {
            name,
            description: self.description,
            level,
            hosts: self.hosts,
            input,
            positional,
        })
    }
}

fn from_schema(schema: Value, positional: Vec<String>) -> Result<(Value, Invocation), String> {
    usable(&schema).map_err(|reason| format!("`input_schema` {reason}"))?;
    let properties = schema.get("properties").and_then(Value::as_object);
    for field in &positional {
        if properties.is_none_or(|properties| !properties.contains_key(field)) {
            return Err(format!(
                "`positional` names {field:?}, which `input_schema.properties` does not have"
            ));
        }
    }
    let invocation = Invocation {
        positional,
        ..Invocation::default()
    };
    Ok((schema, invocation))
}

fn fields(flags: Vec<Flag>, positional: Vec<String>) -> Result<Vec<Field>, String> {
    let mut fields = Vec::new();
    let mut keys = BTreeSet::new();
    for flag in flags {
        let field = flag.field(&positional)?;
        if !keys.insert(field.key.clone()) {
            return Err(format!("there are two of `flag` named {:?}", field.key));
        }
        fields.push(field);
    }
    // Values come by their place in the order of the list, behind the flags.
    let (mut placed, mut fields): (Vec<Field>, Vec<Field>) =
        fields.into_iter().partition(|field| field.flag.is_none());
    for key in positional {
        match placed.iter().position(|field| field.key == key) {
            Some(at) => fields.push(placed.swap_remove(at)),
            None => {
                return Err(format!(
                    "`positional` names {key:?}, and there is no `flag` of that name to say what it is"
                ));
            }
        }
    }
    Ok(fields)
}

impl Flag {
    fn field(self, positional: &[String]) -> Result<Field, String> {
        let bare = self.name.trim_start_matches('-');
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        let named = bare.starts_with(|c: char| c.is_ascii_alphanumeric());
        if !named || bare.len() > 64 || !bare.chars().all(plain) {
            return Err(format!(
                "`flag.name = {:?}` is no name of a flag; use letters, digits, - and _",
                self.name
            ));
        }
        let key = bare.replace('-', "_");
        let place = format!("flag {key:?}");
        let by_place = positional.contains(&key);
        let flag = match (by_place, bare.len(), self.name.starts_with('-')) {
            (true, ..) => None,
            (false, _, true) => Some(self.name.clone()),
            (false, 1, false) => Some(format!("-{bare}")),
            (false, _, false) => Some(format!("--{bare}")),
        };
        let kind = match self.kind {
            FlagKind::String | FlagKind::Path => Kind::Text,
            FlagKind::Integer => Kind::Integer,
            FlagKind::Number => Kind::Number,
            FlagKind::Boolean if by_place => {
                return Err(format!("{place}: a value by its place cannot be a boolean"));
            }
            FlagKind::Boolean => Kind::Bare,
        };
        let text = |value: &Value| match value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let mut field = Field::new(key, flag, kind);
        field.required = self.required;
        field.repeatable = self.repeatable;
        field.help = self.help;
        field.default = self.default.as_ref().map(text);
        field.choices = self.choices.iter().map(text).collect();
        if field.choices.len() > field::MAX_CHOICES {
            return Err(format!(
                "{place} has more than {} choices",
                field::MAX_CHOICES
            ));
        }
        let given = field.default.iter().map(|text| ("default", text));
        let given = given.chain(field.choices.iter().map(|text| ("choices", text)));
        for (what, text) in given {
            if kind.value(text).is_none() {
                return Err(format!("{place}: {what} {text:?} does not fit its type"));
            }
        }
        Ok(field)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};
    use proptest::prelude::*;

    fn check(text: &str, expect: Expect) {
        let shown = match parse("wc.toml", text) {
            Err(error) => format!("error: {error}"),
            Ok(declared) => {
                let input = declared.input.as_ref().map(|(schema, invocation)| {
                    format!("\n{schema}\n{}", serde_json::to_string(invocation).unwrap())
                });
                format!(
                    "{:?} {:?} {:?} {:?} {:?}{}",
                    declared.name,
                    declared.description,
                    declared.level,
                    declared.hosts,
                    declared.positional,
                    input.unwrap_or_default()
                )
            }
        };
        expect.assert_eq(&shown);
    }

    #[test]
    fn files_say_what_they_like() {
        check("", expect!["None None None [] None"]);
        check(
            r#"
            name = "wc"
            description = "Counts."
            level = "read"
            positional = ["file"]
            hosts = ["https://example.com"]

            [[flag]]
            name = "max-count"
            type = "integer"
            default = 3
            help = "Stop there"

            [[flag]]
            name = "file"
            type = "path"
            required = true
            repeatable = true

            [[flag]]
            name = "-unit"
            choices = ["lines", "words"]

            [[flag]]
            name = "n"
            type = "boolean"
            "#,
            expect![[r#"
                Some("wc") Some("Counts.") Some(Read) ["https://example.com"] None
                {"type":"object","properties":{"max_count":{"type":"integer","default":3,"description":"Stop there"},"unit":{"type":"string","enum":["lines","words"]},"n":{"type":"boolean"},"file":{"type":"array","items":{"type":"string"}}},"required":["file"],"additionalProperties":false}
                {"positional":["file"],"spelled":{"unit":"-unit"}}"#]],
        );
        check(
            "positional = ['a']\n[input_schema]\ntype = 'object'\nproperties.a.type = 'string'",
            expect![[r#"
                None None None [] None
                {"type":"object","properties":{"a":{"type":"string"}}}
                {"positional":["a"]}"#]],
        );
        check(
            "positional = ['a']",
            expect![[r#"None None None [] Some(["a"])"#]],
        );
    }

    #[test]
    fn the_documented_file_is_one() {
        let documentation = include_str!("../../../TOOLS.md");
        let (_, file) = documentation.split_once("```toml\n").unwrap();
        let (file, _) = file.split_once("```").unwrap();
        let declared = parse("wc.toml", file).unwrap();
        let (schema, invocation) = declared.input.unwrap();
        assert_eq!(schema["required"], serde_json::json!(["file"]));
        assert_eq!(invocation.positional, ["file"]);
    }

    #[test]
    fn what_is_wrong_is_named() {
        check(
            "nmae = 'x'",
            expect![
                "error: wc.toml:1: unknown field `nmae`, expected one of `name`, `description`, `level`, `positional`, `hosts`, `flag`, `input_schema`"
            ],
        );
        check(
            "\n[[flag]]\nname = 'a'\nkind = 'string'",
            expect![
                "error: wc.toml:4: unknown field `kind`, expected one of `name`, `type`, `required`, `repeatable`, `default`, `choices`, `help`"
            ],
        );
        check(
            "[[flag]]\nname = 'a'\ntype = 'text'",
            expect![
                "error: wc.toml:3: unknown variant `text`, expected one of `string`, `path`, `integer`, `number`, `boolean`"
            ],
        );
        check(
            "name = 'My Tool'",
            expect![[
                r#"error: wc.toml: `name = "My Tool"` is no name of a tool; use at most 64 of a-z, 0-9, _ and -"#
            ]],
        );
        check(
            "level = 'root'",
            expect![[
                r#"error: wc.toml: `level = "root"` is no level; use none, read, write, execute or network"#
            ]],
        );
        check(
            "positional = ['a', 'a']",
            expect![[r#"error: wc.toml: `positional` has "a" twice"#]],
        );
        check(
            "positional = ['b']\n[[flag]]\nname = 'a'",
            expect![[
                r#"error: wc.toml: `positional` names "b", and there is no `flag` of that name to say what it is"#
            ]],
        );
        check(
            "positional = ['b']\n[input_schema]\ntype = 'object'",
            expect![[
                r#"error: wc.toml: `positional` names "b", which `input_schema.properties` does not have"#
            ]],
        );
        check(
            "[input_schema]\nrequired = true",
            expect![[
                r#"error: wc.toml: `input_schema` is no JSON Schema: true is not of type "array""#
            ]],
        );
        check(
            "[[flag]]\nname = 'a'\n[input_schema]",
            expect!["error: wc.toml: give either `input_schema` or `flag`, not both"],
        );
        check(
            "[[flag]]\nname = '--a b'",
            expect![[
                r#"error: wc.toml: `flag.name = "--a b"` is no name of a flag; use letters, digits, - and _"#
            ]],
        );
        check(
            "[[flag]]\nname = 'a'\n[[flag]]\nname = '--a'",
            expect![[r#"error: wc.toml: there are two of `flag` named "a""#]],
        );
        check(
            "[[flag]]\nname = 'a'\ntype = 'integer'\ndefault = 'x'",
            expect![[r#"error: wc.toml: flag "a": default "x" does not fit its type"#]],
        );
        check(
            "not toml",
            expect!["error: wc.toml:1: key with no value, expected `=`"],
        );
    }

    proptest! {
        #[test]
        fn any_file_is_survived(
            lines in prop::collection::vec(prop::sample::select(vec![
                "name = 'a'", "level = 'read'", "positional = ['b', 'c-d']", "hosts = [1]", "[[flag]]",
                "name = 'b'", "name = 'c-d'", "type = 'integer'", "choices = [1, 2]", "default = 1",
                "required = true", "[input_schema]", "properties = {}", "é", "= =",
            ]), 0..12),
        ) {
            if let Ok(Declared { input: Some((schema, _)), .. }) = parse("f", &lines.join("\n")) {
                prop_assert!(jsonschema::validator_for(&schema).is_ok());
            }
        }
    }
}
