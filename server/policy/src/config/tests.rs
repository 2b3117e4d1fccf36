//! Layers over each other, and what is refused.

mod project;

use super::Layer::{CommandLine, Editor, Project, User};
use super::knobs::round_trips;
use super::{Config, Layer, Proxy, docs_markdown, schema};
use crate::limits::Limits;
use crate::network::Target;
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
fn hooks_are_checked_and_added_to() {
    check_error(
        "mode = \"plan\"\n[[hooks]]\ntool = \"t\"",
        "c.toml:2: `hooks[0]` has no `event`; expected one of before_tool, after_tool, stop, accept",
    );
    let one = |fields: &str, expect: &str| {
        let text = format!("[[hooks]]\n{fields}");
        check_error(&text, &format!("c.toml:1: {expect}"));
    };
    one(
        "event = \"stop\"",
        "`hooks[0]` has no `tool`; name the tool that it runs",
    );
    one(
        "event = \"start\"\ntool = \"t\"",
        "`hooks[0].event` is `start`; expected one of before_tool, after_tool, stop, accept",
    );
    one(
        "event = \"stop\"\ntool = \"t\"\nmatcher = \"write\"",
        "`hooks[0].matcher` is of before_tool and after_tool alone; stop has no tool call",
    );
    one(
        "event = \"before_tool\"\ntool = \"t\"\nmatcher = \"write(\"",
        "`hooks[0].matcher`: `write(` has an argument without `=`; expected `TOOL` or \
         `TOOL(ARGUMENT=GLOB, …)`",
    );
    one(
        "command = \"rm\"",
        "unknown key `hooks[0].command`; a hook has event, tool, matcher, input, timeout",
    );
    check_error(
        "hooks = \"t\"",
        "c.toml:1: `hooks` is \"t\"; expected a list of tables, as in `[[hooks]]`",
    );
    let hook = |event: &str, tool: &str| json!({"hooks": [{"event": event, "tool": tool}]});
    let mut builder = Config::builder();
    let layers = [
        (User, hook("stop", "u")),
        (Project, hook("accept", "p")),
        (Editor, hook("after_tool", "e")),
    ];
    for (layer, settings) in layers {
        builder.add_json(layer, "test", &settings).unwrap();
    }
    let shown: Vec<(String, bool)> = builder
        .clone()
        .build()
        .hooks()
        .iter()
        .map(|hook| (hook.tool.clone(), hook.by_project))
        .collect();
    let expect = [("u", false), ("p", true), ("e", false)];
    assert_eq!(shown, expect.map(|(tool, by)| (tool.to_owned(), by)));
    for event in ["after_tool", "stop"] {
        builder
            .add_json(Project, "test", &hook(event, "x"))
            .unwrap();
    }
    let config = builder.build();
    assert_eq!((config.hooks().len(), config.ignored().len()), (3, 2));
}

