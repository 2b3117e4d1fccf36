//! `grep`: searching file contents with ripgrep's own crates.

use boxagnts_tool_sdk::{Error, Output, failed, fs, plural};
use globset::{GlobBuilder, GlobMatcher};
use grep_matcher::LineTerminator;
use grep_regex::{RegexMatcher, RegexMatcherBuilder};
use grep_searcher::{
    BinaryDetection, Searcher, SearcherBuilder, Sink, SinkContext, SinkContextKind, SinkMatch,
};
use schemars::JsonSchema;
use serde::Deserialize;
use std::fmt::Write;

const DEFAULT_LINES: usize = 200;
const DEFAULT_FILES: usize = 1000;
const MAX_LINE: usize = 500;
const MAX_CONTEXT: usize = 50;
/// Larger files are passed over and counted: they are data, and have to fit into memory.
const MAX_FILE: u64 = 64 << 20;
const BATCH: u32 = 2000;

/// Input of `grep`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// Regular expression (Rust syntax; `(?i)` ignores case).
    pattern: String,
    /// File or directory to search.
    path: Option<String>,
    /// Only files like this, as `*.rs`.
    glob: Option<String>,
    /// Lines to show around a match.
    context: Option<usize>,
    /// `content` (default) shows lines, `files` the paths, `count` matching lines by file.
    output: Option<Mode>,
    /// Most lines (default 200) or files (default 1000) to show.
    limit: Option<usize>,
}

/// What to show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
enum Mode {
    Content,
    Files,
    Count,
}

fn run(input: Input) -> Result<Output, Error> {
    let mode = input.output.unwrap_or(Mode::Content);
    let limit = input.limit.unwrap_or(if mode == Mode::Content {
        DEFAULT_LINES
    } else {
        DEFAULT_FILES
    });
    if limit == 0 {
        return Err(Error::InvalidInput("`limit` is at least 1".to_owned()));
    }
    let matcher = matcher(&input.pattern)?;
    let glob = input.glob.as_deref().map(glob).transpose()?;
    let context = input.context.unwrap_or(0).min(MAX_CONTEXT);
    let mut searcher = SearcherBuilder::new()
        .line_terminator(LineTerminator::crlf())
        .binary_detection(BinaryDetection::quit(0))
        .line_number(mode == Mode::Content)
        .before_context(if mode == Mode::Content { context } else { 0 })
        .after_context(if mode == Mode::Content { context } else { 0 })
        .build();

    let mut found = Found {
        text: String::new(),
        mode,
        limit,
        shown: 0,
        matches: 0,
    };
    let (mut files, mut cut, mut skipped) = (0usize, false, 0usize);
    let mut walk = fs::walk(input.path.as_deref().unwrap_or("."))?;
    'walk: loop {
        let paths = walk.next(BATCH)?;
        if paths.is_empty() {
            break;
        }
        for path in paths {
            if glob.as_ref().is_some_and(|glob| !glob.is_match(&path)) {
                continue;
            }
            // A file that went away, or cannot be read, is no reason to lose the rest.
            let Ok(content) = fs::read(&path, MAX_FILE) else {
                skipped += 1;
                continue;
            };
            if found.full() {
                // Whether there is more decides what we say.
                if has_match(&mut searcher, &matcher, &content) {
                    cut = true;
                    break 'walk;
                }
                continue;
            }
            let before = found.text.len();
            found.matches = 0;
            let mut sink = FileSink {
                found: &mut found,
                path: &path,
                began: false,
                more: false,
                binary: false,
            };
            let searched = searcher.search_slice(&matcher, &content, &mut sink);
            let binary = sink.binary;
            cut |= sink.more;
            let matches = found.matches;
            match searched {
                // Binary: what was found before the first zero byte says nothing.
                Ok(()) if binary => found.text.truncate(before),
                Err(error) => return failed(format!("cannot search `{path}`: {error}")),
                Ok(()) if matches > 0 => {
                    files += 1;
                    found.file(&path, matches);
                }
                Ok(()) => {}
            }
            if cut {
                break 'walk;
            }
        }
    }
    let Found { mut text, .. } = found;
    if files == 0 {
        text.push_str("[no matches]");
    }
    if cut {
        let what = if mode == Mode::Content {
            "line"
        } else {
            "file"
        };
        let _ = write!(
            text,
            "[only the first {}; narrow pattern, path or glob, or raise limit]",
            plural(limit, what)
        );
    }
    if skipped > 0 {
        let _ = write!(
            text,
            "[{} too large or unreadable]",
            plural(skipped, "file")
        );
    }
    Ok(Output {
        text,
        truncated: cut,
    })
}

