//! Instructions for agents that a repository brings (`AGENTS.md` and what other programs call it), and
//! those of the user.

use super::files::{Document, Files};
use super::front_matter;
use boxagnts_policy::path::WorkspacePath;
use boxagnts_workspace::Kind;

/// What instructions are called in the root of a workspace; the first that can be used counts.
const NAMES: [&str; 7] = [
    "AGENTS.md",
    "CLAUDE.md",
    ".github/copilot-instructions.md",
    ".cursorrules",
    CURSOR_RULES,
    "GEMINI.md",
    ".windsurfrules",
];
/// A folder of rules; those that always apply are taken.
const CURSOR_RULES: &str = ".cursor/rules";
/// In other folders.
const NAMES_BELOW: [&str; 3] = ["AGENTS.md", "CLAUDE.md", "GEMINI.md"];
/// The user's own.
const USER: &str = "AGENTS.md";

/// Files in a folder of rules that are looked at.
const MAX_RULES: usize = 50;
/// Folders on the way to files whose instructions are looked for in one turn.
const MAX_FOLDERS: usize = 100;

/// Bytes of all instructions that are told at once: each is cut, but a repository can have many.
const MAX_TOGETHER: usize = 128 * 1024;

/// Instructions, and what was refused on the way to them.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) documents: Vec<Document>,
    /// For the user, in words.
    pub(super) problems: Vec<String>,
}

/// The user's own instructions.
pub(super) fn of_user(files: &Files<'_>) -> Found {
    let mut found = Found::default();
    match files.user(USER) {
        Ok(document) => found.documents.extend(document),
        Err(problem) => found.problems.push(problem),
    }
    found
}

/// The instructions in the root of the workspace.
pub(super) fn of_root(files: &mut Files<'_>) -> Found {
    first(files, &WorkspacePath::root(), &NAMES)
}

/// The instructions in the folders on the way to these files, outermost first; not those of the root.
pub(super) fn on_the_way(files: &mut Files<'_>, paths: &[WorkspacePath]) -> Vec<Document> {
    let mut folders: Vec<WorkspacePath> = Vec::new();
    for path in paths {
        let ancestors = std::iter::successors(path.parent(), WorkspacePath::parent);
        let mut ancestors: Vec<WorkspacePath> = ancestors.filter(|p| !p.is_root()).collect();
        ancestors.reverse();
        for folder in ancestors {
            if !folders.contains(&folder) && folders.len() < MAX_FOLDERS {
                folders.push(folder);
            }
        }
    }
    let mut documents = Vec::new();
    for folder in folders {
        let found = first(files, &folder, &NAMES_BELOW);
        for problem in found.problems {
            tracing::warn!(%problem, "instructions are not used");
        }
        documents.extend(found.documents);
    }
    documents
}

/// The folder that the instructions of a file are for; `None` for all of the workspace, wherever the
/// file is.
pub(super) fn folder(name: &str) -> Option<&str> {
    let rule = |name: &str| {
        let below = name.strip_prefix(CURSOR_RULES);
        below.is_some_and(|file| file.ends_with(".mdc"))
    };
    if NAMES.contains(&name) || rule(name) {
        return None;
    }
    name.rsplit_once('/').map(|(folder, _)| folder)
}

/// Those that may be told at once, and the names of the others. The last are the nearest, and come
/// first in this.
pub(super) fn fitting(documents: Vec<Document>) -> (Vec<Document>, Vec<String>) {
    let (mut fitting, mut others, mut used) = (Vec::new(), Vec::new(), 0);
    for document in documents.into_iter().rev() {
        if used + document.text.len() > MAX_TOGETHER {
            others.push(document.name);
            continue;
        }
        used += document.text.len();
        fitting.push(document);
    }
    fitting.reverse();
    others.reverse();
    (fitting, others)
}

/// The first of these that can be used. One that is refused is told of only when no other can.
fn first(files: &mut Files<'_>, folder: &WorkspacePath, names: &[&str]) -> Found {
    let mut found = Found::default();
    for name in names {
        let Ok(path) = folder.join(name) else {
            continue;
        };
        let usable = if *name == CURSOR_RULES {
            Ok(cursor_rules(files))
        } else {
            let document = files.project(path.as_str());
            document.map(|document| Found {
                documents: document.into_iter().collect(),
                problems: Vec::new(),
            })
        };
        match usable {
            Ok(usable) if usable.documents.is_empty() => {}
            Ok(usable) => return usable,
            Err(problem) => found.problems.push(problem),
        }
    }
    found
}

