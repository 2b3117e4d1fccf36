//! Host calls of `wasi:filesystem` one after the other, for fuzzing from outside of this crate.

use super::files::{Failure, Files, OpenOptions, Opened};
use crate::files::{GuestFs, WithWalks};
use boxagnts_policy::limits::Limits;

/// One host call, in the terms of the specification. `at` picks one of the open descriptors, flags
/// are bits in the order of the specification's.
#[derive(Debug, Clone)]
#[allow(missing_docs)]
pub enum FuzzCall<'a> {
    OpenAt {
        at: usize,
        path: &'a str,
        how: u8,
    },
    Close {
        at: usize,
    },
    Read {
        at: usize,
        offset: u64,
        len: u64,
    },
    Write {
        at: usize,
        offset: Option<u64>,
        bytes: &'a [u8],
    },
    SetSize {
        at: usize,
        size: u64,
    },
    List {
        at: usize,
    },
    StatAt {
        at: usize,
        path: &'a str,
        follow: bool,
    },
    MakeFolder {
        at: usize,
        path: &'a str,
    },
    RemoveFolder {
        at: usize,
        path: &'a str,
    },
    RemoveFile {
        at: usize,
        path: &'a str,
    },
    Rename {
        at: usize,
        from: &'a str,
        to_at: usize,
        to: &'a str,
    },
    Link {
        at: usize,
        path: &'a str,
    },
}

/// Makes the calls until a limit ends them, and gives the files back with everything written.
pub fn fuzz_files<'a, F: GuestFs>(
    fs: F,
    limits: &Limits,
    calls: impl IntoIterator<Item = FuzzCall<'a>>,
) -> Option<F> {
    let mut files = Files::new(WithWalks::new(fs), limits.clone(), true);
    let mut open = vec![Opened::Folder(String::new())];
    for call in calls {
        if let Err(Failure::Stopped(_)) = one(&mut files, &mut open, call) {
            break;
        }
        assert!(open.len() as u64 <= limits.max_open_files + 1);
    }
    WithWalks::unwrap(files.finish().0)
}

fn one(files: &mut Files, open: &mut Vec<Opened>, call: FuzzCall<'_>) -> Result<(), Failure> {
    let folder = |open: &[Opened], at: usize| match &open[at % open.len()] {
        Opened::Folder(path) => path.clone(),
        Opened::File(_) => String::new(),
    };
    let file = |open: &[Opened], at: usize| match open[at % open.len()] {
        Opened::File(number) => Some(number),
        Opened::Folder(_) => None,
    };
    match call {
        FuzzCall::OpenAt { at, path, how } => {
            let bit = |n: u8| how & (1 << n) != 0;
            let options = OpenOptions {
                create: bit(0),
                directory: bit(1),
                exclusive: bit(2),
                truncate: bit(3),
                write: bit(4),
                follow: bit(5),
            };
            open.push(files.open_at(&folder(open, at), path, options)?);
            Ok(())
        }
        FuzzCall::Close { at } => {
            let at = at % open.len();
            if at == 0 {
                return Ok(());
            }
            match open.remove(at) {
                Opened::File(number) => files.close(number),
                Opened::Folder(_) => {
                    files.close_folder();
                    Ok(())
                }
            }
        }
        FuzzCall::Read { at, offset, len } => match file(open, at) {
            Some(number) => files.read(number, offset, len).map(drop),
            None => Ok(()),
        },
        FuzzCall::Write { at, offset, bytes } => match file(open, at) {
            Some(number) => files.write(number, offset, bytes),
            None => Ok(()),
        },
        FuzzCall::SetSize { at, size } => match file(open, at) {
            Some(number) => files.set_size(number, size),
            None => Ok(()),
        },
        FuzzCall::List { at } => {
            for (name, _) in files.list(&folder(open, at))? {
                assert!(
                    !name.is_empty() && !name.contains('/') && name != "..",
                    "{name}"
                );
            }
            Ok(())
        }
        FuzzCall::StatAt { at, path, follow } => {
            files.stat_at(&folder(open, at), path, follow).map(drop)
        }
        FuzzCall::MakeFolder { at, path } => files.make_folder(&folder(open, at), path),
        FuzzCall::RemoveFolder { at, path } => files.remove_folder(&folder(open, at), path),
        FuzzCall::RemoveFile { at, path } => files.remove_file(&folder(open, at), path),
        FuzzCall::Rename {
            at,
            from,
            to_at,
            to,
        } => files.rename((&folder(open, at), from), (&folder(open, to_at), to)),
        FuzzCall::Link { at, path } => Err(files.refuse_link(&folder(open, at), path)),
    }
}