/// A regular expression that matches within lines, whatever their endings.
fn matcher(pattern: &str) -> Result<RegexMatcher, Error> {
    RegexMatcherBuilder::new().multi_line(true).crlf(true).build(pattern).map_err(|error| {
        Error::InvalidInput(format!(
            "`pattern` is no regular expression for lines: {error}; escape special characters with \\"
        ))
    })
}

fn glob(pattern: &str) -> Result<GlobMatcher, Error> {
    let anywhere = !pattern.contains('/');
    let full = if anywhere {
        format!("**/{pattern}")
    } else {
        pattern.to_owned()
    };
    let glob = GlobBuilder::new(full.trim_start_matches("./"))
        .literal_separator(true)
        .build();
    let glob =
        glob.map_err(|error| Error::InvalidInput(format!("`glob` {pattern:?}: {}", error.kind())))?;
    Ok(glob.compile_matcher())
}

fn has_match(searcher: &mut Searcher, matcher: &RegexMatcher, content: &[u8]) -> bool {
    struct First(bool);
    impl Sink for First {
        type Error = std::io::Error;
        fn matched(&mut self, _: &Searcher, _: &SinkMatch<'_>) -> Result<bool, Self::Error> {
            self.0 = true;
            Ok(false)
        }
    }
    let mut first = First(false);
    searcher.search_slice(matcher, content, &mut first).is_ok() && first.0
}

/// What was found so far.
struct Found {
    text: String,
    mode: Mode,
    limit: usize,
    /// Lines (content) or files shown.
    shown: usize,
    /// Matching lines of the file at hand.
    matches: usize,
}

impl Found {
    fn full(&self) -> bool {
        self.shown >= self.limit
    }

    /// A file with matches has been searched to its end.
    fn file(&mut self, path: &str, matches: usize) {
        let _ = match self.mode {
            Mode::Content => return,
            Mode::Files => writeln!(self.text, "{path}"),
            Mode::Count => writeln!(self.text, "{path}:{matches}"),
        };
        self.shown += 1;
    }

    fn line(&mut self, path: &str, number: Option<u64>, separator: char, line: &[u8]) {
        let line = String::from_utf8_lossy(line.strip_suffix(b"\n").unwrap_or(line));
        let line = line.strip_suffix('\r').unwrap_or(&line);
        let end = (0..=MAX_LINE.min(line.len()))
            .rev()
            .find(|&end| line.is_char_boundary(end));
        let kept = &line[..end.unwrap_or(0)];
        let more = if kept.len() < line.len() { "…" } else { "" };
        let number = number.unwrap_or(0);
        let _ = writeln!(
            self.text,
            "{path}{separator}{number}{separator}{kept}{more}"
        );
    }
}

struct FileSink<'a> {
    found: &'a mut Found,
    path: &'a str,
    /// Whether a line of this file was shown.
    began: bool,
    /// Whether a match was left out.
    more: bool,
    /// Whether a zero byte was met.
    binary: bool,
}

impl Sink for FileSink<'_> {
    type Error = std::io::Error;

    fn matched(&mut self, _: &Searcher, found: &SinkMatch<'_>) -> Result<bool, Self::Error> {
        if self.found.mode == Mode::Content && self.found.full() {
            self.more = true;
            return Ok(false);
        }
        self.found.matches += 1;
        match self.found.mode {
            Mode::Content => {
                self.began = true;
                self.found.shown += 1;
                self.found
                    .line(self.path, found.line_number(), ':', found.bytes());
                Ok(true)
            }
            // One is enough to know.
            Mode::Files => Ok(false),
            Mode::Count => Ok(true),
        }
    }

    fn context(&mut self, _: &Searcher, context: &SinkContext<'_>) -> Result<bool, Self::Error> {
        // What leads up to a match that is not shown is not shown either.
        if *context.kind() == SinkContextKind::Before && self.found.full() {
            return Ok(true);
        }
        self.found
            .line(self.path, context.line_number(), '-', context.bytes());
        Ok(true)
    }

    fn context_break(&mut self, _: &Searcher) -> Result<bool, Self::Error> {
        if self.began && !self.found.full() {
            self.found.text.push_str("--\n");
        }
        Ok(true)
    }

    fn binary_data(&mut self, _: &Searcher, _: u64) -> Result<bool, Self::Error> {
        self.binary = true;
        Ok(false)
    }
}

