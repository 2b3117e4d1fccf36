//! Documentation that says what the program says.

use boxagnts_session::model::BUILTIN_GRAMMAR;
use boxagnts_session::policy::config::docs_markdown;
use expect_test::expect_file;

const README: &str = include_str!("../../README.md");

#[test]
fn the_readme_has_the_planners_grammar() {
    assert!(
        README.contains(BUILTIN_GRAMMAR),
        "README.md lacks:\n{BUILTIN_GRAMMAR}"
    );
}

/// `UPDATE_EXPECT=1 cargo test -p boxagnts-tests` writes the file anew.
#[test]
fn every_knob_is_documented() {
    let text = format!(
        "# Configuration\n\n\
         Layers, a later one over an earlier: built-in, your own file \
         (`~/.config/boxagnts/config.toml`), the project's `.boxagnts/config.toml` (which may only \
         tighten), the editor's settings, the command line. Durations are written as `30s`, `500ms` \
         or `2m`, and a number alone is seconds; sizes as `64MiB` or a number of bytes. `boxagnts config schema` prints a JSON \
         Schema. This file is generated.\n\n{}",
        docs_markdown()
    );
    expect_file!["../../server/CONFIGURATION.md"].assert_eq(&text);
}

/// The part of the README that is about editors.
fn editors() -> &'static str {
    let part = README.split("\n## Editors").nth(1).expect("the editors");
    part.split("\n## ").next().unwrap_or_default()
}

/// The words behind each place that has `start`, up to a character that no name has.
fn names_behind(start: &str) -> impl Iterator<Item = &'static str> {
    let is_no_name = |c: char| !(c.is_ascii_alphanumeric() || c == '-' || c == '_');
    let behind = editors().split(start).skip(1).collect::<Vec<_>>();
    behind
        .into_iter()
        .map(move |behind| behind.split(is_no_name).next().unwrap_or_default())
}

#[test]
fn the_readme_names_commands_of_editors_that_are_there() {
    let neovim = include_str!("../../editors/neovim/lua/boxagnts/commands.lua");
    let mut named = 0;
    for name in names_behind(":BoxAgnts ").chain(names_behind("-c 'BoxAgnts ")) {
        assert!(
            neovim.contains(&format!("\n  {name} = {{")),
            ":BoxAgnts {name}"
        );
        named += 1;
    }
    let keys = include_str!("../../editors/neovim/lua/boxagnts/config.lua");
    for name in ["]h", "gha", "ghr", "ghc"] {
        assert!(editors().contains(name) && keys.contains(&format!("= '{name}'")));
    }
    let emacs = include_str!("../../editors/emacs/boxagnts.el");
    for name in names_behind("M-x boxagnts") {
        assert!(
            emacs.contains(&format!("\n(defun boxagnts{name} (")),
            "{name}"
        );
        named += 1;
    }
    for name in names_behind("lsp-workspace-command boxagnts.") {
        assert!(
            editors().contains(&format!("| `boxagnts.{name}` |")),
            "{name}"
        );
        named += 1;
    }
    assert!(named > 7, "{named} commands are named");
}

/// Pictures and files that the README refers to.
#[test]
fn the_readme_refers_to_what_is_there() {
    let root = std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    let links = README.split("](").skip(1);
    let links = links.filter_map(|behind| behind.split([')', '#']).next());
    let files: Vec<&str> = links.filter(|link| !link.contains("://")).collect();
    for file in &files {
        assert!(root.join(file).exists(), "{file} is not there");
    }
    assert!(files.iter().any(|file| file.ends_with(".svg")));
}

#[test]
fn the_readme_names_tests_that_are_there() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    let promises = README.split("## Promises").nth(1).expect("the promises");
    let promises = promises.split("\n## ").next().expect("their table");
    let mut sources = String::new();
    for folder in ["server", "tests"] {
        gather(
            std::path::Path::new(root).join(folder).as_path(),
            &mut sources,
        );
    }
    let mut named = 0;
    for word in promises
        .lines()
        .filter(|line| line.starts_with("| "))
        .flat_map(|line| line.split('`').skip(1).step_by(2))
    {
        let is_path = word.contains('/') || word.ends_with(".rs");
        if is_path && word.starts_with("server/") {
            assert!(
                std::path::Path::new(root).join(word).exists(),
                "{word} is not there"
            );
            named += 1;
        } else if word.contains('_') && !is_path {
            assert!(sources.contains(&format!("fn {word}(")), "no test `{word}`");
            named += 1;
        }
    }
    assert!(named > 12, "{named} tests are named");
}

/// Every case and every test that the threat model names is there.
#[test]
fn the_threat_model_names_tests_that_are_there() {
    let text = include_str!("../../server/SECURITY.md");
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    let root = std::path::Path::new(root);
    let mut sources = String::new();
    for folder in ["server", "tests"] {
        gather(root.join(folder).as_path(), &mut sources);
    }
    let cases = std::fs::read_dir(root.join("tests/escape/cases")).expect("the cases");
    let cases: Vec<String> = cases
        .flatten()
        .filter_map(|case| case.file_name().into_string().ok())
        .map(|name| name.split('_').next().unwrap_or_default().to_uppercase())
        .collect();
    let mut named = 0;
    let words = text.split(|c: char| !c.is_ascii_alphanumeric());
    for word in words.filter(|word| word.len() == 3) {
        let (kind, number) = word.split_at(1);
        if "FGENRT".contains(kind) && number.parse::<u8>().is_ok() {
            assert!(cases.iter().any(|case| case == word), "no case {word}");
            named += 1;
        }
    }
    for word in text.split('`').skip(1).step_by(2) {
        if word.contains('/') && !word.contains([' ', ':', '*']) {
            assert!(root.join(word).exists(), "{word} is not there");
            named += 1;
        } else if word.matches('_').count() > 2 {
            assert!(sources.contains(&format!("fn {word}(")), "no test `{word}`");
            named += 1;
        }
    }
    assert!(named > 40, "{named} are named");
}

fn gather(folder: &std::path::Path, sources: &mut String) {
    for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        if path.is_dir() {
            gather(&path, sources);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            sources.push_str(&std::fs::read_to_string(&path).expect("a source"));
        }
    }
}
