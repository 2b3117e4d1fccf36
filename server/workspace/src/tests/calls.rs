//! Tool calls: what they see, and what of it stays.

use super::*;

#[test]
fn a_dropped_call_leaves_nothing() {
    let f = Fixture::new("//- a.txt\na\n");
    let mut call = f.call();
    call.write("a.txt", b"b\n".to_vec()).unwrap();
    call.remove("a.txt").unwrap();
    drop(call);
    assert_eq!(f.read("a.txt").unwrap(), "a\n");
    assert!(f.hunks().is_empty());
}

#[test]
fn dirty_documents_win_over_disk_and_clean_ones_do_not() {
    let f = Fixture::new("//- a.txt\ndisk\n");
    f.editor.show("a.txt", "document\n", false);
    assert_eq!(f.read("a.txt").unwrap(), "disk\n");
    f.editor.show("a.txt", "document\n", true);
    assert_eq!(f.read("a.txt").unwrap(), "document\n");
    f.editor.show("unsaved.txt", "new\n", true);
    assert_eq!(f.read("unsaved.txt").unwrap(), "new\n");
    assert_eq!(f.walk(), ["a.txt", "unsaved.txt"]);
}

#[test]
fn a_file_written_without_reading_again_keeps_what_was_typed_since_it_was_read() {
    let f = Fixture::new("//- a.txt\n1\n2\n3\n");
    let mut call = f.call();
    call.read("a.txt", 100).unwrap();
    call.commit().unwrap();
    put(f.folder.path(), "a.txt", b"typed\n1\n2\n3\n");
    f.write("a.txt", "1\n2\nTHREE\n");
    assert_eq!(f.read("a.txt").unwrap(), "typed\n1\n2\nTHREE\n");
    assert_eq!(f.hunks(), ["a.txt:3 h1 pending 3/>THREE/"]);
}

#[test]
fn a_tool_that_reads_for_itself_does_not_change_what_the_model_knew() {
    let f = Fixture::new("//- a.txt\n1\n2\n3\n");
    let mut call = f.call();
    call.read("a.txt", 100).unwrap();
    call.commit().unwrap();
    put(f.folder.path(), "a.txt", b"typed\n1\n2\n3\n");
    let mut call = f.call();
    call.read("a.txt", 100).unwrap();
    call.write("a.txt", b"1\n2\nTHREE\n".to_vec()).unwrap();
    call.commit().unwrap();
    assert_eq!(f.read("a.txt").unwrap(), "typed\n1\n2\nTHREE\n");
    // It is still what the model knew after the proposal is rejected.
    f.overlay.reject(&Selection::All).unwrap();
    f.write("a.txt", "ONE\n2\n3\n");
    assert_eq!(f.read("a.txt").unwrap(), "typed\nONE\n2\n3\n");
}

#[test]
fn a_call_changes_a_bounded_number_of_files() {
    let f = Fixture::new("//- a.txt\n1\n");
    let mut call = f.call();
    for n in 0..20_000 {
        call.write(&n.to_string(), Vec::new()).unwrap();
    }
    let refused = call.write("one more", Vec::new()).unwrap_err();
    assert_eq!(refused.code, FsErrorCode::TooLarge);
    assert_eq!(
        call.remove("a.txt").unwrap_err().code,
        FsErrorCode::TooLarge
    );
    call.write("7", b"again".to_vec()).unwrap();
}

#[test]
fn hidden_files_are_denied_by_name_whether_they_exist_or_not() {
    let f = Fixture::new(
        "//- .gitignore\ntarget/\n*.log\n//- .boxagntsignore\nprivate\n!keep.log\n//- target/x\nx\n\
         //- a.log\nx\n//- keep.log\nx\n//- .env\nKEY=1\n//- private/x\nx\n//- sub/.ignore\nlocal\n\
         //- sub/local\nx\n//- sub/seen\nx\n//- .git/config\nx\n",
    );
    let check = |path: &str, expect: Result<&str, FsErrorCode>| {
        assert_eq!(
            f.read(path).as_deref().map_err(|code| *code),
            expect,
            "{path}"
        );
    };
    check("target/x", Err(FsErrorCode::Denied));
    check("target/none", Err(FsErrorCode::Denied));
    check("a.log", Err(FsErrorCode::Denied));
    check("none.log", Err(FsErrorCode::Denied));
    check("keep.log", Ok("x\n"));
    check(".env", Err(FsErrorCode::Denied));
    check("private/x", Err(FsErrorCode::Denied));
    check("sub/local", Err(FsErrorCode::Denied));
    check("sub/seen", Ok("x\n"));
    check(".git/config", Err(FsErrorCode::Denied));
    assert_eq!(
        f.walk(),
        [
            ".boxagntsignore",
            ".gitignore",
            "keep.log",
            "sub/.ignore",
            "sub/seen"
        ]
    );
    let names: Vec<String> = f
        .call()
        .list(".")
        .unwrap()
        .into_iter()
        .map(|(entry, _)| entry.name)
        .collect();
    assert_eq!(names, [".boxagntsignore", ".gitignore", "keep.log", "sub"]);

    // A proposed ignore file changes nothing; a saved one does at once.
    f.write(".gitignore", "");
    check("a.log", Err(FsErrorCode::Denied));
    put(f.folder.path(), ".gitignore", b"sub\n");
    check("a.log", Ok("x\n"));
    check("sub/seen", Err(FsErrorCode::Denied));
}