boxagnts_tool_sdk::tool! {
    name: "grep", level: Read, capabilities: [WorkspaceRead],
    description: "Search file contents line by line: `path:line:text`, context lines with `-`. Ignored and binary files are skipped.",
    input: Input, run: run,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(input: &str, expect: Result<&str, &str>) {
        fs::set_files([
            ("a.rs", &b"fn one() {}\r\nfn two() {}\r\n// end"[..]),
            ("bin", b"fn \0"),
            ("src/b.rs", b"x\nfn three() {}\ny\nz\nfn four() {}\n"),
            ("src/c.txt", b"no functions\n"),
        ]);
        match (call(input), expect) {
            (Ok(output), Ok(text)) => assert_eq!(output.text, text),
            (Err(Error::Failed(why) | Error::InvalidInput(why)), Err(part)) => {
                assert!(why.contains(part), "{why}")
            }
            (got, expect) => panic!("{got:?}, expected {expect:?}"),
        }
    }

    #[test]
    fn matches_are_shown_in_each_mode() {
        check(
            r#"{"pattern":"fn \\w+"}"#,
            Ok(
                "a.rs:1:fn one() {}\na.rs:2:fn two() {}\nsrc/b.rs:2:fn three() {}\nsrc/b.rs:5:fn four() {}\n",
            ),
        );
        check(
            r#"{"pattern":"fn","output":"files"}"#,
            Ok("a.rs\nsrc/b.rs\n"),
        );
        check(
            r#"{"pattern":"fn","output":"count","glob":"*.rs"}"#,
            Ok("a.rs:2\nsrc/b.rs:2\n"),
        );
        check(r#"{"pattern":"FN","path":"src"}"#, Ok("[no matches]"));
        check(
            r#"{"pattern":"(?i)FN t","path":"src/b.rs"}"#,
            Ok("src/b.rs:2:fn three() {}\n"),
        );
        check(r#"{"pattern":"\\bone\\b","output":"files"}"#, Ok("a.rs\n"));
        check(
            r#"{"pattern":"\\{\\}$","path":"a.rs","output":"count"}"#,
            Ok("a.rs:2\n"),
        );
    }

    #[test]
    fn context_is_shown_around_matches() {
        check(
            r#"{"pattern":"three|four","context":1}"#,
            Ok(
                "src/b.rs-1-x\nsrc/b.rs:2:fn three() {}\nsrc/b.rs-3-y\nsrc/b.rs-4-z\nsrc/b.rs:5:fn four() {}\n",
            ),
        );
    }

    #[test]
    fn what_is_left_out_is_said() {
        check(
            r#"{"pattern":"fn","limit":1}"#,
            Ok(
                "a.rs:1:fn one() {}\n[only the first 1 line; narrow pattern, path or glob, or raise limit]",
            ),
        );
        check(
            r#"{"pattern":"fn","limit":1,"output":"files"}"#,
            Ok("a.rs\n[only the first 1 file; narrow pattern, path or glob, or raise limit]"),
        );
        check(r#"{"pattern":"one","limit":1}"#, Ok("a.rs:1:fn one() {}\n"));
    }

    #[test]
    fn bad_input_is_explained() {
        check(r#"{"pattern":"("}"#, Err("unclosed group"));
        check(r#"{"pattern":"a\\nb"}"#, Err("`pattern`"));
        check(r#"{"pattern":"a","glob":"["}"#, Err("`glob`"));
        check(r#"{"pattern":"a","output":"all"}"#, Err("unknown variant"));
        check(r#"{"pattern":"a","limit":0}"#, Err("at least 1"));
        check(r#"{"pattern":"a","path":"nope"}"#, Err("does not exist"));
    }
}
