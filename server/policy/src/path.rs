//! Which paths exist for tools, decided on their text alone; links are the business of whoever
//! opens files.
//!
//! A [`WorkspacePath`] has passed [`WorkspacePath::parse`]: relative, `/`-separated, without `..`,
//! not `.git` in any disguise. Code that takes one need not ask again.

use serde::Serialize;
use std::fmt;
use std::sync::Arc;

/// Longest path, in bytes (`PATH_MAX` of Linux).
pub const MAX_PATH_BYTES: usize = 4096;
/// Longest component, in bytes (`NAME_MAX` of Linux).
pub const MAX_COMPONENT_BYTES: usize = 255;
/// Most components.
pub const MAX_DEPTH: usize = 256;

/// Why a path was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// It could name something that tools must not reach.
    #[error("`{path}` is denied: {reason}")]
    Denied {
        /// As given, cut when long.
        path: String,
        /// Why, and what would be right.
        reason: &'static str,
    },
    /// It can name nothing.
    #[error("`{path}` is not a usable path: {reason}")]
    Invalid {
        /// As given, cut when long.
        path: String,
        /// Why.
        reason: &'static str,
    },
}

/// A path inside the workspace, relative to its root, `/`-separated. Empty text is the root.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct WorkspacePath(Arc<str>);

impl WorkspacePath {
    /// The root of the workspace.
    pub fn root() -> WorkspacePath {
        WorkspacePath(Arc::from(""))
    }

    /// Reads what a model, a guest or an editor gave. `.` components and doubled slashes are
    /// dropped; nothing else is repaired.
    ///
    /// # Errors
    /// [`PathError::Denied`] for ways out of the workspace and for `.git`, [`PathError::Invalid`]
    /// for what no file system takes.
    pub fn parse(text: &str) -> Result<WorkspacePath, PathError> {
        let denied = |reason| {
            Err(PathError::Denied {
                path: excerpt(text),
                reason,
            })
        };
        let invalid = |reason| {
            Err(PathError::Invalid {
                path: excerpt(text),
                reason,
            })
        };
        if text.len() > MAX_PATH_BYTES {
            return invalid("it is longer than 4096 bytes");
        }
        if text.chars().any(char::is_control) {
            return invalid("it contains a control character");
        }
        if text.starts_with(['/', '~']) || has_drive(text) {
            return denied("paths are relative to the workspace root");
        }
        if text.contains('\\') {
            return denied("components are separated by `/`");
        }
        let mut parts = Vec::new();
        for part in text.split('/') {
            match part {
                "" | "." => continue,
                ".." => {
                    return denied("`..` is not allowed; paths are relative to the workspace root");
                }
                _ => {}
            }
            if part.len() > MAX_COMPONENT_BYTES {
                return invalid("a component is longer than 255 bytes");
            }
            if is_dot_git(part) {
                return denied("`.git` belongs to git alone");
            }
            if is_device(part) || names_stream(part) {
                return denied("it names a device or a stream on Windows");
            }
            parts.push(part);
        }
        if parts.len() > MAX_DEPTH {
            return invalid("it is more than 256 directories deep");
        }
        let whole = parts.join("/");
        // `./~` is `~`, whichever way it is written.
        if whole.starts_with('~') || has_drive(&whole) {
            return denied("paths are relative to the workspace root");
        }
        Ok(WorkspacePath(Arc::from(whole)))
    }

    /// The path below this directory.
    ///
    /// # Errors
    /// As [`WorkspacePath::parse`].
    pub fn join(&self, below: &str) -> Result<WorkspacePath, PathError> {
        if self.is_root() {
            return WorkspacePath::parse(below);
        }
        WorkspacePath::parse(&format!("{}/{below}", self.0))
    }

    /// The text; empty for the root.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is the workspace itself.
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// The directory that holds it; `None` for the root.
    pub fn parent(&self) -> Option<WorkspacePath> {
        if self.is_root() {
            return None;
        }
        Some(WorkspacePath(Arc::from(
            self.0.rsplit_once('/').map_or("", |(parent, _)| parent),
        )))
    }

    /// The last component; empty for the root.
    pub fn name(&self) -> &str {
        self.0.rsplit_once('/').map_or(&self.0, |(_, name)| name)
    }

    /// The components from the root down.
    pub fn components(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.0.split('/').filter(|part| !part.is_empty())
    }