#[test]
fn writes_are_held_to_the_same_policy() {
    let f = Fixture::new("//- .gitignore\n*.log\n//- file\nx\n//- dir/x\nx\n");
    let check = |path: &str, expect: FsErrorCode| {
        let mut call = f.call();
        assert_eq!(
            call.write(path, Vec::new()).unwrap_err().code,
            expect,
            "{path}"
        );
    };
    check("../x", FsErrorCode::Denied);
    check("/etc/x", FsErrorCode::Denied);
    check(".git/hooks/pre-commit", FsErrorCode::Denied);
    check(".env", FsErrorCode::Denied);
    check("a.log", FsErrorCode::Denied);
    check(".boxagnts/config.toml", FsErrorCode::Denied);
    check(".boxagntsignore", FsErrorCode::Denied);
    check("dir", FsErrorCode::IsDirectory);
    check("file/below", FsErrorCode::NotDirectory);
    check(".", FsErrorCode::IsDirectory);
    let mut call = f.call();
    assert_eq!(call.remove("none").unwrap_err().code, FsErrorCode::NotFound);
    assert_eq!(
        call.remove("dir").unwrap_err().code,
        FsErrorCode::IsDirectory
    );
    assert_eq!(
        call.rename("file", "dir/x").unwrap_err().code,
        FsErrorCode::Exists
    );
    assert_eq!(
        call.rename("file", "../x").unwrap_err().code,
        FsErrorCode::Denied
    );
}

#[cfg(unix)]
#[test]
fn links_are_not_followed() {
    use std::os::unix::fs::symlink;
    let outside = tempfile::tempdir().unwrap();
    put(outside.path(), "secret", b"secret\n");
    let f = Fixture::new("//- real/a\na\n");
    let at = |name: &str| f.folder.path().join(name);
    symlink(outside.path().join("secret"), at("absolute")).unwrap();
    symlink(outside.path(), at("folder")).unwrap();
    symlink("real/a", at("inside")).unwrap();
    symlink("inside", at("chained")).unwrap();
    symlink("/proc/self", at("magic")).unwrap();
    for path in [
        "absolute",
        "folder/secret",
        "inside",
        "chained",
        "magic/environ",
    ] {
        assert_eq!(f.read(path), Err(FsErrorCode::Denied), "{path}");
    }
    for path in ["absolute", "folder/new", "inside", "magic/x"] {
        let code = f.call().write(path, Vec::new()).unwrap_err().code;
        assert_eq!(code, FsErrorCode::Denied, "{path}");
    }
    assert_eq!(f.walk(), ["real/a"]);
}

#[cfg(unix)]
#[test]
fn a_fifo_is_an_error_at_once() {
    let f = Fixture::new("//- a\na\n");
    let fifo = f.folder.path().join("fifo");
    let made = std::process::Command::new("mkfifo")
        .arg(&fifo)
        .status()
        .unwrap();
    assert!(made.success());
    assert_eq!(f.read("fifo"), Err(FsErrorCode::NotRegular));
    assert_eq!(f.walk(), ["a"]);
}

#[cfg(unix)]
#[test]
fn a_folder_that_becomes_a_link_takes_no_write() {
    let outside = tempfile::tempdir().unwrap();
    let f = Fixture::new("//- sub/a\na\n");
    f.write("sub/new", "x\n");
    std::fs::rename(f.folder.path().join("sub"), f.folder.path().join("old")).unwrap();
    std::os::unix::fs::symlink(outside.path(), f.folder.path().join("sub")).unwrap();
    assert_eq!(f.accept(&Selection::All).len(), 1);
    assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 0);
}

#[test]
fn a_new_file_that_the_user_made_as_proposed_can_be_moved_and_removed() {
    let check = |change: fn(&mut Call), expect: &str| {
        let f = Fixture::new("//- a\n1\n");
        f.write("c", "new\n");
        f.editor.show("c", "new\n", true);
        assert_eq!(f.hunks(), ["c:0 h1 accepted >new/"]);
        let mut call = f.call();
        change(&mut call);
        call.commit().unwrap();
        let hunks = f.hunks();
        assert!(hunks.iter().any(|hunk| hunk == expect), "{hunks:?}");
    };
    check(|call| call.rename("c", "d").unwrap(), "d:0 h2 pending >");
    check(|call| call.remove("c").unwrap(), "c:0 h2 pending new/>");
}

#[test]
fn a_reading_that_was_no_text_is_the_base_of_what_is_written() {
    let f = Fixture::new("//- a.txt\n1\n");
    // An earlier reading saw text.
    let mut call = f.call();
    call.read("a.txt", u64::MAX).unwrap();
    call.commit().unwrap();
    put(f.folder.path(), "a.txt", b"\0");
    let mut call = f.call();
    call.read("a.txt", u64::MAX).unwrap();
    call.write("a.txt", b"one\n".to_vec()).unwrap();
    call.commit().unwrap();
    assert_eq!(f.accept(&Selection::All), Vec::<String>::new());
    assert_eq!(f.on_disk("a.txt").as_deref(), Some("one\n"));
}
