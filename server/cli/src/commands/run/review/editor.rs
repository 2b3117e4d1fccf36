//! The user's editor on the text of a hunk, in a file that nobody else reads.

use boxagnts_protocol::proposal::{FileProposal, Hunk};
use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::process::{Command, ExitStatus};

/// Where people are asked for text that is longer than a line.
pub(super) trait Editor {
    /// Lets the user edit a file, and comes back when the user is done.
    fn edit(&self, file: &Path) -> io::Result<ExitStatus>;
}

/// The editor that the environment names, as git finds it.
#[derive(Debug)]
pub(super) struct UserEditor {
    command: OsString,
}

impl UserEditor {
    pub(super) fn of_environment() -> UserEditor {
        let set = |name| std::env::var_os(name).filter(|command| !command.is_empty());
        let default = if cfg!(windows) { "notepad" } else { "vi" };
        UserEditor {
            command: set("VISUAL")
                .or_else(|| set("EDITOR"))
                .unwrap_or_else(|| default.into()),
        }
    }
}

impl Editor for UserEditor {
    #[cfg(unix)]
    fn edit(&self, file: &Path) -> io::Result<ExitStatus> {
        // It may have arguments and quotes, and is the user's own command line.
        let mut script = self.command.clone();
        script.push(" \"$@\"");
        let mut shell = Command::new("sh");
        shell.arg("-c").arg(script).arg(&self.command).arg(file);
        shell.status()
    }

    #[cfg(not(unix))]
    fn edit(&self, file: &Path) -> io::Result<ExitStatus> {
        // A path with spaces is one program; else the words behind the first are its arguments.
        if Path::new(&self.command).is_file() {
            return Command::new(&self.command).arg(file).status();
        }
        let words = self.command.to_string_lossy();
        let mut words = words.split_whitespace();
        let program = words.next().unwrap_or("notepad");
        Command::new(program).args(words).arg(file).status()
    }
}

/// What came of editing.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Edited {
    Unchanged,
    /// Nothing is left of the text.
    Empty,
    Changed(String),
}

/// Lets the user edit the proposed text of a hunk.
///
/// # Errors
/// In words: there is no editor, it failed, it left something that is no text.
pub(super) fn edit(
    editor: &dyn Editor,
    file: &FileProposal,
    hunk: &Hunk,
) -> Result<Edited, String> {
    let failed = |what: &str, error: &dyn std::fmt::Display| format!("{what}: {error}");
    let folder = tempfile::Builder::new()
        .prefix("boxagnts-")
        .tempdir()
        .map_err(|error| failed("cannot make a folder for the text", &error))?;
    let path = folder.path().join(file_name(&file.path, &hunk.id));
    std::fs::write(&path, &hunk.new_text)
        .map_err(|error| failed("cannot write the text for the editor", &error))?;
    let status = editor
        .edit(&path)
        .map_err(|error| failed("cannot start the editor; set VISUAL or EDITOR", &error))?;
    if !status.success() {
        return Err(failed("the editor failed", &status));
    }
    let bytes = std::fs::read(&path).map_err(|error| failed("cannot read the text", &error))?;
    let text = String::from_utf8(bytes)
        .map_err(|error| failed("what the editor wrote is not UTF-8", &error))?;
    Ok(compare(hunk, text))
}

fn compare(hunk: &Hunk, text: String) -> Edited {
    let proposed = &hunk.new_text;
    if text == *proposed {
        return Edited::Unchanged;
    }
    // Some editors leave a line break of nothing.
    if matches!(&*text, "" | "\n" | "\r\n") {
        return Edited::Empty;
    }
    // Editors end the last line, or not, by habits of their own; the hunk ends as it was meant to.
    let model = if proposed.is_empty() {
        &hunk.old_text
    } else {
        proposed
    };
    let ending = match (model.ends_with("\r\n"), model.ends_with('\n')) {
        (true, _) => "\r\n",
        (_, true) => "\n",
        _ => "",
    };
    let body = text.strip_suffix('\n').unwrap_or(&text);
    let body = body.strip_suffix('\r').unwrap_or(body);
    let text = format!("{body}{ending}");
    match text == *proposed {
        true => Edited::Unchanged,
        false => Edited::Changed(text),
    }
}

