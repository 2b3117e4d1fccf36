//! Which folders of the machine a workspace also has, and where tools begin. Decided on text alone:
//! whoever opens a host folder resolves `~` and links, and asks where that leads.

use crate::path::{WorkspacePath, folded};
use std::fmt;
use std::path::PathBuf;

/// What may be done in a mounted folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Nothing is changed.
    ReadOnly,
    /// Changes are proposed, as in the workspace.
    ReadWrite,
}

/// One entry of `map_dirs`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// The folder on the machine, as configured: absolute, or beginning with `~/`.
    pub host: PathBuf,
    /// Where the workspace has it.
    pub at: WorkspacePath,
    /// What may be done in it.
    pub access: Access,
}

/// Where tools begin, and what they also see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mounts {
    /// The folder that tools take for their own.
    pub work_dir: WorkspacePath,
    /// None lies inside of another.
    pub dirs: Vec<Mount>,
}

impl Mounts {
    /// The workspace alone.
    pub fn none() -> Mounts {
        Mounts {
            work_dir: WorkspacePath::root(),
            dirs: Vec::new(),
        }
    }
}

impl Mount {
    /// Reads `HOST:GUEST`, `HOST:GUEST:ro` or `HOST:GUEST:rw`; an error continues "`entry` …".
    ///
    /// # Errors
    /// A host folder that is not absolute or is too much, and a place in the workspace that tools
    /// must not have.
    pub fn parse(text: &str) -> Result<Mount, String> {
        Mount::parse_on(text, cfg!(windows))
    }

    fn parse_on(text: &str, windows: bool) -> Result<Mount, String> {
        let (rest, access) = match text.rsplit_once(':') {
            Some((rest, "ro")) => (rest, Access::ReadOnly),
            Some((rest, "rw")) => (rest, Access::ReadWrite),
            _ => (text, Access::ReadOnly),
        };
        // From the right: a drive has a colon too.
        let Some((host, at)) = rest.rsplit_once(':') else {
            return Err(EXPECTED.to_owned());
        };
        check_host(host, windows)?;
        let at = at.strip_prefix('/').unwrap_or(at);
        let at = WorkspacePath::parse(at).map_err(|error| format!("cannot be: {error}"))?;
        if at.is_root() {
            return Err("covers the workspace; name a folder in it after the `:`".to_owned());
        }
        if let Some(reason) = at.protected().or(at.secret()) {
            return Err(format!("cannot be at `{at}`: {reason}"));
        }
        Ok(Mount {
            host: PathBuf::from(host),
            at,
            access,
        })
    }

    /// Reads all entries of a list.
    ///
    /// # Errors
    /// As [`Mount::parse`], and for mounts inside of one another.
    pub fn parse_all<T: AsRef<str>>(entries: &[T]) -> Result<Vec<Mount>, String> {
        let mut mounts: Vec<Mount> = Vec::new();
        for entry in entries {
            let entry = entry.as_ref();
            let mount = Mount::parse(entry).map_err(|reason| format!("`{entry}` {reason}"))?;
            if let Some(other) = mounts.iter().find(|other| overlap(&other.at, &mount.at)) {
                return Err(format!(
                    "`{entry}` and `{other}` lie inside of one another; give each its own place"
                ));
            }
            mounts.push(mount);
        }
        Ok(mounts)
    }
}

const EXPECTED: &str = "is no mount; expected `HOST:GUEST`, `HOST:GUEST:ro` or `HOST:GUEST:rw`";

impl fmt::Display for Mount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let access = match self.access {
            Access::ReadOnly => "ro",
            Access::ReadWrite => "rw",
        };
        write!(f, "{}:{}:{access}", self.host.display(), self.at)
    }
}

/// As any file system may see it.
fn overlap(one: &WorkspacePath, other: &WorkspacePath) -> bool {
    let (one, other) = (
        format!("{}/", folded(one.as_str())),
        format!("{}/", folded(other.as_str())),
    );
    one.starts_with(&other) || other.starts_with(&one)
}

