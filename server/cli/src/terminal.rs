//! Standard output and error: a reader that goes away is no error, and text of files and models is
//! shown so that it cannot command the terminal.

use crate::exit::Failure;
use anstream::{AutoStream, ColorChoice};
use anstyle::{AnsiColor, Style};
use std::borrow::Cow;
use std::fmt::Display;
use std::io::{ErrorKind, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};

static STDOUT_CLOSED: AtomicBool = AtomicBool::new(false);

/// Writes results to standard output. When its reader is gone, what is left is dropped in silence.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => {
            STDOUT_CLOSED.store(true, Ordering::Relaxed);
            Ok(())
        }
        Err(error) => Err(Failure::failed(format!(
            "cannot write to standard output: {error}"
        ))),
    }
}

/// Whether nobody reads standard output any more.
pub(crate) fn stdout_closed() -> bool {
    STDOUT_CLOSED.load(Ordering::Relaxed)
}

/// Writes to standard error, for people; whether anyone reads it is no concern of ours.
pub(crate) fn say(text: &str) {
    let mut err = std::io::stderr().lock();
    let _ = err.write_all(text.as_bytes()).and_then(|()| err.flush());
}

/// An error for people.
pub(crate) fn complain(message: &str) {
    let theme = Theme::stderr();
    say(&format!(
        "{} {}\n",
        paint(theme.red, "error:"),
        visible(message)
    ));
}

/// A warning for people.
pub(crate) fn warn(message: &str) {
    let theme = Theme::stderr();
    say(&format!(
        "{} {}\n",
        paint(theme.yellow, "warning:"),
        visible(message)
    ));
}

/// Whether there is somebody who can be asked.
pub(crate) fn can_ask() -> bool {
    std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}

/// The styles of one stream; all plain where colours are not wanted.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Theme {
    pub(crate) bold: Style,
    pub(crate) dim: Style,
    pub(crate) red: Style,
    pub(crate) green: Style,
    pub(crate) yellow: Style,
    pub(crate) cyan: Style,
}

impl Theme {
    /// Without colours.
    pub(crate) fn plain() -> Theme {
        Theme::default()
    }

    /// With colours.
    pub(crate) fn coloured() -> Theme {
        Theme {
            bold: Style::new().bold(),
            dim: Style::new().dimmed(),
            red: AnsiColor::Red.on_default(),
            green: AnsiColor::Green.on_default(),
            yellow: AnsiColor::Yellow.on_default(),
            cyan: AnsiColor::Cyan.on_default(),
        }
    }

    /// As standard output and the environment (`NO_COLOR` and its kin) want it.
    pub(crate) fn stdout() -> Theme {
        Theme::of(AutoStream::choice(&std::io::stdout()))
    }

    /// As standard error and the environment want it.
    pub(crate) fn stderr() -> Theme {
        Theme::of(AutoStream::choice(&std::io::stderr()))
    }

    /// Whether it colours anything.
    pub(crate) fn is_coloured(&self) -> bool {
        self.red != Style::new()
    }

    fn of(choice: ColorChoice) -> Theme {
        if choice == ColorChoice::Never {
            Theme::plain()
        } else {
            Theme::coloured()
        }
    }
}

/// `text` in a style.
pub(crate) fn paint(style: Style, text: impl Display) -> String {
    format!("{style}{text}{style:#}")
}

/// Text of a file, a model or a tool as a terminal may show it: control characters could move the
/// cursor or hide lines, and marks of writing direction could make code look like other code.
pub(crate) fn visible(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_sly) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            c if !is_sly(c) => shown.push(c),
            '\u{7f}' => shown.push('\u{2421}'),
            // Unicode has a picture for each of the others.
            c if c.is_ascii_control() => {
                shown.push(char::from_u32(0x2400 + u32::from(c)).unwrap_or('\u{fffd}'));
            }
            c => shown.push_str(&format!("<U+{:04X}>", u32::from(c))),
        }
    }
    Cow::Owned(shown)
}

fn is_sly(c: char) -> bool {
    match c {
        '\n' | '\t' => false,
        '\u{61c}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{feff}' => true,
        '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => true,
        // Line breaks that few programs know, and characters that nobody sees.
        '\u{2028}' | '\u{2029}' | '\u{ad}' | '\u{180e}' | '\u{2060}'..='\u{2064}' => true,
        '\u{115f}' | '\u{1160}' | '\u{3164}' | '\u{ffa0}' | '\u{e0000}'..='\u{e007f}' => true,
        c => c.is_control(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expect: &str) {
        assert_eq!(visible(text), expect);
    }

    #[test]
    fn text_cannot_command_the_terminal() {
        check("plain\tänd\nsimple 👩‍🚀", "plain\tänd\nsimple 👩‍🚀");
        check("\x1b[2Jgone\r\x07", "␛[2Jgone␍␇");
        check("\u{9b}31m", "<U+009B>31m");
        check("admin\u{202e}nimda", "admin<U+202E>nimda");
        check("a\u{2028}b\u{3164}\u{e0041}", "a<U+2028>b<U+3164><U+E0041>");
    }

    #[test]
    fn a_plain_theme_adds_nothing() {
        assert_eq!(paint(Theme::plain().red, "x"), "x");
        assert_eq!(paint(Theme::coloured().red, "x"), "\x1b[31mx\x1b[0m");
    }
}
