//! The editor's open documents, kept in step with its change notifications.

use crate::positions::Encoding;
use dashmap::DashMap;
use ropey::Rope;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::sync::watch;
use tower_lsp::ls_types::{Range, TextDocumentContentChangeEvent};

/// Open documents by URI. Every method answers at once.
pub(crate) struct Documents {
    open: DashMap<String, Document>,
    /// Counts what the user does with documents.
    clock: AtomicU64,
    encoding: OnceLock<Encoding>,
}

struct Document {
    rope: Rope,
    version: i32,
    language: String,
    unsaved: Unsaved,
    /// When the user last did something with it.
    used: u64,
    /// `rope` in one piece, made when somebody asks.
    text: OnceLock<Arc<str>>,
    /// What an edit that we sent makes of the document.
    expected: Vec<Expected>,
    /// Counts changes; those who wait for an echo listen.
    changed: watch::Sender<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unsaved {
    Yes,
    No,
    /// Just opened: it may bring unsaved text from the editor's last session.
    Unknown,
}

struct Expected {
    text: Arc<str>,
    seen: watch::Sender<bool>,
}

/// A document at one moment.
#[derive(Debug, Clone)]
pub(crate) struct Snapshot {
    pub(crate) text: Arc<str>,
    pub(crate) rope: Rope,
    pub(crate) version: i32,
    pub(crate) language: String,
    pub(crate) unsaved: bool,
}

/// A change notification that cannot be followed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NotOpen;

impl Documents {
    pub(crate) fn new() -> Documents {
        Documents {
            open: DashMap::new(),
            clock: AtomicU64::new(0),
            encoding: OnceLock::new(),
        }
    }

    /// Fixed once, by `initialize`.
    pub(crate) fn set_encoding(&self, encoding: Encoding) {
        let _ = self.encoding.set(encoding);
    }

    pub(crate) fn encoding(&self) -> Encoding {
        self.encoding.get().copied().unwrap_or(Encoding::Utf16)
    }

    pub(crate) fn opened(&self, uri: String, language: String, version: i32, text: &str) {
        let (changed, _) = watch::channel(0);
        let document = Document {
            rope: Rope::from_str(text),
            version,
            language,
            unsaved: Unsaved::Unknown,
            used: self.tick(),
            text: OnceLock::new(),
            expected: Vec::new(),
            changed,
        };
        self.open.insert(uri, document);
    }

    pub(crate) fn changed(
        &self,
        uri: &str,
        version: i32,
        changes: &[TextDocumentContentChangeEvent],
    ) -> Result<(), NotOpen> {
        let encoding = self.encoding();
        let used = self.tick();
        let mut document = self.open.get_mut(uri).ok_or(NotOpen)?;
        document.used = used;
        for change in changes {
            document.apply(encoding, change.range, &change.text);
            document.meet_expectations();
        }
        document.version = version;
        document.unsaved = Unsaved::Yes;
        document.changed.send_modify(|count| *count += 1);
        Ok(())
    }

    fn tick(&self) -> u64 {
        self.clock.fetch_add(1, Ordering::Relaxed)
    }

    /// The user does something with the document without changing it.
    pub(crate) fn used(&self, uri: &str) {
        let used = self.tick();
        if let Some(mut document) = self.open.get_mut(uri) {
            document.used = used;
        }
    }

    /// Open documents, those that were used last first.
    pub(crate) fn recent(&self) -> Vec<String> {
        let open = self.open.iter();
        let mut open: Vec<(u64, String)> = open
            .map(|entry| (entry.used, entry.key().clone()))
            .collect();
        open.sort_unstable_by(|a, b| b.cmp(a));
        open.into_iter().map(|(_, uri)| uri).collect()
    }

    /// `text` when the client includes it.
    pub(crate) fn saved(&self, uri: &str, text: Option<&str>) {
        if let Some(mut document) = self.open.get_mut(uri) {
            // Some editors change the text while saving and tell only here.
            if let Some(text) = text
                && document.rope != *text
            {
                document.apply(Encoding::Utf16, None, text);
                document.meet_expectations();
            }
            document.unsaved = Unsaved::No;
            document.changed.send_modify(|count| *count += 1);
        }
    }