/// Reads `work_dir`; an error continues "`text` …".
pub(crate) fn parse_work_dir(text: &str) -> Result<WorkspacePath, String> {
    let path = WorkspacePath::parse(text).map_err(|error| format!("cannot be: {error}"))?;
    match path.protected().or(path.secret()) {
        Some(reason) => Err(format!("cannot be where tools begin: {reason}")),
        None => Ok(path),
    }
}

/// Folders whose sub-folders are homes of people.
const HOMES: &[&str] = &["home", "users", "export/home", "usr/home", "var/home"];
/// Homes with a place of their own.
const HOME: &[&str] = &["root", "var/root"];
/// What is no files but the machine itself.
const MACHINE: &[&str] = &["proc", "sys", "dev"];

fn check_host(host: &str, windows: bool) -> Result<(), String> {
    let (below, is_home) = match host.strip_prefix("~/") {
        Some(below) => (below.to_owned(), true),
        None => match below_root(host, windows) {
            Some(below) => (below, false),
            None => {
                return Err(
                    "has a host folder that is not absolute; begin it with `/` or `~/`".to_owned(),
                );
            }
        },
    };
    // Nobody tells a folder with a colon from a misspelled access.
    if below.contains(':') {
        return Err(EXPECTED.to_owned());
    }
    let path = WorkspacePath::parse(below.trim_start_matches('/'))
        .map_err(|error| format!("has a host folder that cannot be: {error}"))?;
    if let Some(reason) = path.secret() {
        return Err(format!(
            "has a host folder that tools must not see: {reason}"
        ));
    }
    if path.is_root() && is_home {
        return Err("mounts a whole home folder; name a folder in it".to_owned());
    }
    if path.is_root() {
        return Err("mounts the whole machine; name a folder in it".to_owned());
    }
    if is_home {
        return Ok(());
    }
    let lower = folded(path.as_str());
    let parent = lower.rsplit_once('/').map_or("", |(parent, _)| parent);
    if HOMES.contains(&parent) || HOME.contains(&lower.as_str()) {
        return Err("mounts a whole home folder; name a folder in it".to_owned());
    }
    // `/export` as well, which has homes further down.
    if HOMES
        .iter()
        .any(|homes| format!("{homes}/").starts_with(&format!("{lower}/")))
    {
        return Err("mounts the home folders of all; name a folder in one".to_owned());
    }
    if MACHINE.contains(&lower.split('/').next().unwrap_or_default()) {
        return Err("mounts devices or processes; only folders of files can be".to_owned());
    }
    Ok(())
}

