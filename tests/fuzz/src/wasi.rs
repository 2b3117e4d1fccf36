//! Host calls of `wasi:filesystem` in any order, on files in memory that see every path: none leads out,
//! none is written that a program may not write, and nothing panics.

use arbitrary::{Arbitrary, Unstructured};
use boxagnts_policy::limits::Limits;
use boxagnts_policy::path::WorkspacePath;
use boxagnts_sandbox::{
    Entry, FileKind, FsError, FsErrorCode, FuzzCall, GuestFs, Metadata, fuzz_files,
};
use std::collections::BTreeMap;

/// A call as the fuzzer makes it up; paths are made of a few names, so that they meet.
#[derive(Debug, Arbitrary)]
struct Call {
    kind: u8,
    at: u8,
    to_at: u8,
    how: u8,
    number: u64,
    small: u8,
    path: Vec<u8>,
    other: Vec<u8>,
    bytes: Vec<u8>,
}

const NAMES: &[&str] = &[
    "a",
    "b",
    "d",
    "..",
    ".",
    "",
    ".git",
    "protected",
    "\0",
    "é",
    "x/y",
];

fn path(bytes: &[u8]) -> String {
    let names = bytes.iter().take(8);
    let names: Vec<&str> = names
        .map(|b| NAMES[usize::from(*b) % NAMES.len()])
        .collect();
    names.join("/")
}

#[derive(Default)]
struct Memory(BTreeMap<String, Vec<u8>>);

/// What reaches the workspace is a path in it, whatever the program said.
fn inside(path: &str) -> Result<String, FsError> {
    assert!(!path.starts_with('/'), "{path}");
    assert!(!path.split('/').any(|part| part == ".."), "{path}");
    match WorkspacePath::parse(path) {
        Ok(path) => Ok(path.as_str().to_owned()),
        Err(error) => Err(FsError {
            code: FsErrorCode::Denied,
            message: error.to_string(),
        }),
    }
}

fn fails<T>(code: FsErrorCode, path: &str) -> Result<T, FsError> {
    let message = format!("`{path}`: {code:?}");
    Err(FsError { code, message })
}

fn is_below(file: &str, folder: &str) -> bool {
    folder.is_empty()
        || file
            .strip_prefix(folder)
            .is_some_and(|b| b.starts_with('/'))
}

impl GuestFs for Memory {
    type Walk = Vec<String>;

    fn read(&mut self, path: &str, max: u64) -> Result<Vec<u8>, FsError> {
        match self.0.get(&inside(path)?) {
            Some(content) if content.len() as u64 > max => fails(FsErrorCode::TooLarge, path),
            Some(content) => Ok(content.clone()),
            None => fails(FsErrorCode::NotFound, path),
        }
    }

    fn stat(&mut self, path: &str) -> Result<Metadata, FsError> {
        let path = inside(path)?;
        let (kind, size) = match self.0.get(&path) {
            Some(content) => (FileKind::File, content.len() as u64),
            None if path.is_empty() || self.0.keys().any(|file| is_below(file, &path)) => {
                (FileKind::Directory, 0)
            }
            None => return fails(FsErrorCode::NotFound, &path),
        };
        Ok(Metadata { kind, size })
    }

    fn list(&mut self, path: &str) -> Result<Vec<Entry>, FsError> {
        let path = inside(path)?;
        let skip = if path.is_empty() { 0 } else { path.len() + 1 };
        let below = self.0.keys().filter(|file| is_below(file, &path));
        let mut names: BTreeMap<String, FileKind> = BTreeMap::new();
        for file in below {
            let (name, kind) = match file[skip..].split_once('/') {
                Some((name, _)) => (name, FileKind::Directory),
                None => (&file[skip..], FileKind::File),
            };
            names.insert(name.to_owned(), kind);
        }
        if names.is_empty() && !path.is_empty() {
            return fails(FsErrorCode::NotFound, &path);
        }
        let entry = |(name, kind)| Entry {
            name,
            kind,
            size: 0,
        };
        Ok(names.into_iter().map(entry).collect())
    }