/// Rules that apply to every file, without their front matter.
fn cursor_rules(files: &mut Files<'_>) -> Found {
    let names = files.project_names(CURSOR_RULES, Kind::File);
    let names = names.iter().filter(|name| name.ends_with(".mdc"));
    let mut found = Found::default();
    let mut used = 0;
    for name in names.take(MAX_RULES) {
        let Ok(Some(document)) = files.project(&format!("{CURSOR_RULES}/{name}")) else {
            continue;
        };
        let (fields, body) = front_matter::split(&document.text);
        if fields
            .get("alwaysApply")
            .is_some_and(|value| value == "true")
            && !body.trim().is_empty()
        {
            used += body.len();
            if used > MAX_TOGETHER {
                let kib = MAX_TOGETHER >> 10;
                found.problems.push(format!(
                    "`{}` and the rules behind it do not fit: rules have {kib} KiB together; make \
                     them shorter, or let fewer always apply",
                    document.name
                ));
                break;
            }
            found.documents.push(Document {
                text: body.to_owned(),
                ..document.clone()
            });
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::files::{overlay_of, put};
    use super::*;
    use boxagnts_policy::config::Config;
    use std::path::Path;

    fn root_of(folder: &Path) -> Found {
        of_root(&mut Files::new(
            &overlay_of(folder),
            &Config::builtin(),
            None,
        ))
    }

    fn names(documents: &[Document]) -> Vec<&str> {
        documents.iter().map(|d| d.name.as_str()).collect()
    }

    fn check(files: &[(&str, &str)], expect: &[&str]) {
        let folder = tempfile::tempdir().unwrap();
        put(folder.path(), files);
        let found = root_of(folder.path());
        assert_eq!(names(&found.documents), expect);
        assert!(found.problems.is_empty(), "{:?}", found.problems);
    }

    #[test]
    fn instructions_are_for_their_folder() {
        assert_eq!(folder("AGENTS.md"), None);
        assert_eq!(folder(".github/copilot-instructions.md"), None);
        assert_eq!(folder(".cursor/rules/a.mdc"), None);
        assert_eq!(folder(".x/AGENTS.md"), Some(".x"));
        assert_eq!(folder(".github/AGENTS.md"), Some(".github"));
        assert_eq!(folder(".cursor/rules/AGENTS.md"), Some(".cursor/rules"));
        assert_eq!(folder("a/b/CLAUDE.md"), Some("a/b"));
    }

    #[test]
    fn the_first_name_counts() {
        check(&[], &[]);
        check(&[("CLAUDE.md", "c"), ("AGENTS.md", "a")], &["AGENTS.md"]);
        check(&[("CLAUDE.md", "c"), ("AGENTS.md", " \n")], &["CLAUDE.md"]);
        check(
            &[(".github/copilot-instructions.md", "c"), ("GEMINI.md", "g")],
            &[".github/copilot-instructions.md"],
        );
        check(
            &[(".cursorrules", "c"), (".windsurfrules", "w")],
            &[".cursorrules"],
        );
        let rules = [
            (".cursor/rules/a.mdc", "---\nalwaysApply: true\n---\nbody"),
            (".cursor/rules/b.mdc", "---\nglobs: *.rs\n---\nother"),
            (".cursor/rules/c.txt", "---\nalwaysApply: true\n---\nother"),
            ("GEMINI.md", "g"),
        ];
        check(&rules, &[".cursor/rules/a.mdc"]);
        check(&rules[1..], &["GEMINI.md"]);
    }

    #[test]
    fn the_nearest_comes_last() {
        let folder = tempfile::tempdir().unwrap();
        let texts = [
            ("AGENTS.md", "root"),
            ("a/AGENTS.md", "a"),
            ("a/b/CLAUDE.md", "b"),
            ("c/AGENTS.md", "c"),
        ];
        put(folder.path(), &texts);
        let config = Config::builtin();
        let mut files = Files::new(&overlay_of(folder.path()), &config, None);
        let path = |text: &str| WorkspacePath::parse(text).unwrap();
        let paths = [path("a/b/x.rs"), path("a/y.rs"), path("z.rs")];
        let found = on_the_way(&mut files, &paths);
        assert_eq!(names(&found), ["a/AGENTS.md", "a/b/CLAUDE.md"]);
    }

    #[test]
    fn many_long_ones_do_not_fit() {
        let folder = tempfile::tempdir().unwrap();
        let long = format!("---\nalwaysApply: true\n---\n{}", "a rule\n".repeat(4000));
        for n in 0..50 {
            let name = format!(".cursor/rules/{n:02}.mdc");
            put(folder.path(), &[(&name, &long)]);
        }
        let Found {
            documents,
            problems,
        } = root_of(folder.path());
        assert_eq!(documents.len(), 4);
        assert!(problems[0].contains("`.cursor/rules/04.mdc` and the rules behind it"));

        let folder = tempfile::tempdir().unwrap();
        let mut below = String::new();
        for _ in 0..20 {
            below.push_str("d/");
            let name = format!("{below}AGENTS.md");
            put(folder.path(), &[(&name, &long)]);
        }
        let config = Config::builtin();
        let mut files = Files::new(&overlay_of(folder.path()), &config, None);
        let path = WorkspacePath::parse(&format!("{below}x")).unwrap();
        let (told, others) = fitting(on_the_way(&mut files, &[path]));
        let names: Vec<&str> = names(&told);
        assert_eq!((names.len(), others.len()), (4, 16));
        assert_eq!(names[3], format!("{below}AGENTS.md"), "the nearest is told");
        assert_eq!(others[0], "d/AGENTS.md");
    }

    /// What a hostile repository puts in the place of instructions.
    #[test]
    #[cfg(unix)]
    fn a_file_that_is_none_is_refused() {
        let outside = tempfile::tempdir().unwrap();
        put(
            outside.path(),
            &[("id_rsa", "PRIVATE KEY"), ("d/AGENTS.md", "PRIVATE")],
        );
        let key = outside.path().join("id_rsa");
        let refuse = |make: &dyn Fn(&Path), part: &str| {
            let folder = tempfile::tempdir().unwrap();
            make(folder.path());
            let found = root_of(folder.path());
            assert_eq!(found.documents, []);
            assert!(found.problems[0].contains(part), "{:?}", found.problems);
            // Another one is taken then.
            put(folder.path(), &[("GEMINI.md", "g")]);
            let found = root_of(folder.path());
            assert_eq!(names(&found.documents), ["GEMINI.md"]);
        };
        let link = |root: &Path| std::os::unix::fs::symlink(&key, root.join("AGENTS.md")).unwrap();
        refuse(&link, "symbolic link");
        refuse(
            &|root| {
                std::os::unix::fs::symlink(outside.path().join("d"), root.join(".github")).unwrap();
                std::fs::create_dir(root.join("AGENTS.md")).unwrap();
            },
            "is a directory",
        );
        let fifo = |root: &Path| {
            let made = std::process::Command::new("mkfifo")
                .arg(root.join("AGENTS.md"))
                .status();
            assert!(made.unwrap().success());
        };
        refuse(&fifo, "FIFO");
        let huge = |root: &Path| {
            let file = std::fs::File::create(root.join("AGENTS.md")).unwrap();
            file.set_len(100 << 20).unwrap();
        };
        refuse(&huge, "104857600 bytes");
        let binary = |root: &Path| std::fs::write(root.join("AGENTS.md"), [0xff, 0]).unwrap();
        refuse(&binary, "is no text");
        let nul = |root: &Path| std::fs::write(root.join("AGENTS.md"), "a\0b").unwrap();
        refuse(&nul, "is no text");
        let hidden = |root: &Path| {
            put(
                root,
                &[("AGENTS.md", "a"), (".boxagntsignore", "AGENTS.md")],
            )
        };
        refuse(&hidden, "hidden");
    }

    #[test]
    fn a_long_file_is_cut_and_marks_are_shown() {
        let folder = tempfile::tempdir().unwrap();
        let long = "line\u{202e}\n".repeat(10_000);
        put(folder.path(), &[("AGENTS.md", &long)]);
        let found = root_of(folder.path());
        let document = &found.documents[0];
        assert!(document.cut && document.text.len() < 70_000);
        assert!(
            document.text.ends_with("line\\u{202e}\n"),
            "whole lines, marks shown"
        );
    }

    #[test]
    fn users_may_link_theirs() {
        let (folder, user) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        put(user.path(), &[("dotfiles", "mine")]);
        let config = Config::builtin();
        let files = Files::new(&overlay_of(folder.path()), &config, Some(user.path()));
        assert!(of_user(&files).documents.is_empty());
        #[cfg(unix)]
        {
            let link = user.path().join(USER);
            std::os::unix::fs::symlink(user.path().join("dotfiles"), link).unwrap();
            assert_eq!(of_user(&files).documents[0].text, "mine");
        }
    }
}