/// What follows the root of an absolute path, with `/` between components.
fn below_root(host: &str, windows: bool) -> Option<String> {
    if !windows {
        return host.strip_prefix('/').map(str::to_owned);
    }
    let mut chars = host.chars();
    let drive = chars.next().is_some_and(|c| c.is_ascii_alphabetic()) && chars.next() == Some(':');
    let below = chars.as_str();
    (drive && below.starts_with(['/', '\\'])).then(|| below.replace('\\', "/"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check_on(windows: bool, text: &str, expect: Result<(&str, &str, Access), &str>) {
        match (Mount::parse_on(text, windows), expect) {
            (Ok(mount), Ok((host, at, access))) => {
                assert_eq!(mount.host, PathBuf::from(host), "{text}");
                assert_eq!((mount.at.as_str(), mount.access), (at, access), "{text}");
            }
            (Err(message), Err(part)) => assert!(message.contains(part), "{text}: {message}"),
            (got, expect) => panic!("{text}: {got:?}, expected {expect:?}"),
        }
    }

    fn check(text: &str, expect: Result<(&str, &str, Access), &str>) {
        check_on(false, text, expect);
    }

    #[test]
    fn entries_have_host_guest_and_access() {
        check("/data/x:data", Ok(("/data/x", "data", Access::ReadOnly)));
        check(
            "/data/x:/data:ro",
            Ok(("/data/x", "data", Access::ReadOnly)),
        );
        check("~/x:a/b:rw", Ok(("~/x", "a/b", Access::ReadWrite)));
        check("/home/jo/x:x", Ok(("/home/jo/x", "x", Access::ReadOnly)));
        let windows = |text, expect| check_on(true, text, expect);
        windows("C:\\x:data:ro", Ok(("C:\\x", "data", Access::ReadOnly)));
        windows("c:/x/y:data:rw", Ok(("c:/x/y", "data", Access::ReadWrite)));
        windows("~/x:data", Ok(("~/x", "data", Access::ReadOnly)));
    }

    #[test]
    fn what_is_too_much_is_refused() {
        check("", Err("is no mount"));
        check("/data", Err("is no mount"));
        check("/data:ro", Err("is no mount"));
        check("/data:x:rx", Err("is no mount"));
        check("data:x", Err("not absolute"));
        check("~:x", Err("not absolute"));
        check("~jo/y:x", Err("not absolute"));
        check("C:\\x:data", Err("not absolute"));
        check("/:x", Err("the whole machine"));
        check("//./:x", Err("the whole machine"));
        check("~/:x", Err("a whole home"));
        check("~/.:x", Err("a whole home"));
        check("/home/jo:x", Err("a whole home"));
        check("/Users/jo/:x", Err("a whole home"));
        check("/root:x", Err("a whole home"));
        check("/home:x", Err("of all"));
        check("/export:x", Err("of all"));
        check("/proc/self:x", Err("devices or processes"));
        check("/a/../b:x", Err("`..`"));
        check("~/../jo:x", Err("`..`"));
        check("~/.ssh:x", Err("must not see"));
        check("/srv/x/.git:x", Err("belongs to git"));
        let windows = |text, expect| check_on(true, text, expect);
        windows("C:\\:x", Err("the whole machine"));
        windows("C:\\Users\\jo:x", Err("a whole home"));
        windows("C:x:y", Err("not absolute"));
        windows("C:\\a\\..\\b:y", Err("`..`"));
        windows("\\\\server\\share:y", Err("not absolute"));
        windows("/data:x", Err("not absolute"));
    }

    #[test]
    fn places_that_tools_must_not_have_are_refused() {
        check("/data:", Err("covers the workspace"));
        check("/data:/", Err("covers the workspace"));
        check("/data:.", Err("covers the workspace"));
        check("/data:../x", Err("`..`"));
        check("/data://x", Err("relative to the workspace"));
        check("/data:.boxagnts/x", Err("configures BoxAgnts"));
        check("/data:.git/hooks", Err("belongs to git"));
        check("/data:a/.ssh", Err("directory of keys"));
        check("C:\\x", Err("not absolute"));
    }

    #[test]
    fn mounts_do_not_overlap() {
        let check = |entries: &[&str], fits: bool| {
            assert_eq!(Mount::parse_all(entries).is_ok(), fits, "{entries:?}");
        };
        check(&[], true);
        check(&["/a:x", "/b:y", "/a:xy"], true);
        check(&["/a:x", "/b:x"], false);
        check(&["/a:x", "/b:x/y"], false);
        check(&["/a:x/y", "/b:x"], false);
        check(&["/a:X", "/b:x/y"], false);
    }

    #[test]
    fn tools_begin_in_the_workspace() {
        assert_eq!(parse_work_dir(".").unwrap(), WorkspacePath::root());
        assert_eq!(parse_work_dir("./a//b").unwrap().as_str(), "a/b");
        for text in ["/a", "../a", ".git", ".boxagnts", "a/.aws"] {
            assert!(parse_work_dir(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_mounted_is_shown_as_it_is_written(text in "[~/a.:C\\\\]{0,12}(:r[ow])?|\\PC{0,16}", windows: bool) {
            if let Ok(mount) = Mount::parse_on(&text, windows) {
                prop_assert_eq!(Mount::parse_on(&mount.to_string(), windows), Ok(mount.clone()));
                prop_assert!(!mount.at.is_root());
                prop_assert!(mount.host.components().all(|c| c != std::path::Component::ParentDir));
            }
        }
    }
}
