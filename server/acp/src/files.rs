//! What the client holds of files: its unsaved text, asked for by `fs/read_text_file`.
//!
//! ACP does not tell which documents are open, nor when they change. So files are asked for when they
//! matter: those that a prompt names, those that a tool call names, just before it runs, and those with
//! hunks, just before they are shown or written. In between, what was heard last counts. Searching does
//! not ask: it would make an editor open every file.

use crate::peer::{Peer, Unanswered};
use boxagnts_session::policy::path::WorkspacePath;
use boxagnts_session::workspace::{Buffer, Buffers};
use dashmap::DashMap;
use futures::StreamExt;
use futures::stream;
use std::fs;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Largest text that is taken, in bytes.
const MAX_TEXT: usize = 16 << 20;
/// Files that are asked for at once, and in one go.
const AT_ONCE: usize = 8;
const MAX_FILES: usize = 64;
/// How long a client is left alone that has not answered.
const SILENCE: Duration = Duration::from_secs(30);
/// Files whose texts are asked for again before each prompt.
const MAX_KNOWN: usize = 64;

/// The client's unsaved texts, as it told them last.
pub(crate) struct ClientFiles {
    peer: Arc<Peer>,
    /// The folder without links in its name, and as the client spells it.
    real: PathBuf,
    given: PathBuf,
    /// Only what is not saved: what is saved is on disk.
    unsaved: DashMap<WorkspacePath, Buffer>,
    versions: AtomicI32,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// In whose name files are asked for.
    session: String,
    /// Files that were asked for, the latest last.
    known: Vec<WorkspacePath>,
    /// Until when the client is not asked.
    silent: Option<Instant>,
}

/// Which of the client's and the disk's text counts.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Seen {
    /// Both are the same, or the client has none.
    Saved,
    /// The client has another one: with the line endings of the disk, where the client hides them.
    Unsaved(String),
}

/// How the client showed a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Heard {
    /// Without the carriage returns that the file has.
    pub(crate) hides_returns: bool,
}

impl ClientFiles {
    pub(crate) fn new(peer: Arc<Peer>, given: &Path, real: &Path) -> ClientFiles {
        ClientFiles {
            peer,
            real: real.to_path_buf(),
            given: given.to_path_buf(),
            unsaved: DashMap::new(),
            versions: AtomicI32::new(1),
            state: Mutex::default(),
        }
    }

    pub(crate) fn peer(&self) -> &Peer {
        &self.peer
    }

    /// Asks in the name of this session from now on.
    pub(crate) fn use_session(&self, session: &str) {
        session.clone_into(&mut self.lock().session);
    }

    pub(crate) fn session(&self) -> String {
        self.lock().session.clone()
    }

    /// The file's name as the client spells it.
    pub(crate) fn absolute(&self, path: &WorkspacePath) -> PathBuf {
        self.given.join(path.as_str())
    }

    /// The file as the system knows it.
    pub(crate) fn on_disk(&self, path: &WorkspacePath) -> PathBuf {
        self.real.join(path.as_str())
    }

    /// Files that the client was asked for lately.
    pub(crate) fn known(&self) -> Vec<WorkspacePath> {
        self.lock().known.clone()
    }

    /// Whether the client and we mean the same file by a path: no link on the way, and not in a folder
    /// that is mounted. Through a link, the client would show us files of elsewhere.
    pub(crate) fn is_shared(&self, path: &WorkspacePath) -> bool {
        let here = self.real.join(path.as_str());
        match here.canonicalize() {
            Ok(real) => real == here && fs::metadata(&here).is_ok_and(|file| file.is_file()),
            Err(_) => {
                // A new file in a folder that is there; a link that leads nowhere is none.
                let is_new = fs::symlink_metadata(&here).is_err();
                let folder = here.parent().unwrap_or(&self.real);
                is_new && folder.canonicalize().is_ok_and(|real| real == folder)
            }
        }
    }

    /// Asks for one file, and keeps what is heard.
    pub(crate) async fn ask(&self, path: &WorkspacePath) -> Result<Heard, Unanswered> {
        let answer = self.peer.read(&self.session(), &self.absolute(path)).await;
        let text = match answer {
            Ok(text) => text,
            Err(Unanswered::Silent) => {
                self.lock().silent = Some(Instant::now() + SILENCE);
                return Err(Unanswered::Silent);
            }
            Err(refused) => {
                // It has no such document.
                self.unsaved.remove(path);
                return Err(refused);
            }
        };
        let disk = self.real.join(path.as_str());
        let seen = tokio::task::spawn_blocking(move || {
            let disk = fs::read(disk).ok();
            compare(text, disk.as_deref())
        });
        let (seen, heard) = seen.await.map_err(|error| {
            tracing::error!(%error, "comparing a file stopped");
            Unanswered::Refused("an internal error; the log has the details".to_owned())
        })?;
        match &seen {
            Seen::Saved => {
                self.unsaved.remove(path);
            }
            Seen::Unsaved(text) => self.keep(path, text),
        }
        Ok(heard)
    }

