//! Between our vocabulary and LSP's.

use boxagnts_protocol::proposal;
use std::path::{Path, PathBuf};
use tower_lsp::ls_types::{Position, Range, Uri};

/// Our range, in UTF-16, as an LSP range.
pub(crate) fn range(range: proposal::Range) -> Range {
    let position = |p: proposal::Position| Position {
        line: p.line,
        character: p.character,
    };
    Range {
        start: position(range.start),
        end: position(range.end),
    }
}

/// An LSP range in UTF-16 as ours.
pub(crate) fn proposal_range(range: Range) -> proposal::Range {
    let position = |p: Position| proposal::Position {
        line: p.line,
        character: p.character,
    };
    proposal::Range {
        start: position(range.start),
        end: position(range.end),
    }
}

/// The file that a URI names; `None` for other schemes.
pub(crate) fn file_path(uri: &str) -> Option<PathBuf> {
    url::Url::parse(uri)
        .ok()
        .filter(|url| url.scheme() == "file")?
        .to_file_path()
        .ok()
}

/// The URI of a file, as LSP's type.
pub(crate) fn uri(text: &str) -> Option<Uri> {
    text.parse().ok()
}

/// A path below `root`, `/`-separated; `None` when it is elsewhere.
pub(crate) fn relative(root: &Path, path: &Path) -> Option<String> {
    let below = path.strip_prefix(root).ok()?;
    let parts: Option<Vec<&str>> = below
        .components()
        .map(|part| part.as_os_str().to_str())
        .collect();
    parts
        .map(|parts| parts.join("/"))
        .filter(|path| !path.is_empty())
}

/// One spelling for the many that editors use for a URI (`%3A`, lower-case drive letters).
pub(crate) fn normalize(uri: &str) -> String {
    let path = file_path(uri);
    let same = path.and_then(|path| url::Url::from_file_path(path).ok());
    same.map_or_else(|| uri.to_owned(), |url| url.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(uri: &str, expect: Option<&str>) {
        let path = file_path(uri).and_then(|path| relative(Path::new("/w/x y"), &path));
        assert_eq!(path.as_deref(), expect, "{uri}");
    }

    #[test]
    #[cfg(unix)]
    fn uris_become_workspace_paths() {
        check("file:///w/x%20y/src/a.rs", Some("src/a.rs"));
        check("file:///w/x%20y/%C3%A4.rs", Some("ä.rs"));
        check("file:///w/x%20y", None);
        check("file:///w/z/a.rs", None);
        check("untitled:Untitled-1", None);
        check("nonsense", None);
        assert_eq!(normalize("file:///a%2Db"), normalize("file:///a-b"));
    }
}
