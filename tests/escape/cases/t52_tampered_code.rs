//! Compiled code is run as it is. A file of it is loaded only when its proof says that we wrote it,
//! for this very component.

use crate::guests;
use crate::harness::{Attack, Case, fifo};
use serde_json::json;
use std::fs;
use std::path::{Path, PathBuf};

pub(crate) const CASE: Case = Case {
    id: "T52",
    attack: "Compiled tools changed, swapped, cut, replaced by links or FIFOs in the cache",
    expect: &["compiled again"],
    run,
    ..Case::DEFAULT
};

fn run(attack: &mut Attack) {
    let cache = attack.aside().join("cache");
    let folder = cache.join("aot");
    let say = |word: &str| {
        guests::command(&format!(
            r#"(data (i32.const 2048) "{word}") ---
            (call $print (call $stdout) (i32.const 2048) (i32.const 3)) (i32.const 0)"#
        ))
    };
    let (one, two) = (say("one"), say("two"));
    let said = |attack: &mut Attack, guest: &[u8]| {
        let call = attack
            .guest(guest, json!({}))
            .env("BOXAGNTS_CACHE_DIR", &cache);
        attack.control(call).output().to_owned()
    };
    assert_eq!(said(attack, &one), "one");
    let first = only(&entries(&folder));
    let good = fs::read(&first).unwrap();
    assert_eq!(said(attack, &two), "two");
    let second = only(
        &entries(&folder)
            .into_iter()
            .filter(|path| *path != first)
            .collect::<Vec<_>>(),
    );

    type Damage<'a> = &'a dyn Fn(&Path);
    let flip = |at: usize| {
        let good = good.clone();
        move |path: &Path| {
            let mut bytes = good.clone();
            bytes[at] ^= 1;
            fs::write(path, bytes).unwrap();
        }
    };
    let (code, end, proof) = (flip(good.len() / 2), flip(good.len() - 1), flip(3));
    let link = |path: &Path| {
        fs::write(path.with_extension("aside"), &good).unwrap();
        fs::remove_file(path).unwrap();
        std::os::unix::fs::symlink(path.with_extension("aside"), path).unwrap();
    };
    let pipe = |path: &Path| {
        fs::remove_file(path).unwrap();
        fifo(path);
    };
    let damages: [(&str, Damage<'_>); 7] = [
        ("a bit of the code", &code),
        ("the last bit", &end),
        ("a bit of the proof", &proof),
        ("cut", &|path| {
            fs::write(path, &good[..good.len() / 2]).unwrap()
        }),
        ("another component's", &|path| {
            assert!(fs::copy(&second, path).is_ok())
        }),
        ("a link", &link),
        ("a FIFO", &pipe),
    ];
    for (what, damage) in damages {
        damage(&first);
        assert_eq!(said(attack, &one), "one", "{what}");
        assert!(fs::symlink_metadata(&first).unwrap().is_file(), "{what}");
        assert_eq!(fs::read(&first).unwrap().len(), good.len(), "{what}");
    }
    // What is whole is used as it is: or the above would show nothing.
    let written = fs::metadata(&first).unwrap().modified().unwrap();
    assert_eq!(said(attack, &one), "one");
    assert_eq!(fs::metadata(&first).unwrap().modified().unwrap(), written);
    attack.saw("compiled again");
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    entries
        .filter(|path| path.extension().is_some_and(|end| end == "aot"))
        .collect()
}

fn only(paths: &[PathBuf]) -> PathBuf {
    assert_eq!(paths.len(), 1, "{paths:?}");
    paths[0].clone()
}
