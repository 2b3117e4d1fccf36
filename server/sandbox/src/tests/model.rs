//! Files of commands against a real file system: whatever a program does, it finds the same.

use crate::files::WithWalks;
use crate::meter::Stop;
use crate::tests::Files as Memory;
use crate::wasi::files::{Errno, Failure, Files, OpenOptions, Opened};
use boxagnts_policy::limits::Limits;
use proptest::prelude::*;
use std::fs;
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::Path;

/// What a program may do, in the words of POSIX.
#[derive(Debug, Clone)]
enum Step {
    Write(&'static str, u64, Vec<u8>),
    Append(&'static str, Vec<u8>),
    Replace(&'static str, Vec<u8>),
    Truncate(&'static str, u64),
    Read(&'static str),
    List(&'static str),
    MakeFolder(&'static str),
    RemoveFolder(&'static str),
    Remove(&'static str),
    Rename(&'static str, &'static str),
}

const PATHS: &[&str] = &["a", "b", "d", "d/a", "d/b", "d/e", "d/e/f", "x/y"];

fn path() -> impl Strategy<Value = &'static str> {
    prop::sample::select(PATHS)
}

fn content() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 0..8)
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (path(), 0..12u64, content()).prop_map(|(p, at, c)| Step::Write(p, at, c)),
        (path(), content()).prop_map(|(p, c)| Step::Append(p, c)),
        (path(), content()).prop_map(|(p, c)| Step::Replace(p, c)),
        (path(), 0..12u64).prop_map(|(p, size)| Step::Truncate(p, size)),
        path().prop_map(Step::Read),
        path().prop_map(Step::List),
        path().prop_map(Step::MakeFolder),
        path().prop_map(Step::RemoveFolder),
        path().prop_map(Step::Remove),
        (path(), path()).prop_map(|(from, to)| Step::Rename(from, to)),
    ]
}

/// The result in one word, or what was read.
fn ours(files: &mut Files, step: &Step) -> String {
    let open = |files: &mut Files, path: &str, create: bool, truncate: bool, write: bool| {
        let how = OpenOptions {
            create,
            truncate,
            write,
            ..OpenOptions::default()
        };
        match files.open_at("", path, how)? {
            Opened::File(number) => Ok(number),
            Opened::Folder(_) => {
                files.close_folder();
                Err(Failure::Refused(Errno::IsDirectory))
            }
        }
    };
    let mut act = || -> Result<String, Failure> {
        match step {
            Step::Write(path, at, bytes) => {
                let file = open(files, path, true, false, true)?;
                // A program that writes nothing makes no hole.
                if !bytes.is_empty() {
                    files.write(file, Some(*at), bytes)?;
                }
                files.close(file)?;
            }
            Step::Append(path, bytes) => {
                let file = open(files, path, true, false, true)?;
                files.write(file, None, bytes)?;
                files.close(file)?;
            }
            Step::Replace(path, bytes) => {
                let file = open(files, path, true, true, true)?;
                files.write(file, Some(0), bytes)?;
                files.close(file)?;
            }
            Step::Truncate(path, size) => {
                let file = open(files, path, false, false, true)?;
                files.set_size(file, *size)?;
                files.close(file)?;
            }
            Step::Read(path) => {
                let file = open(files, path, false, false, false)?;
                let bytes = files.read(file, 0, 1000)?;
                files.close(file)?;
                return Ok(format!("{bytes:?}"));
            }
            Step::List(path) => {
                let how = OpenOptions {
                    directory: true,
                    ..OpenOptions::default()
                };
                let Opened::Folder(folder) = files.open_at("", path, how)? else {
                    return Err(Errno::NotDirectory.into());
                };
                files.close_folder();
                let names = files.list(&folder)?.into_iter().map(|(name, _)| name);
                return Ok(format!("{:?}", names.collect::<Vec<_>>()));
            }
            Step::MakeFolder(path) => files.make_folder("", path)?,
            Step::RemoveFolder(path) => files.remove_folder("", path)?,
            Step::Remove(path) => files.remove_file("", path)?,
            Step::Rename(from, to) => files.rename(("", from), ("", to))?,
        }
        Ok("done".to_owned())
    };
    match act() {
        Ok(result) => result,
        Err(Failure::Refused(_)) => "refused".to_owned(),
        Err(Failure::Stopped(stop)) => panic!("{step:?}: {stop:?}"),
    }
}

fn theirs(root: &Path, step: &Step) -> String {
    let open = |path: &str, create: bool, truncate: bool| {
        let mut options = fs::OpenOptions::new();
        options.write(true).create(create).truncate(truncate);
        options.open(root.join(path))
    };
    let act = || -> std::io::Result<String> {
        match step {
            Step::Write(path, at, bytes) => {
                let mut file = open(path, true, false)?;
                file.seek(SeekFrom::Start(*at))?;
                file.write_all(bytes)?;
            }
            Step::Append(path, bytes) => {
                let mut options = fs::OpenOptions::new();
                let file = options.append(true).create(true).open(root.join(path));
                file?.write_all(bytes)?;
            }
            Step::Replace(path, bytes) => open(path, true, true)?.write_all(bytes)?,
            Step::Truncate(path, size) => open(path, false, false)?.set_len(*size)?,
            Step::Read(path) => {
                let mut bytes = Vec::new();
                fs::File::open(root.join(path))?.read_to_end(&mut bytes)?;
                return Ok(format!("{bytes:?}"));
            }
            Step::List(path) => {
                let mut names = Vec::new();
                for entry in fs::read_dir(root.join(path))? {
                    names.push(entry?.file_name().into_string().unwrap());
                }
                names.sort();
                return Ok(format!("{names:?}"));
            }
            Step::MakeFolder(path) => fs::create_dir(root.join(path))?,
            Step::RemoveFolder(path) => fs::remove_dir(root.join(path))?,
            Step::Remove(path) => fs::remove_file(root.join(path))?,
            Step::Rename(from, to) => fs::rename(root.join(from), root.join(to))?,
        }
        Ok("done".to_owned())
    };
    match act() {
        Ok(result) => result,
        Err(error) => {
            assert_ne!(error.kind(), ErrorKind::PermissionDenied, "{step:?}");
            "refused".to_owned()
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn a_program_finds_what_it_would_find_on_disk(steps in prop::collection::vec(step(), 1..40)) {
        let disk = tempfile::tempdir().unwrap();
        let fs = WithWalks::new(Memory::default());
        let mut files = Files::new(fs, Limits::builtin(), true);
        for (at, step) in steps.iter().enumerate() {
            let (ours, theirs) = (ours(&mut files, step), theirs(disk.path(), step));
            prop_assert_eq!(ours, theirs, "step {} of {:?}", at, steps);
        }
        let (fs, written) = files.finish();
        prop_assert!(written.is_ok());
        let memory = WithWalks::<Memory>::unwrap(fs).unwrap();
        for (path, content) in &memory.files {
            prop_assert_eq!(content, &fs::read(disk.path().join(path)).unwrap());
        }
    }
}

/// What ends a call that does so.
#[track_caller]
fn check(set: &str, act: impl Fn(&mut Files) -> Result<(), Failure>, expect: &str) {
    let memory = Memory {
        files: [("large".to_owned(), vec![0; 600_000])].into(),
        ..Memory::default()
    };
    let limits = crate::tests::limits(set);
    let mut files = Files::new(WithWalks::new(memory), limits, true);
    let got = match act(&mut files) {
        Ok(()) => "done".to_owned(),
        Err(Failure::Refused(errno)) => format!("{errno:?}"),
        Err(Failure::Stopped(Stop::Limit { limit, used })) => format!("{} {used}", limit.name()),
        Err(Failure::Stopped(Stop::Cancelled)) => "cancelled".to_owned(),
    };
    assert_eq!(got, expect);
}

fn file(files: &mut Files, path: &str) -> Result<u64, Failure> {
    let how = OpenOptions {
        create: true,
        write: true,
        ..OpenOptions::default()
    };
    match files.open_at("", path, how)? {
        Opened::File(number) => Ok(number),
        Opened::Folder(_) => Err(Errno::IsDirectory.into()),
    }
}

#[test]
fn a_program_holds_and_writes_no_more_than_its_limits() {
    let hole = |files: &mut Files| {
        let a = file(files, "a")?;
        files.write(a, Some(1 << 40), b"x")
    };
    check("", hole, "max_host_bytes 1099511627777");
    let huge = |files: &mut Files| {
        let a = file(files, "a")?;
        files.set_size(a, u64::MAX)
    };
    check("", huge, &format!("max_host_bytes {}", u64::MAX));
    let beyond = |files: &mut Files| {
        let a = file(files, "a")?;
        files.write(a, Some(u64::MAX), b"x")
    };
    check("", beyond, "FileTooLarge");
    let over_and_over = |files: &mut Files| {
        let a = file(files, "a")?;
        (0..100).try_for_each(|_| files.write(a, Some(0), &[0; 100]))
    };
    check("max_host_bytes=5000", over_and_over, "max_host_bytes 5100");
    check("max_host_bytes=10000", over_and_over, "done");
    let open = |files: &mut Files| (0..20).try_for_each(|_| file(files, "a").map(|_| ()));
    check("max_open_files=10", open, "max_open_files 11");
    let open_and_close = |files: &mut Files| {
        (0..20).try_for_each(|_| {
            let a = file(files, "a")?;
            files.close(a)
        })
    };
    check("max_open_files=10", open_and_close, "done");
    let hold = |files: &mut Files| {
        let large = file(files, "large")?;
        files.read(large, 0, 1)?;
        files.rename(("", "large"), ("", "other"))?;
        let copy = file(files, "copy")?;
        files.write(copy, Some(0), &[0; 500_000])
    };
    let set = "wasm_max_memory_size=1MiB";
    check(set, hold, "wasm_max_memory_size 1100000");
    check("", hold, "done");
    let folders =
        |files: &mut Files| (0..20_000).try_for_each(|n| files.make_folder("", &format!("f{n}")));
    check("", folders, "FileTooLarge");
}
