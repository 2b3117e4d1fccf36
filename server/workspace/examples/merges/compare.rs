//! The two merges: ours through a real overlay, and that of `git merge-file`.

use crate::classify::Edit;
use crate::corpus::Case;
use boxagnts_policy::mounts::Mounts;
use boxagnts_policy::path::WorkspacePath;
use boxagnts_protocol::proposal::{Hunk, Position};
use boxagnts_workspace::{Buffer, Buffers, Content, Overlay, Selection};
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError};

const FILE: &str = "file.txt";

/// What a merge came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// This text.
    Clean(String),
    /// Some changes of the two sides do not go together.
    Conflict,
}

/// The one document that is open.
#[derive(Default)]
struct Editor(Mutex<Option<Arc<str>>>);

impl Buffers for Editor {
    fn get(&self, path: &WorkspacePath) -> Option<Buffer> {
        let text = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let text = text.clone().filter(|_| path.as_str() == FILE)?;
        Some(Buffer {
            text,
            version: 1,
            dirty: true,
        })
    }

    fn open_paths(&self) -> Vec<WorkspacePath> {
        Vec::new()
    }
}

/// Merges by both.
pub struct Comparison {
    folder: tempfile::TempDir,
    editor: Arc<Editor>,
    overlay: Arc<Overlay>,
}

impl Comparison {
    /// In a folder of its own.
    ///
    /// # Errors
    /// The folder cannot be made or opened.
    pub fn new() -> Result<Comparison, Box<dyn std::error::Error>> {
        let folder = tempfile::tempdir()?;
        std::fs::create_dir(folder.path().join("workspace"))?;
        let editor = Arc::<Editor>::default();
        let buffers = Arc::clone(&editor) as Arc<dyn Buffers>;
        let workspace = folder.path().join("workspace");
        let overlay = Overlay::open(&workspace, &Mounts::none(), buffers)?;
        Ok(Comparison {
            folder,
            editor,
            overlay,
        })
    }

    fn show(&self, text: Option<&str>) {
        let mut open = self.editor.0.lock().unwrap_or_else(PoisonError::into_inner);
        *open = text.map(Arc::from);
    }

    /// The base is on disk, a tool writes ours, the user types theirs, and everything is accepted.
    ///
    /// # Errors
    /// The overlay refuses.
    pub fn ours(&self, case: &Case) -> Result<Outcome, Box<dyn std::error::Error>> {
        let overlay = self.proposed(&case.base, &case.ours)?;
        self.show(Some(&case.theirs));
        let plans = overlay.plan(&Selection::All)?;
        let Some(plan) = plans.first() else {
            return Ok(Outcome::Clean(case.theirs.clone()));
        };
        let merged = plan.after.as_ref().and_then(Content::text);
        Ok(match merged {
            Some(text) if plan.refused.is_empty() => Outcome::Clean(text.to_owned()),
            _ => Outcome::Conflict,
        })
    }

    /// The hunks between two texts as a proposal shows them.
    ///
    /// # Errors
    /// The overlay refuses.
    pub fn edits(&self, base: &str, side: &str) -> Result<Vec<Edit>, Box<dyn std::error::Error>> {
        let overlay = self.proposed(base, side)?;
        let hunks = overlay.proposal().into_iter().flat_map(|file| file.hunks);
        // The end of a last line that no line end follows is behind that line.
        let line = |at: Position| at.line as usize + usize::from(at.character > 0);
        let edit = |hunk: Hunk| Edit {
            old: line(hunk.range.start)..line(hunk.range.end),
            text: hunk.new_text,
        };
        Ok(hunks.map(edit).collect())
    }

    /// An overlay in which a tool made `side` of a file that is `base` on disk.
    fn proposed(&self, base: &str, side: &str) -> Result<Arc<Overlay>, Box<dyn std::error::Error>> {
        self.show(None);
        std::fs::write(self.overlay.root().join(FILE), base)?;
        let overlay = self.overlay.another();
        let mut call = overlay.begin("call");
        call.write(FILE, side.as_bytes().to_vec())?;
        call.commit()?;
        Ok(overlay)
    }

    /// `git merge-file -p`, with what it is by default.
    ///
    /// # Errors
    /// There is no git, or it fails.
    pub fn git(&self, case: &Case) -> Result<Outcome, Box<dyn std::error::Error>> {
        let sides = [
            ("theirs", &case.theirs),
            ("base", &case.base),
            ("ours", &case.ours),
        ];
        for (name, text) in sides {
            std::fs::write(self.folder.path().join(name), text)?;
        }
        let args = ["merge-file", "-p", "theirs", "base", "ours"];
        let output = git(self.folder.path(), &args)?;
        match output.status.code() {
            Some(0) => Ok(Outcome::Clean(String::from_utf8(output.stdout)?)),
            Some(1..=127) => Ok(Outcome::Conflict),
            _ => Err(String::from_utf8_lossy(&output.stderr).into()),
        }
    }
}

fn git(folder: &Path, args: &[&str]) -> std::io::Result<std::process::Output> {
    Command::new("git")
        .args(args)
        .current_dir(folder)
        // The user's settings must not decide what is compared.
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CEILING_DIRECTORIES", folder)
        .output()
}
