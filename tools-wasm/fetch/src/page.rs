//! A page as Markdown, or as plain text when it is too large for that.

use crate::tidy::{AMPERSAND, Form, Keep, Tidied, tidy};
use mdka::{ConversionMode, ConversionOptions};

/// Each costs some 500 instructions: more would not leave enough of what a call may use.
const MAX_COST: usize = 6_000_000;
/// Less than this is not what somebody fetched a page for.
const MIN_CONTENT: usize = 200;

/// The text of a page; empty when it has none.
pub(crate) fn markdown(html: &str) -> String {
    let content = tidy(html, Keep::Content, Form::Html);
    let tidied = match content.letters >= MIN_CONTENT && !content.open {
        true => content,
        // All of it was navigation, or what was taken for navigation did not end.
        false => {
            let all = tidy(html, Keep::All, Form::Html);
            match content.open || content.letters * 2 < all.letters {
                true => all,
                false => content,
            }
        }
    };
    let Tidied { title, body, .. } = match tidied.cost() > MAX_COST {
        true => tidy(html, Keep::All, Form::Text),
        false => Tidied {
            body: convert(&tidied.body),
            ..tidied
        },
    };
    let body = body.trim_matches('\n');
    match (title.is_empty(), body.trim().is_empty()) {
        (true, true) => String::new(),
        (true, false) => format!("{body}\n"),
        (false, true) => format!("Title: {title}\n"),
        (false, false) => format!("Title: {title}\n\n{body}\n"),
    }
}

fn convert(body: &str) -> String {
    let options = ConversionOptions::for_mode(ConversionMode::Balanced)
        .preserve_ids(false)
        .drop_interactive_shell(false);
    mdka::html_to_markdown_with(body, &options).replace(AMPERSAND, "&")
}