    /// Whether it is `directory` or lies below it.
    pub fn is_within(&self, directory: &WorkspacePath) -> bool {
        directory.is_root()
            || self
                .0
                .strip_prefix(directory.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// Why tools must not see it, when it is a file that usually holds secrets.
    pub fn secret(&self) -> Option<&'static str> {
        let lower = folded(&self.0);
        if is_own(&lower) {
            return Some("BoxAgnts keeps approvals and keys there");
        }
        let mut parents = lower.split('/');
        let name = parents.next_back().unwrap_or("");
        if parents.any(|part| SECRET_DIRECTORIES.contains(&part))
            || SECRET_DIRECTORIES.contains(&name)
        {
            return Some("it lies in a directory of keys");
        }
        let named = SECRET_NAMES.contains(&name)
            || SECRET_PREFIXES
                .iter()
                .any(|prefix| name.starts_with(prefix))
            || SECRET_SUFFIXES.iter().any(|suffix| name.ends_with(suffix))
            || SECRET_PATHS.iter().any(|path| ends_with_path(&lower, path));
        named.then_some("files of this name usually hold secrets")
    }

    /// Why no tool may change it, when it is configuration of BoxAgnts itself.
    pub fn protected(&self) -> Option<&'static str> {
        let lower = folded(&self.0);
        let ours = lower
            .split('/')
            .any(|part| matches!(part, ".boxagnts" | ".boxagntsignore"));
        let ours = ours || is_own(&lower);
        ours.then_some("it configures BoxAgnts, which only its user does")
    }

    /// What makes a change of it dangerous: other programs run what it says, without being asked.
    /// Shown in review, and never accepted without a user.
    pub fn dangerous(&self) -> Option<&'static str> {
        let lower = folded(&self.0);
        let name = lower.rsplit('/').next().unwrap_or("");
        if DANGEROUS_NAMES.contains(&name) {
            return Some("programs run what this file says");
        }
        let mut parents: Vec<&str> = lower.split('/').collect();
        parents.pop();
        if parents
            .iter()
            .any(|part| DANGEROUS_DIRECTORIES.contains(part))
        {
            return Some("programs run what files in this directory say");
        }
        DANGEROUS_PATHS
            .iter()
            .any(|path| ends_with_path(&lower, path) || lower.contains(&format!("{path}/")))
            .then_some("programs run what this file says")
    }
}

impl fmt::Display for WorkspacePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_root() { "." } else { &self.0 })
    }
}

/// Folded, as all tables here: file systems may ignore case.
const SECRET_DIRECTORIES: &[&str] = &[".ssh", ".gnupg", ".aws", ".azure", ".gcloud", ".kube"];
const SECRET_NAMES: &[&str] = &[
    ".netrc",
    "_netrc",
    ".npmrc",
    ".pypirc",
    ".pgpass",
    ".my.cnf",
    ".htpasswd",
    ".git-credentials",
    ".dockercfg",
    ".vault-token",
    "credentials.json",
    "service-account.json",
];
const SECRET_PREFIXES: &[&str] = &[
    ".env",
    "id_rsa",
    "id_dsa",
    "id_ecdsa",
    "id_ed25519",
    "id_ecdsa_sk",
    "id_ed25519_sk",
];
const SECRET_SUFFIXES: &[&str] = &[
    ".pem",
    ".key",
    ".p12",
    ".pfx",
    ".p8",
    ".jks",
    ".keystore",
    ".kdbx",
    ".ppk",
    ".agekey",
    ".tfstate",
    ".tfvars",
];
const SECRET_PATHS: &[&str] = &[
    ".docker/config.json",
    ".cargo/credentials",
    ".cargo/credentials.toml",
    ".config/gh/hosts.yml",
];

const DANGEROUS_NAMES: &[&str] = &[
    ".bashrc",
    ".bash_profile",
    ".bash_login",
    ".bash_logout",
    ".profile",
    ".zshrc",
    ".zshenv",
    ".zprofile",
    ".zlogin",
    ".cshrc",
    ".tcshrc",
    ".login",
    ".inputrc",
    "config.fish",
    ".gdbinit",
    ".lldbinit",
    ".vimrc",
    ".exrc",
    ".nvimrc",
    ".nvim.lua",
    ".gvimrc",
    ".emacs",
    ".dir-locals.el",
    ".mcp.json",
    ".envrc",
    ".gitattributes",
    ".gitmodules",
    ".gitconfig",
    ".gitlab-ci.yml",
    ".pre-commit-config.yaml",
    "lefthook.yml",
    ".tool-versions",
    ".mise.toml",
    "mise.toml",
    ".yarnrc.yml",
    ".yarnrc",
    ".aider.conf.yml",
];
const DANGEROUS_DIRECTORIES: &[&str] = &[
    ".vscode",
    ".idea",
    ".zed",
    ".helix",
    ".devcontainer",
    ".claude",
    ".cursor",
    ".codex",
    ".gemini",
    ".windsurf",
    ".continue",
    ".husky",
    ".githooks",
    ".circleci",
    ".direnv",
];
const DANGEROUS_PATHS: &[&str] = &[
    ".github/workflows",
    ".github/actions",
    ".cargo/config",
    ".cargo/config.toml",
];