    pub(crate) fn closed(&self, uri: &str) {
        self.open.remove(uri);
    }

    pub(crate) fn get(&self, uri: &str) -> Option<Snapshot> {
        let document = self.open.get(uri)?;
        Some(Snapshot {
            text: Arc::clone(
                document
                    .text
                    .get_or_init(|| Arc::from(document.rope.to_string())),
            ),
            rope: document.rope.clone(),
            version: document.version,
            language: document.language.clone(),
            unsaved: document.unsaved != Unsaved::No,
        })
    }

    /// The document's text as a rope, which costs nothing to copy.
    pub(crate) fn rope(&self, uri: &str) -> Option<Rope> {
        Some(self.open.get(uri)?.rope.clone())
    }

    pub(crate) fn is_open(&self, uri: &str) -> bool {
        self.open.contains_key(uri)
    }

    pub(crate) fn uris(&self) -> Vec<String> {
        self.open.iter().map(|entry| entry.key().clone()).collect()
    }

    /// Finds out whether a document that was just opened differs from its file. Reads the file.
    pub(crate) fn settle(&self, uri: &str, path: &Path) {
        let Some(text) = self.get(uri).map(|snapshot| snapshot.text) else {
            return;
        };
        let same = std::fs::read(path).is_ok_and(|bytes| {
            let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
            bytes == text.strip_prefix('\u{feff}').unwrap_or(&text).as_bytes()
        });
        if let Some(mut document) = self.open.get_mut(uri)
            && document.unsaved == Unsaved::Unknown
        {
            document.unsaved = if same { Unsaved::No } else { Unsaved::Yes };
        }
    }

    /// Ends when the document is at another version than this, or is closed.
    pub(crate) async fn leaves(&self, uri: &str, version: i32) {
        let listen = |document: &Document| document.changed.subscribe();
        let Some(mut changed) = self.open.get(uri).map(|document| listen(&document)) else {
            return;
        };
        let stays = || {
            self.open
                .get(uri)
                .is_some_and(|document| document.version == version)
        };
        while stays() && changed.changed().await.is_ok() {}
    }

    /// Ends when the document has not changed for so long, or is closed: its user pauses.
    pub(crate) async fn pause(&self, uri: &str, length: Duration) {
        let listen = |document: &Document| document.changed.subscribe();
        let Some(mut changed) = self.open.get(uri).map(|document| listen(&document)) else {
            return;
        };
        while let Ok(Ok(())) = tokio::time::timeout(length, changed.changed()).await {}
    }

    /// Becomes true when the document passes through exactly this text. `None` when it is not
    /// open.
    pub(crate) fn expect(&self, uri: &str, text: Arc<str>) -> Option<watch::Receiver<bool>> {
        let mut document = self.open.get_mut(uri)?;
        let (seen, receiver) = watch::channel(false);
        document
            .expected
            .retain(|expected| !expected.seen.is_closed());
        document.expected.push(Expected { text, seen });
        document.meet_expectations();
        Some(receiver)
    }
}

impl Document {
    fn apply(&mut self, encoding: Encoding, range: Option<Range>, text: &str) {
        match range {
            None => self.rope = Rope::from_str(text),
            Some(range) => {
                let start = encoding.char_at(&self.rope, range.start);
                let end = encoding.char_at(&self.rope, range.end).max(start);
                self.rope.remove(start..end);
                self.rope.insert(start, text);
            }
        }
        self.text = OnceLock::new();
    }

