//! A workspace on disk, and an editor whose documents the bench types in.

use boxagnts_policy::mounts::Mounts;
use boxagnts_policy::path::WorkspacePath;
use boxagnts_workspace::{Buffer, Buffers, Overlay};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Open documents, all of them unsaved.
#[derive(Default)]
pub struct Editor(Mutex<BTreeMap<String, Buffer>>);

impl Editor {
    /// Opens a document, or gives it another text.
    pub fn show(&self, path: &str, text: &str) {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let version = open.get(path).map_or(1, |buffer| buffer.version + 1);
        let text = text.into();
        let dirty = true;
        open.insert(
            path.to_owned(),
            Buffer {
                text,
                version,
                dirty,
            },
        );
    }
}

impl Buffers for Editor {
    fn get(&self, path: &WorkspacePath) -> Option<Buffer> {
        let open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        open.get(path.as_str()).cloned()
    }

    fn open_paths(&self) -> Vec<WorkspacePath> {
        Vec::new()
    }
}

/// A workspace.
pub struct Folder {
    pub editor: Arc<Editor>,
    pub overlay: Arc<Overlay>,
    _folder: tempfile::TempDir,
}

impl Folder {
    /// With these files.
    pub fn new(files: impl IntoIterator<Item = (String, String)>) -> Folder {
        let folder = tempfile::tempdir().expect("a folder");
        for (path, text) in files {
            let path = folder.path().join(path);
            let parent = path.parent().expect("it is in a folder");
            std::fs::create_dir_all(parent).expect("a folder");
            std::fs::write(path, text).expect("written");
        }
        let editor = Arc::<Editor>::default();
        let buffers = Arc::clone(&editor) as Arc<dyn Buffers>;
        let overlay = Overlay::open(folder.path(), &Mounts::none(), buffers).expect("it opens");
        Folder {
            editor,
            overlay,
            _folder: folder,
        }
    }

    /// A tool writes all of them in one call.
    pub fn write(&self, files: impl IntoIterator<Item = (String, String)>) {
        let mut call = self.overlay.begin("call");
        for (path, text) in files {
            call.write(&path, text.into_bytes()).expect("written");
        }
        call.commit().expect("taken over");
    }
}

/// Lines of code that differ, about 40 bytes each.
pub fn lines(count: usize) -> Vec<String> {
    let line = |n: usize| format!("    let value_{n} = compute({}, scale);\n", n * 7919 % 1000);
    (0..count).map(line).collect()
}

/// Numbers that look random and are the same in every run.
pub struct Numbers(u64);

impl Numbers {
    /// From the start.
    pub fn new() -> Numbers {
        Numbers(0x9E37_79B9_7F4A_7C15)
    }

    /// One below `end`.
    pub fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % end as u64) as usize
    }
}