/// Whether a path leads to where BoxAgnts keeps its own things below a home folder.
fn is_own(lower: &str) -> bool {
    let padded = format!("/{lower}/");
    OWN_FOLDERS.iter().any(|own| padded.contains(own))
}

const OWN_FOLDERS: &[&str] = &[
    "/.config/boxagnts/",
    "/.local/state/boxagnts/",
    "/.local/share/boxagnts/",
    "/.cache/boxagnts/",
    "/library/application support/boxagnts/",
    "/library/caches/boxagnts/",
    "/appdata/roaming/boxagnts/",
    "/appdata/local/boxagnts/",
];

/// Whether the last components of `path` are those of `tail`.
fn ends_with_path(path: &str, tail: &str) -> bool {
    path.strip_suffix(tail)
        .is_some_and(|head| head.is_empty() || head.ends_with('/'))
}

fn excerpt(text: &str) -> String {
    if text.chars().count() <= 120 {
        return text.escape_debug().to_string();
    }
    format!(
        "{}…",
        text.chars().take(120).collect::<String>().escape_debug()
    )
}

fn has_drive(text: &str) -> bool {
    let mut chars = text.chars();
    chars.next().is_some_and(|c| c.is_ascii_alphabetic()) && chars.next() == Some(':')
}

/// `.git` as any file system that git supports may see it; after `is_hfs_dotgit` and
/// `is_ntfs_dotgit` of git's `path.c` and `utf8.c`, and somewhat stricter.
fn is_dot_git(part: &str) -> bool {
    let plain = folded(part);
    let stream = plain
        .find(':')
        .map_or(plain.as_str(), |colon| &plain[..colon]);
    let trimmed = stream.trim_end_matches(['.', ' ']);
    matches!(trimmed, ".git" | "git~1")
}

/// A path as file systems may see it that ignore case or form: what folds to the same may be the
/// same file there.
pub(crate) fn folded(path: &str) -> String {
    if path.is_ascii() {
        return path.to_ascii_lowercase();
    }
    let kept = path.chars().filter(|c| !is_ignorable(*c));
    let lower = kept
        .flat_map(char::to_lowercase)
        .filter(|c| !is_ignorable(*c));
    let mut plain = String::with_capacity(path.len());
    for c in lower {
        match c {
            // Fullwidth forms fold to ASCII under compatibility normalisation.
            '\u{ff01}'..='\u{ff5e}' => {
                let ascii = char::from_u32(c as u32 - 0xfee0).unwrap_or(c);
                plain.push(ascii.to_ascii_lowercase());
            }
            // Lower case is not full case folding: some file systems take `.ßh` for `.ssh`.
            'ß' => plain.push_str("ss"),
            'ſ' => plain.push('s'),
            'ﬀ' => plain.push_str("ff"),
            'ﬁ' => plain.push_str("fi"),
            'ﬂ' => plain.push_str("fl"),
            'ﬃ' => plain.push_str("ffi"),
            'ﬄ' => plain.push_str("ffl"),
            'ﬅ' | 'ﬆ' => plain.push_str("st"),
            _ => plain.push(c),
        }
    }
    plain
}

