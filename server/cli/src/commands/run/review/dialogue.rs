//! The dialogue: shows a hunk, asks, goes on. What was answered is gathered and handed back; only
//! splitting and editing happen at once, because they only change what is proposed.

use super::board::{Board, Decisions, Verdict};
use super::desk::Desk;
use super::editor::{self, Edited, Editor};
use super::keys::{self, Key, Place};
use crate::exit::Failure;
use crate::render;
use crate::terminal::{Theme, paint, visible};
use boxagnts_protocol::proposal::{FileProposal, Hunk, HunkState};
use std::io::{self, BufRead, Write};
use std::path::Path;

/// One review from its first question to its last answer.
pub(super) struct Dialogue<'a> {
    pub(super) desk: &'a dyn Desk,
    pub(super) editor: &'a dyn Editor,
    /// The workspace folder.
    pub(super) root: &'a Path,
    pub(super) theme: Theme,
    pub(super) input: &'a mut dyn BufRead,
    pub(super) out: &'a mut dyn Write,
}

/// Where the dialogue goes after an answer.
enum Step {
    /// The same question again.
    Ask,
    /// That hunk.
    To(usize),
    /// The first hunk from there on that is not decided on; the end when there is none.
    Undecided(usize),
    End,
}

impl Dialogue<'_> {
    /// The end of the input is a `q`.
    pub(super) fn hold(mut self) -> Result<Decisions, Failure> {
        let mut board = Board::default();
        board.load(self.desk.files()?);
        let mut shown_file = String::new();
        let mut step = Step::Undecided(0);
        let mut at = 0;
        loop {
            let shows = !matches!(step, Step::Ask);
            at = match step {
                Step::Ask => at,
                Step::To(to) => to,
                Step::Undecided(from) => match board.undecided(from) {
                    Some(to) => to,
                    None => break,
                },
                Step::End => break,
            };
            if shows {
                self.show(&board, at, &mut shown_file).map_err(cannot_ask)?;
            }
            let place = board.place(at);
            step = match self.ask(&board, at, &place).map_err(cannot_ask)? {
                None => Step::End,
                Some((key, text)) => self.act(&mut board, at, key, &text)?,
            };
        }
        Ok(board.decisions())
    }

    fn show(&mut self, board: &Board, at: usize, shown_file: &mut String) -> io::Result<()> {
        let Some((file, hunk)) = board.get(at) else {
            return Ok(());
        };
        if *shown_file != file.path {
            shown_file.clone_from(&file.path);
            writeln!(self.out, "\n{}", paint(self.theme.bold, render::file(file)))?;
        }
        let text = match hunk.state {
            HunkState::Conflicted => render::conflict(hunk, self.theme),
            _ => {
                let live = render::live_text(self.root, file);
                render::hunk(hunk, live.as_deref(), self.theme)
            }
        };
        write!(self.out, "{text}")
    }

    /// A key that does something here, with the text behind it; `None` at the end of the input.
    fn ask(
        &mut self,
        board: &Board,
        at: usize,
        place: &Place,
    ) -> io::Result<Option<(Key, String)>> {
        let so_far = match board.verdict(at) {
            None => "",
            Some(Verdict::Accept) => ", so far accepted",
            Some(Verdict::Reject(_)) => ", so far rejected",
        };
        let question = format!("({}/{}{so_far}) {}", at + 1, board.len(), place.question());
        loop {
            let Some(line) = self.line(&question)? else {
                return Ok(None);
            };
            match keys::parse(&line) {
                None | Some((Key::Help, _)) => write!(self.out, "{}", keys::help(place))?,
                Some((key, text)) => match place.refuses(key) {
                    Some(reason) => writeln!(self.out, "{reason}")?,
                    None => return Ok(Some((key, text.to_owned()))),
                },
            }
        }
    }

    fn act(&mut self, board: &mut Board, at: usize, key: Key, text: &str) -> Result<Step, Failure> {
        let Some((file, hunk)) = board.get(at) else {
            return Ok(Step::End);
        };
        let (path, group) = (file.path.clone(), hunk.group.clone());
        let (all, behind) = (0..board.len(), at..board.len());
        let in_file = |file: &FileProposal| file.path == path;
        let in_group = |hunk: &Hunk| hunk.group == group;
        let (accept, reject) = (Verdict::Accept, Verdict::Reject(None));
        let decided = match key {
            Key::Accept => board.decide_with(at, |_, _| false, behind, &accept),
            Key::Reject => board.decide_with(at, |_, _| false, behind, &reject),
            Key::AcceptFile => board.decide_with(at, |file, _| in_file(file), behind, &accept),
            Key::RejectFile => board.decide_with(at, |file, _| in_file(file), behind, &reject),
            Key::AcceptAll => board.decide_with(at, |_, _| true, behind, &accept),
            Key::AcceptGroup => board.decide_with(at, |_, hunk| in_group(hunk), all, &accept),
            Key::RejectGroup => board.decide_with(at, |_, hunk| in_group(hunk), all, &reject),
            Key::Comment => return self.comment(board, at),
            Key::Split => return self.split(board, at),
            Key::Edit => return self.edit(board, at),
            Key::Search => return self.search(board, at, text),
            Key::Next => return Ok(Step::To(at + 1)),
            Key::Previous => return Ok(Step::To(at.saturating_sub(1))),
            Key::Print => return Ok(Step::To(at)),
            Key::Help => return Ok(Step::Ask),
            Key::Quit => return Ok(Step::End),
        };
        if decided > 1 {
            let what = match key {
                Key::RejectFile | Key::RejectGroup => "rejected",
                _ => "accepted",
            };
            self.say(&format!("{} {what}", render::count(decided as u64, "hunk")))?;
        }
        Ok(Step::Undecided(at + 1))
    }

    fn comment(&mut self, board: &mut Board, at: usize) -> Result<Step, Failure> {
        let words = self
            .line("What shall the model know? ")
            .map_err(cannot_ask)?;
        let words = words.as_deref().map(str::trim).unwrap_or_default();
        if words.is_empty() {
            self.say("nothing said, nothing decided")?;
            return Ok(Step::Ask);
        }
        board.decide(at, Verdict::Reject(Some(words.to_owned())));
        Ok(Step::Undecided(at + 1))
    }

    fn search(&mut self, board: &Board, at: usize, text: &str) -> Result<Step, Failure> {
        let asked = match text {
            "" => self.line("Search for: ").map_err(cannot_ask)?,
            text => Some(text.to_owned()),
        };
        let text = asked.unwrap_or_default();
        if text.is_empty() {
            return Ok(Step::Ask);
        }
        match board.find(at, &text) {
            Some(found) => Ok(Step::To(found)),
            None => {
                self.say(&format!("no hunk has `{text}`"))?;
                Ok(Step::Ask)
            }
        }
    }

    fn split(&mut self, board: &mut Board, at: usize) -> Result<Step, Failure> {
        let Some((_, hunk)) = board.get(at) else {
            return Ok(Step::End);
        };
        let parts = match self.desk.split(&hunk.id) {
            Ok(parts) => parts,
            Err(failure) => return self.not_done(&failure),
        };
        board.load(self.desk.files()?);
        self.say(&format!(
            "split into {}",
            render::count(parts.len() as u64, "hunk")
        ))?;
        let first = parts.iter().find_map(|id| board.position(id));
        Ok(first.map_or(Step::Undecided(at), Step::To))
    }

    fn edit(&mut self, board: &mut Board, at: usize) -> Result<Step, Failure> {
        let Some((file, hunk)) = board.get(at) else {
            return Ok(Step::End);
        };
        let (id, proposed) = (hunk.id.clone(), hunk.new_text.clone());
        let is_conflicted = hunk.state == HunkState::Conflicted;
        match editor::edit(self.editor, file, hunk) {
            Err(reason) => {
                self.say(&format!("{reason}; nothing is changed"))?;
                Ok(Step::Ask)
            }
            Ok(Edited::Changed(text)) => self.amend(board, at, &id, &text),
            // As it is proposed, instead of what the user has there, can be what is wanted.
            Ok(Edited::Unchanged)
                if is_conflicted && self.confirm("put the proposed text there as it is?")? =>
            {
                self.amend(board, at, &id, &proposed)
            }
            Ok(Edited::Unchanged) => {
                self.say("nothing is changed")?;
                Ok(Step::Ask)
            }
            Ok(Edited::Empty) if self.confirm("nothing is left; reject this hunk?")? => {
                board.decide(at, Verdict::Reject(None));
                Ok(Step::Undecided(at + 1))
            }
            Ok(Edited::Empty) => {
                self.say("nothing is changed")?;
                Ok(Step::Ask)
            }
        }
    }

    fn amend(
        &mut self,
        board: &mut Board,
        at: usize,
        id: &str,
        text: &str,
    ) -> Result<Step, Failure> {
        let became = match self.desk.amend(id, text) {
            Ok(became) => became,
            Err(failure) => return self.not_done(&failure),
        };
        board.load(self.desk.files()?);
        let places: Vec<usize> = became.iter().filter_map(|id| board.position(id)).collect();
        for at in &places {
            board.decide(*at, Verdict::Accept);
        }
        match places.last() {
            Some(last) => Ok(Step::Undecided(last + 1)),
            None => {
                self.say("nothing is left of this hunk")?;
                Ok(Step::Undecided(at))
            }
        }
    }

    fn not_done(&mut self, failure: &Failure) -> Result<Step, Failure> {
        self.say(&failure.message)?;
        Ok(Step::Ask)
    }

    fn confirm(&mut self, question: &str) -> Result<bool, Failure> {
        let answer = self
            .line(&format!("{question} [y,n] "))
            .map_err(cannot_ask)?;
        let answer = answer.as_deref().map(str::trim);
        Ok(matches!(answer, Some("y" | "Y" | "yes")))
    }

    fn say(&mut self, text: &str) -> Result<(), Failure> {
        writeln!(self.out, "{}", visible(text)).map_err(cannot_ask)
    }

    /// A line of the user's without its line break; `None` at the end of the input.
    fn line(&mut self, question: &str) -> io::Result<Option<String>> {
        write!(self.out, "{}", paint(self.theme.cyan, question))?;
        self.out.flush()?;
        let mut line = Vec::new();
        if self.input.read_until(b'\n', &mut line)? == 0 {
            writeln!(self.out)?;
            return Ok(None);
        }
        let line = String::from_utf8_lossy(&line);
        Ok(Some(line.trim_end_matches(['\n', '\r']).to_owned()))
    }
}

fn cannot_ask(error: io::Error) -> Failure {
    Failure::failed(format!("cannot ask: {error}"))
}

#[cfg(test)]
mod tests;
