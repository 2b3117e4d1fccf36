//! What rules match, and what slips through none of them.

use super::*;
use proptest::prelude::*;
use serde_json::json;

fn rules(verdict: Verdict, text: &str) -> Rules {
    let rule = vec![Rule::parse(text).unwrap()];
    let mut rules = Rules::default();
    match verdict {
        Verdict::Allow => rules.allow = rule,
        Verdict::Ask => rules.ask = rule,
        Verdict::Deny => rules.deny = rule,
    }
    rules
}

/// Whether a rule matches when it allows, and when it denies. One that asks is as one that denies.
fn check(rule: &str, tool: &str, input: Value, allows: bool, denies: bool) {
    let says = |verdict| {
        let rules = rules(verdict, rule);
        let got = rules.verdict(tool, &input);
        got.map(|(verdict, rule)| (verdict, rule.text().to_owned()))
    };
    let expect = |verdict, matches: bool| matches.then(|| (verdict, rule.to_owned()));
    assert_eq!(
        says(Verdict::Allow),
        expect(Verdict::Allow, allows),
        "{rule}: {input}"
    );
    assert_eq!(
        says(Verdict::Deny),
        expect(Verdict::Deny, denies),
        "{rule}: {input}"
    );
    assert_eq!(
        says(Verdict::Ask),
        expect(Verdict::Ask, denies),
        "{rule}: {input}"
    );
}

fn check_path(rule: &str, path: &str, allows: bool, denies: bool) {
    check(rule, "write", json!({"path": path}), allows, denies);
}

fn check_command(rule: &str, command: &str, allows: bool, denies: bool) {
    check(rule, "shell", json!({"command": command}), allows, denies);
}

fn check_error(text: &str, expect: &str) {
    let error = Rule::parse(text).unwrap_err();
    assert!(error.contains(expect), "{text}: {error}");
}

#[test]
fn tools_are_globs() {
    check("write", "write", json!({}), true, true);
    check("write", "write_all", json!({}), false, false);
    check("w*", "write", json!(null), true, true);
    check("*", "anything", json!({"a": 1}), true, true);
    check("mcp__{a,b}__*", "mcp__b__x", json!({}), true, true);
    check("write", "Write", json!({}), false, true);
}

#[test]
fn arguments_are_globs_over_slashes() {
    check_path("write(path=src/*)", "src/a/b.rs", true, true);
    check_path("write(path=src/*)", "lib/a.rs", false, false);
    check_path("write(path=*.rs)", "src/a.rs", true, true);
    check_path("write( path = a b )", "a b", true, true);
    check_path("write(path=\"a, (b)\")", "a, (b)", true, true);
    check_path("write(path=\"a\\\"b\")", "a\"b", true, true);
    check_path("write(path=\"\")", "", true, true);
    check_path("write(path=a\\*)", "ab", false, false);
    check(
        "t(a=1, b=true)",
        "t",
        json!({"a": 1, "b": true}),
        true,
        true,
    );
    check(
        "t(a=1, b=true)",
        "t",
        json!({"a": 1, "b": false}),
        false,
        false,
    );
    check("t(a=*)", "t", json!({"a": -1.5}), true, true);
}

