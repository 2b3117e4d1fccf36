//! A user's folder, documents and session, with what must be true of them written down beside:
//! plain bytes, plain texts, and sets of unique words.

use super::super::journal::Journal;
use super::super::{Editor, put};
use super::agent::Running;
use super::dice::Dice;
use super::text::{Author, Writer, mark_set, more_marks};
use crate::{Buffer, Buffers, Content, Overlay, Step};
use boxagnts_policy::mounts::Mounts;
use boxagnts_protocol::proposal::FileProposal;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

pub(super) type Outcome = Result<(), String>;
pub(super) type Marks = BTreeSet<String>;

/// Files that there are, and places where some may come to be.
pub(super) const PATHS: [&str; 8] = [
    "a.txt", "b.txt", "c.txt", "d/e.txt", "empty", "bin", "new", "d/new",
];

/// Fails with the name of the invariant that does not hold.
macro_rules! ensure {
    ($what:expr, $holds:expr, $($said:tt)+) => {
        if !$holds {
            return Err(format!("{}: {}", $what, format!($($said)+)));
        }
    };
}
pub(super) use ensure;

/// A batch that was accepted, or one that took others back.
pub(super) struct Batch {
    pub(super) at: u64,
    pub(super) accept: bool,
    pub(super) files: Vec<(Step, Vec<String>)>,
    /// Its hunks that were not taken back.
    pub(super) claimed: BTreeSet<String>,
}

pub(super) struct World {
    folder: tempfile::TempDir,
    pub(super) editor: Arc<Editor>,
    pub(super) overlay: Arc<Overlay>,
    pub(super) journal: Journal,
    pub(super) dice: Dice,
    pub(super) last_mark: u32,
    pub(super) step: u64,
    /// What the disk must hold.
    pub(super) disk: BTreeMap<String, Vec<u8>>,
    /// Unique words of the user's texts, by path.
    pub(super) marks: BTreeMap<String, Marks>,
    /// What the user took away.
    pub(super) deleted: Marks,
    /// What the user typed and the agent openly proposes to take away.
    pub(super) at_risk: Marks,
    /// What plans took away.
    pub(super) gone: Marks,
    /// What an agent took to another file, where it may stay when it goes from the first.
    pub(super) copied: Marks,
    /// What the user turned down.
    pub(super) rejected: Marks,
    /// What the agent proposes, by path.
    pub(super) proposed: BTreeMap<String, Marks>,
    /// What accepting all must give, where the user changed nothing since.
    pub(super) exact: BTreeMap<String, Option<Content>>,
    /// The step in which the user changed a file last.
    pub(super) edited: BTreeMap<String, u64>,
    /// The step in which a plan changed a file last.
    pub(super) applied: BTreeMap<String, u64>,
    /// What the model has read, and since when the overlay knows that.
    pub(super) known: BTreeMap<String, Vec<u8>>,
    pub(super) seen_since: BTreeMap<String, u64>,
    pub(super) calls: Vec<Running>,
    pub(super) batches: Vec<Batch>,
    /// Earlier texts of documents, as an editor's own undo has them.
    pub(super) history: BTreeMap<String, Vec<String>>,
    /// What waits, as it was listed behind the last step.
    pub(super) listed: Vec<FileProposal>,
    /// What each id that was ever listed puts in and takes out.
    pub(super) ids: BTreeMap<String, (Marks, Marks)>,
    /// What the user had where hunks of whole files were turned down.
    pub(super) whole_hunks: BTreeMap<String, Marks>,
    /// Ids whose text the user made another one.
    pub(super) amended: BTreeSet<String>,
    /// Ids that this step brings back, and those whose text it makes another.
    pub(super) back: BTreeSet<String>,
    pub(super) remade: BTreeSet<String>,
    /// Ids from before the last restart.
    pub(super) restarted: BTreeSet<String>,
    /// Files of which this step decided in a way that no model follows.
    pub(super) resync: BTreeSet<String>,
    pub(super) rejected_ids: Vec<String>,
    pub(super) looked: u64,
    pub(super) calls_begun: u64,
    pub(super) trace: bool,
}

