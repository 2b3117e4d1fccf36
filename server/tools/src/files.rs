//! The files of one tool: the component, and its description beside it. They are read once; what is
//! hashed is what is loaded.

use crate::describe::file::{self, Declared};
use sha2::{Digest, Sha256};
use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Largest component, in bytes; the sandbox has the same limit.
const MAX_COMPONENT: u64 = 64 << 20;

/// A tool's files as they were read.
pub(crate) struct ToolFiles {
    pub(crate) wasm: Vec<u8>,
    toml: Option<(PathBuf, Vec<u8>)>,
}

impl ToolFiles {
    /// Reads `NAME.wasm`, and `NAME.toml` when there is one.
    pub(crate) fn read(path: &Path) -> io::Result<ToolFiles> {
        let wasm = read(open_following(path)?, MAX_COMPONENT)?;
        ToolFiles::with(path, wasm, open_following)
    }

    /// As [`ToolFiles::read`], from a folder that anyone may have filled: links are refused.
    pub(crate) fn read_no_links(path: &Path) -> io::Result<ToolFiles> {
        let wasm = read(open(path)?, MAX_COMPONENT)?;
        ToolFiles::with(path, wasm, open)
    }

    fn with(
        path: &Path,
        wasm: Vec<u8>,
        open: fn(&Path) -> io::Result<File>,
    ) -> io::Result<ToolFiles> {
        let beside = path.with_extension("toml");
        let in_toml = |error: io::Error| {
            let name = beside.file_name().unwrap_or_default().to_string_lossy();
            io::Error::new(error.kind(), format!("{name} beside it: {error}"))
        };
        let toml = match open(&beside) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(in_toml(error)),
            Ok(file) => Some(read(file, file::MAX_BYTES).map_err(in_toml)?),
        };
        Ok(ToolFiles {
            wasm,
            toml: toml.map(|toml| (beside, toml)),
        })
    }

    /// The description beside the component.
    pub(crate) fn toml(&self) -> Option<&[u8]> {
        self.toml.as_ref().map(|(_, toml)| toml.as_slice())
    }

    /// What the description beside the component says.
    pub(crate) fn declared(&self) -> Result<Option<Declared>, String> {
        let Some((path, toml)) = &self.toml else {
            return Ok(None);
        };
        let place = path.display().to_string();
        let text = std::str::from_utf8(toml).map_err(|_| format!("{place} is no UTF-8 text"))?;
        file::parse(&place, text).map(Some)
    }

    /// Of the component, as `sha256sum` has it; with a description beside it, of both sums.
    pub(crate) fn sha256(&self) -> String {
        let wasm = Sha256::digest(&self.wasm);
        let Some(toml) = self.toml() else {
            return hex(&wasm);
        };
        // No component begins so: the sum of two files is never that of one.
        let mut both = Sha256::new_with_prefix(b"boxagnts tool and description\n");
        both.update(wasm);
        both.update(Sha256::digest(toml));
        hex(&both.finalize())
    }
}

fn hex(digest: &[u8]) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Opens a file that the user named, wherever it is.
fn open_following(path: &Path) -> io::Result<File> {
    open_with(path, false)
}

/// Opens a file that is no link.
fn open(path: &Path) -> io::Result<File> {
    open_with(path, true)
}

/// A FIFO would hold us up for ever, a device never end.
fn open_with(path: &Path, no_links: bool) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    {
        use rustix::fs::OFlags;
        let mut flags = OFlags::NONBLOCK | OFlags::NOCTTY;
        if no_links {
            flags |= OFlags::NOFOLLOW;
        }
        std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, flags.bits() as i32);
    }
    #[cfg(not(unix))]
    if no_links && std::fs::symlink_metadata(path)?.is_symlink() {
        return Err(io::Error::other("it is a link"));
    }
    let file = options.open(path)?;
    match file.metadata()?.is_file() {
        true => Ok(file),
        false => Err(io::Error::other("it is no regular file")),
    }
}

fn read(file: File, max: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(max + 1).read_to_end(&mut bytes)?;
    match bytes.len() as u64 > max {
        true => Err(io::Error::other(format!("it has more than {max} bytes"))),
        false => Ok(bytes),
    }
}

/// What tells whether a tool's files are still those that were read, without reading them. It saves
/// work only: what is loaded is hashed first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stamp([Option<FileStamp>; 2]);

type FileStamp = (u64, Option<SystemTime>, [u64; 3]);

impl Stamp {
    /// `None` when there is no component.
    pub(crate) fn of(path: &Path) -> Option<Stamp> {
        let wasm = file_stamp(path)?;
        Some(Stamp([
            Some(wasm),
            file_stamp(&path.with_extension("toml")),
        ]))
    }
}

fn file_stamp(path: &Path) -> Option<FileStamp> {
    let metadata = std::fs::symlink_metadata(path).ok()?;
    #[cfg(unix)]
    let node = {
        use std::os::unix::fs::MetadataExt;
        let changed = [metadata.ctime(), metadata.ctime_nsec()].map(i64::cast_unsigned);
        [metadata.ino(), changed[0], changed[1]]
    };
    #[cfg(not(unix))]
    let node = [0; 3];
    Some((metadata.len(), metadata.modified().ok(), node))
}