#[test]
fn a_path_is_where_something_moves_from_and_to() {
    let moves = |rule: &str, from: &str, to: &str, allows, denies| {
        check(
            rule,
            "rename",
            json!({"from": from, "to": to}),
            allows,
            denies,
        );
    };
    moves("*(path=*.lock)", "a.lock", "b", false, true);
    moves("*(path=*.lock)", "a", "b.lock", false, true);
    moves("*(path=*.lock)", "a", "b", false, false);
    moves("rename(path=src/*)", "src/a", "src/b", true, true);
    moves("rename(from=*.lock)", "a", "b.lock", false, false);
    // A folder, with what is in it.
    moves("*(path=db/migrations/*)", "db", "old", false, true);
    moves(
        "*(path=db/migrations/*)",
        "./DB/migrations/",
        "old",
        false,
        true,
    );
    moves("*(path=db/migrations/*)", "x", "db/migrations", false, true);
    moves("*(path=db/migrations/*)", "db/other", "x", false, false);
    moves("*(path=db/migrations/*)", "d", "x", false, false);
    moves(r#"*(path="**/{a,b}/*.lock")"#, "x/b", "y", false, true);
    moves("*(path=**/*.lock)", "a.txt", "b.txt", false, false);
    moves("rename(from=db/*)", "db", "x", false, true);
    moves("rename(to=db/*)", "db", "x", false, false);
    moves("*(path=*.lock)", "./a.LOCK", "b", false, true);
    check(
        "*(path=*.lock)",
        "edit",
        json!({"path": "a.lock"}),
        true,
        true,
    );
    check(
        "t(path=a)",
        "t",
        json!({"path": "b", "from": "a"}),
        false,
        false,
    );
}

#[test]
fn a_missing_argument_matches_nothing() {
    check("t(a=*)", "t", json!({}), false, false);
    check("t(a=*)", "t", json!(null), false, false);
    check("t(a=*)", "t", json!([1]), false, false);
    check("t(a=*)", "t", json!({"a": null}), false, false);
    check("t(a=*, b=*)", "t", json!({"a": 1}), false, false);
}

#[test]
fn of_several_values_one_is_denied_and_all_are_allowed() {
    check(
        "t(p=src/*)",
        "t",
        json!({"p": ["src/a", "src/b"]}),
        true,
        true,
    );
    check(
        "t(p=src/*)",
        "t",
        json!({"p": ["src/a", "lib/b"]}),
        false,
        true,
    );
    check("t(p=src/*)", "t", json!({"p": []}), false, false);
    check("t(p=src/*)", "t", json!({"p": [["src/a"]]}), false, true);
    check(
        "t(p=src/*)",
        "t",
        json!({"p": [{"path": "src/a"}]}),
        false,
        true,
    );
    check("t(p=*)", "t", json!({"p": ["a", null]}), false, true);
}

#[test]
fn another_spelling_of_a_path_dodges_nothing() {
    check_path("write(path=src/*)", "./src//a", true, true);
    check_path("write(path=./src/*)", "src/a", true, true);
    check_path("write(path=src/*)", "lib/../src/a", true, true);
    check_path("write(path=src/*)", "src/../lib/a", false, true);
    check_path("write(path=*)", "../x", true, true);
    check_path("write(path=src/*)", "src\\a", false, true);
    check_path("write(path=src/*)", "SRC/a", false, true);
    check_path("write(path=SRC/*)", "src/a", false, true);
    check_path("write(path=secret/*)", "\u{17f}ecret/a", false, true);
    check_path("write(path=https://a.b/*)", "https://a.b/c", true, true);
}

#[test]
fn what_is_strung_to_a_command_is_not_allowed_with_it() {
    check_command("shell(command=git *)", "git status", true, true);
    check_command("shell(command=git *)", "git status; rm x", false, true);
    check_command("shell(command=git *)", "git log $(rm x)", false, true);
    check_command("shell(command=git *)", "git log > x", false, true);
    check_command("shell(command=git *)", "git log 'x", false, true);
    check_command("shell(command=rm *)", "git status; rm x", false, true);
    check_command(
        "shell(command=rm *)",
        "git status && A=1 /bin/r\\m x",
        false,
        true,
    );
    check_command("shell(command=rm *)", "echo $(rm x)", false, true);
    check_command("shell(command=*)", "a | b", false, true);
    check_command("shell(command=\"a | b\")", "a | b", true, true);
    check_command("shell(command=\"a | b\")", "a |  b", false, true);
    check_command("shell(command=\"a | ?\")", "a | b", false, true);
    check_command("shell", "a | b", true, true);
    let words = json!({"cmd": ["sh", "-c", "ls; rm x"]});
    check("t(cmd=*)", "t", words.clone(), false, true);
    check("t(cmd=rm *)", "t", words, false, true);
    check(
        "t(cmd=rm -rf *)",
        "t",
        json!({"cmd": ["rm", "-rf", "x"]}),
        false,
        true,
    );
}

#[test]
fn denying_is_before_asking_is_before_allowing() {
    let rule = |text: &str| vec![Rule::parse(text).unwrap()];
    let rules = Rules {
        allow: rule("*"),
        ask: rule("w*"),
        deny: rule("write(path=a)"),
    };
    let says = |tool: &str, path: &str| rules.verdict(tool, &json!({"path": path})).unwrap().0;
    assert_eq!(says("write", "a"), Verdict::Deny);
    assert_eq!(says("write", "b"), Verdict::Ask);
    assert_eq!(says("read", "a"), Verdict::Allow);
    assert_eq!(Rules::default().verdict("read", &json!({})), None);
}

#[test]
fn what_is_no_rule_is_an_error_with_the_remedy() {
    check_error("", "names no tool");
    check_error("(a=b)", "names no tool");
    check_error("a b", "expected `TOOL`");
    check_error("a,b", "expected `TOOL`");
    check_error("a)", "expected `TOOL`");
    check_error("a(", "without `=`");
    check_error("a()", "without `=`");
    check_error("a(b)", "without `=`");
    check_error("a(b=)", "write `*` for any");
    check_error("a(=b)", "without a name");
    check_error("a(b=c", "has no `)`");
    check_error("a(b=c) d", "goes on after");
    check_error("a(b=f(x))", "double quotes");
    check_error("a(b=\"c)", "not closed");
    check_error("a(b={c)", "glob that cannot be read");
    check_error("a(b=[c)", "glob that cannot be read");
    check_error(&"a".repeat(5000), "4096");
}

#[test]
fn lists_are_split_between_rules() {
    let split = |text| split_list(text);
    assert_eq!(
        split("{a,x},b(c=d, e=\"f),\\\",\"),g"),
        ["{a,x}", "b(c=d, e=\"f),\\\",\")", "g"]
    );
    assert_eq!(split(""), [""]);
}

proptest! {
    #[test]
    fn no_text_breaks_a_rule(text in "[a(=,)\"\\\\*?\\[\\]{} b]{0,16}|\\PC{0,16}", value in "\\PC{0,16}") {
        if let Ok(rule) = Rule::parse(&text) {
            prop_assert_eq!(&Rule::parse(rule.text()).unwrap(), &rule);
            let rules = Rules { deny: vec![rule], ..Rules::default() };
            let _ = rules.verdict("a", &json!({"a": value.clone(), "command": value}));
        }
    }

    #[test]
    fn what_is_allowed_is_denied_by_the_same_rule(
        glob in "[ab./*]{1,6}",
        value in "[abAB./;& ]{0,8}",
        name in "path|command",
    ) {
        if let Ok(rule) = Rule::parse(&format!("t({name}=\"{glob}\")")) {
            let input = json!({ name: value });
            let allows = rule.matches(Verdict::Allow, "t", &input);
            prop_assert!(!allows || rule.matches(Verdict::Deny, "t", &input));
        }
    }
}

/// A URL is what is requested, whatever its spelling.
#[test]
fn urls_are_what_they_ask_for() {
    let check = |rule: &str, url: &str, allows: bool, denies: bool| {
        check(rule, "web_fetch", json!({"url": url}), allows, denies);
    };
    let rule = "web_fetch(url=https://example.com/*)";
    for url in [
        "https://example.com/x",
        "HTTPS://EXAMPLE.COM/x",
        "https://example.com:443/x",
        "https://%65xample.com/x",
        "https://example.com./x",
        "https://example.com?x",
    ] {
        check(rule, url, true, true);
    }
    for url in [
        "https://example.com.evil.net/x",
        "https://evil.net/https://example.com/x",
        "http://example.com/x",
        "https://example.com:444/x",
    ] {
        check(rule, url, false, false);
    }
}