/// Characters that HFS+ drops from names, and combining marks that normalisation may fold.
fn is_ignorable(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{300}'..='\u{36f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// Device names that Windows finds in every directory. With an extension they are common names of
/// source files elsewhere (`aux.rs`).
fn is_device(part: &str) -> bool {
    let stem = match part.split_once('.') {
        Some((stem, _)) if cfg!(windows) => stem,
        _ => part,
    };
    let stem = stem.trim_end_matches(' ').to_ascii_lowercase();
    let numbered = |prefix: &str| {
        stem.strip_prefix(prefix).is_some_and(|n| {
            let mut chars = n.chars();
            matches!(
                (chars.next(), chars.next()),
                (Some('0'..='9' | '¹' | '²' | '³'), None)
            )
        })
    };
    matches!(
        stem.as_str(),
        "con" | "prn" | "aux" | "nul" | "conin$" | "conout$"
    ) || numbered("com")
        || numbered("lpt")
}

/// `name:stream` on Windows; elsewhere only what can mean nothing else.
fn names_stream(part: &str) -> bool {
    if cfg!(windows) {
        part.contains(':')
    } else {
        part.contains(":$")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(text: &str, expect: &str) {
        let got = match WorkspacePath::parse(text) {
            Ok(path) => format!("ok {}", path.as_str()),
            Err(PathError::Denied { .. }) => "denied".to_owned(),
            Err(PathError::Invalid { .. }) => "invalid".to_owned(),
        };
        assert_eq!(got, expect, "{text:?}");
    }

    #[test]
    fn plain_paths_are_normalised() {
        check("src/lib.rs", "ok src/lib.rs");
        check("./src//lib.rs/", "ok src/lib.rs");
        check(".", "ok ");
        check("", "ok ");
        check("a b/ü.txt", "ok a b/ü.txt");
        check("...", "ok ...");
        check("a/..b", "ok a/..b");
        check("Foo::Bar.3", "ok Foo::Bar.3");
        check("aux.rs", "ok aux.rs");
        check(".github/x", "ok .github/x");
        check(".gitignore", "ok .gitignore");
    }

    #[test]
    fn ways_out_are_denied() {
        check("../x", "denied");
        check("a/../../x", "denied");
        check("a/../b", "denied");
        check("/etc/passwd", "denied");
        check("//server/share", "denied");
        check("~/x", "denied");
        check("./~", "denied");
        check("./C:x", "denied");
        check("a/~", "ok a/~");
        check("C:\\x", "denied");
        check("C:x", "denied");
        check("..\\x", "denied");
        check("NUL", "denied");
        check("a/com1", "denied");
        check("f::$DATA", "denied");
    }

    #[test]
    fn git_is_denied_in_any_disguise() {
        for name in [
            ".git",
            ".GIT",
            ".Git/hooks/x",
            "sub/.git/config",
            ".git.",
            ".git ",
            "git~1",
            "GIT~1",
            ".g\u{200c}it",
            ".gi\u{307}t",
            ".g\u{130}t",
            ".git::$INDEX_ALLOCATION",
            ".git:x",
            "\u{ff0e}git",
        ] {
            check(name, "denied");
        }
    }

    #[test]
    fn nonsense_is_invalid() {
        check("a\0b", "invalid");
        check("a\nb", "invalid");
        check(&"x".repeat(256), "invalid");
        check(&"d/".repeat(257), "invalid");
        check(&"x/".repeat(3000), "invalid");
    }

    #[test]
    fn classes_of_files() {
        let class = |text: &str| {
            let path = WorkspacePath::parse(text).expect("a path");
            let classes = [
                path.secret().map(|_| "secret"),
                path.protected().map(|_| "protected"),
                path.dangerous().map(|_| "dangerous"),
            ];
            classes.into_iter().flatten().collect::<Vec<_>>().join(" ")
        };
        let check = |text: &str, expect: &str| assert_eq!(class(text), expect, "{text}");
        check("src/main.rs", "");
        check("environment.rs", "");
        check("keys.rs", "");
        check(".env", "secret");
        check("a/.ENV.local", "secret");
        check("deploy/server.PEM", "secret");
        check("home/.ssh/config", "secret");
        check("id_ed25519", "secret");
        check(".cargo/credentials.toml", "secret");
        check(".ßh/config", "secret");
        check(".ſſh/config", "secret");
        check("a/server.\u{212a}ey", "secret");
        check("\u{ff0e}env", "secret");
        check("credentialſ.json", "secret");
        check("x.keyﬆore", "secret");
        check("straße.rs", "");
        check("home/jo/.config/boxagnts/config.toml", "secret protected");
        check(".Cache/BoxAgnts/aot/key", "secret protected");
        check("src/boxagnts/config.toml", "");
        check(".boxagnts/config.toml", "protected");
        check(".boxagntſ/config.toml", "protected");
        check(".BoxAgntsIgnore", "protected");
        check(".vscode/tasks.json", "dangerous");
        check("a/.github/workflows/ci.yml", "dangerous");
        check("x.github/workflows", "");
        check(".bashrc", "dangerous");
        check(".cargo/config.toml", "dangerous");
    }

    proptest! {
        #[test]
        fn a_parsed_path_never_leaves_and_is_stable(text in "[a.~/\\\\: gitGIT]{0,24}|\\PC{0,24}") {
            if let Ok(path) = WorkspacePath::parse(&text) {
                prop_assert!(path.components().all(|part| part != ".." && part != "."));
                prop_assert!(!path.as_str().starts_with('/'));
                prop_assert!(!path.components().any(is_dot_git));
                prop_assert_eq!(WorkspacePath::parse(path.as_str()), Ok(path.clone()));
                if let Some(parent) = path.parent() {
                    prop_assert!(path.is_within(&parent));
                    prop_assert_eq!(parent.join(path.name()), Ok(path));
                }
            }
        }
    }
}
