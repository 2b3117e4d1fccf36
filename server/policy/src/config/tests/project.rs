//! Everything that a project file may and may not do.

use super::{check_shown, config};
use crate::config::Config;
use crate::config::Layer::{self, CommandLine, Editor, Project, User};
use crate::limits::Limit;
use crate::network::Target;
use crate::permission::Mode;
use crate::rules::Verdict;
use proptest::prelude::*;
use serde_json::json;

/// What a project may not set is ignored with a reason that has this part.
fn check_ignored(user: &[(&str, &str)], key: &str, text: &str, reason: &str) {
    let mut layers: Vec<(Layer, &str, &str)> = Vec::new();
    layers.extend(user.iter().map(|(key, text)| (Layer::User, *key, *text)));
    let without = config(&layers);
    layers.push((Layer::Project, key, text));
    let with = config(&layers);
    let [ignored] = with.ignored() else {
        panic!("{key}={text}: {:?}", with.ignored());
    };
    assert_eq!(
        (ignored.name.as_str(), ignored.origin.as_str()),
        (key, "project")
    );
    assert!(
        ignored.reason.contains(reason),
        "{key}={text}: {}",
        ignored.reason
    );
    assert_eq!(with.shown(), without.shown());
}

/// The widest mode that a session may be switched to, with these modes set in layers.
#[track_caller]
fn check_widest(set: &[(Layer, &str)], mode: Mode, widest: Mode) {
    let mut builder = Config::builder();
    for (layer, mode) in set {
        let text = format!("mode = \"{mode}\"");
        builder.add_toml(*layer, "f", &text).unwrap();
    }
    let config = builder.build();
    assert_eq!((config.mode(), config.widest_mode()), (mode, widest));
    for other in [Mode::Plan, Mode::Review, Mode::Auto] {
        let allowed = other.wider(widest) == widest;
        let switched = config.with_mode(other).map(|config| config.mode());
        assert_eq!(switched.is_ok(), allowed, "{other:?}");
        assert_eq!(switched.unwrap_or(other), other);
    }
}

#[test]
fn a_projects_mode_is_a_ceiling_until_its_user_says_otherwise() {
    check_widest(&[], Mode::Review, Mode::Auto);
    check_widest(&[(User, "plan")], Mode::Plan, Mode::Auto);
    check_widest(&[(Project, "plan")], Mode::Plan, Mode::Plan);
    check_widest(
        &[(User, "auto"), (Project, "review")],
        Mode::Review,
        Mode::Review,
    );
    // What is not taken is no ceiling.
    check_widest(&[(User, "plan"), (Project, "auto")], Mode::Plan, Mode::Auto);
    check_widest(
        &[(Project, "plan"), (Editor, "review")],
        Mode::Review,
        Mode::Review,
    );
    check_widest(
        &[(Project, "review"), (CommandLine, "plan")],
        Mode::Plan,
        Mode::Review,
    );
    check_widest(
        &[(Project, "plan"), (CommandLine, "auto")],
        Mode::Auto,
        Mode::Auto,
    );
}

#[test]
fn a_project_may_add_what_is_blocked_and_denied() {
    check_shown(
        &[(Project, "block_networks", "8.8.8.8,private")],
        "block_networks",
        "[\"private\", \"loopback\", \"link-local\", \"metadata\", \"8.8.8.8\"]",
        "built-in + project",
    );
    check_shown(
        &[
            (User, "block_networks", "private"),
            (Project, "block_networks", "loopback"),
        ],
        "block_networks",
        "[\"private\", \"loopback\"]",
        "user + project",
    );
    // An empty list adds nothing.
    check_shown(
        &[(Project, "block_networks", "")],
        "block_networks",
        "[\"private\", \"loopback\", \"link-local\", \"metadata\"]",
        "built-in",
    );
    check_shown(
        &[
            (Project, "block_networks", "8.8.8.8"),
            (CommandLine, "block_networks", "private"),
        ],
        "block_networks",
        "[\"private\"]",
        "command line",
    );
    check_shown(
        &[(Project, "deny", "write")],
        "deny",
        "[\"write\"]",
        "project",
    );
    check_shown(
        &[
            (User, "allowed_outbound_hosts", "https://a,https://b"),
            (Project, "allowed_outbound_hosts", "https://b"),
        ],
        "allowed_outbound_hosts",
        "[\"https://b\"]",
        "project",
    );
    check_shown(
        &[
            (User, "allowed_outbound_hosts", "https://a"),
            (Project, "allowed_outbound_hosts", ""),
        ],
        "allowed_outbound_hosts",
        "[]",
        "project",
    );
    check_shown(
        &[(Project, "max_redirects", "0")],
        "max_redirects",
        "0",
        "project",
    );
}

