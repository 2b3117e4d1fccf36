//! Hunk by hunk, in the manner of `git add -p`.

use crate::exit::Failure;
use crate::render;
use crate::terminal::{self, Theme, paint};
use crate::turn;
use boxagnts_protocol::commands::HunkStatus;
use boxagnts_protocol::proposal::{FileProposal, Hunk, HunkState};
use boxagnts_session::{Selection, Sessions};
use std::io::{BufRead, Write};
use std::path::PathBuf;
use std::sync::Arc;

const HELP: &str = "\
y - accept this hunk
n - reject this hunk
a - accept this hunk and the rest of the file
d - reject this hunk and the rest of the file
A - accept this hunk and everything behind it
q - quit; what is not decided stays pending
? - print help
";

/// What came of a review.
pub(crate) struct Reviewed {
    /// What became of the hunks that were decided on.
    pub(crate) hunks: Vec<HunkStatus>,
    /// The user pressed Ctrl-C: nothing was decided.
    pub(crate) interrupted: bool,
}

/// Asks about every hunk that waits, and carries out what was answered.
pub(crate) async fn review(sessions: &Arc<Sessions>, session: &str) -> Result<Reviewed, Failure> {
    let files = sessions.proposal(session)?.files;
    let root = sessions.root().to_path_buf();
    let asking = tokio::task::spawn_blocking(move || {
        let review = Review {
            root,
            theme: Theme::stderr(),
        };
        // Standard error stays free for others: after Ctrl-C this thread still waits for a line.
        review.ask(&files, &mut std::io::stdin().lock(), &mut std::io::stderr())
    });
    let decisions = tokio::select! {
        asked = asking => asked
            .map_err(|error| Failure::failed(format!("the review stopped: {error}")))?
            .map_err(|error| Failure::failed(format!("cannot ask: {error}")))?,
        _ = tokio::signal::ctrl_c() => {
            terminal::say("\n");
            return Ok(Reviewed { hunks: Vec::new(), interrupted: true });
        }
    };
    let mut hunks = Vec::new();
    // Rejected first: the rest of a file is then planned without them.
    if !decisions.reject.is_empty() {
        let rejected = sessions.reject(session, &Selection::Hunks(decisions.reject), None)?;
        hunks.extend(rejected.hunks);
    }
    if !decisions.accept.is_empty() {
        let accept = Selection::Hunks(decisions.accept);
        hunks.extend(turn::accept(sessions, session, &accept).await?);
    }
    Ok(Reviewed {
        hunks,
        interrupted: false,
    })
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Decisions {
    accept: Vec<String>,
    reject: Vec<String>,
}

struct Review {
    root: PathBuf,
    theme: Theme,
}

#[derive(Clone, Copy, PartialEq)]
enum Answer {
    Accept,
    Reject,
}

/// How far an answer reaches.
#[derive(Clone, Copy, PartialEq)]
enum Reach {
    Hunk,
    File,
    Everything,
}

impl Review {
    /// The end of the input is a `q`.
    fn ask(
        &self,
        files: &[FileProposal],
        input: &mut dyn BufRead,
        out: &mut dyn Write,
    ) -> std::io::Result<Decisions> {
        let all: Vec<(&FileProposal, &Hunk)> = render::waiting(files).collect();
        let mut decisions = Decisions::default();
        // What an earlier answer says of the hunks to come.
        let mut standing: Option<(Answer, Reach, &str)> = None;
        let mut shown_file = "";
        for (at, (file, hunk)) in all.iter().enumerate() {
            let covers = |reach, path| reach == Reach::Everything || path == file.path;
            let answer = match standing {
                Some((answer, reach, path)) if covers(reach, path) => Some((answer, reach)),
                _ => None,
            };
            if hunk.state == HunkState::Conflicted {
                self.show(out, file, hunk, &mut shown_file)?;
                writeln!(out, "Your text changed here; look at it in an editor.\n")?;
                continue;
            }
            let answer = match answer {
                Some(answer) => answer,
                None => {
                    self.show(out, file, hunk, &mut shown_file)?;
                    match self.prompt(at + 1, all.len(), input, out)? {
                        Some(answer) => answer,
                        None => break,
                    }
                }
            };
            standing = (answer.1 != Reach::Hunk).then_some((answer.0, answer.1, &file.path));
            match answer.0 {
                Answer::Accept => decisions.accept.push(hunk.id.clone()),
                Answer::Reject => decisions.reject.push(hunk.id.clone()),
            }
        }
        Ok(decisions)
    }

    fn show<'a>(
        &self,
        out: &mut dyn Write,
        file: &'a FileProposal,
        hunk: &Hunk,
        shown_file: &mut &'a str,
    ) -> std::io::Result<()> {
        if *shown_file != file.path {
            *shown_file = &file.path;
            writeln!(out, "\n{}", paint(self.theme.bold, render::file(file)))?;
        }
        let live = render::live_text(&self.root, file);
        write!(out, "{}", render::hunk(hunk, live.as_deref(), self.theme))
    }

    /// `None` for the end of the review.
    fn prompt(
        &self,
        at: usize,
        of: usize,
        input: &mut dyn BufRead,
        out: &mut dyn Write,
    ) -> std::io::Result<Option<(Answer, Reach)>> {
        loop {
            let question = format!("({at}/{of}) Accept this hunk [y,n,a,d,A,q,?]? ");
            write!(out, "{}", paint(self.theme.cyan, question))?;
            out.flush()?;
            let mut line = String::new();
            if input.read_line(&mut line)? == 0 {
                writeln!(out)?;
                return Ok(None);
            }
            match line.trim() {
                "y" | "Y" | "yes" => return Ok(Some((Answer::Accept, Reach::Hunk))),
                "n" | "N" | "no" => return Ok(Some((Answer::Reject, Reach::Hunk))),
                "a" => return Ok(Some((Answer::Accept, Reach::File))),
                "d" => return Ok(Some((Answer::Reject, Reach::File))),
                "A" => return Ok(Some((Answer::Accept, Reach::Everything))),
                "q" | "Q" => return Ok(None),
                _ => write!(out, "{HELP}")?,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use boxagnts_protocol::proposal::{ChangeKind, Position, Range};
    use expect_test::expect;

    fn file(path: &str, hunks: &[(&str, HunkState)]) -> FileProposal {
        let start = Position {
            line: 0,
            character: 0,
        };
        let end = Position {
            line: 1,
            character: 0,
        };
        let hunk = |(id, state): &(&str, HunkState)| Hunk {
            id: (*id).to_owned(),
            state: *state,
            range: Range { start, end },
            old_text: "old\n".into(),
            new_text: "new\n".into(),
            note: None,
            group: None,
        };
        FileProposal {
            uri: String::new(),
            path: path.into(),
            from: None,
            kind: ChangeKind::Modify,
            hunks: hunks.iter().map(hunk).collect(),
        }
    }

    fn proposal() -> Vec<FileProposal> {
        use HunkState::{Accepted, Conflicted, Pending};
        vec![
            file(
                "a",
                &[
                    ("h1", Pending),
                    ("h2", Pending),
                    ("h3", Accepted),
                    ("h4", Pending),
                ],
            ),
            file("b", &[("h5", Conflicted), ("h6", Pending)]),
            file("c", &[("h7", Pending)]),
        ]
    }

    fn ask(answers: &str) -> (Decisions, String) {
        let review = Review {
            root: PathBuf::from("/nowhere"),
            theme: Theme::plain(),
        };
        let input = answers
            .split(' ')
            .map(|word| format!("{word}\n"))
            .collect::<String>();
        let mut out = Vec::new();
        let decisions = review
            .ask(&proposal(), &mut input.as_bytes(), &mut out)
            .unwrap();
        (decisions, String::from_utf8(out).unwrap())
    }

    fn check(answers: &str, accept: &[&str], reject: &[&str]) {
        let (decisions, out) = ask(answers);
        assert_eq!(decisions.accept, accept, "{answers}\n{out}");
        assert_eq!(decisions.reject, reject, "{answers}\n{out}");
    }

    #[test]
    fn answers_reach_as_far_as_they_say() {
        check("y n y n y", &["h1", "h4", "h7"], &["h2", "h6"]);
        check("a d y", &["h1", "h2", "h4", "h7"], &["h6"]);
        check("d y n", &["h6"], &["h1", "h2", "h4", "h7"]);
        check("n A", &["h2", "h4", "h6", "h7"], &["h1"]);
        check("y q", &["h1"], &[]);
        check("q", &[], &[]);
        check("? maybe y q", &["h1"], &[]);
    }

    #[test]
    fn the_end_of_the_input_decides_nothing_more() {
        // One answer, and then no line at all.
        let review = Review {
            root: PathBuf::from("/nowhere"),
            theme: Theme::plain(),
        };
        let mut out = Vec::new();
        let decisions = review
            .ask(&proposal(), &mut "n\n".as_bytes(), &mut out)
            .unwrap();
        assert_eq!(
            decisions,
            Decisions {
                accept: vec![],
                reject: vec!["h1".into()]
            }
        );
    }

    #[test]
    fn the_dialogue_is_that_of_git() {
        expect![[r#"

            a
            @@ h1 @@ line 1
            -old
            +new
            (1/6) Accept this hunk [y,n,a,d,A,q,?]? 
            b
            @@ h5 @@ line 1
            -old
            +new
            Your text changed here; look at it in an editor.

            @@ h6 @@ line 1
            -old
            +new
            (5/6) Accept this hunk [y,n,a,d,A,q,?]? "#]]
        .assert_eq(&ask("a q").1);
    }
}
