//! One text for one value: what is hashed or compared must not depend on the order in which somebody
//! wrote the keys of an object.

use serde_json::Value;
use std::fmt::Write;

/// The value as JSON with the keys of objects sorted.
pub fn text(value: &Value) -> String {
    let mut text = String::new();
    write(value, &mut text);
    text
}

fn write(value: &Value, text: &mut String) {
    match value {
        Value::Array(items) => {
            text.push('[');
            for (at, item) in items.iter().enumerate() {
                text.push_str(if at > 0 { "," } else { "" });
                write(item, text);
            }
            text.push(']');
        }
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.iter().collect();
            fields.sort_by_key(|(key, _)| key.as_str());
            text.push('{');
            for (at, (key, value)) in fields.into_iter().enumerate() {
                text.push_str(if at > 0 { "," } else { "" });
                let _ = write!(text, "{}:", Value::from(key.as_str()));
                write(value, text);
            }
            text.push('}');
        }
        other => {
            let _ = write!(text, "{other}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_keys_is_of_no_matter() {
        let check = |json: &str, expect: &str| {
            let value: Value = serde_json::from_str(json).unwrap_or_default();
            assert_eq!(text(&value), expect);
        };
        check("null", "null");
        check(
            r#"{"b": [1.5, "\"", {}], "a": {"d": true, "c": []}}"#,
            r#"{"a":{"c":[],"d":true},"b":[1.5,"\"",{}]}"#,
        );
        check(r#"{"é": 1, "e\n": 2}"#, r#"{"e\n":2,"é":1}"#);
    }
}
