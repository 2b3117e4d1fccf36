//! From a call's JSON input to the arguments of a command.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// How a command wants its input; what is not said here follows the rules of [`arguments`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Invocation {
    /// Fields that are given by their place behind the flags, in this order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) positional: Vec<String>,
    /// Flags, dashes included, that are not spelled as their field's name would have it.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) spelled: BTreeMap<String, String>,
    /// Boolean fields whose flag wants `true` or `false` behind it.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub(crate) explicit: BTreeSet<String>,
}

impl Invocation {
    /// The flag of a field: `--file-path` of `file_path`, `-n` of `n`, or as the command spells it.
    fn flag(&self, field: &str) -> String {
        if let Some(spelled) = self.spelled.get(field) {
            return spelled.clone();
        }
        usual_flag(field)
    }

    /// Remembers how a flag is spelled, where that cannot be told from its field's name.
    pub(crate) fn spell(&mut self, field: &str, flag: &str) {
        if usual_flag(field) != flag {
            self.spelled.insert(field.to_owned(), flag.to_owned());
        }
    }
}

fn usual_flag(field: &str) -> String {
    let dashes = if field.chars().count() == 1 {
        "-"
    } else {
        "--"
    };
    format!("{dashes}{}", field.replace('_', "-"))
}

/// `{"file_path": "a", "all": true, "n": [1, 2]}` as `--file-path=a --all -n 1 -n 2`.
///
/// `false` and `null` give nothing, lists repeat their flag, objects are JSON text. A value never
/// becomes a flag: behind two dashes it is joined by `=`, behind one it is the next argument, and
/// before values by place that could be flags comes `--`.
pub(crate) fn arguments(input: &Value, invocation: &Invocation) -> Vec<String> {
    let Value::Object(fields) = input else {
        return Vec::new();
    };
    // Whatever order a model writes them in, the command line is the same.
    let mut sorted: Vec<_> = fields.iter().collect();
    sorted.sort_by_key(|(field, _)| field.as_str());
    let mut arguments = Vec::new();
    for (field, value) in sorted {
        if invocation.positional.contains(field) {
            continue;
        }
        let flag = invocation.flag(field);
        let explicit = invocation.explicit.contains(field);
        for value in each(value) {
            match value {
                Value::Null => {}
                Value::Bool(given) if !explicit => {
                    if *given {
                        arguments.push(flag.clone());
                    }
                }
                value if flag.starts_with("--") => {
                    arguments.push(format!("{flag}={}", text(value)));
                }
                value => arguments.extend([flag.clone(), text(value)]),
            }
        }
    }
    let by_place = invocation.positional.iter();
    let by_place = by_place
        .filter_map(|field| fields.get(field))
        .flat_map(each);
    let by_place: Vec<String> = by_place
        .filter(|value| !value.is_null())
        .map(text)
        .collect();
    if by_place.iter().any(|value| value.starts_with('-')) {
        arguments.push("--".to_owned());
    }
    arguments.extend(by_place);
    arguments
}

fn each(value: &Value) -> &[Value] {
    match value {
        Value::Array(values) => values,
        single => std::slice::from_ref(single),
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn invocation() -> Invocation {
        let mut invocation = Invocation {
            positional: vec!["from".into(), "to".into()],
            explicit: BTreeSet::from(["strict".into()]),
            ..Invocation::default()
        };
        invocation.spell("dry_run", "--dry_run");
        invocation.spell("name", "-name");
        invocation.spell("file_path", "--file-path");
        assert_eq!(invocation.spelled.len(), 2);
        invocation
    }

    fn check(input: Value, expect: &[&str]) {
        assert_eq!(arguments(&input, &invocation()), expect, "{input}");
    }

    #[test]
    fn input_becomes_arguments() {
        check(
            json!({"all": true, "file_path": "a"}),
            &["--all", "--file-path=a"],
        );
        check(
            json!({"lines": [1, 2], "n": [1, 2]}),
            &["--lines=1", "--lines=2", "-n", "1", "-n", "2"],
        );
        check(json!({"a": false, "b": null, "c": []}), &[]);
        check(json!({"x": true}), &["-x"]);
        check(json!({"object": {"a": [1]}}), &[r#"--object={"a":[1]}"#]);
        check(json!({"text": ""}), &["--text="]);
        check(json!([1]), &[]);
        check(json!("--all"), &[]);
    }

    #[test]
    fn commands_spell_as_they_like() {
        check(json!({"dry_run": true}), &["--dry_run"]);
        check(json!({"name": "*.rs"}), &["-name", "*.rs"]);
        check(json!({"strict": false}), &["--strict=false"]);
    }

    #[test]
    fn values_do_not_become_flags() {
        check(
            json!({"text": "--all", "n": "-x"}),
            &["-n", "-x", "--text=--all"],
        );
        check(json!({"to": "b", "from": "a"}), &["a", "b"]);
        check(
            json!({"to": "-b", "from": ["a", 1, null], "all": true}),
            &["--all", "--", "a", "1", "-b"],
        );
    }

    proptest! {
        #[test]
        fn no_value_begins_an_argument_of_two_dashes(value in "-{0,2}[a-z=-]{0,8}") {
            let input = json!({"text": &value, "from": &value});
            let given = arguments(&input, &invocation());
            let end = given.len() - 1;
            prop_assert_eq!(&given[end], &value);
            prop_assert_eq!(given[..end].contains(&"--".to_owned()), value.starts_with('-'));
            prop_assert_eq!(&given[0], &format!("--text={value}"));
        }
    }
}