#[test]
fn a_project_may_not_open_anything() {
    let hosts = "allowed_outbound_hosts";
    check_ignored(
        &[],
        hosts,
        "https://a",
        "`https://a` is not among the entries so far",
    );
    check_ignored(
        &[(hosts, "https://a")],
        hosts,
        "https://a,https://*",
        "`https://*` is not among the entries so far",
    );
    // As text: nobody has to see that one entry holds another.
    check_ignored(&[(hosts, "*://*:*")], hosts, "https://a", "not among");
    check_ignored(&[], "allow", "*", "may not allow what is asked about");
    check_ignored(
        &[],
        "session_retention_days",
        "1",
        "may not choose what your journal keeps",
    );
    check_ignored(
        &[("allow", "write")],
        "allow",
        "",
        "may not allow what is asked about",
    );
    check_ignored(
        &[],
        "map_dirs",
        "/etc:etc",
        "may not choose folders of your machine",
    );
    check_ignored(
        &[("map_dirs", "/a:x")],
        "map_dirs",
        "",
        "folders of your machine",
    );
    check_ignored(&[], "proxy", "http://evil:1", "what connections go through");
    check_ignored(
        &[("proxy", "environment")],
        "proxy",
        "none",
        "what connections go through",
    );
    check_ignored(&[], "otlp_endpoint", "http://evil:4318", "who is told");
    check_ignored(&[], "commit_author", "Eve <eve@e>", "whose name");
    check_ignored(&[], "commit_sign_off", "true", "whose name");
    check_ignored(
        &[("commit_sign_off", "true")],
        "commit_sign_off",
        "false",
        "whose name",
    );
    check_ignored(
        &[("otlp_endpoint", "http://mine:4318")],
        "otlp_endpoint",
        "none",
        "who is told",
    );
    check_ignored(&[("work_dir", "a")], "work_dir", ".", "where tools begin");
    check_ignored(&[("work_dir", "a")], "work_dir", "a/b", "where tools begin");
    check_ignored(&[], "max_redirects", "6", "6 is more than 5");
    check_ignored(
        &[],
        "tools.grep.wasm_timeout",
        "31s",
        "31000 ms is more than 30000 ms",
    );
    check_ignored(
        &[("wasm_timeout", "60s"), ("tools.grep.wasm_timeout", "10s")],
        "tools.grep.wasm_timeout",
        "11s",
        "11000 ms is more than 10000 ms",
    );
    check_ignored(
        &[],
        "tools.fetch.allowed_outbound_hosts",
        "https://a",
        "not among",
    );
    check_ignored(
        &[
            (hosts, "https://a"),
            ("tools.fetch.allowed_outbound_hosts", ""),
        ],
        "tools.fetch.allowed_outbound_hosts",
        "https://a",
        "not among",
    );
    // Each is added to, so nothing that is there goes away.
    for (key, text) in [
        ("deny", ""),
        ("ask", ""),
        ("block_url", ""),
        ("block_networks", ""),
    ] {
        let with = config(&[
            (User, "deny", "a"),
            (User, "ask", "b"),
            (User, "block_url", "//c/"),
            (Project, key, text),
        ]);
        let without = config(&[
            (User, "deny", "a"),
            (User, "ask", "b"),
            (User, "block_url", "//c/"),
        ]);
        // What both were made of differs.
        let layers = without.layers.clone();
        assert_eq!(Config { layers, ..with }, without, "{key}");
    }
}

