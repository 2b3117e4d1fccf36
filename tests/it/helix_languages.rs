//! `editors/helix/languages.toml` names every language that Helix knows, with the servers that it has
//! for them, made from Helix itself.

use crate::review;
use expect_test::expect_file;
use std::fmt::Write;
use std::path::Path;
use std::process::Command;

/// The version that the file is for. Later ones know more languages, and no fewer.
const VERSION: &str = "helix 25.01";

const HEAD: &str = r#"# BoxAgnts beside the language servers that Helix 25.01 has for each language, for this version and
# later ones. Put this into .helix/languages.toml of a project, or into ~/.config/helix/languages.toml;
# you may leave out every language that you do not use. This file is generated.
language = [
"#;

const TAIL: &str = r#"  # Helix has no server for plain text.
  { name = "text", scope = "text.plain", file-types = ["txt"], language-servers = ["boxagnts"] },
]

[language-server.boxagnts]
command = "boxagnts"
args = ["lsp"]
# The keys of BoxAgnts' configuration file:
# config = { model = "ollama:qwen3", total_budget_usd = 2 }
"#;

/// What a bracket holds, on one line. `text` begins behind it.
fn bracket(text: &str) -> Option<String> {
    let mut depth = 1;
    let end = text.find(|c| {
        depth += i32::from(c == '[') - i32::from(c == ']');
        depth == 0
    })?;
    let words: Vec<&str> = text.get(..end)?.split_whitespace().collect();
    Some(words.join(" ").trim_end_matches(',').to_owned())
}

/// The file, from the languages that a Helix has in it.
fn languages(program: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(program);
    let all = text.get(text.find("[[language]]\nname = ")?..text.rfind("[[grammar]]")?)?;
    let mut file = HEAD.to_owned();
    for language in all.split("[[language]]\n").skip(1) {
        let name = language.trim_start().strip_prefix("name")?;
        let name = name.split('"').nth(1)?;
        let servers = language.split_once("\nlanguage-servers = [");
        let mut servers = match servers {
            Some((_, behind)) => bracket(behind)?,
            None => String::new(),
        };
        if !servers.is_empty() {
            servers.push_str(", ");
        }
        let _ = writeln!(
            file,
            "  {{ name = \"{name}\", language-servers = [{servers}\"boxagnts\"] }},"
        );
    }
    Some(file + TAIL)
}

/// `UPDATE_EXPECT=1 cargo test -p boxagnts-tests` writes the file anew.
#[test]
fn the_file_for_helix_names_every_language() {
    let Some(program) = review::program("hx") else {
        return review::skip("hx", "helix");
    };
    let version = Command::new(&program).arg("--version").output();
    let version = version.expect("Helix says its version").stdout;
    if !String::from_utf8_lossy(&version).starts_with(VERSION) {
        return eprintln!("skipped: this is no {VERSION}");
    }
    // The one on the path starts it.
    let unpacked = review::editors().join("trixie/usr/lib/hx/hx");
    let program = std::fs::read(if unpacked.exists() {
        &unpacked
    } else {
        &program
    });
    let file = languages(&program.expect("the program")).expect("its languages");
    expect_file!["../../editors/helix/languages.toml"].assert_eq(&file);
}

/// Helix takes the file: it would use none of it otherwise.
#[test]
fn helix_accepts_the_file() {
    let Some(program) = review::program("hx") else {
        return review::skip("hx", "helix");
    };
    let folder = tempfile::TempDir::new().expect("a folder");
    let write = |name: &str, text: &str| {
        let file = folder.path().join(name);
        std::fs::create_dir_all(file.parent().unwrap_or(Path::new("."))).expect("a folder");
        std::fs::write(file, text).expect("a file");
    };
    write(".git/HEAD", "ref: refs/heads/main\n");
    let languages = include_str!("../../editors/helix/languages.toml");
    write(".helix/languages.toml", languages);
    for language in ["rust", "python", "glimmer", "markdown", "text"] {
        let mut health = Command::new(&program);
        health
            .args(["--health", language])
            .current_dir(folder.path());
        health.env("HOME", folder.path());
        let output = health.output().expect("Helix starts");
        let said = String::from_utf8_lossy(&output.stdout);
        let why = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains("boxagnts"), "{language}: {said}{why}");
    }
}
