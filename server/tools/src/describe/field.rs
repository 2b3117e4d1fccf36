//! One field of a command's input, and the JSON Schema of all of them.

use super::arguments::Invocation;
use serde_json::{Map, Value, json};

/// Choices of one field that are kept; a longer list is left out, and any text is taken.
pub(crate) const MAX_CHOICES: usize = 200;

/// What a field holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A flag that is there or not.
    Bare,
    /// A flag that wants `true` or `false`.
    Boolean,
    Integer,
    Number,
    Text,
}

impl Kind {
    /// A default or a choice as a value of this kind.
    pub(super) fn value(self, text: &str) -> Option<Value> {
        match self {
            Kind::Bare | Kind::Boolean => text.parse().ok().map(Value::Bool),
            Kind::Integer => text.parse::<i64>().ok().map(Value::from),
            Kind::Number if text.parse::<i64>().is_ok() => Kind::Integer.value(text),
            Kind::Number => {
                let number = text.parse::<f64>().ok()?;
                serde_json::Number::from_f64(number).map(Value::Number)
            }
            Kind::Text => Some(Value::from(text)),
        }
    }
}

/// A flag, or a value by its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Field {
    /// Key in the input.
    pub(crate) key: String,
    /// With its dashes; `None` for a value by its place.
    pub(crate) flag: Option<String>,
    pub(crate) kind: Kind,
    /// The flag may come without its value.
    pub(crate) value_optional: bool,
    pub(crate) repeatable: bool,
    pub(crate) required: bool,
    pub(crate) default: Option<String>,
    pub(crate) choices: Vec<String>,
    pub(crate) help: String,
}

impl Field {
    pub(crate) fn new(key: String, flag: Option<String>, kind: Kind) -> Field {
        Field {
            key,
            flag,
            kind,
            value_optional: false,
            repeatable: false,
            required: false,
            default: None,
            choices: Vec::new(),
            help: String::new(),
        }
    }

    /// Makes a kind that was guessed fit what is known of the values.
    pub(crate) fn settle(&mut self) {
        if self.kind == Kind::Bare && (self.default.is_some() || !self.choices.is_empty()) {
            let truth = |text: &String| text.parse::<bool>().is_ok();
            if !self.default.iter().chain(&self.choices).all(truth) {
                self.kind = Kind::Text;
            }
        }
        if matches!(self.kind, Kind::Text)
            && self.choices.len() == 2
            && self
                .choices
                .iter()
                .all(|choice| choice.parse::<bool>().is_ok())
        {
            self.kind = Kind::Boolean;
        }
        let mut known = self.default.iter().chain(&self.choices);
        if known.any(|text| self.kind.value(text).is_none()) {
            self.kind = Kind::Text;
        }
        if self.choices.len() > MAX_CHOICES {
            self.choices.clear();
        }
    }

    fn schema(&self) -> Value {
        let kind = match self.kind {
            Kind::Bare | Kind::Boolean => "boolean",
            Kind::Integer => "integer",
            Kind::Number => "number",
            Kind::Text => "string",
        };
        let mut item = Map::new();
        let maybe_bare = self.value_optional && !matches!(self.kind, Kind::Bare | Kind::Boolean);
        let kind = match maybe_bare {
            true => json!([kind, "boolean"]),
            false => json!(kind),
        };
        item.insert("type".to_owned(), kind);
        if !matches!(self.kind, Kind::Bare | Kind::Boolean) && !self.choices.is_empty() {
            let mut choices: Vec<Value> = Vec::new();
            for choice in self.choices.iter().filter_map(|text| self.kind.value(text)) {
                if !choices.contains(&choice) {
                    choices.push(choice);
                }
            }
            if maybe_bare {
                choices.extend([json!(true), json!(false)]);
            }
            item.insert("enum".to_owned(), choices.into());
        }
        let default = self
            .default
            .as_deref()
            .and_then(|text| self.kind.value(text));
        let mut schema = match self.repeatable && self.kind != Kind::Bare {
            true => {
                let mut list = Map::new();
                list.insert("type".to_owned(), json!("array"));
                list.insert("items".to_owned(), item.into());
                if let Some(default) = default {
                    list.insert("default".to_owned(), json!([default]));
                }
                list
            }
            false => {
                item.extend(default.map(|default| ("default".to_owned(), default)));
                item
            }
        };
        if !self.help.is_empty() {
            schema.insert("description".to_owned(), self.help.as_str().into());
        }
        schema.into()
    }
}

/// What a description says of fields that it does not name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Others {
    /// There are none.
    None,
    /// There may be some: help texts leave things out.
    Flags,
}

/// The schema of an object with these fields, and how they become arguments.
pub(crate) fn input(fields: &[Field], others: Others) -> (Value, Invocation) {
    let mut invocation = Invocation::default();
    let mut properties = Map::new();
    let mut required = Vec::new();
    // A value by its place needs those before it.
    let mut needs = Map::new();
    for field in fields {
        properties.insert(field.key.clone(), field.schema());
        if field.required {
            required.push(field.key.clone());
        }
        match &field.flag {
            Some(flag) => invocation.spell(&field.key, flag),
            None => {
                if let Some(before) = invocation.positional.last()
                    && !required.contains(before)
                {
                    needs.insert(field.key.clone(), json!([before]));
                }
                invocation.positional.push(field.key.clone());
            }
        }
        if field.kind == Kind::Boolean {
            invocation.explicit.insert(field.key.clone());
        }
    }
    let mut schema = Map::new();
    schema.insert("type".to_owned(), json!("object"));
    schema.insert("properties".to_owned(), properties.into());
    if !required.is_empty() {
        schema.insert("required".to_owned(), required.into());
    }
    if !needs.is_empty() {
        schema.insert("dependentRequired".to_owned(), needs.into());
    }
    match others {
        Others::None => schema.insert("additionalProperties".to_owned(), json!(false)),
        Others::Flags => schema.insert("propertyNames".to_owned(), flag_names()),
    };
    (schema.into(), invocation)
}

/// The schema of a command of which nothing is known: any fields that can be flags.
pub(crate) fn anything() -> Value {
    json!({"type": "object", "propertyNames": flag_names()})
}

fn flag_names() -> Value {
    json!({"pattern": "^[a-zA-Z0-9][a-zA-Z0-9_-]*$"})
}