#[test]
fn a_hooks_settings_are_stricter() {
    let mut builder = Config::builder();
    let hooks = json!({
        "wasm_timeout": "2s",
        "hooks": [
            {"event": "stop", "tool": "a", "timeout": "1s"},
            {"event": "stop", "tool": "a", "timeout": "1m"},
            {"event": "accept", "tool": "b"},
        ],
    });
    builder.add_json(User, "test", &hooks).unwrap();
    let config = builder.build();
    let of = |at: usize| {
        let hook = &config.hooks()[at];
        let strict = config.for_hook(hook);
        (strict.limits_of(&hook.tool).wasm_timeout, strict.mode())
    };
    assert_eq!(of(0), (1000, Mode::Review));
    assert_eq!(of(1), (2000, Mode::Review));
    assert_eq!(of(2), (2000, Mode::Plan));
    assert_eq!(config.limits_of("a").wasm_timeout, 2000);
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
        "session_retention_days = -1",
        "c.toml:1: `session_retention_days` is `-1`; expected a whole number of days, or 0",
    );
    check_error(
        "context_git = \"yes\"",
        "c.toml:1: `context_git` is \"yes\"; expected true or false",
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
    assert_eq!(names, ["wasm_fuel", "model", "providers.openai.base_url"]);
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

#[test]
fn what_cannot_be_enforced_is_an_error_with_its_line() {
    check_error(
        "mode = \"plan\"\nallowed_outbound_hosts = [\"example.com\"]",
        "c.toml:2: `allowed_outbound_hosts`: `example.com` has no scheme; write \
         `https://example.com`, or `*://example.com:*` for every scheme and port",
    );
    check_error(
        "allow = \"write\"",
        "c.toml:1: `allow` is \"write\"; expected a list of texts in quotes, as in [\"…\", \"…\"]",
    );
    check_error(
        "block_networks = [\n  \"private\",\n  \"10.0.0.1/8\",\n]",
        "c.toml:1: `block_networks`: `10.0.0.1/8` has bits beyond its length; write `10.0.0.0/8`",
    );
    check_error(
        "deny = [\"shell(command)\"]",
        "c.toml:1: `deny`: `shell(command)` has an argument without `=`; expected `TOOL` or \
         `TOOL(ARGUMENT=GLOB, …)`",
    );
    check_error(
        "map_dirs = [\"data:data\"]",
        "c.toml:1: `map_dirs`: `data:data` has a host folder that is not absolute; begin it with \
         `/` or `~/`",
    );
    check_error(
        "work_dir = \"../x\"",
        "c.toml:1: `work_dir`: `../x` cannot be: `../x` is denied: `..` is not allowed; paths are \
         relative to the workspace root",
    );
    check_error(
        "otlp_endpoint = \"grpc://localhost:4317\"",
        "c.toml:1: `otlp_endpoint`: `grpc://localhost:4317` is refused: only `http://` and `https://` \
         can be requested; expected none or the base URL of a collector, such as \
         http://localhost:4318",
    );
    check_error(
        "otlp_endpoint = \"http://localhost:4318?key=1\"",
        "c.toml:1: `otlp_endpoint` is `http://localhost:4318?key=1`; expected none or the base URL of \
         a collector, such as http://localhost:4318",
    );
    check_error(
        "commit_author = \"Bot\"",
        "c.toml:1: `commit_author`: `Bot` is no author; write `Name <address>`, or git",
    );
    check_error(
        "proxy = \"socks5://localhost:1\"",
        "c.toml:1: `proxy`: `socks5://localhost:1` is refused: only `http://` and `https://` can \
         be requested; expected none, environment or http://host:port",
    );
    check_error(
        "wasm_timeout = \"1s\"\n[tools.a]\nwasm_timeout = \"1s\"\n[tools.\"b.c\"]\n\
         wasm_timeout = \"soon\"",
        "c.toml:5: `tools.b.c.wasm_timeout`: limit `wasm_timeout`: cannot read `soon`; expected a \
         duration such as 30s, 500ms or 2m",
    );
    check_error(
        "[tools.grep]\nmax_turns = 3",
        "c.toml:2: unknown key `tools.grep.max_turns`; known keys: allowed_outbound_hosts, \
         block_networks, block_url, wasm_fuel, wasm_timeout, wasm_compile_timeout, \
         wasm_max_memory_size, \
         wasm_max_wasm_stack, max_output_bytes, max_open_files, max_host_bytes, \
         max_response_bytes, max_redirects",
    );
    check_error(
        "[tools]\ngrep = 3",
        "c.toml:2: `tools.grep` needs a key: tools.NAME.wasm_timeout, say",
    );
    check_error(
        "[tools.grep]\nblock_url = [\"x\"]",
        "c.toml:2: `tools.grep.block_url`: `x` is no URL to block; expected `https://host/path`, \
         or `//host/path` for http and https",
    );
}

/// Layers as `(layer, key, text)`, and what `config show` says of a knob afterwards.
fn check_shown(layers: &[(Layer, &str, &str)], name: &str, value: &str, origin: &str) {
    let config = config(layers);
    let shown = config.shown();
    let shown = shown.iter().find(|shown| shown.name == name);
    let got = shown.map(|shown| (shown.value.as_str(), shown.origin.as_str()));
    assert_eq!(got, Some((value, origin)), "{name} of {layers:?}");
}

fn config(layers: &[(Layer, &str, &str)]) -> Config {
    let mut builder = Config::builder();
    for (layer, key, text) in layers {
        builder.set(*layer, key, text).unwrap();
    }
    builder.build()
}

#[test]
fn lists_are_replaced_or_added_to() {
    let hosts = "allowed_outbound_hosts";
    check_shown(&[], hosts, "[]", "built-in");
    check_shown(
        &[
            (User, hosts, "https://a"),
            (CommandLine, hosts, " https://b , tcp://c:1"),
        ],
        hosts,
        "[\"https://b\", \"tcp://c:1\"]",
        "command line",
    );
    check_shown(
        &[(User, hosts, "https://a"), (Editor, hosts, "")],
        hosts,
        "[]",
        "editor",
    );
    check_shown(
        &[(User, "block_networks", "")],
        "block_networks",
        "[]",
        "user",
    );
    let rules = "shell(command=\"a, b\"),write";
    check_shown(
        &[(User, "allow", "x"), (Editor, "allow", rules)],
        "allow",
        "[\"shell(command=\\\"a, b\\\")\", \"write\"]",
        "editor",
    );
    for knob in ["ask", "deny"] {
        check_shown(
            &[
                (User, knob, "a"),
                (Project, knob, "b"),
                (Editor, knob, ""),
                (CommandLine, knob, "a,c"),
            ],
            knob,
            "[\"a\", \"b\", \"c\"]",
            "user + project + command line",
        );
    }
    check_shown(
        &[
            (User, "block_url", "//a/"),
            (Project, "block_url", "//b/"),
            (CommandLine, "block_url", ""),
        ],
        "block_url",
        "[\"//a/\", \"//b/\"]",
        "user + project",
    );
    check_shown(
        &[(User, "map_dirs", "/a:x,~/b:y:rw")],
        "map_dirs",
        "[\"/a:x:ro\", \"~/b:y:rw\"]",
        "user",
    );
    check_shown(&[(User, "work_dir", "./a/")], "work_dir", "a", "user");
    check_shown(
        &[(User, "work_dir", "a"), (Editor, "work_dir", ".")],
        "work_dir",
        ".",
        "editor",
    );
    check_shown(
        &[(User, "proxy", "http://P:8080/")],
        "proxy",
        "http://p:8080",
        "user",
    );
    check_shown(&[], "proxy", "none", "built-in");
    check_shown(
        &[(User, "otlp_endpoint", "https://o.example/base/")],
        "otlp_endpoint",
        "https://o.example/base",
        "user",
    );
    check_shown(&[], "otlp_endpoint", "none", "built-in");
    check_shown(
        &[(User, "commit_author", " Bot  <bot@example.com>")],
        "commit_author",
        "Bot <bot@example.com>",
        "user",
    );
    check_shown(&[], "commit_author", "git", "built-in");
    check_shown(&[], "commit_sign_off", "false", "built-in");
}

#[test]
fn a_tool_may_have_its_own() {
    let config = config(&[
        (User, "wasm_timeout", "20s"),
        (User, "tools.web.fetch.wasm_timeout", "60s"),
        (User, "tools.web.fetch.allowed_outbound_hosts", "https://a"),
        (User, "tools.web.fetch.block_url", "https://a/x"),
        (User, "block_url", "https://a/y"),
    ]);
    assert_eq!(config.limits().wasm_timeout, 20_000);
    assert_eq!(config.limits_of("web.fetch").wasm_timeout, 60_000);
    assert_eq!(config.limits_of("web.fetch").max_redirects, 5);
    assert_eq!(&config.limits_of("other"), config.limits());
    let check = |tool: &str, url: &str, allowed: bool| {
        let target = Target::parse_url(url).unwrap();
        let got = config.network_of(tool).check(&target);
        assert_eq!(got.is_ok(), allowed, "{tool} {url} {got:?}");
    };
    check("web.fetch", "https://a/", true);
    check("web.fetch", "https://a/x", false);
    check("web.fetch", "https://a/y", false);
    check("other", "https://a/", false);
    assert!(config.network().is_closed());
    assert_eq!(&config.network_of("other"), config.network());
}

#[test]
fn json_nests_as_toml_does() {
    let settings = json!({
        "deny": ["a"],
        "proxy": null,
        "tools": {"t": {"max_redirects": 1, "allowed_outbound_hosts": ["http://x"], "wasm_fuel": null}},
    });
    let mut builder = Config::builder();
    builder.add_json(Editor, "settings", &settings).unwrap();
    let config = builder.build();
    assert_eq!(config.limits_of("t").max_redirects, 1);
    assert_eq!(config.rules().deny.len(), 1);
    assert_eq!(config.proxy(), &Proxy::None);
    assert!(!config.network_of("t").is_closed());
    let keys = &schema()["properties"]["tools"]["additionalProperties"]["properties"];
    for key in ["max_redirects", "allowed_outbound_hosts"] {
        assert!(keys[key]["description"].is_string(), "{key}");
        assert!(docs_markdown().contains(&format!("| `tools.NAME.{key}` |")));
    }
}