#[test]
fn a_project_file_cannot_stop_the_program() {
    let mut builder = Config::builder();
    let text = "proxy = 3\nallow = 3\ndeny = [3]\nwork_dir = []\ntools = 3\nproviders.x = 3\n\
                block_url = [\"x\"]\nblock_networks = [\"10.0.0.0/99\"]";
    builder.add_toml(Project, "p.toml", text).unwrap();
    let config = builder.build();
    assert_eq!(config.ignored().len(), 8, "{:?}", config.ignored());
    let shown = |config: &Config| config.shown();
    assert_eq!(shown(&config), shown(&Config::builtin()));
}

#[test]
fn the_rules_of_a_project_have_an_end() {
    let rule = |at: usize| format!("t{at:03}(a={})", "x".repeat(1016));
    let rules: Vec<String> = (0..40).map(rule).collect();
    let text = json!({"ask": rules.clone(), "deny": rules.clone()});
    let kept = |layer| {
        let mut builder = Config::builder();
        builder.add_json(layer, "p.toml", &text).unwrap();
        let config = builder.build();
        let reasons = config
            .ignored()
            .iter()
            .map(|i| format!("{} {}", i.name, i.reason));
        let reasons: Vec<String> = reasons.collect();
        (config.rules().ask.len(), config.rules().deny.len(), reasons)
    };
    assert_eq!(kept(User), (40, 40, Vec::new()));
    let (ask, deny, reasons) = kept(Project);
    assert_eq!((ask, deny), (40, 24));
    assert_eq!(
        reasons,
        [
            "deny the last 16 rules are left out: those of a project have at most 65536 bytes together"
        ]
    );
}

#[test]
fn names_do_not_break_lines() {
    for key in [
        "tools.\"a\\nb\".wasm_timeout",
        "providers.\"a\\nb\".kind",
        "\"a\\nb\"",
    ] {
        let text = format!("{key} = \"openai\"");
        let error = Config::builder()
            .add_toml(User, "c.toml", &text)
            .unwrap_err();
        assert_eq!(error.line, Some(1), "{error}");
        assert!(error.message.contains("no line breaks"), "{error}");
        assert!(!error.message.contains('\n'), "{error}");
        let mut builder = Config::builder();
        builder.add_toml(Project, "p.toml", &text).unwrap();
        let config = builder.build();
        let [ignored] = config.ignored() else {
            panic!("{key}: {:?}", config.ignored());
        };
        assert_eq!(ignored.name, key.replace('"', ""));
        assert!(!ignored.reason.contains('\n'), "{}", ignored.reason);
    }
}

#[test]
fn what_a_project_sets_for_a_tool_tightens_what_comes_later_too() {
    let project = (Project, "tools.t.wasm_timeout", "10s");
    let timeout = |layers: &[(Layer, &str, &str)]| config(layers).limits_of("t").wasm_timeout;
    assert_eq!(timeout(&[project]), 10_000);
    assert_eq!(
        timeout(&[project, (CommandLine, "wasm_timeout", "5s")]),
        5_000
    );
    assert_eq!(
        timeout(&[project, (CommandLine, "wasm_timeout", "60s")]),
        10_000
    );
    assert_eq!(
        timeout(&[project, (CommandLine, "tools.t.wasm_timeout", "60s")]),
        60_000
    );
    assert_eq!(
        timeout(&[project, (User, "tools.t.wasm_timeout", "50s")]),
        10_000
    );
    let hosts = "allowed_outbound_hosts";
    let own = "tools.t.allowed_outbound_hosts";
    check_shown(
        &[
            (User, hosts, "https://a,https://b"),
            (Project, own, "https://a"),
            (Editor, hosts, "https://b"),
        ],
        own,
        "[]",
        "project",
    );
    check_shown(
        &[
            (User, hosts, "https://a,https://b"),
            (Project, own, "https://a"),
            (Editor, own, "https://b"),
        ],
        own,
        "[\"https://b\"]",
        "editor",
    );
    check_shown(
        &[
            (User, "block_networks", "private"),
            (Project, "tools.t.block_networks", "8.8.8.8"),
        ],
        "tools.t.block_networks",
        "[\"private\", \"8.8.8.8\"]",
        "user + project",
    );
    check_shown(
        &[
            (User, "tools.t.block_networks", ""),
            (Project, "tools.t.block_networks", "8.8.8.8"),
        ],
        "tools.t.block_networks",
        "[\"8.8.8.8\"]",
        "user + project",
    );
    check_shown(
        &[
            (User, "block_url", "//a/"),
            (User, "tools.t.block_url", "//b/"),
            (Project, "tools.t.block_url", "//c/"),
        ],
        "tools.t.block_url",
        "[\"//a/\", \"//b/\", \"//c/\"]",
        "user + user + project",
    );
}