impl World {
    pub(super) fn new(trace: bool) -> World {
        // Memory, where there is such a folder: applying waits for the disk else.
        let memory = std::path::Path::new("/dev/shm");
        let folder = match memory.is_dir() {
            true => tempfile::tempdir_in(memory),
            false => tempfile::tempdir(),
        };
        let folder = folder.unwrap();
        let editor = Arc::<Editor>::default();
        let buffers = Arc::clone(&editor) as Arc<dyn Buffers>;
        let overlay = Overlay::open(folder.path(), &Mounts::none(), buffers).unwrap();
        let mut world = World {
            folder,
            editor,
            overlay,
            journal: Journal::default(),
            dice: Dice::new(0),
            last_mark: 0,
            step: 0,
            disk: BTreeMap::new(),
            marks: BTreeMap::new(),
            deleted: Marks::new(),
            at_risk: Marks::new(),
            gone: Marks::new(),
            copied: Marks::new(),
            rejected: Marks::new(),
            proposed: BTreeMap::new(),
            exact: BTreeMap::new(),
            edited: BTreeMap::new(),
            applied: BTreeMap::new(),
            known: BTreeMap::new(),
            seen_since: BTreeMap::new(),
            calls: Vec::new(),
            batches: Vec::new(),
            history: BTreeMap::new(),
            listed: Vec::new(),
            ids: BTreeMap::new(),
            whole_hunks: BTreeMap::new(),
            amended: BTreeSet::new(),
            back: BTreeSet::new(),
            remade: BTreeSet::new(),
            restarted: BTreeSet::new(),
            resync: BTreeSet::new(),
            rejected_ids: Vec::new(),
            looked: 0,
            calls_begun: 0,
            trace,
        };
        let block = "if a b c {\n    x = 1;\n}\n\n";
        let a = format!("{block}{block}foo bar baz\nend\n");
        world.put("a.txt", a.into_bytes());
        world.put("b.txt", b"foo bar baz\r\n}\r\n}\r\nend\r\n".to_vec());
        world.put("c.txt", "\u{feff}foo bar baz\n}\nend".as_bytes().to_vec());
        world.put("d/e.txt", "ä ö 😀 ü\n😀 x\n\n\n}\n".as_bytes().to_vec());
        world.put("empty", Vec::new());
        world.put("bin", b"\0\x01\xff".to_vec());
        world.remember();
        world
    }

    pub(super) fn say(&mut self, what: impl FnOnce() -> String) {
        if self.trace {
            eprint!("{}; ", what());
        }
    }

