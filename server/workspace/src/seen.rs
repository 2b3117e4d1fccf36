//! What tools have read: the base for a file that a tool later writes without reading it again.

use crate::content::Content;
use boxagnts_policy::path::WorkspacePath;
use std::collections::{HashMap, VecDeque};

/// Bytes kept; the oldest readings go first.
const MAX_BYTES: usize = 32 << 20;

/// Contents by path, bounded.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    contents: HashMap<WorkspacePath, Option<Content>>,
    order: VecDeque<WorkspacePath>,
    bytes: usize,
}

impl Seen {
    /// What the file was; `Some(None)` when there was none.
    pub(crate) fn get(&self, path: &WorkspacePath) -> Option<&Option<Content>> {
        self.contents.get(path)
    }

    pub(crate) fn insert(&mut self, path: WorkspacePath, content: Option<Content>) {
        self.forget(&path);
        self.bytes += size(&content);
        self.order.push_back(path.clone());
        self.contents.insert(path, content);
        // The newest stays however large it is: a change of it may come next.
        while self.bytes > MAX_BYTES
            && self.order.len() > 1
            && let Some(oldest) = self.order.pop_front()
        {
            if let Some(old) = self.contents.remove(&oldest) {
                self.bytes -= size(&old);
            }
        }
    }

    pub(crate) fn forget(&mut self, path: &WorkspacePath) {
        if let Some(old) = self.contents.remove(path) {
            self.bytes -= size(&old);
            self.order.retain(|other| other != path);
        }
    }
}

fn size(content: &Option<Content>) -> usize {
    content.as_ref().map_or(0, Content::len)
}

impl IntoIterator for Seen {
    type Item = (WorkspacePath, Option<Content>);
    type IntoIter = std::collections::hash_map::IntoIter<WorkspacePath, Option<Content>>;

    fn into_iter(self) -> Self::IntoIter {
        self.contents.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_readings_go_first() {
        let path = |n: usize| WorkspacePath::parse(&format!("f{n}")).expect("a path");
        let content = || Some(Content::from_bytes(vec![b'x'; MAX_BYTES / 4]));
        let mut seen = Seen::default();
        for n in 0..5 {
            seen.insert(path(n), content());
        }
        assert!(seen.get(&path(0)).is_none());
        assert!(seen.get(&path(1)).is_some());
        seen.insert(path(1), content());
        seen.insert(path(5), content());
        assert!(seen.get(&path(1)).is_some(), "read again, so it is young");
        assert!(seen.get(&path(2)).is_none());
        seen.insert(
            path(6),
            Some(Content::from_bytes(vec![b'x'; MAX_BYTES + 1])),
        );
        assert!(seen.get(&path(6)).is_some() && seen.get(&path(5)).is_none());
    }
}