/// Everything that can only become less by what a project says.
fn opened(config: &Config, without: &Config) -> Option<String> {
    let urls = [
        "http://a/x",
        "https://a/",
        "http://b.a/",
        "http://10.0.0.1/",
        "http://8.8.8.8/",
    ];
    for tool in ["t", "u"] {
        for url in urls {
            let target = Target::parse_url(url).unwrap();
            let allows = |config: &Config| config.network_of(tool).check(&target).is_ok();
            if allows(config) && !allows(without) {
                return Some(format!("{tool} may reach {url}"));
            }
        }
        let (limits, before) = (config.limits_of(tool), without.limits_of(tool));
        for &limit in Limit::ALL {
            if limits.get(limit) > before.get(limit) {
                return Some(format!("{tool} has more {}", limit.name()));
            }
        }
    }
    let strength = |config: &Config, tool: &str| match config.rules().verdict(tool, &json!({})) {
        Some((Verdict::Deny, _)) => 3,
        Some((Verdict::Ask, _)) => 2,
        None => 1,
        Some((Verdict::Allow, _)) => 0,
    };
    for tool in ["t", "u"] {
        if strength(config, tool) < strength(without, tool) {
            return Some(format!("{tool} is ruled less"));
        }
    }
    let (mounts, before) = (config.mounts(), without.mounts());
    if mounts.dirs != before.dirs || config.proxy() != without.proxy() {
        return Some("mounts or proxy".to_owned());
    }
    let told = |config: &Config| [config.context_git(), config.project_instructions()];
    if told(config) > told(without) || told(config)[1] && !told(without)[1] {
        return Some("the model is told more".to_owned());
    }
    (!mounts.work_dir.is_within(&before.work_dir)).then(|| "work_dir".to_owned())
}

fn a_setting() -> impl Strategy<Value = (String, String)> {
    let hosts = "|http://a|http://a,https://a|http://\\*|\\*://\\*:\\*|http://\\*[.]a";
    let networks = "|private|8[.]8[.]8[.]8|private,8[.]8[.]8[.]0/24";
    let of = |key: &str, text: &str| {
        (
            Just(key.to_owned()),
            proptest::string::string_regex(text).unwrap(),
        )
    };
    prop_oneof![
        of("allowed_outbound_hosts", hosts),
        of("tools.t.allowed_outbound_hosts", hosts),
        of("block_networks", networks),
        of("tools.t.block_networks", networks),
        of("block_url", "|//a/|//a/x"),
        of("tools.t.block_url", "|//a/|http://a/"),
        of("wasm_timeout", "[1-9]0s"),
        of("tools.t.wasm_timeout", "[1-9]0s"),
        of("max_redirects", "[0-9]"),
        of("tools.u.max_redirects", "[0-9]"),
        of("work_dir", "[.]|a|a/b|b"),
        of("map_dirs", "|/a:x|/b:y:rw"),
        of("proxy", "none|environment|http://p:1"),
        of("context_git", "true|false"),
        of("project_instructions", "true|false"),
        of("allow", "|t|[*]"),
        of("ask", "|t|u"),
        of("deny", "|t|u"),
    ]
}

proptest! {
    #[test]
    fn a_project_only_ever_tightens(
        user in prop::collection::vec(a_setting(), 0..6),
        project in prop::collection::vec(a_setting(), 0..6),
        line in prop::collection::vec(a_setting(), 0..3),
    ) {
        let build = |with_project: bool| {
            let mut builder = Config::builder();
            let layers = [(User, &user), (Project, &project), (CommandLine, &line)];
            for (layer, settings) in layers {
                for (key, text) in settings.iter().filter(|_| layer != Project || with_project) {
                    builder.set(layer, key, text).unwrap();
                }
            }
            builder.build()
        };
        prop_assert_eq!(opened(&build(true), &build(false)), None);
    }
}
