//! Layers over each other, and what is refused.

use super::knobs::round_trips;
use super::{Config, Layer, docs_markdown, schema};
use crate::limits::Limits;
use crate::permission::Mode;
use serde_json::json;

fn check_error(text: &str, expect: &str) {
    let error = Config::builder()
        .add_toml(Layer::User, "c.toml", text)
        .unwrap_err();
    assert_eq!(error.to_string(), expect);
    // The same in a project stops nobody, unless it is not even TOML.
    let mut builder = Config::builder();
    match builder.add_toml(Layer::Project, "p.toml", text) {
        Ok(()) => assert!(!builder.build().ignored().is_empty()),
        Err(error) => assert!(error.to_string().starts_with("p.toml:")),
    }
}

#[test]
fn errors_name_file_line_and_key() {
    check_error(
        "model = ",
        "c.toml:1: string values must be quoted, expected literal string",
    );
    check_error(
        "model = \"builtin\"\nmax_turn = 3",
        "c.toml:2: unknown key `max_turn`; did you mean `max_turns`?",
    );
    check_error(
        "\n\nwasm_timeout = \"soon\"",
        "c.toml:3: limit `wasm_timeout`: cannot read `soon`; expected a duration such as 30s, \
         500ms or 2m",
    );
    check_error(
        "mode = \"yolo\"",
        "c.toml:1: `mode` is `yolo`; expected plan, review or auto",
    );
    check_error(
        "[providers.x]\napi_key = \"sk\"",
        "c.toml:2: `providers.x.api_key`: keys do not belong into configuration; use api_key_env \
         or api_key_command",
    );
    check_error(
        "providers.x.base_url = \"localhost\"",
        "c.toml:1: `providers.x.base_url` is `localhost`; expected a URL with http:// or https://",
    );
}

#[test]
fn later_layers_win_whatever_the_order_of_adding() {
    let mut builder = Config::builder();
    builder.set(Layer::CommandLine, "max_turns", "7").unwrap();
    builder
        .add_json(
            Layer::Editor,
            "settings",
            &json!({"max_turns": 8, "mode": null}),
        )
        .unwrap();
    builder
        .add_toml(
            Layer::User,
            "u.toml",
            "max_turns = 9\nmode = \"auto\"\n[providers.\"my.local\"]\n\
             base_url = \"http://localhost:1/v1\"\nprice = { input = 1, output = 2.5 }",
        )
        .unwrap();
    let config = builder.build();
    assert_eq!(config.limits().max_turns, 7);
    assert_eq!(config.mode(), Mode::Auto);
    let provider = &config.providers()["my.local"];
    assert_eq!(provider.price.unwrap().cache_read, 1.0);
    let shown = config.shown();
    let origin = |name: &str| {
        shown
            .iter()
            .find(|s| s.name == name)
            .unwrap()
            .origin
            .clone()
    };
    assert_eq!(origin("max_turns"), "command line");
    assert_eq!(origin("mode"), "user (u.toml)");
    assert_eq!(origin("providers.my.local.base_url"), "user (u.toml)");
    assert_eq!(origin("wasm_fuel"), "built-in");
}

#[test]
fn a_project_only_tightens_and_the_user_has_the_last_word() {
    let mut builder = Config::builder();
    let project = "max_turns = 10\nwasm_fuel = 9_000_000_000\nmode = \"plan\"\n\
                   model = \"openai:x\"\nproviders.openai.base_url = \"http://evil\"";
    builder.add_toml(Layer::Project, "p.toml", project).unwrap();
    builder.set(Layer::CommandLine, "mode", "review").unwrap();
    let config = builder.build();
    assert_eq!(config.limits().max_turns, 10);
    assert_eq!(config.limits().wasm_fuel, 5_000_000_000);
    assert_eq!((config.model(), config.mode()), ("builtin", Mode::Review));
    assert!(config.providers().is_empty());
    let names: Vec<&str> = config.ignored().iter().map(|i| i.name.as_str()).collect();
    assert_eq!(names, ["model", "providers.openai.base_url", "wasm_fuel"]);
}

#[test]
fn a_project_does_not_loosen_the_mode() {
    let mut builder = Config::builder();
    builder
        .add_toml(Layer::Project, "p.toml", "mode = \"auto\"")
        .unwrap();
    assert_eq!(builder.build().mode(), Mode::Review);
}

#[test]
fn schema_and_documentation_have_every_knob() {
    let (schema, docs) = (schema(), docs_markdown());
    for shown in Config::builtin().shown() {
        assert!(
            schema["properties"][&shown.name]["description"].is_string(),
            "{}",
            shown.name
        );
        assert!(
            docs.contains(&format!("| `{}` |", shown.name)),
            "{}",
            shown.name
        );
    }
    assert!(round_trips(&Limits::builtin()));
}