    fn walk(&mut self, path: &str) -> Result<Vec<String>, FsError> {
        let path = inside(path)?;
        Ok(self
            .0
            .keys()
            .filter(|file| is_below(file, &path))
            .cloned()
            .collect())
    }

    fn walk_next(&mut self, walk: &mut Vec<String>, max: u32) -> Result<Vec<String>, FsError> {
        let at = walk.len().saturating_sub(max as usize);
        Ok(walk.split_off(at))
    }

    fn may_write(&mut self, path: &str) -> Result<(), FsError> {
        match inside(path)?.split('/').any(|part| part == "protected") {
            true => fails(FsErrorCode::Denied, path),
            false => Ok(()),
        }
    }

    fn write(&mut self, path: &str, content: Vec<u8>) -> Result<(), FsError> {
        self.may_write(path)?;
        self.0.insert(inside(path)?, content);
        Ok(())
    }

    fn remove(&mut self, path: &str) -> Result<(), FsError> {
        self.may_write(path)?;
        match self.0.remove(&inside(path)?) {
            Some(_) => Ok(()),
            None => fails(FsErrorCode::NotFound, path),
        }
    }

    fn rename(&mut self, from: &str, to: &str) -> Result<(), FsError> {
        self.may_write(from)?;
        self.may_write(to)?;
        let (from, to) = (inside(from)?, inside(to)?);
        let files = self
            .0
            .keys()
            .filter(|file| **file == from || is_below(file, &from));
        for file in files.cloned().collect::<Vec<_>>() {
            let content = self.0.remove(&file).unwrap_or_default();
            self.0
                .insert(format!("{to}{}", &file[from.len()..]), content);
        }
        Ok(())
    }
}

/// Reads bytes as a program of host calls.
pub fn wasi(input: &[u8]) {
    let mut bytes = Unstructured::new(input);
    let mut calls = Vec::new();
    while !bytes.is_empty()
        && let Ok(call) = Call::arbitrary(&mut bytes)
    {
        calls.push(call);
    }
    let mut limits = Limits::builtin();
    limits.max_host_bytes = 1 << 16;
    limits.max_open_files = 16;
    let paths: Vec<(String, String)> = calls
        .iter()
        .map(|c| (path(&c.path), path(&c.other)))
        .collect();
    let calls = calls.iter().zip(&paths).map(|(call, (path, other))| {
        let (at, to_at) = (usize::from(call.at), usize::from(call.to_at));
        let small = u64::from(call.small);
        match call.kind % 12 {
            0 => FuzzCall::OpenAt {
                at,
                path,
                how: call.how,
            },
            1 => FuzzCall::Close { at },
            2 => FuzzCall::Read {
                at,
                offset: call.number,
                len: small,
            },
            3 => FuzzCall::Write {
                at,
                offset: Some(small),
                bytes: &call.bytes,
            },
            4 => FuzzCall::Write {
                at,
                offset: None,
                bytes: &call.bytes,
            },
            5 => FuzzCall::SetSize {
                at,
                size: call.number >> (call.small % 64),
            },
            6 => FuzzCall::List { at },
            7 => FuzzCall::StatAt {
                at,
                path,
                follow: call.how & 1 == 1,
            },
            8 => FuzzCall::MakeFolder { at, path },
            9 => FuzzCall::RemoveFolder { at, path },
            10 => FuzzCall::Rename {
                at,
                from: path,
                to_at,
                to: other,
            },
            _ if call.how & 1 == 1 => FuzzCall::RemoveFile { at, path },
            _ => FuzzCall::Link { at, path },
        }
    });
    let given = [("a", "alpha"), ("d/b", "beta"), ("protected", "kept")];
    let given = given.map(|(path, content)| (path.to_owned(), content.into()));
    let after = fuzz_files(Memory(given.into()), &limits, calls).expect("the files come back");
    assert_eq!(
        after.0.get("protected").map(Vec::as_slice),
        Some(&b"kept"[..])
    );
    let bytes: usize = after.0.values().map(Vec::len).sum();
    assert!(bytes <= (1 << 16) + 100, "{bytes} bytes were written");
}
