//! The guests' files: in memory, and the same for every call, because what is written is dropped.

use boxagnts_sandbox::{Entry, FileKind, FsError, FsErrorCode, GuestFs, Metadata};
use std::collections::BTreeMap;

/// The files of a call.
pub struct Files(BTreeMap<String, Vec<u8>>);

impl Files {
    /// A workspace of a hundred files of some kilobytes, one of which, `a.txt`, has 1 KiB.
    pub fn new() -> Files {
        let line = "    let total = values.iter().map(|value| value.count * 7).sum::<u64>();\n";
        let text = format!(
            "{}fn needle_here() {{}}\n{}",
            line.repeat(30),
            line.repeat(30)
        );
        let mut files: BTreeMap<String, Vec<u8>> = (0..100)
            .map(|n| (format!("src/f{n}.rs"), text.clone().into_bytes()))
            .collect();
        files.insert(
            "a.txt".to_owned(),
            "0123456789abcd\n".repeat(68).into_bytes(),
        );
        files.insert("b.txt".to_owned(), text.into_bytes());
        Files(files)
    }
}

fn missing<T>(path: &str) -> Result<T, FsError> {
    Err(FsError {
        code: FsErrorCode::NotFound,
        message: format!("`{path}` is not there"),
    })
}

impl GuestFs for Files {
    type Walk = Vec<String>;

    fn read(&mut self, path: &str, _: u64) -> Result<Vec<u8>, FsError> {
        self.0.get(path).cloned().map_or_else(|| missing(path), Ok)
    }

    fn stat(&mut self, path: &str) -> Result<Metadata, FsError> {
        let (kind, size) = match self.0.get(path) {
            Some(content) => (FileKind::File, content.len() as u64),
            None if [".", "src"].contains(&path) => (FileKind::Directory, 0),
            None => return missing(path),
        };
        Ok(Metadata { kind, size })
    }

    fn list(&mut self, path: &str) -> Result<Vec<Entry>, FsError> {
        let below = self.0.iter().filter_map(|(file, content)| {
            let name = file.strip_prefix(path)?.strip_prefix('/')?;
            Some(Entry {
                name: name.to_owned(),
                kind: FileKind::File,
                size: content.len() as u64,
            })
        });
        Ok(below.collect())
    }

    fn walk(&mut self, path: &str) -> Result<Vec<String>, FsError> {
        let below = |file: &&String| path == "." || file.starts_with(path);
        Ok(self.0.keys().filter(below).rev().cloned().collect())
    }

    fn walk_next(&mut self, walk: &mut Vec<String>, max: u32) -> Result<Vec<String>, FsError> {
        let at = walk.len().saturating_sub(max as usize);
        Ok(walk.split_off(at).into_iter().rev().collect())
    }

    fn may_write(&mut self, _: &str) -> Result<(), FsError> {
        Ok(())
    }

    fn write(&mut self, _: &str, _: Vec<u8>) -> Result<(), FsError> {
        Ok(())
    }

    fn remove(&mut self, _: &str) -> Result<(), FsError> {
        Ok(())
    }

    fn rename(&mut self, _: &str, _: &str) -> Result<(), FsError> {
        Ok(())
    }
}