    pub(super) fn writer(&mut self, author: Author) -> Writer<'_> {
        Writer {
            dice: &mut self.dice,
            last: &mut self.last_mark,
            author,
        }
    }

    pub(super) fn at(&self, path: &str) -> std::path::PathBuf {
        self.folder.path().join(path)
    }

    /// The user, or a program of the user's, writes a file.
    pub(super) fn put(&mut self, path: &str, bytes: Vec<u8>) {
        put(self.folder.path(), path, &bytes);
        self.disk.insert(path.to_owned(), bytes);
    }

    pub(super) fn remove(&mut self, path: &str) {
        if self.disk.remove(path).is_some() {
            std::fs::remove_file(self.at(path)).unwrap();
        }
    }

    pub(super) fn on_disk(&self, path: &str) -> Option<Content> {
        self.disk
            .get(path)
            .map(|bytes| Content::from_bytes(bytes.clone()))
    }

    pub(super) fn buffer(&self, path: &str) -> Option<Buffer> {
        self.editor.0.lock().unwrap().get(path).cloned()
    }

    /// The user's file of now: the open document, else the disk.
    pub(super) fn users(&self, path: &str) -> Option<Content> {
        match self.buffer(path) {
            Some(buffer) => Some(Content::from_text(buffer.text)),
            None => self.on_disk(path),
        }
    }

    /// What tools see below a proposal.
    pub(super) fn below(&self, path: &str) -> Option<Content> {
        match self.buffer(path) {
            Some(buffer) if buffer.dirty => Some(Content::from_text(buffer.text)),
            _ => self.on_disk(path),
        }
    }

    pub(super) fn users_marks(&self, path: &str) -> Marks {
        self.users(path)
            .as_ref()
            .and_then(Content::text)
            .map(mark_set)
            .unwrap_or_default()
    }

    /// Writes down what the user's texts are.
    fn remember(&mut self) {
        self.marks = PATHS
            .iter()
            .map(|path| ((*path).to_owned(), self.users_marks(path)))
            .collect();
    }

    fn everywhere(&self) -> Marks {
        let mut all = Marks::new();
        for path in PATHS {
            all.extend(self.users_marks(path));
        }
        all
    }

    /// The user does something to files and documents.
    pub(super) fn by_user(&mut self, act: impl FnOnce(&mut World)) {
        let views = |world: &World| PATHS.map(|path| (world.users(path), world.below(path)));
        let (before, had) = (views(self), self.everywhere());
        act(self);
        let (after, has) = (views(self), self.everywhere());
        for ((path, before), after) in PATHS.iter().zip(before).zip(after) {
            if before != after {
                let text = |content: &Option<Content>| {
                    let text = content.as_ref().and_then(Content::text);
                    text.unwrap_or_default().to_owned()
                };
                // Also one of two: which one the agent takes away is not known here.
                let gone = more_marks(&text(&before.0), &text(&after.0));
                if let Some(marks) = self.proposed.get_mut(*path) {
                    marks.retain(|mark| !gone.contains(mark));
                }
                self.edited.insert((*path).to_owned(), self.step);
                self.inexact(path);
            }
        }
        self.deleted.extend(had.difference(&has).cloned());
        self.remember();
        let now: Marks = self.marks.values().flatten().cloned().collect();
        self.deleted.retain(|mark| !now.contains(mark));
        self.rejected.retain(|mark| !now.contains(mark));
        let deleted = &self.deleted;
        for marks in self.proposed.values_mut() {
            marks.retain(|mark| !deleted.contains(mark));
        }
    }

    /// What accepting gives is no longer known to the byte.
    pub(super) fn inexact(&mut self, path: &str) {
        self.exact.remove(path);
        for file in &self.listed {
            if file.from.as_deref() == Some(path) {
                self.exact.remove(&file.path);
            }
        }
    }

    /// The document gets another text, as the next version.
    pub(super) fn set_buffer(&mut self, path: &str, text: &str, dirty: bool) {
        if let Some(before) = self.buffer(path)
            && *before.text != *text
        {
            let history = self.history.entry(path.to_owned()).or_default();
            history.push(before.text.to_string());
        }
        self.editor.show(path, text, dirty);
    }

    pub(super) fn close(&mut self, path: &str) {
        self.editor.0.lock().unwrap().remove(path);
        self.history.remove(path);
    }

    /// Something of the user's happens.
    pub(super) fn user_step(&mut self) {
        let path = PATHS[self.dice.below(PATHS.len())];
        let choice = self.dice.below(100);
        let said = format!("user {path} {choice}");
        // Text that is given up at once may have had one of two words that stood twice: which one the
        // model takes away is not known here.
        if (62..=79).contains(&choice) && self.buffer(path).is_some_and(|buffer| buffer.dirty) {
            self.resync.insert(path.to_owned());
        }
        self.by_user(|world| match world.buffer(path) {
            Some(buffer) => world.with_document(path, &buffer, choice),
            None => world.with_file(path, choice),
        });
        self.say(|| said);
        let shown = self.users(path);
        self.say(|| format!("{:?}", shown.as_ref().and_then(Content::text)));
    }

    fn with_document(&mut self, path: &str, buffer: &Buffer, choice: usize) {
        let on_disk = self.on_disk(path);
        match choice {
            0..=49 => {
                let text = self.writer(Author::User).edit(&buffer.text);
                self.set_buffer(path, &text, true);
            }
            50..=61 => {
                let bom = matches!(on_disk, Some(Content::Text { bom: true, .. }));
                let text = if bom {
                    format!("\u{feff}{}", buffer.text)
                } else {
                    buffer.text.to_string()
                };
                self.put(path, text.into_bytes());
                self.editor.show(path, &buffer.text, false);
            }
            62..=69 => {
                if let Some(text) = on_disk.as_ref().and_then(Content::text) {
                    self.set_buffer(path, text, false);
                }
            }
            70..=79 => self.close(path),
            80..=89 => {
                let back = self.history.get_mut(path).and_then(Vec::pop);
                if let Some(back) = back {
                    self.editor.show(path, &back, true);
                }
            }
            // Another program; the editor may take it over at once, when nothing is unsaved.
            _ => {
                if let Some(text) = on_disk.as_ref().and_then(Content::text) {
                    let text = self.writer(Author::User).edit(text);
                    self.put(path, text.clone().into_bytes());
                    if !buffer.dirty && self.dice.chance(60) {
                        self.set_buffer(path, &text, false);
                    }
                }
            }
        }
    }

    fn with_file(&mut self, path: &str, choice: usize) {
        match (self.on_disk(path), choice) {
            (Some(Content::Text { text, bom }), 0..=59) => {
                let text = self.writer(Author::User).edit(&text);
                let text = if bom { format!("\u{feff}{text}") } else { text };
                if self.dice.chance(50) {
                    // Another file takes its place, as many programs save.
                    self.remove(path);
                }
                self.put(path, text.into_bytes());
            }
            (Some(Content::Text { text, .. }), 60..=84) => self.editor.show(path, &text, false),
            (Some(_), 85..=88) => self.remove(path),
            (Some(_), 89 | 90) => {
                let bytes = vec![0, 0xff, u8::try_from(choice).unwrap_or(0)];
                self.put(path, bytes);
            }
            (Some(Content::Binary(_)), 0..=20) => {
                let text = self.writer(Author::User).text("\n");
                self.put(path, text.into_bytes());
            }
            (Some(_), 91 | 92) => {
                let to = PATHS[self.dice.below(PATHS.len())];
                if self.users(to).is_none()
                    && let Some(bytes) = self.disk.get(path).cloned()
                {
                    self.remove(path);
                    self.put(to, bytes);
                }
            }
            (None, 0..=25) => {
                let text = self.writer(Author::User).text("\n");
                self.put(path, text.into_bytes());
            }
            (None, 26..=30) => {
                let text = self.writer(Author::User).text("\n");
                self.editor.show(path, &text, true);
            }
            _ => {}
        }
    }

    /// Another process of the same session, from its journal.
    pub(super) fn restart(&mut self) -> Outcome {
        self.calls.clear();
        self.journal.hear(&self.overlay);
        let again = self.overlay.another();
        let lost = self.journal.restore(&again);
        self.say(|| format!("restart, lost {lost:?}"));
        if !lost.is_empty() {
            // Binary files that changed meanwhile.
            self.exact.clear();
        }
        self.overlay = again;
        self.journal.version = 0;
        self.journal.hear(&self.overlay);
        self.looked = 0;
        self.known.clear();
        self.seen_since.clear();
        self.rejected_ids.clear();
        self.restarted = self.ids.keys().cloned().collect();
        self.resync_all();
        Ok(())
    }

    pub(super) fn resync_all(&mut self) {
        self.resync
            .extend(PATHS.iter().map(|path| (*path).to_owned()));
    }
}