/// A name by which editors know the language, and nothing else: some programs run what files of
/// well-known names say.
fn file_name(path: &str, hunk: &str) -> String {
    let name = path.rsplit('/').next().unwrap_or_default();
    let plain = |text: &&str| {
        !text.is_empty() && text.len() <= 16 && text.chars().all(|c| c.is_ascii_alphanumeric())
    };
    let id: String = hunk.chars().filter(char::is_ascii_alphanumeric).collect();
    match name
        .rsplit_once('.')
        .map(|(_, ending)| ending)
        .filter(plain)
    {
        Some(ending) => format!("hunk-{id}.{ending}"),
        None => format!("hunk-{id}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::run::review::testing::{a_hunk, file};
    use boxagnts_protocol::proposal::HunkState;

    #[test]
    fn names_tell_the_language_alone() {
        let check = |path: &str, expect: &str| assert_eq!(file_name(path, "h3"), expect);
        check("src/lib.rs", "hunk-h3.rs");
        check("Cargo.toml", "hunk-h3.toml");
        check("a/Makefile", "hunk-h3");
        check("a.b/Makefile", "hunk-h3");
        check(".vimrc", "hunk-h3.vimrc");
        check("x.$(touch y)", "hunk-h3");
        check("x.", "hunk-h3");
        assert_eq!(file_name("a.rs", "../h\n1"), "hunk-h1.rs");
    }

    #[test]
    fn the_last_line_ends_as_proposed() {
        let check = |old: &str, new: &str, text: &str, expect: Edited| {
            let hunk = a_hunk("h1", HunkState::Pending, old, new);
            assert_eq!(compare(&hunk, text.to_owned()), expect, "{text:?}");
        };
        let changed = |text: &str| Edited::Changed(text.to_owned());
        check("", "a\n", "a\n", Edited::Unchanged);
        check("", "a\n", "a", Edited::Unchanged);
        check("", "a", "a\n", Edited::Unchanged);
        check("", "a", "b\n", changed("b"));
        check("", "a\r\n", "b\n", changed("b\r\n"));
        check("", "a\n", "b\n\n", changed("b\n\n"));
        check("x\n", "", "b", changed("b\n"));
        check("x\n", "", "", Edited::Unchanged);
        check("", "a\n", "\n", Edited::Empty);
        check("", "# a\n", "# b\n", changed("# b\n"));
    }

    #[cfg(unix)]
    #[test]
    fn the_editor_is_a_command_line_of_the_user() {
        let check = |command: &str, expect: Result<Edited, &str>| {
            let editor = UserEditor {
                command: command.into(),
            };
            let hunk = a_hunk("h1", HunkState::Pending, "old\n", "new\n");
            let edited = edit(&editor, &file("a b.rs", Vec::new()), &hunk);
            match (edited, expect) {
                (Ok(edited), Ok(expect)) => assert_eq!(edited, expect, "{command}"),
                (Err(error), Err(part)) => assert!(error.contains(part), "{command}: {error}"),
                (edited, _) => panic!("{command}: {edited:?}"),
            }
        };
        check("true", Ok(Edited::Unchanged));
        check(
            "sed -i s/new/'# it is'/",
            Ok(Edited::Changed("# it is\n".into())),
        );
        check("f() { : > \"$1\"; }; f", Ok(Edited::Empty));
        check("false", Err("exit status: 1"));
        check("/no/such/editor", Err("the editor failed"));
        check("printf '\\377' >", Err("not UTF-8"));
        check("rm", Err("cannot read the text"));
    }
}