    async fn ask_unless_silent(&self, path: &WorkspacePath) {
        if self.is_silent() {
            return;
        }
        if let Err(error) = self.ask(path).await {
            tracing::debug!(?error, "the client does not read a file");
        }
    }

    fn keep(&self, path: &WorkspacePath, text: &str) {
        let same = |buffer: &Buffer| *buffer.text == *text;
        if self.unsaved.get(path).is_some_and(|kept| same(&kept)) {
            return;
        }
        let buffer = Buffer {
            text: text.into(),
            version: self.versions.fetch_add(1, Ordering::Relaxed),
            dirty: true,
        };
        self.unsaved.insert(path.clone(), buffer);
    }

    fn is_silent(&self) -> bool {
        let silent = self.lock().silent;
        silent.is_some_and(|until| Instant::now() < until)
    }

    fn remember(&self, paths: &[WorkspacePath]) {
        let known = &mut self.lock().known;
        known.retain(|path| !paths.contains(path));
        known.extend(paths.iter().cloned());
        let too_many = known.len().saturating_sub(MAX_KNOWN);
        known.drain(..too_many);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Buffers for ClientFiles {
    fn get(&self, path: &WorkspacePath) -> Option<Buffer> {
        self.unsaved.get(path).map(|buffer| buffer.clone())
    }

    fn open_paths(&self) -> Vec<WorkspacePath> {
        self.unsaved
            .iter()
            .map(|entry| entry.key().clone())
            .collect()
    }

    fn refresh<'a>(
        &'a self,
        paths: &'a [WorkspacePath],
    ) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        Box::pin(async move {
            if !self.peer.reads {
                return;
            }
            let mut wanted: Vec<WorkspacePath> = paths.to_vec();
            // What tools never see is not asked for either.
            wanted
                .retain(|path| !path.is_root() && path.secret().is_none() && self.is_shared(path));
            wanted.truncate(MAX_FILES);
            self.remember(&wanted);
            let asks: Vec<_> = wanted
                .iter()
                .map(|path| self.ask_unless_silent(path))
                .collect();
            stream::iter(asks)
                .buffer_unordered(AT_ONCE)
                .collect::<()>()
                .await;
        })
    }
}

/// Which text counts. Clients show text without byte-order mark, and many without carriage returns.
fn compare(client: String, disk: Option<&[u8]>) -> (Seen, Heard) {
    let shows = Heard {
        hides_returns: false,
    };
    if client.len() > MAX_TEXT {
        return (Seen::Saved, shows);
    }
    let client = match client.strip_prefix('\u{feff}') {
        Some(rest) => rest.to_owned(),
        None => client,
    };
    let Some(disk) = disk else {
        return match client.is_empty() {
            true => (Seen::Saved, shows),
            false => (Seen::Unsaved(client), shows),
        };
    };
    // What is no text has no other text in an editor.
    let Ok(disk) = std::str::from_utf8(disk) else {
        return (Seen::Saved, shows);
    };
    let disk = disk.strip_prefix('\u{feff}').unwrap_or(disk);
    if client == disk {
        return (Seen::Saved, shows);
    }
    if client.contains('\r') || !disk.contains("\r\n") {
        return (Seen::Unsaved(client), shows);
    }
    let hides = Heard {
        hides_returns: true,
    };
    match client == disk.replace("\r\n", "\n") {
        true => (Seen::Saved, hides),
        false => (Seen::Unsaved(client.replace('\n', "\r\n")), hides),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_counts_when_it_is_another_one() {
        let check = |client: &str, disk: Option<&str>, expect: Option<&str>| {
            let expect = match expect {
                Some(text) => Seen::Unsaved(text.to_owned()),
                None => Seen::Saved,
            };
            let (seen, _) = compare(client.to_owned(), disk.map(str::as_bytes));
            assert_eq!(seen, expect, "{client:?} and {disk:?}");
        };
        check("a\n", Some("a\n"), None);
        check("b\n", Some("a\n"), Some("b\n"));
        check("", Some("a\n"), Some(""));
        check("", None, None);
        check("a", None, Some("a"));
        // Endings and marks that a client hides.
        check("a\nb\n", Some("a\r\nb\r\n"), None);
        check("a\nc\n", Some("a\r\nb\r\n"), Some("a\r\nc\r\n"));
        check("a\r\nc\n", Some("a\r\nb\n"), Some("a\r\nc\n"));
        check("a\n", Some("\u{feff}a\n"), None);
        check("\u{feff}a\n", Some("a\n"), None);
    }

    #[test]
    fn what_is_binary_or_too_large_is_the_disks() {
        assert_eq!(compare("a".into(), Some(&[0xff, 0])).0, Seen::Saved);
        assert_eq!(compare("a".repeat(MAX_TEXT + 1), Some(b"")).0, Seen::Saved);
    }
}
