//! Input schemas from types, without what a model does not need: every byte is paid for in every
//! session. The guests' library has the same for theirs (`tools-wasm/sdk`).

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::Value;

/// The JSON Schema of a tool's input.
pub(super) fn input_schema<T: JsonSchema>() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
    });
    let generator = settings.into_generator();
    let mut schema = generator.into_root_schema_for::<T>().to_value();
    // The tool's own description says it.
    if let Value::Object(root) = &mut schema {
        root.remove("description");
    }
    compact(&mut schema);
    schema
}

fn compact(schema: &mut Value) {
    let Value::Object(object) = schema else {
        return;
    };
    for noise in ["title", "format", "default", "minimum"] {
        object.remove(noise);
    }
    if let Some(Value::String(text)) = object.get_mut("description") {
        *text = text.replace('\n', " ");
    }
    // An optional field may be left out; that it may also be null helps nobody.
    if let Some(Value::Array(types)) = object.get_mut("type") {
        types.retain(|kind| kind != "null");
        if let [single] = types.as_slice() {
            let single = single.clone();
            object.insert("type".to_owned(), single);
        }
    }
    // The names of words say what they mean.
    if let Some(Value::Array(words)) = object.get("oneOf") {
        let words: Vec<Value> = words
            .iter()
            .filter_map(|w| w.get("const").cloned())
            .collect();
        object.remove("oneOf");
        object.remove("description");
        object.insert("type".to_owned(), "string".into());
        object.insert("enum".to_owned(), words.into());
    }
    if let Some(Value::Object(properties)) = object.get_mut("properties") {
        properties.values_mut().for_each(compact);
    }
    if let Some(items) = object.get_mut("items") {
        compact(items);
    }
}