    fn meet_expectations(&mut self) {
        let rope = &self.rope;
        self.expected.retain(|expected| {
            // Comparing lengths first costs nothing.
            let met = rope.len_bytes() == expected.text.len() && *rope == *expected.text;
            if met {
                let _ = expected.seen.send(true);
            }
            !met
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tower_lsp::ls_types::Position;

    /// Byte offset of a position, the slow and plain way.
    fn offset(text: &str, encoding: Encoding, position: Position) -> usize {
        let mut start = 0;
        for _ in 0..position.line {
            match text[start..].find('\n') {
                Some(at) => start += at + 1,
                None => return text.len(),
            }
        }
        let mut units = 0;
        for (at, c) in text[start..].char_indices() {
            let width = match encoding {
                Encoding::Utf8 => c.len_utf8(),
                Encoding::Utf16 => c.len_utf16(),
                Encoding::Utf32 => 1,
            };
            if c == '\n' || units + width > position.character as usize {
                return start + at;
            }
            units += width;
        }
        text.len()
    }

    fn position() -> impl Strategy<Value = Position> {
        (0u32..6, 0u32..12).prop_map(|(line, character)| Position { line, character })
    }

    proptest! {
        #[test]
        fn documents_follow_any_edits(
            start in "[aä😀\n]{0,30}",
            edits in proptest::collection::vec((position(), position(), "[bß🎉\n]{0,6}"), 0..20),
            encoding in prop_oneof![Just(Encoding::Utf8), Just(Encoding::Utf16), Just(Encoding::Utf32)],
        ) {
            let documents = Documents::new();
            documents.set_encoding(encoding);
            documents.opened("u".into(), "x".into(), 1, &start);
            let mut model = start;
            for (version, (a, b, text)) in edits.into_iter().enumerate() {
                let (from, to) = if (a.line, a.character) <= (b.line, b.character) { (a, b) } else { (b, a) };
                let (start, end) = (offset(&model, encoding, from), offset(&model, encoding, to));
                model.replace_range(start..end.max(start), &text);
                let change = TextDocumentContentChangeEvent {
                    range: Some(Range { start: from, end: to }),
                    range_length: None,
                    text,
                };
                prop_assert_eq!(documents.changed("u", version as i32 + 2, &[change]), Ok(()));
                let snapshot = documents.get("u").unwrap();
                prop_assert_eq!(&*snapshot.text, model.as_str());
                prop_assert_eq!(snapshot.version, version as i32 + 2);
            }
        }
    }

    #[test]
    fn the_last_used_is_the_first() {
        let documents = Documents::new();
        for uri in ["a", "b", "c"] {
            documents.opened(uri.into(), "x".into(), 1, "");
        }
        assert_eq!(documents.recent(), ["c", "b", "a"]);
        documents.changed("a", 2, &[]).unwrap();
        documents.used("b");
        documents.used("elsewhere");
        assert_eq!(documents.recent(), ["b", "a", "c"]);
        documents.closed("a");
        assert_eq!(documents.recent(), ["b", "c"]);
    }

    #[test]
    fn an_expected_text_is_seen_even_between_two_changes_of_one_notification() {
        let documents = Documents::new();
        documents.opened("u".into(), "x".into(), 1, "one\n");
        let seen = documents.expect("u", Arc::from("two\n")).unwrap();
        let other = documents.expect("u", Arc::from("four\n")).unwrap();
        let full = |text: &str| TextDocumentContentChangeEvent {
            range: None,
            range_length: None,
            text: text.into(),
        };
        documents
            .changed("u", 2, &[full("two\n"), full("three\n")])
            .unwrap();
        assert!(*seen.borrow());
        assert!(!*other.borrow());
        assert_eq!(documents.changed("nope", 2, &[]), Err(NotOpen));
    }

    #[test]
    fn what_was_just_opened_is_compared_with_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("f");
        std::fs::write(&file, "\u{feff}one\n").unwrap();
        let documents = Documents::new();
        for (text, unsaved) in [("one\n", false), ("two\n", true)] {
            documents.opened("u".into(), "x".into(), 1, text);
            documents.settle("u", &file);
            assert_eq!(documents.get("u").unwrap().unsaved, unsaved);
        }
        documents.saved("u", None);
        assert!(!documents.get("u").unwrap().unsaved);
        documents.closed("u");
        assert!(documents.get("u").is_none());
    }
}
