//! The cache of compiled components: a file is loaded only when it is ours and for this component.

use super::*;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use tempfile::TempDir;

const ONE: &str = r#"(data (i32.const 2048) "one") --- (call $say (i32.const 2048) (i32.const 3))"#;
const TWO: &str = r#"(data (i32.const 2048) "two") --- (call $say (i32.const 2048) (i32.const 3))"#;

/// What a guest answers in a new sandbox over a cache folder.
fn answer(folder: &Path, guest: &str) -> String {
    let limits = limits("");
    let tool = Sandbox::new(Some(folder.to_owned()))
        .load("guest", &tool(guest), &limits)
        .unwrap();
    show(
        &runtime()
            .block_on(call(&tool, "{}", &limits, Files::default()))
            .outcome,
    )
}

/// What tells whether a file was written again.
fn identity(path: &Path) -> (u64, i64, i64, Vec<u8>) {
    let metadata = fs::metadata(path).unwrap();
    (
        metadata.ino(),
        metadata.mtime(),
        metadata.mtime_nsec(),
        fs::read(path).unwrap(),
    )
}

fn cached() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let cache = folder.path().join("deep/cache");
    assert_eq!(answer(&cache, ONE), "ok one");
    let entry = only_entry(&cache);
    (folder, entry)
}

#[test]
fn what_was_compiled_once_is_loaded() {
    let (_folder, entry) = cached();
    let cache = entry.parent().unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o777;
    let key = cache.join("key");
    assert_eq!(
        (mode(cache), mode(&entry), mode(&key)),
        (0o700, 0o600, 0o600)
    );
    assert_eq!(fs::metadata(&key).unwrap().len(), 32);
    assert_eq!(
        fs::read_dir(cache).unwrap().count(),
        2,
        "nothing temporary is left"
    );
    let before = identity(&entry);
    assert_eq!(answer(cache, ONE), "ok one");
    assert!(identity(&entry) == before, "it was compiled again");
    // Another stack is another engine, whose code differs.
    let other = limits("wasm_max_wasm_stack=64KiB");
    Sandbox::new(Some(cache.to_owned()))
        .load("guest", &tool(TWO), &other)
        .unwrap();
    assert!(identity(&entry) == before);
}

/// Does something to a cached file; then the component must be compiled again and do its own work.
fn check(what: &str, damage: impl FnOnce(&Path)) {
    let (_folder, entry) = cached();
    let whole = fs::metadata(&entry).unwrap().len();
    damage(&entry);
    let damaged = identity(&entry);
    let cache = entry.parent().unwrap();
    assert_eq!(answer(cache, ONE), "ok one", "{what}");
    let metadata = fs::symlink_metadata(&entry).unwrap();
    assert!(metadata.is_file() && metadata.len() == whole, "{what}");
    let after = identity(&entry);
    assert!(after != damaged, "{what}: it was not compiled");
    assert_eq!(answer(cache, ONE), "ok one", "{what}");
    assert!(
        identity(&entry) == after,
        "{what}: the new file is not used"
    );
}

#[test]
fn a_file_that_is_not_ours_is_not_loaded() {
    let flip = |at: fn(usize) -> usize| {
        move |entry: &Path| {
            let mut bytes = fs::read(entry).unwrap();
            let at = at(bytes.len());
            bytes[at] ^= 1;
            fs::write(entry, bytes).unwrap();
        }
    };
    check("one bit of the code", flip(|len| len / 2));
    check("one bit at the end", flip(|len| len - 1));
    check("one bit of the proof", flip(|_| 31));
    check("truncated", |entry| {
        let bytes = fs::read(entry).unwrap();
        fs::write(entry, &bytes[..bytes.len() / 2]).unwrap();
    });
    check("shorter than its proof", |entry| {
        fs::write(entry, "short").unwrap()
    });
    check("empty", |entry| fs::write(entry, "").unwrap());
    check("another component's", |entry| {
        let cache = entry.parent().unwrap();
        let aside = cache.join("aside");
        fs::rename(entry, &aside).unwrap();
        assert_eq!(answer(cache, TWO), "ok two");
        fs::rename(only_entry(cache), entry).unwrap();
    });
    check("a link to a good file", |entry| {
        let aside = entry.with_file_name("aside");
        fs::rename(entry, &aside).unwrap();
        symlink(&aside, entry).unwrap();
    });
    check("from before a new key", |entry| {
        fs::remove_file(entry.with_file_name("key")).unwrap();
    });
}

#[test]
fn a_fifo_in_the_cache_holds_nobody_up() {
    let (_folder, entry) = cached();
    fs::remove_file(&entry).unwrap();
    let made = std::process::Command::new("mkfifo")
        .arg(&entry)
        .status()
        .unwrap();
    assert!(made.success());
    assert_eq!(answer(entry.parent().unwrap(), ONE), "ok one");
}

/// Makes a folder that must not be trusted; then nothing in it is used or written.
fn check_untrusted(what: &str, spoil: impl FnOnce(&Path)) {
    let (_folder, entry) = cached();
    let cache = entry.parent().unwrap();
    fs::remove_file(&entry).unwrap();
    spoil(cache);
    let key = fs::read(cache.join("key")).ok();
    assert_eq!(answer(cache, ONE), "ok one", "{what}");
    assert!(!entry.exists(), "{what}: it was used");
    assert_eq!(fs::read(cache.join("key")).ok(), key, "{what}");
}

#[test]
fn a_folder_that_others_reach_is_not_used() {
    let mode = |mode: u32| {
        move |cache: &Path| fs::set_permissions(cache, fs::Permissions::from_mode(mode)).unwrap()
    };
    check_untrusted("readable by others", mode(0o755));
    check_untrusted("writable by the group", mode(0o720));
    check_untrusted("key too short", |cache| {
        fs::write(cache.join("key"), "short").unwrap()
    });
    check_untrusted("key too long", |cache| {
        fs::write(cache.join("key"), [7; 33]).unwrap()
    });
    check_untrusted("key empty", |cache| {
        fs::write(cache.join("key"), "").unwrap()
    });
    check_untrusted("key a link", |cache| {
        let key = cache.join("key");
        let aside = cache.join("aside");
        fs::rename(&key, &aside).unwrap();
        symlink(&aside, &key).unwrap();
    });
    check_untrusted("a link to the folder", |cache| {
        let real = cache.with_file_name("real");
        fs::rename(cache, &real).unwrap();
        symlink(&real, cache).unwrap();
    });
    // Only root can give folders away.
    if rustix::process::geteuid().is_root() {
        check_untrusted("of another user", |cache| {
            std::os::unix::fs::chown(cache, Some(65_534), None).unwrap();
        });
    }
}
